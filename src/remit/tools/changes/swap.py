"""Putting something in the place of something else, without ever losing what somebody else saved there meanwhile.

Look-then-replace has a gap between the two. Here the two names are exchanged atomically *first*, and what came out is looked at
afterwards: when it is not what we were to replace, it is exchanged back. A program that had the old file open for writing may
still write into what came out; a read lease is granted only when nobody has it open for writing, so with the lease in hand and
no name left by which to open it, what was verified is final.

Limits: where the file system grants no leases, or the file belongs to another user and we are not root, a program that keeps a
file open over the exchange and writes later is not noticed. A file with further hard links is replaced under this name only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from contextlib import suppress
from typing import Final, NamedTuple

from remit.crashpoint import crashpoint
from remit.errors import Conflict
from remit.tools.changes.folder import exchange, rename_new
from remit.tools.changes.snapshot import glance_at, look_at
from remit.tools.changes.stage import discard, is_empty, widened
from remit.tools.changes.tree import Node, NodeKind

SAVED: Final = "somebody changed it meanwhile"
IN_USE: Final = "another program has it open for writing"
FILLED: Final = "the folder is not empty"
_WAITS: Final = (0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
"""Seconds between attempts to get the lease: about one second in all."""
_ROUNDS: Final = 16
_NAME_MAX: Final = 255


class Swap(NamedTuple):
    """One name in an open folder and the hidden name beside it that takes part in the exchange."""

    folder: int
    name: bytes
    temp: bytes

    def replace(self, before: Node) -> str:
        """Exchange what was made at `temp` with what stands at `name`, if that is `before`.

        Returns '' when it is done: `before` then stands at `temp`, to be discarded. Otherwise returns what was in the way,
        which stands at `name` again. Raises OSError or Unavailable with nothing changed.
        """
        ours = glance_inode(self.folder, self.temp)
        exchange(self.folder, self.temp, self.name)
        crashpoint("change.exchanged")
        why = self.objection(before)
        if why:
            self.take_back(ours)
        return why

    def objection(self, expected: Node) -> str:
        """Why what stands at `temp` may not be thrown away; '' when it is `expected` and nobody can change it any more."""
        quiet = _quiet(self.folder, self.temp) if expected.kind is NodeKind.FILE else True
        why = _differs(self.folder, self.temp, expected)
        if why or quiet:
            return why
        for wait in _WAITS:
            time.sleep(wait)
            if _quiet(self.folder, self.temp):
                return _differs(self.folder, self.temp, expected)
        return IN_USE

    def take_back(self, ours: str) -> None:
        """Put what stands at `temp` back at `name`, where the inode `ours` was left; what was saved over that meanwhile wins.

        `temp` then holds `ours`, or the older of two foreign versions: `clear` sorts it out.
        """
        left = ours
        for _ in range(_ROUNDS):
            put = glance_inode(self.folder, self.temp)
            try:
                exchange(self.folder, self.temp, self.name)
            except FileNotFoundError:
                with suppress(OSError):  # the name was removed meanwhile: what was saved last comes back
                    rename_new(self.folder, self.temp, self.name)
                return
            crashpoint("change.taken_back")
            if glance_inode(self.folder, self.temp) == left:
                return
            left = put

    def remove(self, before: Node) -> str:
        """Take `name` away if it is `before`. Returns '' or what was in the way, which stands at `name` again."""
        if before.kind is NodeKind.DIR:
            return self._remove_folder(before)
        rename_new(self.folder, self.name, self.temp)
        crashpoint("change.removed")
        why = self.objection(before)
        if why:
            with suppress(FileExistsError):  # something newer stands there: `clear` keeps this one aside
                rename_new(self.folder, self.temp, self.name)
            return why
        discard(self.folder, self.temp)
        return ""

    def clear(self, tag: str, *known: Node) -> bytes | None:
        """Throw away what stands at `temp` if it is one of the `known` nodes and final; otherwise keep it aside and say where."""
        if not glance_at(self.folder, self.temp):
            return None
        if any(not self.objection(node) for node in known if node.kind is not NodeKind.ABSENT):
            discard(self.folder, self.temp)
            return None
        return self.keep_aside(tag)

    def keep_aside(self, tag: str) -> bytes:
        """Rename `temp` to `NAME.conflict-TAG`, or the next free name of that form, and return the name."""
        for number in range(1, 1000):
            aside = aside_name(self.name, tag, number)
            with suppress(FileExistsError):
                rename_new(self.folder, self.temp, aside)
                return aside
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), self.name)

    def _remove_folder(self, before: Node) -> str:
        if not fits(look_at(self.folder, self.name, None), before):
            return SAVED
        try:
            os.rmdir(self.name, dir_fd=self.folder)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                return FILLED
            raise
        crashpoint("change.removed")
        return ""


def fits(now: Node, node: Node) -> bool:
    """Whether what stands there counts as `node`; a folder may be widened for the time its contents are worked on."""
    if now.kind is NodeKind.DIR and node.kind is NodeKind.DIR:
        return now.mode in {node.mode, widened(node)} and now.xattrs == node.xattrs
    return now.kind is not NodeKind.OTHER and now.same(node)


def aside_name(name: bytes, tag: str, number: int) -> bytes:
    """How a version that is kept aside is called."""
    suffix = os.fsencode(f".conflict-{tag}" + (f"-{number}" if number > 1 else ""))
    return name[: _NAME_MAX - len(suffix)] + suffix


def glance_inode(folder: int, name: bytes) -> str:
    """Device and inode of what stands at a name: which one it is, whatever is in it."""
    return ":".join(glance_at(folder, name).split(":")[:2])


def _differs(folder: int, name: bytes, expected: Node) -> str:
    try:
        now = look_at(folder, name, None)
        if not fits(now, expected):
            return SAVED
        return FILLED if now.kind is NodeKind.DIR and not is_empty(folder, name) else ""
    except Conflict:
        return SAVED
    except OSError as error:  # unreadable now: then it cannot be what we read before
        return f"{SAVED} ({error.strerror})"


def _quiet(folder: int, name: bytes) -> bool:
    """Whether nobody has the file open for writing (F_SETLEASE, fcntl(2)); True as well where nobody can tell."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return True  # not a file that can be read: the comparison says so
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # the default for a broken lease, SIGIO, would kill us
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno != errno.EAGAIN
    finally:
        os.close(handle)
    return True
