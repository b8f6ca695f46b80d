"""A commit of some files as they are now."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import shown, visible
from remit.errors import ArgsInvalid, ToolFailed
from remit.ports import Call, Clock, ToolSpec
from remit.tools.args import PATH, described, schema, text
from remit.tools.changes.tree import judged
from remit.tools.git.index import Entry, staged
from remit.tools.git.moves import Made, Move, MovesRef
from remit.tools.git.repository import REPO, Repository
from remit.tools.git.run import Git, plain

_EMPTY: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without anything in it, which every repository has."""
_REPOSITORY: Final = "160000"
_FILES: Final = 5000


class GitCommit(MovesRef):
    """Only the named files, to the branch that is checked out. Hooks and filters are not run."""

    spec = ToolSpec(
        name="git.commit",
        description="Commit files, as they are now, to the branch that is checked out. Deleted ones are committed as deleted.",
        schema=schema(
            ("message", "paths"),
            repo=REPO,
            message={"type": "string", "minLength": 1, "maxLength": 100_000},
            paths={
                "type": "array",
                "items": described(PATH, "relative to the repository's folder"),
                "minItems": 1,
                "description": "files or folders",
            },
        ),
        effect=Effect.REVERSIBLE,
        salient=("repo",),
        visible=("repo", "paths"),
        seconds=300,
    )

    def __init__(self, git: Git, clock: Clock, scratch: Path) -> None:
        super().__init__(git, clock)
        self._scratch = scratch

    def title(self, args: Mapping[str, JsonValue]) -> str:
        first = (text(args, "message").strip().splitlines() or [""])[0]
        return f"commit to {visible(text(args, 'repo', '.'), keep='')}: {visible(first, keep='')}"

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:
        """Reading each file: what is committed may be pushed."""
        folder = self.repo(call.args).folder
        return [("files.read", {"path": judged(folder + b"/" + entry.path)}) for entry in Move.from_json(call.captured).index]

    def made(self, repo: Repository, call: Call, at: int, *, keep: bool) -> Made:
        repo.settled()
        branch, message = repo.branch(), plain(call.args, "message")
        old = repo.ref(branch)
        with self._bench(repo, keep=keep) as bench:
            tree = _tree(bench, old, _paths(call.args))
            changed = _changed(bench, old, tree)
            if not changed:
                raise ToolFailed("these files are as they were committed last", fix="change something first, or name other files")
            self._checked(repo, changed)
            now = staged(repo, changed)
            dates = {"GIT_AUTHOR_DATE": f"@{at} +0000", "GIT_COMMITTER_DATE": f"@{at} +0000"}
            parents = ["-p", old] if old else []
            new = bench.changing(**dates).whole("commit-tree", tree, *parents, "-F", "-", given=message.encode()).text
            diff = _diff(bench, old or _EMPTY, tree)
        index = tuple(Entry(path=path, before=now.get(path, ""), after=after) for path, after in changed.items())
        lines = [f"commit to {visible(branch.removeprefix('refs/heads/'), keep='')}", visible(message, keep="\n"), "", diff]
        binding = digest("remit.commit.1", branch, old, tree, message)
        return Made(move=Move(ref=branch, old=old, new=new, index=index), text="\n".join(lines), binding=binding)

    @contextmanager
    def _bench(self, repo: Repository, *, keep: bool) -> Iterator[Repository]:
        """The repository with an index of its own; new objects go into the repository, or nowhere."""
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix="git-", dir=os.path.realpath(self._scratch)) as there:
            env = {"GIT_INDEX_FILE": f"{there}/index"}
            writable = [os.fsencode(there)]
            if keep:
                writable.append(repo.objects)
            else:
                Path(there, "objects").mkdir()
                env["GIT_OBJECT_DIRECTORY"] = f"{there}/objects"
                env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = os.fsdecode(repo.objects)
            yield repo.changing(*writable, **env)

    def _checked(self, repo: Repository, changed: Mapping[bytes, str]) -> None:
        """Raises what forbids it: files that are closed to tools, repositories inside, filters, too many."""
        if len(changed) > _FILES:
            raise ToolFailed(f"{len(changed)} files are too many for one commit", fix=f"commit at most {_FILES} at a time, by folder")
        for path, entry in changed.items():
            self.git.roots.check(repo.folder + b"/" + path)
            if entry.startswith(_REPOSITORY):
                raise ToolFailed(f"{shown(path)} is a repository of its own", fix="commit inside it, or leave it out")
        ran = repo.whole("check-attr", "-z", "--stdin", "filter", given=b"\0".join(changed) + b"\0")
        fields = ran.out.split(b"\0")
        for path, value in zip(fields[0::3], fields[2::3], strict=False):
            if value not in {b"unspecified", b"unset"}:
                raise ToolFailed(
                    f"{shown(path)} goes through the filter {shown(value)}, and remit runs no filters", fix="commit it with git yourself"
                )


def _tree(bench: Repository, old: str, paths: Sequence[str]) -> str:
    """The tree of a commit with some files as they are now."""
    if old:
        bench.whole("read-tree", old)
    given = b"\0".join(os.fsencode(path) for path in paths) + b"\0"
    # Filters, line ends and the like are the repository's, what is ignored the person's too.
    ran = bench.call("add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul", given=given)
    if ran.code:
        raise ToolFailed(f"these files cannot be committed: {ran.err}", fix="name files of the repository that it does not ignore")
    return bench.whole("write-tree").text


def _changed(bench: Repository, old: str, tree: str) -> dict[bytes, str]:
    """The files that are not as they were committed last, each with what it becomes ('MODE ID', '' for nothing)."""
    parts = bench.whole("diff-tree", "-r", "-z", "--raw", "--no-renames", "--abbrev=40", old or _EMPTY, tree).out.split(b"\0")
    found: dict[bytes, str] = {}
    for facts, path in zip(parts[0::2], parts[1::2], strict=False):
        _, mode, _, new, _ = facts.decode().split(" ")
        found[path] = "" if mode == "000000" else f"{mode} {new}"
    return found


def _diff(bench: Repository, old: str, tree: str) -> str:
    ran = bench.git.told(bench.room, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", old, tree, "--")
    return visible(ran.out.decode("utf-8", "backslashreplace"), keep="\n\t") + ("\n… it is not shown whole" if ran.cut else "")


def _paths(args: Mapping[str, JsonValue]) -> list[str]:
    """Files and folders in the repository. Raises ArgsInvalid."""
    asked = args.get("paths", ())
    listed = [path for path in asked if isinstance(path, str)] if isinstance(asked, list | tuple) else []
    for path in listed:
        steps = path.split("/")
        if path.startswith("/") or ".." in steps or ".git" in map(str.lower, steps) or "\0" in path:
            raise ArgsInvalid(f"{path!r} is no path inside the repository", fix="name files relative to the repository's folder")
    return listed
