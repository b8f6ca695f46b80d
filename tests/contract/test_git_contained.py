"""Git believes its repositories; remit does not: whatever stands in one, nothing outside of what a call is about is read or changed."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from git_world import COMMIT, Repo, begun, done, read
from remit.errors import ArgsInvalid, OutsideRoots, RemitError, ToolFailed, Unavailable
from remit.tools.git.push import GitPush
from remit.tools.git.run import Git

PROGRAMS = {
    "core.fsmonitor": "{run}",
    "core.sshCommand": "{run}",
    "core.hooksPath": "hooks",
    "core.pager": "{run}",
    "core.alternateRefsCommand": "{run}",
    "filter.x.clean": "{run}; cat",
    "filter.x.process": "{run}",
    "diff.external": "{run}",
    "diff.x.textconv": "{run}",
    "credential.helper": "!{run}",
    "include.path": "evil",
    "core.worktree": "/",
    "remote.origin.uploadpack": "{run}",
    "remote.origin.receivepack": "{run}",
    "remote.origin.vcs": "ext",
    "url.ext::{run} .insteadOf": "../",
    "url.ext::{run} .pushInsteadOf": "../",
    "alias.status": "!{run}",
    "gpg.program": "{run}",
    "extensions.partialClone": "origin",
}
EVERYTHING: list[tuple[str, dict[str, Any]]] = [
    ("git.status", {}),
    ("git.diff", {}),
    ("git.log", {}),
    ("git.commit", COMMIT),
    ("git.branch", {"name": "side"}),
    ("git.worktree", {"path": "aside", "branch": "other"}),
    ("git.push", {"branch": "main"}),
]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


def everything(repo: Repo) -> list[str]:
    """Use every tool, whatever comes of it; the names of those that were refused."""
    refused = []
    for name, args in EVERYTHING:
        try:
            read(repo.tools[name], **args) if name in {"git.status", "git.diff", "git.log"} else done(repo.tools[name], args)
        except RemitError:
            refused.append(name)
    return refused


def planted(folder: Path, script: Path, *names: str) -> None:
    """Hooks that run a script."""
    folder.mkdir(exist_ok=True)
    for name in names:
        hook = folder / name
        hook.write_text(script.read_text(encoding="utf-8") + "exit 0\n", encoding="utf-8")
        hook.chmod(0o755)


def marking(repo: Repo) -> tuple[Path, list[Path]]:
    """A script that leaves marks wherever it can, and where those would be."""
    marks = [repo.base / "ran", repo.root / "ran", repo.folder / "ran", Path("/tmp/remit-test-ran")]
    script = repo.folder / "evil.sh"
    script.write_text("#!/bin/sh\n" + "".join(f"echo x > {mark}\n" for mark in marks), encoding="utf-8")
    script.chmod(0o755)
    (repo.folder / ".git" / "info" / "exclude").write_text("evil.sh\n.gitattributes\n", encoding="utf-8")
    return script, marks


@proves("git.contained")
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_repository_has_run_reaches_nothing(repo: Repo, name: str) -> None:
    """Every setting that can name a program, with every tool: no mark is left, neither outside nor among the working files."""
    script, marks = marking(repo)
    (repo.folder / ".git" / "evil").write_text(f"[core]\n\tfsmonitor = {script}\n", encoding="utf-8")
    (repo.folder / ".gitattributes").write_text("* diff=x\na.txt filter=x\n", encoding="utf-8")
    repo.git("config", name.format(run=script), PROGRAMS[name].format(run=script))
    everything(repo)
    assert [mark for mark in marks if mark.exists()] == []


@proves("git.contained")
def test_hooks_are_not_run(repo: Repo) -> None:
    """Neither on a commit nor on a push nor where a worktree is made."""
    script, marks = marking(repo)
    names = ("pre-commit", "commit-msg", "post-commit", "pre-push", "reference-transaction", "post-index-change", "post-checkout")
    planted(repo.folder / ".git" / "hooks", script, *names)
    assert everything(repo) == []
    assert repo.git("rev-parse", "main", folder=repo.bare) == repo.git("rev-parse", "main")
    assert [mark for mark in marks if mark.exists()] == []


@proves("git.contained")
def test_hooks_of_the_other_side_count_and_reach_nothing_else(repo: Repo) -> None:
    """They may refuse a push, as anywhere, and they see no more than the other repository."""
    script, marks = marking(repo)
    planted(repo.bare / "hooks", script, "post-receive", "post-update", "reference-transaction")
    repo.commit("second")
    done(repo.tools["git.push"], {"branch": "main"})
    assert [mark for mark in marks if mark.exists()] == []
    (repo.bare / "hooks" / "pre-receive").write_text("#!/bin/sh\necho not on a Friday\nexit 1\n", encoding="utf-8")
    (repo.bare / "hooks" / "pre-receive").chmod(0o755)
    repo.git("commit", "--quiet", "--allow-empty", "-m", "third")
    with pytest.raises(ToolFailed, match=r"refused there[\s\S]*not on a Friday"):
        done(repo.tools["git.push"], {"branch": "main"})
    assert repo.git("log", "-1", "--format=%s", "main", folder=repo.bare) == "second"


LINKED = ("refs/heads", "refs", "logs", "logs/refs", "objects", "objects/pack", "objects/info", "info", "hooks", "worktrees")


@proves("git.contained")
@pytest.mark.parametrize("name", LINKED)
def test_links_below_it_lead_nowhere(repo: Repo, name: str) -> None:
    """A part of `.git` that lies outside of the allowed folders stays as it is there, whatever is called."""
    outside = repo.base / "outside"
    here = repo.folder / ".git" / name
    here.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-r", str(here), str(outside)], check=True)
    subprocess.run(["rm", "-rf", str(here)], check=True)
    here.symlink_to(outside)
    before = sorted((path, path.read_bytes() if path.is_file() else b"") for path in outside.rglob("*"))
    everything(repo)
    assert sorted((path, path.read_bytes() if path.is_file() else b"") for path in outside.rglob("*")) == before


@proves("git.contained")
def test_single_files_that_are_links_lead_nowhere(repo: Repo) -> None:
    """HEAD, the index, packed refs, a branch, its log."""
    outside = repo.base / "outside"
    outside.mkdir()
    for name in ("index", "packed-refs", "refs/heads/main", "logs/HEAD", "logs/refs/heads/main", "config"):
        here = repo.folder / ".git" / name
        here.touch()
        there = outside / name.replace("/", "-")
        here.rename(there)
        here.symlink_to(there)
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    everything(repo)
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


@proves("git.contained")
def test_a_repository_that_is_elsewhere_is_refused(repo: Repo) -> None:
    """A .git that points out of the allowed folders, is a link, or takes objects from elsewhere; a remote outside; odd addresses."""
    outside = repo.base / "outside"
    subprocess.run(["cp", "-r", str(repo.folder), str(outside)], check=True)
    inside = repo.root / "inside"
    inside.mkdir()
    (inside / ".git").write_text(f"gitdir: {outside}/.git\n", encoding="utf-8")
    with pytest.raises(OutsideRoots):
        read(repo.tools["git.status"], repo="inside")
    (inside / ".git").unlink()
    (inside / ".git").symlink_to(outside / ".git")
    with pytest.raises(ToolFailed, match="neither"):
        read(repo.tools["git.status"], repo="inside")
    (inside / ".git").unlink()
    (inside / ".git").mkdir()
    (inside / ".git" / "commondir").write_text(f"{outside}/.git\n", encoding="utf-8")
    with pytest.raises(OutsideRoots):
        read(repo.tools["git.status"], repo="inside")
    (repo.folder / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (repo.folder / ".git" / "objects" / "info" / "alternates").write_text(f"{outside}/.git/objects\n", encoding="utf-8")
    with pytest.raises(ToolFailed, match="elsewhere"):
        read(repo.tools["git.log"])


ADDRESSES = (
    "{outside}", "file://{outside}", "../../outside", "file://x/{outside}", "file:////{outside}", "file:///%2e%2e/x", "ext::sh -c true",
    "fd::1", "http://127.0.0.1/x", "git://127.0.0.1/x", "ssh://-oProxyCommand=x/y", "-oProxyCommand=x:y", "a@-x:y", "https://me:secret@host/x",
    "https://host/x?y", "host:-x", "c:\\x", "a:b:c\nd", "ftp://host/x",
)  # fmt: skip


@proves("git.contained")
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_means_one_thing_or_is_refused(repo: Repo, address: str) -> None:
    """Nothing is pushed, and nobody is asked, at an address outside, of an odd kind, with a password or an option in it."""
    subprocess.run(["cp", "-r", str(repo.bare), str(repo.base / "outside")], check=True)
    repo.commit("second")
    repo.git("config", "remote.origin.url", address.format(outside=repo.base / "outside"))
    with pytest.raises((OutsideRoots, ToolFailed)) as raised:
        begun(repo.tools["git.push"], {"branch": "main"})
    assert not isinstance(raised.value, Unavailable)
    assert "secret" not in str(raised.value) or "password" in raised.value.fix


def test_a_home_folder_in_an_address_is_a_folder_of_that_name(repo: Repo) -> None:
    """Git would not expand it either, and where it is pushed is what is shown."""
    there = repo.folder / "~" / "x.git"
    there.parent.mkdir()
    subprocess.run(["cp", "-r", str(repo.bare), str(there)], check=True)
    repo.git("config", "remote.origin.url", "~/x.git")
    repo.git("commit", "--quiet", "--allow-empty", "-m", "second")
    assert repo.tools["git.push"].targets({"repo": "repo", "branch": "main"}) == (f"file://{there}#refs/heads/main",)
    done(repo.tools["git.push"], {"branch": "main"})
    assert repo.git("log", "-1", "--format=%s", "main", folder=there) == "second"


@proves("git.true")
def test_replaced_objects_and_grafts_change_nothing(repo: Repo) -> None:
    """What is shown and pushed is what is there: a replaced commit does not hide, and no graft makes a push follow on anything."""
    repo.commit("second")
    real = repo.git("rev-parse", "main")
    tree = repo.git("rev-parse", "main~^{tree}")
    fake = repo.git("commit-tree", tree, "-p", "main~", "-m", "nothing to see")
    repo.git("replace", real, fake)
    assert read(repo.tools["git.log"], limit=1)["commits"][0]["subject"] == "second"
    call = begun(repo.tools["git.push"], {"branch": "main"})
    assert isinstance(call.captured, dict)
    assert call.captured["new"] == real
    theirs = repo.git("commit-tree", tree, "-m", "theirs", folder=repo.bare)
    repo.git("update-ref", "refs/heads/main", theirs, folder=repo.bare)
    repo.git("fetch", "--quiet", "origin")
    (repo.folder / ".git" / "info" / "grafts").write_text(f"{real} {theirs}\n", encoding="utf-8")
    with pytest.raises(ToolFailed, match="somebody has pushed"):
        begun(repo.tools["git.push"], {"branch": "main"})


@proves("git.true")
def test_what_would_be_committed_otherwise_than_it_stands_is_refused(repo: Repo) -> None:
    """A filter, a repository inside, a merge under way, files that remit keeps to itself."""
    (repo.folder / ".gitattributes").write_text("a.txt filter=lfs\n", encoding="utf-8")
    with pytest.raises(ToolFailed, match="filter"):
        begun(repo.tools["git.commit"], COMMIT)
    (repo.folder / ".gitattributes").unlink()
    inner = repo.folder / "inner"
    inner.mkdir()
    repo.git("init", "--quiet", folder=inner)
    repo.git("commit", "--quiet", "--allow-empty", "-m", "inner", folder=inner)
    with pytest.raises(ToolFailed, match="repository of its own"):
        begun(repo.tools["git.commit"], {"message": "x", "paths": ["inner"]})
    state = repo.folder / "state"
    state.mkdir()
    (state / "journal.db").write_text("ours", encoding="utf-8")
    tools = repo.tools_with(state)
    assert "state/" not in str(read(tools["git.status"]))
    with pytest.raises((ToolFailed, OutsideRoots)):
        begun(tools["git.commit"], {"message": "x", "paths": ["state/journal.db"]})
    (repo.folder / ".git" / "MERGE_HEAD").write_text(repo.git("rev-parse", "HEAD") + "\n", encoding="utf-8")
    with pytest.raises(ToolFailed, match="under way"):
        begun(repo.tools["git.commit"], COMMIT)


def test_a_server_that_is_down_or_silent_is_said(repo: Repo) -> None:
    """Looking never ends in doubt: nothing was sent."""
    import socket

    repo.commit("second")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        repo.git("config", "remote.origin.url", f"https://127.0.0.1:{port}/x.git")
        push = repo.tools["git.push"]
        assert isinstance(push, GitPush)
        quick = Git(sandbox=push.git.sandbox, roots=push.git.roots, person=push.git.person, seconds=1)
        with pytest.raises(Unavailable, match="more than 1 s"):
            begun(GitPush(quick), {"branch": "main"})
    with pytest.raises(Unavailable, match="cannot be asked"):
        begun(push, {"branch": "main"})


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_characters_that_git_does_not_take_are_refused(repo: Repo, value: str) -> None:
    """In a message, a branch, a commit and a remote."""
    for tool, args in (
        ("git.commit", {**COMMIT, "message": value}),
        ("git.branch", {"name": value}),
        ("git.branch", {"name": "x", "at": value}),
        ("git.push", {"branch": value}),
        ("git.push", {"branch": "main", "remote": value}),
    ):
        with pytest.raises(ArgsInvalid):
            begun(repo.tools[tool], args)


def test_the_person_commits_as_themselves(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, address and what is ignored come from their own settings; without a name a commit is refused with a way out."""
    repo.git("config", "--unset", "user.name")
    repo.git("config", "--unset", "user.email")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    with pytest.raises(ToolFailed, match="user"):
        begun(repo.tools_with()["git.commit"], COMMIT)
    (tmp_path / "ignored").write_text("*.swp\n", encoding="utf-8")
    settings = f'[user]\n\tname = Bo "the" Smith\n\temail = bo@example.org\n[core]\n\texcludesFile = {tmp_path}/ignored\n'
    (tmp_path / ".gitconfig").write_text(settings, encoding="utf-8")
    (repo.folder / "x.swp").write_text("", encoding="utf-8")
    tools = repo.tools_with()
    assert "x.swp" not in str(read(tools["git.status"]))
    done(tools["git.commit"], COMMIT)
    assert repo.git("log", "-1", "--format=%an <%ae>") == repo.git("log", "-1", "--format=%cn <%ce>") == "Bo the Smith <bo@example.org>"


def test_nothing_of_it_runs_on(repo: Repo) -> None:
    """A filter that will not end is ended with all it started."""
    push = repo.tools["git.push"]
    assert isinstance(push, GitPush)
    quick = Git(sandbox=push.git.sandbox, roots=push.git.roots, person=push.git.person, seconds=1)
    from remit.tools.git.repository import found

    (repo.folder / ".gitattributes").write_text("* filter=x\n", encoding="utf-8")
    repo.git("config", "filter.x.clean", "sleep 4242 & sleep 4243")
    ran = found(quick, {"repo": "repo"}).call("hash-object", "a.txt")
    assert ran.late
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            running.append((process / "cmdline").read_bytes())
    assert not [line for line in running if b"424" in line and b"sleep" in line]
