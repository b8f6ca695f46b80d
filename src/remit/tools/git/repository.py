"""A repository inside the allowed folders, found without asking git, and its refs."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from remit.domain.values import JsonValue
from remit.domain.visible import shown
from remit.errors import ArgsInvalid, ToolFailed
from remit.tools.args import PATH, described, text
from remit.tools.changes.folder import explained, joined, parent_of
from remit.tools.changes.tree import uri
from remit.tools.git.run import Git, Ran, Room

REPO: Final[Mapping[str, JsonValue]] = described({**PATH, "default": "."}, "the repository's folder")
REF: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "maxLength": 1000, "description": "a branch, tag or commit"}
BRANCH: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "maxLength": 200}
ID: Final[Mapping[str, JsonValue]] = {"type": "string", "pattern": "^([0-9a-f]{40})?$"}
_NOTHING: Final = "0" * 40
_POINTER: Final = 4096
_BUSY: Final = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One that was found inside the roots. What git does with it happens in the sandbox."""

    git: Git
    folder: bytes
    inner: bytes
    """Its `.git`; a further worktree has one of its own inside the first one's."""
    common: bytes
    """What all worktrees share: objects and branches."""
    room: Room

    def call(self, *args: str | bytes, given: bytes = b"") -> Ran:
        return self.git.call(self.room, *args, given=given)

    def whole(self, *args: str | bytes, given: bytes = b"") -> Ran:
        """Raises ToolFailed where git fails, or says too much to be taken whole."""
        return self.git.whole(self.room, *args, given=given)

    def changing(self, *writable: bytes, **env: str) -> Repository:
        """The same, where a call may write some folders, and has more in its environment."""
        room = replace(self.room, writable=(*self.room.writable, *writable), env={**self.room.env, **env})
        return replace(self, room=room)

    @property
    def objects(self) -> bytes:
        return self.common + b"/objects"

    def ref(self, name: str) -> str:
        """What a ref is at, '' where there is none."""
        ran = self.call("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return ran.text if ran.code == 0 else ""

    def move(self, name: str, new: str, old: str, why: str) -> bool:
        """Move a ref, only from where it was seen ('' for nothing, at either end). Whether it was there."""
        writing = self.changing(self.common, self.inner)  # git locks the HEAD of a worktree whose branch it moves
        if not new:
            ran = writing.call("update-ref", "--no-deref", "-d", name, old or _NOTHING)
        else:
            ran = writing.call("update-ref", "--no-deref", "--create-reflog", "-m", why, name, new, old or _NOTHING)
        if ran.code == 0:
            return True
        now = self.ref(name)
        if ran.late and now == new:
            return True
        if now != old:
            return False
        raise ToolFailed(f"{name} cannot be moved: {ran.err}", fix="see whether another git is at work there")

    def place(self, name: str) -> str:
        """A ref as a target."""
        return f"{uri(self.common)}/{name}"

    def branch(self) -> str:
        """The branch that is checked out, as `refs/heads/…`. Raises ToolFailed where there is none."""
        ran = self.call("symbolic-ref", "--quiet", "HEAD")
        if ran.code or not ran.text.startswith("refs/heads/"):
            raise ToolFailed("no branch is checked out here", fix="make a branch, or check one out")
        return ran.text

    def holds(self, old: str, new: str) -> bool:
        """Whether a commit is in another one's history."""
        return self.call("merge-base", "--is-ancestor", old, new).code == 0

    def settled(self) -> None:
        """Raises ToolFailed in the middle of a merge, a rebase or the like, which a plain commit would break."""
        for name in _BUSY:
            if Path(os.fsdecode(self.inner), name).exists():
                raise ToolFailed(f"a merge, rebase or the like is under way here ({name})", fix="finish or abort it with git first")


def found(git: Git, args: Mapping[str, JsonValue]) -> Repository:
    """The repository that arguments name. Raises OutsideRoots, or ToolFailed for what is none or cannot be used."""
    asked = git.roots.resolve(text(args, "repo", "."), follow=True)
    folder = asked
    while (inner := _inner(folder)) is None:
        folder = parent_of(folder)
        if not git.roots.permits(folder) or folder == b"/":
            raise ToolFailed(f"{shown(asked)} is no repository", fix="name the folder of one")
    git.roots.check(inner)
    pointed = _pointer(joined(inner, b"commondir"))
    common = os.path.realpath(beside(inner, pointed)) if pointed else inner
    git.roots.check(common)
    if os.path.lexists(common + b"/objects/info/alternates"):
        raise ToolFailed(f"{shown(common)} takes objects from elsewhere", fix="git repack -a -d, then remove objects/info/alternates")
    env = {"GIT_DIR": os.fsdecode(inner), "GIT_WORK_TREE": os.fsdecode(folder)}
    room = Room(seen=tuple(dict.fromkeys((folder, common, inner))), env=env, options=("--chdir", os.fsdecode(folder)))
    repo = Repository(git=git, folder=folder, inner=inner, common=common, room=room)
    kind = repo.call("rev-parse", "--show-object-format")
    if kind.code or kind.text != "sha1":
        raise ToolFailed(f"{shown(folder)} is no repository that remit can use: {kind.err or kind.text}", fix="name one with SHA-1 ids")
    return repo


def branch_ref(repo: Repository, name: str) -> str:
    """A branch's full name. Raises ArgsInvalid for what git would not take as one."""
    ref = f"refs/heads/{name}"
    if name.startswith("-") or name == "HEAD" or repo.call("check-ref-format", ref).code:
        raise ArgsInvalid(f"{name!r} is no name for a branch", fix="use letters, digits, - and /")
    return ref


def commit_of(repo: Repository, name: str) -> str:
    """The commit that a name stands for. Raises ArgsInvalid."""
    there = repo.ref(f"{name}^{{commit}}") if not name.startswith("-") else ""
    if not re.fullmatch("[0-9a-f]{40}", there):
        raise ArgsInvalid(f"there is no commit {name!r}", fix="git.log lists them")
    return there


def beside(folder: bytes, path: bytes) -> bytes:
    """A path as a pointer in a folder means it."""
    return path if path.startswith(b"/") else joined(folder, path)


def _inner(folder: bytes) -> bytes | None:
    """The `.git` of a folder, followed once where it is a pointer; None where there is none."""
    path = joined(folder, b".git")
    with explained("look at", path):
        try:
            kind = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
    if stat.S_ISDIR(kind):
        return path
    pointed = _pointer(path).removeprefix(b"gitdir: ")
    if not stat.S_ISREG(kind) or not pointed:
        raise ToolFailed(f"{shown(path)} is neither a repository nor a pointer to one", fix="make it a plain repository")
    return os.path.realpath(beside(folder, pointed))


def _pointer(path: bytes) -> bytes:
    """The one line of a small file, empty where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(handle, "rb") as source:
        return source.read(_POINTER).rstrip(b"\n")
