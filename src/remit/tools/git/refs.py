"""The tools that move refs: a commit and a branch are a ref at another place, and undone they are where they were."""

from __future__ import annotations

import os
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, Conflict, ToolFailed
from remit.ports import Call, Captured, Clock, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.args import PATH, schema, text
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.roots import Roots
from remit.tools.changes.tree import judged, uri
from remit.tools.git.repository import REPO, Repository, branch_ref, commit_of, opened
from remit.tools.git.run import git, told

_SHOWN: Final = 200_000
_EMPTY: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without anything in it, which every repository has."""
_ID: Final[Mapping[str, JsonValue]] = {"type": "string", "pattern": "^([0-9a-f]{40})?$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A ref, where it was seen, where it shall be ('' for nothing), and the files that go along in the index."""

    ref: str
    old: str
    new: str
    paths: Sequence[str] = ()

    def to_json(self) -> dict[str, JsonValue]:
        return {"ref": self.ref, "old": self.old, "new": self.new, "paths": [*self.paths]}

    @classmethod
    def from_json(cls, value: JsonValue) -> Move:
        """Raises ArgsInvalid for anything else than `to_json` made."""
        if not isinstance(value, Mapping) or not all(isinstance(value.get(name), str) for name in ("ref", "old", "new")):
            raise ArgsInvalid("what was kept is no move of a ref", fix="hand over what the action recorded, unchanged")
        paths: Any = value.get("paths", ())
        return cls(ref=str(value["ref"]), old=str(value["old"]), new=str(value["new"]), paths=tuple(map(str, paths)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """For a person, what a yes is bound to, and the files that would go along."""

    text: str
    binding: str
    paths: Sequence[str] = ()


class MovesRef(BaseTool):
    """Foresee, show, keep, move the ref in one step, look again."""

    def __init__(self, roots: Roots, clock: Clock) -> None:
        self.roots = roots
        self.clock = clock

    def repo(self, args: Mapping[str, JsonValue]) -> Repository:
        return opened(self.roots, args)

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.roots.resolve(text(args, "repo", "."), follow=True)),)

    @abstractmethod
    def plan(self, repo: Repository, call: Call, at: int, *, keep: bool) -> Move:
        """What the call means now; with `keep` what it needs is put into the repository, where nobody sees it yet."""

    @abstractmethod
    def shown(self, repo: Repository, call: Call) -> Shown:
        """What it would be, without leaving anything in the repository."""

    async def preview(self, call: Call) -> Preview:
        found = await uninterrupted(lambda: self.shown(self.repo(call.args), call))
        more = "\n… it is not shown whole" if len(found.text) > _SHOWN else ""
        staged: JsonValue = {"at": self.clock.now() // 1000, "binding": found.binding, "paths": [*found.paths]}
        return Preview(text=found.text[:_SHOWN] + more, staged=staged, binding=found.binding, clipped=bool(more))

    async def capture(self, call: Call) -> Captured:
        return await uninterrupted(lambda: self._captured(call))

    async def run(self, call: Call) -> JsonValue:
        return await uninterrupted(lambda: self.moved(call))

    async def probe(self, call: Call) -> Probed:
        return await uninterrupted(lambda: self._probed(call))

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - what was captured is enough
        move = Move.from_json(call.captured)
        back = Move(ref=move.ref, old=move.new, new=move.old, paths=move.paths)
        return Undo(tool="git.restore", args={"repo": text(call.args, "repo", "."), **back.to_json()})

    def moved(self, call: Call) -> dict[str, JsonValue]:
        """Raises Conflict with nothing moved when the ref is somewhere else by now."""
        repo, move = self.repo(call.args), Move.from_json(call.captured)
        if not repo.move(move.ref, move.new, move.old, f"remit: {call.action}") and not (call.again and repo.ref(move.ref) == move.new):
            raise Conflict(f"{move.ref} was moved meanwhile", fix="look at it again and decide anew")
        crashpoint("git.moved")
        _index(repo, move)
        return result(move)

    def _captured(self, call: Call) -> Captured:
        repo = self.repo(call.args)
        staged: Any = call.staged
        at = staged["at"] if isinstance(staged, Mapping) else self.clock.now() // 1000
        if isinstance(staged, Mapping) and self.shown(repo, call).binding != staged["binding"]:
            raise Conflict("what would be done is not what was shown", fix="look at it again")
        move = self.plan(repo, call, at, keep=True)
        return Captured(data=move.to_json(), touches=(repo.place(move.ref),))

    def _probed(self, call: Call) -> Probed:
        if call.captured is None:
            return Probed(happened=Happened.UNKNOWN, detail="nothing was kept that it could be compared with")
        repo, move = self.repo(call.args), Move.from_json(call.captured)
        now = repo.ref(move.ref)
        if now == move.new or (move.new and now and repo.holds(move.new, now)):
            _index(repo, move)
            return Probed(happened=Happened.YES, result=result(move))
        if now == move.old:
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.UNKNOWN, result=result(move), detail=f"{move.ref} is at {now or 'nothing'} by now")


class GitCommit(MovesRef):
    """Some files as they are now, as a commit on the branch that is checked out. Hooks are not run."""

    spec = ToolSpec(
        name="git.commit",
        description="Commit files, as they are now, to the branch that is checked out. Deleted ones are committed as deleted.",
        schema=schema(
            ("message", "paths"),
            repo=REPO,
            message={"type": "string", "minLength": 1},
            paths={"type": "array", "items": PATH, "minItems": 1, "description": "files or folders, relative to the repository"},
        ),
        effect=Effect.REVERSIBLE,
        salient=("repo",),
        visible=("repo", "paths"),
        seconds=300,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"commit to {text(args, 'repo', '.')}: {visible(text(args, 'message').splitlines()[0], keep='')}"

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:
        """Reading each file: what is committed may be pushed."""
        folder, captured = self.repo(call.args).folder, call.captured
        paths: Any = captured.get("paths", ()) if isinstance(captured, Mapping) else ()
        return [("files.read", {"path": judged(folder + b"/" + os.fsencode(path))}) for path in paths]

    def plan(self, repo: Repository, call: Call, at: int, *, keep: bool) -> Move:
        branch = repo.branch()
        old = repo.ref(branch)
        with _tree(repo, old, _paths(call.args), keep=keep) as (tree, env):
            if old and tree == repo.ref(f"{old}^{{tree}}"):
                raise ToolFailed("these files are as they were committed last", fix="change something first, or name other files")
            dates = {"GIT_AUTHOR_DATE": f"@{at} +0000", "GIT_COMMITTER_DATE": f"@{at} +0000"}
            parents = ["-p", old] if old else []
            new = told(repo.folder, "commit-tree", tree, *parents, "-m", text(call.args, "message"), env=env | dates).text
            return Move(ref=branch, old=old, new=new, paths=_differing(repo, old, tree, env))

    def shown(self, repo: Repository, call: Call) -> Shown:
        branch = repo.branch()
        old = repo.ref(branch)
        with _tree(repo, old, _paths(call.args), keep=False) as (tree, env):
            plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
            diff = told(repo.folder, "diff", *plain, old or _EMPTY, tree, "--", env=env).out.decode("utf-8", "backslashreplace")
            paths = _differing(repo, old, tree, env)
        message = text(call.args, "message")
        lines = [f"commit to {branch.removeprefix('refs/heads/')}", visible(message, keep="\n"), "", visible(diff, keep="\n\t")]
        return Shown(text="\n".join(lines), binding=digest("remit.commit.1", branch, old, tree, message), paths=paths)


class GitBranch(MovesRef):
    """A new branch. It is not checked out."""

    spec = ToolSpec(
        name="git.branch",
        description="Make a branch at a commit. It is not checked out.",
        schema=schema(
            ("name",), repo=REPO, name={"type": "string", "minLength": 1}, at={"type": "string", "default": "HEAD", "description": "where"}
        ),
        effect=Effect.REVERSIBLE,
        salient=("repo", "name"),
        visible=("repo", "name"),
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"make branch {visible(text(args, 'name'), keep='')} in {text(args, 'repo', '.')}"

    def plan(self, repo: Repository, call: Call, at: int, *, keep: bool) -> Move:  # noqa: ARG002 - a branch has no time
        ref = branch_ref(repo, text(call.args, "name"))
        if repo.ref(ref):
            raise ToolFailed(f"there is a branch {text(call.args, 'name')} already", fix="choose another name")
        return Move(ref=ref, old="", new=commit_of(repo, text(call.args, "at", "HEAD")))

    def shown(self, repo: Repository, call: Call) -> Shown:
        move = self.plan(repo, call, 0, keep=False)
        return Shown(text=f"{self.title(call.args)}\nat {move.new}", binding=digest("remit.branch.1", move.ref, move.new))


class GitRestore(MovesRef):
    """Puts a ref back where it was; one that somebody moved since stays where it is and is reported."""

    spec = ToolSpec(
        name="git.restore",
        description="Put a branch back where it was before an earlier action. Used by undo.",
        schema=schema(
            ("ref", "old", "new"),
            repo=REPO,
            ref={"type": "string", "pattern": "^refs/heads/"},
            old=_ID,
            new=_ID,
            paths={"type": "array", "items": {"type": "string"}},
        ),
        effect=Effect.REVERSIBLE,
        salient=("repo", "ref"),
        visible=("repo", "ref"),
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"put {visible(text(args, 'ref'), keep='')} back to {text(args, 'new') or 'nothing'}"

    def plan(self, repo: Repository, call: Call, at: int, *, keep: bool) -> Move:  # noqa: ARG002 - all of it is in the arguments
        return Move.from_json(call.args)

    def shown(self, repo: Repository, call: Call) -> Shown:
        move = Move.from_json(call.args)
        now = repo.ref(move.ref)
        lost = f"in conflict, it stays as it is now: it is at {now or 'nothing'}\n" if now not in {move.old, move.new} else ""
        return Shown(text=lost + self.title(call.args), binding=digest("remit.ref.1", move.ref, move.new))

    def moved(self, call: Call) -> dict[str, JsonValue]:
        """A conflict is a result, so that the rest of an undo goes on."""
        move = Move.from_json(call.captured)
        try:
            return super().moved(call)
        except Conflict as error:
            repo = self.repo(call.args)
            return {"conflicts": [{"path": repo.place(move.ref), "detail": error.message}]}


def result(move: Move) -> dict[str, JsonValue]:
    """What the actor is told."""
    return {"ref": move.ref, "commit": move.new}


@contextmanager
def _tree(repo: Repository, old: str, paths: Sequence[str], *, keep: bool) -> Any:
    """The tree of a commit with some files as they are now, made in an index of its own; kept in the repository, or nowhere."""
    with tempfile.TemporaryDirectory(prefix="remit-git-") as there:
        env = {"GIT_INDEX_FILE": f"{there}/index"}
        if not keep:
            Path(there, "objects").mkdir()
            env["GIT_OBJECT_DIRECTORY"] = f"{there}/objects"
            env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = os.fsdecode(repo.inner + b"/objects")
        if old:
            told(repo.folder, "read-tree", old, env=env)
        ran = git(repo.folder, "add", "--all", "--", *paths, env=env)
        if ran.code:
            raise ToolFailed(f"these files cannot be committed: {ran.err}", fix="name files of the repository that it does not ignore")
        yield told(repo.folder, "write-tree", env=env).text, env


def _index(repo: Repository, move: Move) -> None:
    """The index follows the ref for these files; it is derived, so doing it again changes nothing."""
    if move.paths and repo.branch() == move.ref:
        git(repo.folder, "reset", "--quiet", "--", *move.paths)


def _differing(repo: Repository, old: str, tree: str, env: Mapping[str, str]) -> list[str]:
    """The files that are not as they were committed last."""
    ran = told(repo.folder, "diff-tree", "-r", "-z", "--name-only", "--no-renames", old or _EMPTY, tree, env=env)
    return [os.fsdecode(name) for name in ran.out.split(b"\0") if name]


def _paths(args: Mapping[str, JsonValue]) -> list[str]:
    found = args.get("paths", ())
    listed = [str(path) for path in found] if isinstance(found, list | tuple) else []
    for path in listed:
        if path.startswith(("/", ".git/")) or ".." in path.split("/") or path == ".git":
            raise ArgsInvalid(f"{path!r} is no path inside the repository", fix="name files relative to the repository's folder")
    return listed
