"""Opening the database file: write-ahead logging, bounded waits, and trouble in remit's words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from remit.errors import JournalTrouble
from remit.journal.engine import PATIENCE
from remit.journal.schema import migrate
from remit.journal.transaction import Head, Transaction
from remit.journal.trouble import is_busy, trouble, unwritable

_PAUSE: Final = 0.002

T = TypeVar("T")


class SqliteEngine:
    """The file at `path`, created or migrated. Raises JournalTrouble."""

    errors: Final = sqlite3.Error

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._connection = open_writer(path, patience=patience)
        self._synchronous = ""

    @property
    def place(self) -> str:
        return str(self._path)

    def begin(self, *, durable: bool, patience: float) -> None:
        synchronous = "FULL" if durable else "NORMAL"
        if synchronous != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        if patience:
            retried(lambda: self._connection.execute("BEGIN IMMEDIATE"), patience=patience)
        else:
            self._connection.execute("BEGIN IMMEDIATE")

    def transaction(self, known: Mapping[str, Head]) -> Transaction:
        return Transaction(self._connection.execute, known)

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        # A transaction that is gone, or cannot go, makes every later BEGIN fail, and says so to its callers.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def tidy(self) -> None:
        """A checkpoint: the next one, or the next process, does what this one cannot."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:
            self.roll_back()

    def is_busy(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.Error) and is_busy(error)

    def trouble(self, error: Exception) -> JournalTrouble:
        assert isinstance(error, sqlite3.Error)  # noqa: S101 - for mypy: of `errors`
        return trouble(error, self._path)

    def close(self) -> None:
        self._connection.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that any thread may use, one at a time. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0, cached_statements=64)
    connection.execute("PRAGMA page_size = 2048")  # of a new file: a commit writes whole pages, and touches several for few bytes
    connection.execute("PRAGMA busy_timeout = 0")
    return connection


def open_writer(path: Path, *, patience: float = PATIENCE) -> sqlite3.Connection:
    """Create or open the journal, migrated and in WAL mode. Raises JournalTrouble."""
    with translated(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(path)
        except OSError as error:
            raise unwritable(path, error.strerror or str(error)) from None
        connection = connect(path)
        try:
            retried(lambda: _prepare(connection, path), patience=patience)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises JournalTrouble."""
    with translated(path):
        connection = connect(path)
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA query_only = ON")
        return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into JournalTrouble."""
    try:
        yield
    except sqlite3.Error as error:
        raise trouble(error, path) from error


def retried(work: Callable[[], T], *, patience: float) -> T:
    """Do `work` again while the database is locked, for at most `patience` seconds. Raises sqlite3.Error."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)


def _create(path: Path) -> None:
    """Private from the start, as SQLite gives its side files the permissions of the database.

    An existing file is not opened here: closing it again would drop the locks that this process holds on it.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    mode: str = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise JournalTrouble(f"{path} cannot use write-ahead logging here ({mode})", fix="keep it on a local disk, not a network folder")
    # The writer's thread checkpoints by itself, so that a caller never pays for it.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    migrate(connection, path)
