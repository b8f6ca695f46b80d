"""The tools that look into a repository."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.ports import Call, ToolSpec
from remit.tools.args import FLAG, described, flag, number, schema, text
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.tree import uri
from remit.tools.git.repository import REF, REPO, Repository, commit_of, found
from remit.tools.git.run import Git, plain

_MOST = 200_000


class _Look(BaseTool):
    def __init__(self, git: Git) -> None:
        self._git = git

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self._git.roots.resolve(text(args, "repo", "."), follow=True)),)

    async def run(self, call: Call) -> JsonValue:
        return await uninterrupted(lambda: self.read(found(self._git, call.args), call.args))

    @abstractmethod
    def read(self, repo: Repository, args: Mapping[str, JsonValue]) -> JsonValue:
        """Do it, blocking."""


class GitStatus(_Look):
    """Branch, upstream, and what differs from the last commit. Submodules are not entered."""

    spec = ToolSpec(
        name="git.status",
        description="Say which branch is checked out and what differs from its last commit.",
        schema=schema((), repo=REPO),
        effect=Effect.PURE,
        visible=("repo",),
    )

    def read(self, repo: Repository, args: Mapping[str, JsonValue]) -> JsonValue:  # noqa: ARG002 - the repository is all
        ran = repo.whole("status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--ignore-submodules=all")
        told: dict[str, JsonValue] = {"repo": repo.folder.decode("utf-8", "backslashreplace")}
        changed: list[JsonValue] = []
        parts = iter(ran.out.decode("utf-8", "backslashreplace").split("\0"))
        for part in parts:
            kind, _, rest = part.partition(" ")
            if kind == "#":
                name, _, value = rest.partition(" ")
                told[name.removeprefix("branch.")] = value
            elif kind in {"1", "2", "u"}:
                fields = rest.split(" ", {"1": 7, "2": 8, "u": 9}[kind])
                changed.append({"path": fields[-1], "state": fields[0], **({"from": next(parts, "")} if kind == "2" else {})})
            elif kind == "?":
                changed.append({"path": rest, "state": "untracked"})
        return {**told, "changed": changed}


class GitDiff(_Look):
    """What differs, as a unified diff."""

    spec = ToolSpec(
        name="git.diff",
        description="Show what differs: the working files from the last commit, or two commits from one another.",
        schema=schema((), repo=REPO, **{"from": REF}, to=REF, staged=described(FLAG, "what is staged, from the last commit")),
        effect=Effect.PURE,
        reads_untrusted=True,
        visible=("repo",),
    )

    def read(self, repo: Repository, args: Mapping[str, JsonValue]) -> JsonValue:
        commits = [commit_of(repo, plain(args, name)) for name in ("from", "to") if name in args]
        staged = ["--cached"] if flag(args, "staged") else []
        options = ["--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--no-color"]
        which = [*options, *staged, *(commits or ([] if staged else ["HEAD"])), "--"]
        ran = repo.git.told(repo.room, "diff", *which, most=_MOST)
        return {"diff": ran.out.decode("utf-8", "backslashreplace"), "clipped": ran.cut}


class GitLog(_Look):
    """Commits, newest first. Their messages may be anybody's."""

    spec = ToolSpec(
        name="git.log",
        description="List commits, newest first: id, author, time, subject.",
        schema=schema((), repo=REPO, ref=REF, limit={"type": "integer", "minimum": 1, "maximum": 200, "default": 20}),
        effect=Effect.PURE,
        reads_untrusted=True,
        visible=("repo",),
    )

    def read(self, repo: Repository, args: Mapping[str, JsonValue]) -> JsonValue:
        start = commit_of(repo, plain(args, "ref", "HEAD"))
        ran = repo.whole("log", f"--max-count={number(args, 'limit', 20)}", "-z", "--format=%H%n%an <%ae>%n%aI%n%s", start, "--")
        rows = [row.split("\n", 3) for row in ran.out.decode("utf-8", "backslashreplace").split("\0") if row]
        return {"commits": [dict(zip(("id", "author", "time", "subject"), row, strict=False)) for row in rows]}
