"""Git on real repositories and a bare remote. These tools are not offered yet: see `git.contained` in tests/claims.py."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import tool_calls
from remit.domain.action import Effect
from remit.domain.values import ActionId, JsonValue
from remit.errors import ArgsInvalid, Conflict, OutsideRoots, RemitError, ToolFailed
from remit.ports import Call, Happened, Tool
from remit.testing import FakeClock, Scenario, check_tool
from remit.tools.changes.roots import Roots
from remit.tools.git.tools import git_tools


class Repo:
    """A repository with one commit, a bare remote beside it, and every tool."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.folder, self.bare = self.root / "repo", self.root / "remote.git"
        self.tools: dict[str, Tool] = {}
        self.reset()
        self.tools = {tool.spec.name: tool for tool in git_tools(Roots([self.root]), FakeClock())}

    def git(self, *args: str, folder: Path | None = None) -> str:
        """What somebody else does."""
        who = (
            "-c",
            "user.name=Ann",
            "-c",
            "user.email=ann@example.org",
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
        )
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(["git", *who, *args], cwd=folder or self.folder, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def reset(self) -> None:
        subprocess.run(["rm", "-rf", str(self.root)], check=True)
        self.folder.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", str(self.bare))
        self.git("init", "--quiet")
        self.git("config", "user.name", "Ann")
        self.git("config", "user.email", "ann@example.org")
        self.git("remote", "add", "origin", "../remote.git")
        (self.folder / "a.txt").write_text("one\n", encoding="utf-8")
        (self.folder / "gone.txt").write_text("here\n", encoding="utf-8")
        self.commit("first")
        self.git("push", "--quiet", "origin", "main")
        (self.folder / "a.txt").write_text("two\n", encoding="utf-8")
        (self.folder / "gone.txt").unlink()
        (self.folder / "new.txt").write_text("new\n", encoding="utf-8")

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)

    def look(self) -> object:
        """Where every ref is, here and there, by what it holds, and what differs."""
        refs = [
            (name, self.git("rev-parse", f"{name}^{{tree}}", folder=folder))
            for folder in (self.folder, self.bare)
            for name in self.git("for-each-ref", "--format=%(refname)", folder=folder).splitlines()
        ]
        files = {path.name: path.read_text(encoding="utf-8") for path in self.folder.iterdir() if path.is_file()}
        return refs, files, self.git("status", "--porcelain")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


def begun(tool: Tool, args: Mapping[str, JsonValue]) -> Call:
    return tool_calls.begun(tool, {"repo": "repo", **args})


def done(tool: Tool, args: Mapping[str, JsonValue]) -> tuple[Call, Any]:
    return tool_calls.done(tool, {"repo": "repo", **args})


def read(tool: Tool, **args: JsonValue) -> Any:
    return asyncio.run(tool.run(Call(action=ActionId("r/l"), args={"repo": "repo", **args})))


COMMIT: dict[str, JsonValue] = {"message": "second\n\nwith a body", "paths": ["a.txt", "gone.txt", "new.txt"]}


@pytest.mark.parametrize(("tool", "args", "branch"), [("git.commit", COMMIT, "main"), ("git.branch", {"name": "side/one"}, "side/one")])
def test_every_tool_that_moves_a_ref_keeps_its_promises(repo: Repo, tool: str, args: dict[str, JsonValue], branch: str) -> None:
    """Looking has no effect, undo brings back, a ref that somebody moved is spared, and every kill is settled."""

    def meddle() -> Callable[[], bool]:
        repo.git("update-ref", f"refs/heads/{branch}", repo.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "theirs"))
        return lambda: repo.git("log", "-1", "--format=%s", branch) == "theirs"

    scenario = Scenario(tools=repo.tools, tool=tool, args={"repo": "repo", **args}, reset=repo.reset, look=repo.look, meddle=meddle)
    assert check_tool(scenario) == []


@pytest.mark.parametrize("branch", ["main", "side"])
def test_pushing_keeps_its_promises(repo: Repo, branch: str) -> None:
    """A branch that is there moves on, a new one appears; undo moves it back; one that somebody moved there is spared."""

    def reset() -> None:
        repo.reset()
        repo.commit("second")
        repo.git("branch", "side")

    def meddle() -> Callable[[], bool]:
        tree = repo.git("rev-parse", f"{branch}^{{tree}}", folder=repo.bare)
        repo.git("update-ref", f"refs/heads/{branch}", repo.git("commit-tree", tree, "-m", "theirs", folder=repo.bare), folder=repo.bare)
        return lambda: repo.git("log", "-1", "--format=%s", branch, folder=repo.bare) == "theirs"

    scenario = Scenario(
        tools=repo.tools, tool="git.push", args={"repo": "repo", "branch": branch}, reset=reset, look=repo.look, meddle=meddle
    )
    assert check_tool(scenario) == []


def test_a_commit_is_what_was_shown_and_only_that(repo: Repo) -> None:
    """Only the named files, on the branch that is checked out, by the person; what else is changed or staged stays so."""
    (repo.folder / "other.txt").write_text("not this\n", encoding="utf-8")
    repo.git("add", "other.txt")
    call, result = done(repo.tools["git.commit"], COMMIT)
    assert repo.git("log", "-1", "--format=%an %ae %B") == "Ann ann@example.org second\n\nwith a body"
    assert repo.git("show", "--name-status", "--format=", "HEAD").split() == ["M", "a.txt", "D", "gone.txt", "A", "new.txt"]
    assert repo.git("status", "--porcelain") == "A  other.txt"
    assert result["commit"] == repo.git("rev-parse", "main")
    assert [args["path"] for _, args in repo.tools["git.commit"].amounts_to(call)] == [
        str(repo.folder / name) for name in ("a.txt", "gone.txt", "new.txt")
    ]
    shown = asyncio.run(repo.tools["git.branch"].preview(Call(action=ActionId("r/b"), args={"repo": "repo", "name": "x"}))).text
    assert result["commit"] in shown


def test_a_file_that_was_changed_since_it_was_shown_is_a_conflict(repo: Repo) -> None:
    """And so is a branch that was moved in the last moment: nothing is committed."""
    tool = repo.tools["git.commit"]
    call = begun(tool, COMMIT)
    (repo.folder / "a.txt").write_text("three\n", encoding="utf-8")
    with pytest.raises(Conflict):
        asyncio.run(tool.capture(Call(action=ActionId("r/b"), args=call.args, staged=call.staged)))
    repo.git("commit", "--quiet", "--allow-empty", "-m", "theirs")
    with pytest.raises(Conflict):
        asyncio.run(tool.run(call))
    assert repo.git("log", "-1", "--format=%s") == "theirs"


def test_a_push_never_takes_somebodys_commits_away(repo: Repo) -> None:
    """What does not follow on what is there is refused before; what was moved in the last moment is a conflict."""
    repo.commit("second")
    call = begun(repo.tools["git.push"], {"branch": "main"})
    tree = repo.git("rev-parse", "main^{tree}", folder=repo.bare)
    theirs = repo.git("commit-tree", tree, "-p", "main", "-m", "theirs", folder=repo.bare)
    repo.git("update-ref", "refs/heads/main", theirs, folder=repo.bare)
    with pytest.raises(Conflict):
        asyncio.run(repo.tools["git.push"].run(call))
    with pytest.raises(ToolFailed, match="somebody has pushed"):
        begun(repo.tools["git.push"], {"branch": "main"})
    assert repo.git("rev-parse", "main", folder=repo.bare) == theirs
    assert asyncio.run(repo.tools["git.push"].probe(call)).happened is Happened.UNKNOWN
    assert repo.tools["git.push"].effect(call.args) is Effect.IRREVERSIBLE


PROGRAMS = {
    "core.fsmonitor": "touch {ran}",
    "core.sshCommand": "touch {ran}",
    "core.hooksPath": "hooks",
    "filter.x.clean": "touch {ran}",
    "diff.external": "touch {ran}",
    "diff.x.textconv": "touch {ran}",
    "credential.helper": "!touch {ran}",
    "include.path": "evil",
    "core.worktree": "/",
    "remote.origin.uploadpack": "touch {ran}",
    "remote.origin.receivepack": "touch {ran}",
    "url.ext::sh -c touch.insteadOf": "../",
    "alias.status": "!touch {ran}",
    "gpg.program": "touch {ran}",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_repository_cannot_have_anything_run(repo: Repo, tmp_path: Path, name: str) -> None:
    """A setting of its own that could name a program is refused by every tool, with a way out, and nothing ran."""
    ran = tmp_path / "ran"
    repo.git("config", name, PROGRAMS[name].format(ran=ran))
    (repo.folder / ".gitattributes").write_text("* filter=x diff=x\n", encoding="utf-8")
    for tool, args in (("git.status", {}), ("git.diff", {}), ("git.commit", COMMIT), ("git.push", {"branch": "main"})):
        with pytest.raises(ToolFailed, match=r"configuration|repository|remote") as raised:
            begun(repo.tools[tool], args) if args else read(repo.tools[tool])
        assert raised.value.fix
    assert not ran.exists()


def test_hooks_are_not_run(repo: Repo, tmp_path: Path) -> None:
    """Neither on a commit nor on a push."""
    ran = tmp_path / "ran"
    for name in ("pre-commit", "commit-msg", "post-commit", "pre-push", "reference-transaction", "post-index-change"):
        hook = repo.folder / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
        hook.chmod(0o755)
    done(repo.tools["git.commit"], COMMIT)
    done(repo.tools["git.push"], {"branch": "main"})
    assert repo.git("rev-parse", "main", folder=repo.bare) == repo.git("rev-parse", "main")
    assert not ran.exists()


def test_a_repository_that_leads_out_is_refused(repo: Repo, tmp_path: Path) -> None:
    """A .git elsewhere, links in it, objects of another repository, a remote outside, addresses that run something."""
    outside = tmp_path / "outside"
    subprocess.run(["cp", "-r", str(repo.folder), str(outside)], check=True)
    inside = repo.root / "inside"
    inside.mkdir()
    (inside / ".git").write_text(f"gitdir: {outside}/.git\n", encoding="utf-8")
    with pytest.raises(OutsideRoots):
        read(repo.tools["git.status"], repo="inside")
    for url in (str(outside), f"file://{outside}", "ext::sh -c true", "../../outside"):
        repo.git("remote", "set-url", "origin", url)
        with pytest.raises((OutsideRoots, ToolFailed)):
            begun(repo.tools["git.push"], {"branch": "main"})
    (repo.folder / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (repo.folder / ".git" / "objects" / "info" / "alternates").write_text(f"{outside}/.git/objects\n", encoding="utf-8")
    with pytest.raises(ToolFailed, match="elsewhere"):
        read(repo.tools["git.log"])
    (repo.folder / ".git" / "objects" / "info" / "alternates").unlink()
    refs = repo.folder / ".git" / "refs" / "heads"
    refs.rename(tmp_path / "heads")
    refs.symlink_to(tmp_path / "heads")
    with pytest.raises(ToolFailed, match="link"):
        begun(repo.tools["git.branch"], {"name": "x"})


@pytest.mark.parametrize(
    ("tool", "args", "error"),
    [
        ("git.commit", {"message": "x", "paths": ["../../etc/passwd"]}, ArgsInvalid),
        ("git.commit", {"message": "x", "paths": ["nowhere.txt"]}, ToolFailed),
        ("git.commit", {"message": "x", "paths": [".git/config"]}, ArgsInvalid),
        ("git.branch", {"name": "--all"}, ArgsInvalid),
        ("git.branch", {"name": "a..b"}, ArgsInvalid),
        ("git.branch", {"name": "main"}, ToolFailed),
        ("git.branch", {"name": "x", "at": "nowhere"}, ArgsInvalid),
        ("git.branch", {"name": "x", "at": "--exec=x"}, ArgsInvalid),
        ("git.push", {"branch": "nowhere"}, ArgsInvalid),
        ("git.push", {"branch": "main", "remote": "--receive-pack=x"}, ArgsInvalid),
        ("git.push", {"branch": "main", "remote": "https://example.org/x"}, ArgsInvalid),
        ("git.push", {"branch": "main"}, ToolFailed),
        ("git.status", {"repo": ".."}, OutsideRoots),
        ("git.status", {"repo": "."}, ToolFailed),
    ],
)
def test_what_git_cannot_do_is_said(repo: Repo, tool: str, args: dict[str, JsonValue], error: type[RemitError]) -> None:
    """An error of the right kind with a way out, and nothing moved."""
    before = repo.look()
    with pytest.raises(error) as raised:
        read(repo.tools[tool], **args) if tool == "git.status" else begun(repo.tools[tool], args)
    assert raised.value.fix
    assert repo.look() == before


def test_looking_says_what_differs(repo: Repo) -> None:
    """Status with odd names, the diff of the working files, the log."""
    (repo.folder / "odd\nname ü").write_text("x", encoding="utf-8")
    status = read(repo.tools["git.status"])
    assert status["head"] == "main"
    assert {(one["path"], one["state"]) for one in status["changed"]} == {
        ("a.txt", ".M"), ("gone.txt", ".D"), ("new.txt", "untracked"), ("odd\nname ü", "untracked"),
    }  # fmt: skip
    assert "-one\n+two" in read(repo.tools["git.diff"])["diff"]
    assert [one["subject"] for one in read(repo.tools["git.log"])["commits"]] == ["first"]
