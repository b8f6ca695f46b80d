"""The journal in one SQLite file: `remit.ports.Journal` for any number of threads and processes on one machine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from remit.domain.values import RunId
from remit.journal.connection import SqliteEngine
from remit.journal.engine import PATIENCE
from remit.journal.holding import held
from remit.journal.journal import StoredJournal
from remit.journal.reading import FileReader
from remit.journal.writer import Writer

if TYPE_CHECKING:
    from remit.ports import Clock


class SqliteJournal(StoredJournal):
    """Made by `open_journal`. A call may be written on its caller's own thread, which then waits for the disk."""

    def __init__(self, path: Path, *, clock: Clock | None, patience: float) -> None:
        super().__init__(Writer(SqliteEngine(path, patience=patience), clock=clock, patience=patience), FileReader(path))
        self._path = path

    def hold(self, run: RunId) -> AbstractContextManager[None]:
        return held(self._path.with_name(self._path.name + ".locks"), run)


def open_journal(path: Path, *, clock: Clock | None = None, patience: float = PATIENCE) -> SqliteJournal:
    """Open or create the journal at `path`, readable by this user only; side files stand next to it.

    `patience` is how many seconds to wait for another process's lock. Raises JournalTrouble, JournalLocked,
    JournalCorrupt or DiskFull.
    """
    return SqliteJournal(path.absolute(), clock=clock, patience=patience)
