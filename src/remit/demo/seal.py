"""One checksum over a folder: what undo has to bring back, to the bit."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

_CHUNK: Final = 1 << 20


def seal(root: Path) -> dict[bytes, str]:
    """For each place below `root` a digest of kind, mode, link target, content and (files and links) time.

    Names are bytes, as the system has them. Folders' own times follow their contents and do not count.
    """
    places = (Path(folder, name) for folder, folders, names in os.walk(root) for name in (*folders, *names))
    return {os.fsencode(place.relative_to(root)): _one(place) for place in places}


def whole(sealed: dict[bytes, str]) -> str:
    """SHA-256 over all of it."""
    hasher = hashlib.sha256()
    for name, what in sorted(sealed.items()):
        hasher.update(len(name).to_bytes(8, "big") + name + what.encode("ascii"))
    return hasher.hexdigest()


def differing(one: dict[bytes, str], other: dict[bytes, str]) -> list[str]:
    """The places that are not the same, for a person."""
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return [name.decode("utf-8", "backslashreplace") for name in names]


def _one(path: Path) -> str:
    found = path.lstat()
    hasher = hashlib.sha256(f"{stat.S_IFMT(found.st_mode)} {stat.S_IMODE(found.st_mode)} ".encode("ascii"))
    if not stat.S_ISDIR(found.st_mode):
        hasher.update(f"{found.st_mtime_ns} ".encode("ascii"))
    if stat.S_ISLNK(found.st_mode):
        hasher.update(os.fsencode(path.readlink()))
    if stat.S_ISREG(found.st_mode):
        with path.open("rb") as source:
            while data := source.read(_CHUNK):
                hasher.update(data)
    return hasher.hexdigest()
