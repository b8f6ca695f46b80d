"""Folders for overlays: one for each command that runs, gone with it, and swept when the process that made it died."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from remit.tools.base import uninterrupted
from remit.tools.shell.sandbox import Layers

_PREFIX: Final = "run-"
_LOCK: Final = "lock"


@asynccontextmanager
async def layers(scratch: Path, workspace: Path, hidden: tuple[Path, ...]) -> AsyncIterator[Layers]:
    """Fresh upper and work folders, removed afterwards whatever a command left in them."""
    here, lock = _new(scratch)
    try:
        yield _layers(here, workspace, hidden)
    finally:
        await uninterrupted(lambda: remove(here))
        os.close(lock)


def sweep(scratch: Path) -> int:
    """Remove what dead processes left; how many there were. A folder is dead when nobody holds its lock."""
    swept = 0
    for here in sorted(scratch.glob(f"{_PREFIX}*")):
        try:
            lock = os.open(here / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # just being made, or just being removed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(here)
            swept += 1
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
    return swept


def remove(folder: Path) -> None:
    """Remove a folder even when folders in it have no permissions. What cannot be removed is left for the next sweep."""
    for here, inner, _ in os.walk(folder):
        for name in inner:
            path = Path(here, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _new(scratch: Path) -> tuple[Path, int]:
    """A folder of our own, and the lock on it, which the system releases when we die."""
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    here = Path(tempfile.mkdtemp(dir=scratch, prefix=_PREFIX))
    lock = os.open(here / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return here, lock


def _layers(here: Path, workspace: Path, hidden: tuple[Path, ...]) -> Layers:
    made = Layers(workspace=workspace, upper=here / "upper", work=here / "work", hidden=hidden)
    made.upper.mkdir()
    made.work.mkdir()
    made.upper.chmod(workspace.stat().st_mode & 0o7777 | 0o700)  # what the command sees as the workspace's own mode
    return made
