"""A repository inside the allowed folders, and its refs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remit.domain.values import JsonValue
from remit.domain.visible import shown
from remit.errors import ArgsInvalid, ToolFailed
from remit.tools.args import PATH, described, text
from remit.tools.changes.roots import Roots
from remit.tools.changes.tree import uri
from remit.tools.git.run import git, harmless, told

REPO: Final[Mapping[str, JsonValue]] = described({**PATH, "default": "."}, "the repository's folder")
NOTHING: Final = "0" * 40
_INNER: Final = ("refs", "refs/heads", "objects", "logs", "index", "HEAD", "config", "packed-refs", "worktrees")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One that was looked at: inside the roots, with a harmless configuration of its own."""

    folder: bytes
    inner: bytes
    """Its `.git`, shared by all worktrees."""

    def ref(self, name: str) -> str:
        """What a ref is at, '' where there is none."""
        ran = git(self.folder, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return ran.text if ran.code == 0 else ""

    def move(self, name: str, new: str, old: str, why: str) -> bool:
        """Move a ref, only from where it was seen ('' for nothing, at either end). Whether it was there."""
        if not new:
            ran = git(self.folder, "update-ref", "--no-deref", "-d", name, old or NOTHING)
        else:
            ran = git(self.folder, "update-ref", "--no-deref", "--create-reflog", "-m", why, name, new, old or NOTHING)
        if ran.code == 0:
            return True
        if self.ref(name) != old:
            return False
        raise ToolFailed(f"{name} cannot be moved: {ran.err}", fix="see whether another git is at work there")

    def place(self, name: str) -> str:
        """A ref as a target."""
        return f"{uri(self.inner)}/{name}"

    def branch(self) -> str:
        """The branch that is checked out, as `refs/heads/…`. Raises ToolFailed where there is none."""
        ran = git(self.folder, "symbolic-ref", "--quiet", "HEAD")
        if ran.code:
            raise ToolFailed("no branch is checked out here", fix="make a branch, or check one out")
        return ran.text

    def holds(self, old: str, new: str) -> bool:
        """Whether a commit is in another one's history."""
        return git(self.folder, "merge-base", "--is-ancestor", old, new).code == 0


def opened(roots: Roots, args: Mapping[str, JsonValue]) -> Repository:
    """The repository that arguments name. Raises OutsideRoots, or ToolFailed for what is none or cannot be trusted."""
    folder = roots.resolve(text(args, "repo", "."), follow=True)
    ran = git(folder, "rev-parse", "--show-toplevel", "--path-format=absolute", "--git-common-dir")
    if ran.code:
        raise ToolFailed(f"{shown(folder)} is no repository: {ran.err}", fix="name the folder of one")
    top, inner = ran.out.splitlines()[:2]
    for place in (top, inner):
        roots.check(os.path.realpath(place))
    for name in _INNER:
        if Path(os.fsdecode(inner), name).is_symlink():
            raise ToolFailed(f"{shown(inner)} has a link at {name}, which may lead elsewhere", fix="make it a plain repository")
    if Path(os.fsdecode(inner), "objects/info/alternates").exists():
        raise ToolFailed(f"{shown(inner)} takes objects from elsewhere", fix="git repack -a -d, then remove objects/info/alternates")
    harmless(top)
    return Repository(folder=top, inner=os.path.realpath(inner))


def branch_ref(repo: Repository, name: str) -> str:
    """A branch's full name. Raises ArgsInvalid for what git would not take as one."""
    if name.startswith("-") or git(repo.folder, "check-ref-format", "--branch", name).code:
        raise ArgsInvalid(f"{name!r} is no name for a branch", fix="use letters, digits, - and /")
    return f"refs/heads/{name}"


def commit_of(repo: Repository, name: str) -> str:
    """The commit that a name stands for. Raises ArgsInvalid."""
    found = repo.ref(f"{name}^{{commit}}") if not name.startswith("-") else ""
    if not found:
        raise ArgsInvalid(f"there is no commit {name!r}", fix="git.log lists them")
    return found


def remote(repo: Repository, name: str, roots: Roots) -> str:
    """The address that a remote is pushed to. Raises ArgsInvalid for none, OutsideRoots for a folder that is out of bounds."""
    if not name or name.startswith("-") or git(repo.folder, "remote", "get-url", "--push", name).code:
        raise ArgsInvalid(f"there is no remote {name!r}", fix="`git remote` lists them; an address is not taken here")
    urls = told(repo.folder, "remote", "get-url", "--push", "--all", name).text.splitlines()
    if len(urls) != 1 or "::" in urls[0]:
        raise ToolFailed(f"remote {name} is not one plain address", fix="give it one")
    url = urls[0]
    if url.startswith("file://") or ("://" not in url and ":" not in url.partition("/")[0]):
        roots.resolve(str(Path(os.fsdecode(repo.folder), url.removeprefix("file://"))), follow=True)
    return url
