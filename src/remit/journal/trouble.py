"""What SQLite says is wrong, in remit's words: which trouble it is and what to do about it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from remit.errors import DiskFull, JournalCorrupt, JournalLocked, JournalTrouble

_PRIMARY: Final = 0xFF
"""Extended result codes carry the primary one in their low byte."""
_NO_ROOM: Final = 1 << 16
"""Less free space than this many bytes makes an I/O error a full disk."""


def is_busy(error: sqlite3.Error) -> bool:
    """Whether someone else holds the lock, so that trying again makes sense."""
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def trouble(error: sqlite3.Error, path: Path) -> JournalTrouble:
    """The error to raise for what SQLite reported about the journal at `path`."""
    code = _code(error)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return JournalLocked(f"another process keeps {path} locked", fix="end what holds it (fuser shows who), then try again")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return corrupt(path, str(error))
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_room(path)):
        return DiskFull(f"no space left to write {path}", fix="free some space; nothing was recorded and the journal needs no repair")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return unwritable(path, str(error))
    return JournalTrouble(f"{path}: {error}", fix="check the disk, then run `remit log --verify`")


def corrupt(path: Path, detail: str) -> JournalCorrupt:
    """The file cannot be read as a journal."""
    return JournalCorrupt(f"{path} is not a sound journal ({detail})", fix="move it away with its -wal and -shm files, or restore a copy")


def unwritable(path: Path, detail: str) -> JournalTrouble:
    """The file or its folder cannot be written."""
    fix = "make the file and its folder writable for this user, or choose another state folder"
    return JournalTrouble(f"{path} cannot be opened for writing ({detail})", fix=fix)


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY


def _no_room(path: Path) -> bool:
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize < _NO_ROOM
