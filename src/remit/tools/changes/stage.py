"""Making a node beside its place, complete before anyone can see it under its name."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import BinaryIO, Final
from urllib.parse import unquote_to_bytes

from remit.crashpoint import crashpoint
from remit.domain.values import Digest
from remit.errors import ToolFailed
from remit.ports import Store
from remit.tools.changes.folder import rename_new
from remit.tools.changes.snapshot import ACL, identity, names_at
from remit.tools.changes.tree import Node, NodeKind

PREFIX: Final = b".~remit-"
_CHUNK: Final = 1 << 20
WIDE: Final = 0o700
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def temp_name(tag: str, number: int) -> bytes:
    """The hidden name under which change `number` of an apply is made; recovery finds it by the same rule."""
    return PREFIX + os.fsencode(f"{tag}-{number}")


def part_of(temp: bytes) -> bytes:
    """The name it has until it is complete."""
    return temp + b".part"


def widened(node: Node) -> int:
    """The mode of a folder while its contents are being made or removed."""
    return node.mode | WIDE


def make(folder: int, temp: bytes, node: Node, store: Store, *, sync: bool) -> None:
    """Make `node` at `temp`; the name appears only when it is complete, with `sync` on the disk. Raises OSError (disk full, …)."""
    part = part_of(temp)
    discard(folder, part)
    try:
        _make(folder, part, node, store, sync=sync)
        crashpoint("change.part")
        rename_new(folder, part, temp)
    except BaseException:
        with suppress(OSError):
            discard(folder, part)
        raise
    crashpoint("change.staged")


def discard(folder: int, name: bytes) -> None:
    """Remove a file, link or empty folder; nothing there is fine. Raises OSError for a folder that is not empty."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def discard_part(folder: int, temp: bytes) -> None:
    """Remove what a dead process had not finished making."""
    discard(folder, part_of(temp))


def mark_part(folder: int, temp: bytes) -> None:
    """Leave a sign that this was not yet in place, for whoever looks after another crash."""
    with suppress(FileExistsError):
        os.close(os.open(part_of(temp), _NEW, 0o600, dir_fd=folder))


def is_empty(folder: int, name: bytes) -> bool:
    """Whether the folder `name` has nothing in it."""
    return not names_at(folder, name)


def adjust(folder: int, name: bytes, node: Node, expected: str) -> bool:
    """Give what stands at `name` the mode, owner, attributes and time of `node`, if its identity is `expected`. Raises OSError."""
    if node.kind is NodeKind.LINK:
        _adjust_link(folder, name, node)
        return True
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        if identity(os.fstat(handle)) != expected:
            return False
        _dress(handle, node, node.mode)
    finally:
        os.close(handle)
    return True


def chmod_folder(folder: int, name: bytes, mode: int) -> None:
    """Set a folder's mode, even when its present mode lets nobody read it. Raises OSError."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.chmod(f"/proc/self/fd/{handle}", mode)  # noqa: PTH101 - a handle, not a path
    finally:
        os.close(handle)


def _make(folder: int, part: bytes, node: Node, store: Store, *, sync: bool) -> None:
    if node.kind is NodeKind.FILE:
        _make_file(folder, part, node, store, sync=sync)
    elif node.kind is NodeKind.LINK:
        os.symlink(unquote_to_bytes(node.content), part, dir_fd=folder)
        _adjust_link(folder, part, node)
    elif node.kind is NodeKind.DIR:
        os.mkdir(part, WIDE, dir_fd=folder)
        handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            _dress(handle, node, widened(node))
        finally:
            os.close(handle)
    else:
        raise ToolFailed(f"remit does not make {node.kind} nodes")


def _make_file(folder: int, part: bytes, node: Node, store: Store, *, sync: bool) -> None:
    handle = os.open(part, _NEW, 0o600, dir_fd=folder)
    try:
        with store.open(Digest(node.content)) as source:
            _copy(source, handle)
        _dress(handle, node, node.mode)
        if sync:
            os.fsync(handle)
    finally:
        os.close(handle)


def _copy(source: BinaryIO, handle: int) -> None:
    while chunk := source.read(_CHUNK):
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(handle, rest) :]


def _dress(handle: int, node: Node, mode: int) -> None:
    found = os.fstat(handle)
    owner = _owner(node, found)
    if owner != (found.st_uid, found.st_gid):
        with suppress(PermissionError):  # only root may give files away; the content matters more
            os.chown(handle, *owner)
    _set_xattrs(handle, node)
    if stat.S_IMODE(os.fstat(handle).st_mode) != mode:  # after chown, which clears the set-user bits
        os.chmod(handle, mode)
    if node.acl:
        with suppress(OSError):  # where the file system has none, the mode is all there is
            os.setxattr(handle, ACL, bytes.fromhex(node.acl))
    if node.mtime_ns and node.kind is NodeKind.FILE and found.st_mtime_ns != node.mtime_ns:
        os.utime(handle, ns=(found.st_atime_ns, node.mtime_ns))


def _set_xattrs(handle: int, node: Node) -> None:
    wanted = {name: bytes.fromhex(value) for name, value in node.xattrs}
    try:
        there = {name for name in os.listxattr(handle) if name.startswith("user.") and not name.startswith("user.overlay.")}
    except OSError:  # a file system without attributes: fine unless some are wanted
        there = set()
    for name in there - wanted.keys():
        os.removexattr(handle, name)
    for name, value in wanted.items():
        os.setxattr(handle, name, value)


def _adjust_link(folder: int, name: bytes, node: Node) -> None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    owner = _owner(node, found)
    if owner != (found.st_uid, found.st_gid):
        with suppress(PermissionError):
            os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
    if node.mtime_ns:
        os.utime(name, ns=(found.st_atime_ns, node.mtime_ns), dir_fd=folder, follow_symlinks=False)


def _owner(node: Node, found: os.stat_result) -> tuple[int, int]:
    uid, colon, gid = node.owner.partition(":")
    return (int(uid), int(gid)) if colon else (found.st_uid, found.st_gid)
