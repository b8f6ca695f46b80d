"""The right to advance a run: a lock that the system gives back when its holder dies, however it dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remit.domain.values import RunId, digest
from remit.errors import JournalTrouble, RunBusy


@contextmanager
def held(folder: Path, run: RunId) -> Iterator[None]:
    """Hold `run` among all processes that use `folder`. Raises RunBusy at once when it is held, also by this process.

    The file is removed by its holder; one left by a killed holder is removed by the next. A process forked while
    holding keeps holding until it ends or execs.
    """
    path = folder / digest(run)[:32]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = _lock(path, run)
    except OSError as error:
        raise JournalTrouble(f"{path} cannot be locked: {error.strerror}", fix="make the state folder writable, with free space") from None
    try:
        yield
    finally:
        # Removed while still locked: whoever opened it before will find that it is no longer the one at this path.
        path.unlink(missing_ok=True)
        os.close(lock)


def _lock(path: Path, run: RunId) -> int:
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _stands_at(lock, path):
                _sign(lock)
                return lock
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            os.close(lock)
            by = f"process {holder}" if holder else "another process"
            raise RunBusy(f"{by} is advancing run {run}", fix="wait for it, or end that process") from None
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _stands_at(lock: int, path: Path) -> bool:
    """Whether the locked file is still the one at `path`, and not one that its last holder has removed."""
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False


def _sign(lock: int) -> None:
    """Leave our process id for those who find it locked. Only a courtesy: a full disk does not matter."""
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode("ascii"), 0)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
