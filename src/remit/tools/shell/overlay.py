"""The exact difference a command made, read from the upper folder of an overlay without believing that nobody else was at work.

An overlay shows `upper` over the real folder (`lower`): new and changed files lie in upper, a deleted name is a character device
0:0, a folder marked opaque hides everything below it (Linux, Documentation/filesystems/overlayfs.rst). Renaming a folder
fails with EXDEV there, so that `mv` copies; redirects and metadata-only copies are refused should a kernel make them anyway.

What overlayfs leaves undefined is a lower folder that changes meanwhile. So the identity of everything in the workspace
is taken before the command runs, and a path counts as a conflict when what stands there afterwards is not what stood there then.
"""

# Names need not be UTF-8: paths are bytes here, which pathlib does not take.
# ruff: noqa: PTH101, PTH116, PTH118, PTH208

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from remit.domain.visible import shown
from remit.errors import ToolFailed
from remit.ports import Store
from remit.tools.changes.folder import explained
from remit.tools.changes.snapshot import identity, look, names_in, walk
from remit.tools.changes.tree import ABSENT, Change, Node, NodeKind

_OPAQUE: Final = ("user.overlay.opaque", "trusted.overlay.opaque")
_UNREADABLE: Final = ("redirect", "metacopy", "whiteout", "nlink")
_BOOKS: Final = tuple(f"{space}.overlay.{name}" for space in ("user", "trusted") for name in _UNREADABLE)
"""Ways in which overlayfs may write down a change that this reader does not follow (options that bubblewrap does not use)."""


UNKNOWN: Final = Node(kind=NodeKind.OTHER, identity="unknown")
"""Stands for what a command saw at a place that somebody else changed meanwhile. Nothing equals it, so it is never replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What stood in a workspace at one moment, by identity only; contents were not read."""

    identities: dict[bytes, str]
    newest_ns: int
    """The latest ctime met, in nanoseconds since 1970."""
    private: tuple[bytes, ...]
    """Folders that tools may not see, here because remit's state lies in the workspace."""
    mounts: tuple[bytes, ...]
    """Other file systems mounted inside: to a command they look empty."""
    linked: frozenset[bytes]
    """Files with more than one name."""
    foreign: int
    """How many things belong to another user or group."""


@dataclass(slots=True, kw_only=True)
class Diff:
    """What a command did to its workspace."""

    changes: list[Change] = field(default_factory=list)
    conflicts: list[bytes] = field(default_factory=list)
    """Paths it changed that somebody else changed too since the command started; their changes have `before` UNKNOWN."""
    left_out: list[bytes] = field(default_factory=list)
    """Sockets, FIFOs and devices it made, and the workspace itself when its permissions were changed: not carried over."""
    relinked: list[bytes] = field(default_factory=list)
    """Changed files that have, or were given, further names: each becomes a file of its own."""


def survey(workspace: bytes, permits: Callable[[bytes], bool]) -> Seen:
    """One quick pass over the whole workspace (some 10 µs for each file), links not followed, private folders not entered."""
    with explained("list", workspace):
        top = os.stat(workspace, follow_symlinks=False)
    eyes = _Survey(device=top.st_dev, owner=(os.geteuid(), os.getegid()), permits=permits)
    eyes.meet(workspace, top)
    todo = [workspace]
    while todo:
        todo.extend(eyes.enter(todo.pop()))
    return Seen(
        identities=eyes.identities,
        newest_ns=eyes.newest_ns,
        private=tuple(eyes.private),
        mounts=tuple(eyes.mounts),
        linked=frozenset(eyes.linked),
        foreign=eyes.foreign,
    )


def moved(before: Seen, after: Seen) -> list[bytes]:
    """Paths that are not in both, or not the same in both, sorted."""
    one, two = before.identities.items(), after.identities.items()
    return sorted({path for path, _ in one ^ two})


def difference(upper: bytes, workspace: bytes, store: Store, *, before: Seen) -> Diff:
    """What lies in `upper` against what stands in `workspace` now; contents of both sides go into `store`, streamed.

    Folders come before their contents. Copies that a command made without changing anything are no change. Raises ToolFailed
    for what cannot be read or restored; makes everything in `upper` readable for its owner.
    """
    reader = _Reader(upper=upper, workspace=workspace, store=store, seen=before)
    reader.top()
    return reader.diff


@dataclass(slots=True, kw_only=True)
class _Survey:
    device: int
    owner: tuple[int, int]
    permits: Callable[[bytes], bool]
    identities: dict[bytes, str] = field(default_factory=dict)
    newest_ns: int = 0
    private: list[bytes] = field(default_factory=list)
    mounts: list[bytes] = field(default_factory=list)
    linked: list[bytes] = field(default_factory=list)
    foreign: int = 0

    def enter(self, folder: bytes) -> list[bytes]:
        """Meet everything in a folder; the folders among it, to be entered next."""
        inner = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if self.meet(entry.path, found):
                        inner.append(entry.path)
        except (PermissionError, FileNotFoundError, NotADirectoryError):
            return []  # what we may not list, the command may not either; what is gone is gone
        return inner

    def meet(self, path: bytes, found: os.stat_result) -> bool:
        """Note one thing; whether it is a folder to be entered."""
        folder = stat.S_ISDIR(found.st_mode)
        if folder and not self.permits(path):
            self.private.append(path)
            return False
        self.identities[path] = identity(found) + (f":{stat.S_IMODE(found.st_mode):o}" if folder else "")
        self.newest_ns = max(self.newest_ns, found.st_ctime_ns)
        self.foreign += (found.st_uid, found.st_gid) != self.owner
        if not folder and found.st_nlink > 1:
            self.linked.append(path)
        if found.st_dev != self.device:
            self.mounts.append(path)
            return False
        return folder


@dataclass(slots=True, kw_only=True)
class _Reader:
    upper: bytes
    workspace: bytes
    store: Store
    seen: Seen
    diff: Diff = field(default_factory=Diff)

    def top(self) -> None:
        """What is in the workspace counts; the workspace itself stays as it is."""
        if os.stat(self.upper).st_mode != os.stat(self.workspace).st_mode:
            self.diff.left_out.append(self.workspace)
        self._folder(b"", shows=True, lower=True)

    def _folder(self, rel: bytes, *, shows: bool, lower: bool) -> None:
        """`lower`: there is a real folder below this one; `shows`: what is in it and not covered was still visible."""
        with explained("list", self._real(rel)):
            names = sorted(os.listdir(os.path.join(self.upper, rel) if rel else self.upper))
        if lower and not shows:
            for name in set(names_in(self._real(rel))).difference(names):
                self._gone(self._real(rel, name))
        for name in names:
            self._entry(os.path.join(rel, name), shows=shows, lower=lower)

    def _entry(self, rel: bytes, *, shows: bool, lower: bool) -> None:
        path, above = self._real(rel), os.path.join(self.upper, rel)
        if path in self.seen.private:
            return
        found = os.stat(above, follow_symlinks=False)
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
            self._gone(path)
        elif stat.S_ISDIR(found.st_mode):
            self._dir(rel, shows=shows, before=self._before(path) if lower else ABSENT)
        elif stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
            before = self._before(path) if lower else ABSENT
            if before.kind is NodeKind.DIR:
                self._gone(path, itself=False)
            if path in self.seen.linked or found.st_nlink > 1:
                self.diff.relinked.append(path)
            self._note(path, before, self._after(above))
        else:
            self.diff.left_out.append(path)

    def _dir(self, rel: bytes, *, shows: bool, before: Node) -> None:
        above = os.path.join(self.upper, rel)
        after = self._after(above)
        opaque = any(os.getxattr(above, name) == b"y" for name in self._books(above) if name in _OPAQUE)
        self._note(self._real(rel), before, after)
        self._folder(rel, shows=shows and not opaque, lower=before.kind is NodeKind.DIR)

    def _gone(self, path: bytes, *, itself: bool = True) -> None:
        """The whole of what stands at `path` is deleted, with pre-images of all of it."""
        for place, node in walk(path, self.store):
            if itself or place != path:
                self._check(place, node)
                self._note(place, node, ABSENT)

    def _before(self, path: bytes) -> Node:
        node = look(path, self.store)
        self._check(path, node)
        return node

    def _check(self, path: bytes, node: Node) -> None:
        if self.seen.identities.get(path, "") != _mark(node):
            self.diff.conflicts.append(path)

    def _after(self, above: bytes) -> Node:
        """What the command left, without what only means something in the upper folder."""
        found = os.stat(above, follow_symlinks=False)
        mode = stat.S_IMODE(found.st_mode)
        need = 0 if stat.S_ISLNK(found.st_mode) else 0o700 if stat.S_ISDIR(found.st_mode) else 0o400
        if mode & need != need:
            os.chmod(above, mode | need)
        self._books(above)
        node = look(above, self.store)
        return replace(node, mode=mode if need else 0, identity="", owner="")

    def _books(self, above: bytes) -> list[str]:
        """Overlayfs' own attributes. Raises ToolFailed where they mean something this reader does not follow."""
        names = os.listxattr(above, follow_symlinks=False)
        strange = [name for name in names if name in _BOOKS]
        if strange:
            raise ToolFailed(
                f"this kernel's overlay recorded {shown(above)} with {strange[0]}, which remit does not read",
                fix="set redirect_dir, metacopy and index of the overlay module to off",
            )
        return names

    def _note(self, path: bytes, before: Node, after: Node) -> None:
        if NodeKind.OTHER in {before.kind, after.kind}:
            raise ToolFailed(
                f"the command replaces or deletes {shown(path)}, a socket, FIFO or device",
                fix="remit cannot restore those; remove it by hand",
            )
        if before.same(after) and before.mtime_ns == after.mtime_ns:
            return
        if before.kind is after.kind:
            after = replace(after, owner=before.owner)
        if path in self.diff.conflicts:
            before = UNKNOWN
        self.diff.changes.append(Change(path=path, before=before, after=after))

    def _real(self, *parts: bytes) -> bytes:
        return os.path.join(self.workspace, *(part for part in parts if part))


def _mark(node: Node) -> str:
    """The identity as a survey writes it: a folder's with its mode, nothing for what is absent."""
    if node.kind is NodeKind.ABSENT:
        return ""
    return f"{node.identity}:{node.mode:o}" if node.kind is NodeKind.DIR else node.identity
