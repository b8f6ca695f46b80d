"""What stands at a place of the file system right now, exactly enough to put it back.

Recorded: kind, permission bits, owner, time of change, content digest, `user.*` attributes, link target, a file's access list.
Not recorded: folders' access lists, capabilities and security labels, holes in sparse files, and which names are hard links of
one inode (each is a file of its own after a restore).
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import replace
from typing import Final
from urllib.parse import quote_from_bytes

from remit.domain.visible import shown
from remit.errors import Conflict
from remit.ports import Store
from remit.tools.changes.folder import GONE, explained, joined, opened, place
from remit.tools.changes.tree import ABSENT, Node, NodeKind

ACL: Final = "system.posix_acl_access"
_TRIES: Final = 5
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Never through a link; and never hanging when a FIFO takes the file's place between stat and open."""


def look(path: bytes, store: Store | None) -> Node:
    """What stands at the absolute `path`; its content goes into `store` when one is given.

    Nothing stands there when a folder on the way is missing or a symbolic link. Raises Conflict when it keeps changing while it is
    read, ToolFailed when it cannot be read.
    """
    with explained("read", path):
        try:
            with place(path) as (folder, name):
                return look_at(folder, name, store)
        except GONE:
            return ABSENT


def look_at(folder: int, name: bytes, store: Store | None) -> Node:
    """The same for a name in an open folder. Raises OSError where it cannot be read."""
    for _ in range(_TRIES):
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            node = _READERS.get(stat.S_IFMT(found.st_mode), _other)(folder, name, found, store)
            if identity(os.stat(name, dir_fd=folder, follow_symlinks=False)) == node.identity:
                return node
        except FileNotFoundError:
            if not glance_at(folder, name):
                return _absent(folder)
        except OSError as error:
            if error.errno not in {errno.ELOOP, errno.ENOTDIR, errno.EINVAL, errno.ENXIO}:
                raise
    raise Conflict(f"{shown(name)} keeps changing while it is read", fix="wait until the other program is done with it")


def glance_at(folder: int, name: bytes) -> str:
    """Only the identity; '' when nothing is there."""
    try:
        return identity(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return ""


def identity(found: os.stat_result) -> str:
    """Equal texts: nobody touched it in between. A folder's is device and inode only, as its times follow its contents.

    As exact as the kernel's ctime, which since Linux 6.13 differs after every look; before, writes of the same tick (some
    milliseconds) and size look alike. Content is therefore compared by digest wherever it decides.
    """
    if stat.S_ISDIR(found.st_mode):
        return f"{found.st_dev}:{found.st_ino}"
    return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def names_in(path: bytes) -> list[bytes]:
    """The sorted names in a folder; none when it is gone. Raises OSError when it cannot be listed."""
    try:
        with opened(path) as folder:
            return names_at(folder, b".")
    except GONE:
        return []


def names_at(folder: int, name: bytes) -> list[bytes]:
    """The sorted names in the folder `name` of an open folder."""
    handle = os.open(name, _READ | os.O_DIRECTORY, dir_fd=folder)
    try:
        return sorted(os.fsencode(found) for found in os.listdir(handle))  # noqa: PTH208 - a handle, not a path
    finally:
        os.close(handle)


def walk(path: bytes, store: Store | None) -> list[tuple[bytes, Node]]:
    """`path` and everything below it, folders before their contents, sorted; links are listed and never followed."""
    found: list[tuple[bytes, Node]] = []
    todo = [path]
    while todo:
        here = todo.pop()
        node = look(here, store)
        if node.kind is NodeKind.ABSENT:
            continue
        found.append((here, node))
        if node.kind is NodeKind.DIR:
            with explained("list", here):
                todo.extend(joined(here, name) for name in names_in(here))
    return sorted(found, key=lambda item: item[0].split(b"/"))


def _file(folder: int, name: bytes, found: os.stat_result, store: Store | None) -> Node:
    handle = os.open(name, _READ, dir_fd=folder)
    with os.fdopen(handle, "rb") as source:
        first = os.fstat(handle)
        content = store.put_from(source) if store is not None else hashlib.file_digest(source, "sha256").hexdigest()
        xattrs, acl = _xattrs(handle), _acl(handle)
        last = os.fstat(handle)
    changed = len({identity(found), identity(first), identity(last)}) > 1
    return Node(
        kind=NodeKind.FILE,
        mode=stat.S_IMODE(last.st_mode),
        mtime_ns=last.st_mtime_ns,
        size=last.st_size,
        content=content,
        xattrs=xattrs,
        identity="" if changed else identity(last),
        owner=_owner(last),
        acl=acl,
    )


def _link(folder: int, name: bytes, found: os.stat_result, store: Store | None) -> Node:  # noqa: ARG001 - a link's content is its target
    target = os.readlink(name, dir_fd=folder)
    return Node(
        kind=NodeKind.LINK,
        mtime_ns=found.st_mtime_ns,
        size=len(target),
        content=quote_from_bytes(target),
        identity=identity(found),
        owner=_owner(found),
    )


def _dir(folder: int, name: bytes, found: os.stat_result, store: Store | None) -> Node:  # noqa: ARG001 - folders have no content of their own
    xattrs: tuple[tuple[str, str], ...] = ()
    try:
        handle = os.open(name, _READ | os.O_DIRECTORY, dir_fd=folder)
    except PermissionError:
        handle = -1
    if handle >= 0:
        try:
            xattrs = _xattrs(handle)
        finally:
            os.close(handle)
    return Node(kind=NodeKind.DIR, mode=stat.S_IMODE(found.st_mode), xattrs=xattrs, identity=identity(found), owner=_owner(found))


def _other(folder: int, name: bytes, found: os.stat_result, store: Store | None) -> Node:  # noqa: ARG001 - nothing to read
    return Node(kind=NodeKind.OTHER, mode=stat.S_IMODE(found.st_mode), identity=identity(found), owner=_owner(found))


_READERS: Final = {stat.S_IFREG: _file, stat.S_IFLNK: _link, stat.S_IFDIR: _dir}


def _xattrs(handle: int) -> tuple[tuple[str, str], ...]:
    """User attributes, without those in which overlay file systems keep their own books."""
    try:
        names = [name for name in os.listxattr(handle) if name.startswith("user.") and not name.startswith("user.overlay.")]
        return tuple(sorted((name, os.getxattr(handle, name).hex()) for name in names))
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.EACCES}:
            return ()
        raise


def _acl(handle: int) -> str:
    try:
        return os.getxattr(handle, ACL).hex()
    except OSError:  # none, or a file system without
        return ""


def _owner(found: os.stat_result) -> str:
    return f"{found.st_uid}:{found.st_gid}"


def _absent(folder: int) -> Node:
    """Nothing; its identity is the state of the folder, so that made-and-removed-again can be told from never-made."""
    found = os.fstat(folder)
    return replace(ABSENT, identity=f"{found.st_dev}:{found.st_ino}:{found.st_mtime_ns}")
