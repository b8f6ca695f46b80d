"""The tools that look into a repository."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.ports import Call, ToolSpec
from remit.tools.args import FLAG, described, flag, number, schema, text
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.roots import Roots
from remit.tools.changes.tree import uri
from remit.tools.git.repository import REPO, Repository, commit_of, opened
from remit.tools.git.run import told

_MOST: Final = 200_000
_REF: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "a branch, tag or commit"}


class _Look(BaseTool):
    def __init__(self, roots: Roots) -> None:
        self._roots = roots

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self._roots.resolve(text(args, "repo", "."), follow=True)),)

    async def run(self, call: Call) -> JsonValue:
        return await uninterrupted(lambda: self.read(opened(self._roots, call.args), call.args))

    @abstractmethod
    def read(self, repo: Repository, args: Mapping[str, JsonValue]) -> JsonValue:
        """Do it, blocking."""


class GitStatus(_Look):
    """Branch, upstream, and what differs from the last commit."""

    spec = ToolSpec(
        name="git.status",
        description="Say which branch is checked out and what differs from its last commit.",
        schema=schema((), repo=REPO),
        effect=Effect.PURE,
        visible=("repo",),
    )

    def read(self, repo: Repository, args: Mapping[str, JsonValue]) -> JsonValue:  # noqa: ARG002 - the repository is all
        ran = told(repo.folder, "status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--ignore-submodules=all")
        found: dict[str, JsonValue] = {"repo": repo.folder.decode("utf-8", "backslashreplace")}
        changed: list[JsonValue] = []
        parts = iter(ran.out.decode("utf-8", "backslashreplace").split("\0"))
        for part in parts:
            kind, _, rest = part.partition(" ")
            if kind == "#":
                name, _, value = rest.partition(" ")
                found[name.removeprefix("branch.")] = value
            elif kind in {"1", "2", "u"}:
                fields = rest.split(" ", {"1": 7, "2": 8, "u": 9}[kind])
                changed.append({"path": fields[-1], "state": fields[0], **({"from": next(parts, "")} if kind == "2" else {})})
            elif kind == "?":
                changed.append({"path": rest, "state": "untracked"})
        return {**found, "changed": changed, "clipped": ran.cut}


class GitDiff(_Look):
    """What differs, as a unified diff."""

    spec = ToolSpec(
        name="git.diff",
        description="Show what differs: the working files from the last commit, or two commits from one another.",
        schema=schema((), repo=REPO, **{"from": _REF}, to=_REF, staged=described(FLAG, "what is staged, from the last commit")),
        effect=Effect.PURE,
        visible=("repo",),
    )

    def read(self, repo: Repository, args: Mapping[str, JsonValue]) -> JsonValue:
        commits = [commit_of(repo, text(args, name)) for name in ("from", "to") if name in args]
        staged = ["--cached"] if flag(args, "staged") else []
        plain = ["--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--no-color"]
        ran = told(repo.folder, "diff", *plain, *staged, *(commits or ([] if staged else ["HEAD"])), "--", most=_MOST)
        return {"diff": ran.out.decode("utf-8", "backslashreplace"), "clipped": ran.cut}


class GitLog(_Look):
    """Commits, newest first. Their messages may be anybody's."""

    spec = ToolSpec(
        name="git.log",
        description="List commits, newest first: id, author, time, subject.",
        schema=schema((), repo=REPO, ref=_REF, limit={"type": "integer", "minimum": 1, "maximum": 200, "default": 20}),
        effect=Effect.PURE,
        reads_untrusted=True,
        visible=("repo",),
    )

    def read(self, repo: Repository, args: Mapping[str, JsonValue]) -> JsonValue:
        start = commit_of(repo, text(args, "ref", "HEAD"))
        ran = told(repo.folder, "log", f"--max-count={number(args, 'limit', 20)}", "-z", "--format=%H%n%an <%ae>%n%aI%n%s", start, "--")
        rows = [row.split("\n", 3) for row in ran.out.decode("utf-8", "backslashreplace").split("\0") if row]
        return {"commits": [dict(zip(("id", "author", "time", "subject"), row, strict=False)) for row in rows]}
