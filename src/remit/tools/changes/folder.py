"""Handles on folders, and renames inside one: the ground on which no swapped symbolic link can lead a write astray.

A path is walked component by component from `/`, each opened relative to the one before and never through a symbolic link.
Once a handle is open, moving or replacing the folder's name does not change what the handle means.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from remit.domain.visible import shown
from remit.errors import OutsideRoots, ToolFailed, Unavailable
from remit.syncfs import syncfs

_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOREPLACE: Final = 1
_EXCHANGE: Final = 2
_libc: Final = ctypes.CDLL(None, use_errno=True)

_FIXES: Final = {
    errno.EACCES: "give this user the permission, or choose another folder",
    errno.EPERM: "give this user the permission, or choose another folder",
    errno.EROFS: "choose a folder on a writable file system",
    errno.ENOSPC: "free some space and try again",
    errno.EDQUOT: "free some space or raise the quota, and try again",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class LinkInTheWay(OutsideRoots):
    """A folder on the way to a place is a symbolic link, so that the place is somewhere else."""


GONE: Final = (FileNotFoundError, NotADirectoryError, LinkInTheWay)
"""A place whose folder is no longer there."""


class Place(NamedTuple):
    """A name in an open folder."""

    folder: int
    name: bytes


@contextmanager
def opened(path: bytes) -> Iterator[int]:
    """A handle (O_PATH) on the folder at the absolute `path`. Raises LinkInTheWay where a component is a symbolic link."""
    here = os.open(b"/", _FOLDER)
    try:
        for name in path.split(b"/"):
            if name:
                there = _enter(here, name, path)
                os.close(here)
                here = there
        yield here
    finally:
        os.close(here)


@contextmanager
def place(path: bytes) -> Iterator[Place]:
    """The open parent of `path` and its last name, which itself is not followed. Raises FileNotFoundError without a parent."""
    parent, slash, name = path.rpartition(b"/")
    if not slash or not name or name in {b".", b".."}:
        raise OutsideRoots(f"{shown(path)} does not name a place in a folder")
    with opened(parent) as folder:
        yield Place(folder, name)


def parent_of(path: bytes) -> bytes:
    """The folder that an absolute path stands in; `/` stands in itself."""
    return path.rpartition(b"/")[0] or b"/"


def joined(folder: bytes, name: bytes) -> bytes:
    """The path of `name` in `folder`."""
    return folder.rstrip(b"/") + b"/" + name


def exchange(folder: int, one: bytes, other: bytes) -> None:
    """Swap two names atomically, whatever their kinds. Raises Unavailable where the file system cannot."""
    _rename(folder, one, other, _EXCHANGE)


def rename_new(folder: int, old: bytes, new: bytes) -> None:
    """Rename, atomically refusing (FileExistsError) when `new` exists. Raises Unavailable where the file system cannot."""
    _rename(folder, old, new, _NOREPLACE)


def sync_folder(folder: int) -> None:
    """Make the names in a folder survive power loss; a folder that may not be read is left to the system's own rhythm."""
    with suppress(PermissionError):
        handle = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_volume(folder: int) -> None:
    """Make everything on the folder's file system survive power loss: one call instead of thousands."""
    with suppress(PermissionError):
        handle = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            syncfs(handle)
        finally:
            os.close(handle)


@contextmanager
def explained(doing: str, path: bytes) -> Iterator[None]:
    """Turn what the system says into a sentence and, where there is one, a fix."""
    try:
        yield
    except OSError as error:
        raise failure(doing, path, error) from error


def failure(doing: str, path: bytes, error: OSError) -> ToolFailed:
    """The error to raise when the system refused."""
    said = error.strerror or type(error).__name__
    return ToolFailed(f"cannot {doing} {shown(path)}: {said.lower()}", fix=_FIXES.get(error.errno or 0, ""))


def _enter(here: int, name: bytes, path: bytes) -> int:
    if name in {b".", b".."}:
        raise OutsideRoots(f"{shown(path)} is not a plain path")
    try:
        return os.open(name, _FOLDER, dir_fd=here)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            raise LinkInTheWay(f"{shown(name)} on the way to {shown(path)} is a symbolic link now") from None
        raise


def _rename(folder: int, old: bytes, new: bytes, flags: int) -> None:
    call = getattr(_libc, "renameat2", None)
    if call is not None and call(folder, old, folder, new, flags) == 0:
        return
    code = ctypes.get_errno() if call is not None else errno.ENOSYS
    if code in {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
        raise Unavailable(
            "this file system cannot exchange two names atomically", fix="work on ext4, xfs, btrfs, tmpfs or another that can"
        )
    raise OSError(code, os.strerror(code), old, None, new)
