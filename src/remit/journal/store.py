"""Bytes by their own digest, one file each: `remit.ports.Store` in a folder, for any number of threads and processes.

`ab/cdef…` holds the content whose SHA-256 is `abcdef…`. A file appears under its name whole or not at all; before
`sync` a power loss may still take it, or leave it short, which the next `put` of the same content repairs.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from remit.domain.values import Digest
from remit.errors import DiskFull, JournalCorrupt, JournalTrouble, NotFound

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK: Final = 1 << 20
_ABANDONED: Final = 24 * 3600
"""Seconds after which a file that was begun and never finished belongs to nobody any more."""
_MANY: Final = 64
"""Contents from which on one sync of the file system costs less than one of each."""
_DIGEST: Final = re.compile("[0-9a-f]{64}")


class DirStore:
    """The folder is made by the first `put`. Files are readable by this user only, and never written again."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._begun = self._path / "begun"
        self._unsynced: set[Path] = set()
        self._lock = threading.Lock()
        self._swept = False

    def put(self, data: bytes) -> Digest:
        """Raises DiskFull or JournalTrouble; content that is there already costs a look at it."""
        digest = Digest(hashlib.sha256(data).hexdigest())
        if _stands(self._target(digest), len(data)):
            self._remember(self._target(digest))
            return digest
        return self.put_from(io.BytesIO(data))

    def put_from(self, source: BinaryIO) -> Digest:
        """Raises DiskFull or JournalTrouble, and whatever `source.read` raises; then nothing was put."""
        hasher, size = hashlib.sha256(), 0
        with self._begun_file() as (file, begun):
            while chunk := source.read(_CHUNK):
                hasher.update(chunk)
                size += len(chunk)
                with self._translated():
                    _write(file, chunk)
            digest = Digest(hasher.hexdigest())
            with self._translated():
                self._place(begun, self._target(digest), size)
        return digest

    def open(self, digest: Digest) -> BinaryIO:
        """As in the port. What is opened can be read once from start to end, not seeked; a symbolic link is never followed."""
        target = self._target(digest)
        try:
            if target.parent.is_symlink():
                raise _damaged(target, "its folder is a symbolic link")
            descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"content {digest} is not in {self._path}", fix="it was never stored here, or the store was moved") from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _damaged(target, "it is a symbolic link") from None
            raise JournalTrouble(f"{target}: {error.strerror}", fix="make the store readable for this user") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _damaged(target, "it is no file")
        return io.BufferedReader(_Verified(descriptor, target, digest), _CHUNK)

    def sync(self) -> None:
        """Also of what was there already when it was put, as whoever wrote it may not have synced. Raises JournalTrouble."""
        with self._lock:
            files, self._unsynced = self._unsynced, set()
        folders = {file.parent for file in files} | ({self._path, self._path.parent} if files else set())
        try:
            with self._translated():
                if len(files) >= _MANY:
                    _sync_all(self._path)
                else:
                    for path in (*sorted(files), *sorted(folders)):
                        _fsync(path)
        except BaseException:
            with self._lock:
                self._unsynced |= files
            raise

    def _target(self, digest: Digest) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise NotFound(f"{digest!r} is not a digest", fix="digests are 64 lower-case hex digits")
        return self._path / digest[:2] / digest[2:]

    def _remember(self, target: Path) -> None:
        with self._lock:
            self._unsynced.add(target)

    @contextmanager
    def _begun_file(self) -> Iterator[tuple[io.FileIO, Path]]:
        """A new file that is gone afterwards unless it was placed."""
        begun = self._begun / f"{os.getpid()}-{os.urandom(8).hex()}"
        with self._translated():
            if not self._swept:
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._begun.mkdir(mode=0o700, exist_ok=True)
                self._sweep()
                self._swept = True
            file = io.FileIO(os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400), "wb")
        try:
            with file:
                yield file, begun
        finally:
            begun.unlink(missing_ok=True)

    def _place(self, begun: Path, target: Path, size: int) -> None:
        if not _stands(target, size):
            target.parent.mkdir(mode=0o700, exist_ok=True)
            if target.parent.is_symlink():
                raise _damaged(target, "its folder is a symbolic link")
            begun.rename(target)
        self._remember(target)

    def _sweep(self) -> None:
        """Remove what killed processes left half written."""
        with os.scandir(self._begun) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _ABANDONED:
                        Path(entry).unlink()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFull(f"no space left to write {self._path}", fix="free some space; nothing was stored") from error
            raise JournalTrouble(
                f"{error.filename or self._path}: {error.strerror}", fix="make the store writable for this user"
            ) from error


class _Verified(io.RawIOBase):
    """A file that cannot be read to its end unless it has the digest."""

    def __init__(self, descriptor: int, path: Path, digest: Digest) -> None:
        self._file = io.FileIO(descriptor, "rb")
        self._path = path
        self._digest = digest
        self._hasher = hashlib.sha256()
        self._left = os.fstat(descriptor).st_size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer) as view:
            count = self._file.readinto(view) or 0
            self._hasher.update(view[:count])
        self._left -= count
        # Checked with the last bytes, so that a reader who knows the size never gets the end of wrong content.
        if (count == 0 or self._left <= 0) and self._hasher.hexdigest() != self._digest:
            raise _damaged(self._path, "its content does not have its digest")
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _stands(target: Path, size: int) -> bool:
    """Whether content of that size is there; a file cut short by a power loss is not."""
    try:
        found = target.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size


def _write(file: io.FileIO, data: bytes) -> None:
    """All of it: a disk that is nearly full takes a part and only refuses the next write."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_all(path: Path) -> None:
    """One call for the whole file system, where thousands of files are waited for one by one otherwise."""
    from remit.syncfs import syncfs  # noqa: PLC0415 - rarely needed, and start-up time is a claim

    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs(descriptor)
    finally:
        os.close(descriptor)


def _damaged(path: Path, detail: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"{path} is not what was stored: {detail}", fix="restore it from a copy; without it the undo it belongs to is lost"
    )
