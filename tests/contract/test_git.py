"""Git on real repositories and a bare remote: what the tools do, keep, show and give back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import tool_calls
from claims import proves
from git_world import COMMIT, Repo, begun, done, read
from remit.domain.action import Effect
from remit.domain.values import ActionId, JsonValue
from remit.errors import ArgsInvalid, Conflict, OutsideRoots, RemitError, ToolFailed
from remit.ports import Call, Happened
from remit.testing import Scenario, check_tool


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)


@proves("git.tools")
@pytest.mark.parametrize(("tool", "args", "branch"), [("git.commit", COMMIT, "main"), ("git.branch", {"name": "side/one"}, "side/one")])
def test_every_tool_that_moves_a_ref_keeps_its_promises(repo: Repo, tool: str, args: dict[str, JsonValue], branch: str) -> None:
    """Looking has no effect, undo brings back, a ref that somebody moved is spared, and every kill is settled."""

    def meddle() -> Callable[[], bool]:
        repo.git("update-ref", f"refs/heads/{branch}", repo.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "theirs"))
        return lambda: repo.git("log", "-1", "--format=%s", branch) == "theirs"

    scenario = Scenario(tools=repo.tools, tool=tool, args={"repo": "repo", **args}, reset=repo.reset, look=repo.look, meddle=meddle)
    assert check_tool(scenario) == []


@proves("git.tools")
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


@proves("git.tools")
def test_a_commit_in_a_further_worktree_keeps_its_promises(repo: Repo) -> None:
    """Git locks that worktree's HEAD when it moves the branch that is checked out there."""

    def reset() -> None:
        repo.reset()
        repo.git("worktree", "add", "--quiet", "-b", "side", "../aside")
        (repo.root / "aside" / "a.txt").write_text("three\n", encoding="utf-8")

    args: dict[str, JsonValue] = {"repo": "aside", "message": "third", "paths": ["a.txt"]}
    assert check_tool(Scenario(tools=repo.tools, tool="git.commit", args=args, reset=reset, look=repo.look)) == []


@proves("git.tools")
def test_a_worktree_keeps_its_promises(repo: Repo) -> None:
    """The folder and its branch come and go whole; a file that somebody changed there since stays."""
    there = repo.root / "aside" / "a.txt"

    def look() -> object:
        files = sorted((path.name, path.read_bytes()) for path in (repo.root / "aside").rglob("*") if path.is_file())
        return (
            repo.look(),
            [line for line in repo.git("worktree", "list", "--porcelain").splitlines() if not line.startswith("HEAD")],
            files,
        )

    def meddle() -> Callable[[], bool]:
        there.write_text("theirs\n", encoding="utf-8")
        return lambda: there.read_text(encoding="utf-8") == "theirs\n"

    scenario = Scenario(
        tools=repo.tools,
        tool="git.worktree",
        args={"repo": "repo", "path": "aside", "branch": "side"},
        reset=repo.reset,
        look=look,
        meddle=meddle,
    )
    assert check_tool(scenario) == []


@proves("git.tools")
def test_a_branch_that_was_not_yet_put_back_is_seen_as_that(repo: Repo) -> None:
    """An undo that was killed before it moved anything has not happened, though where it goes is in the branch's history."""
    call, result = done(repo.tools["git.commit"], COMMIT)
    back = repo.tools["git.commit"].undo(call, result)
    assert back is not None
    undoing = tool_calls.begun(repo.tools[back.tool], {**back.args}, "r/u")
    found = asyncio.run(repo.tools[back.tool].probe(undoing))
    assert (found.happened, found.again) == (Happened.NO, True)
    asyncio.run(repo.tools[back.tool].run(undoing))
    assert asyncio.run(repo.tools[back.tool].probe(undoing)).happened is Happened.YES
    repo.git("commit", "--quiet", "--allow-empty", "-m", "theirs")
    assert asyncio.run(repo.tools[back.tool].probe(undoing)).happened is Happened.UNKNOWN


def test_what_was_staged_comes_back(repo: Repo) -> None:
    """An undone commit leaves the index as it was, another version that was staged included."""
    (repo.folder / "a.txt").write_text("staged\n", encoding="utf-8")
    repo.git("add", "a.txt")
    (repo.folder / "a.txt").write_text("saved later\n", encoding="utf-8")
    before = repo.git("ls-files", "--stage"), repo.git("status", "--porcelain")
    call, result = done(repo.tools["git.commit"], COMMIT)
    assert repo.git("show", "HEAD:a.txt") == "saved later"
    back = repo.tools["git.commit"].undo(call, result)
    assert back is not None
    done(repo.tools[back.tool], {**back.args})
    assert (repo.git("ls-files", "--stage"), repo.git("status", "--porcelain")) == before


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
