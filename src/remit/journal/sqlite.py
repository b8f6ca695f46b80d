"""The journal in one SQLite file: `remit.ports.Journal` for any number of threads and processes on one machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from remit.domain.entry import Draft, Entry, Kind
from remit.domain.values import RunId
from remit.journal.connection import PATIENCE
from remit.journal.holding import held
from remit.journal.reading import Reader
from remit.journal.writer import Writer

if TYPE_CHECKING:
    from remit.ports import Clock, Fault, Written


class SqliteJournal:
    """Made by `open_journal`. A call may be written on its caller's own thread, which then waits for the disk."""

    def __init__(self, path: Path, *, clock: Clock | None, patience: float) -> None:
        self._path = path
        self._writer = Writer(path, clock=clock, patience=patience)
        self._reader = Reader(path)

    @property
    def commits(self) -> int:
        """Transactions that this journal wrote."""
        return self._writer.commits

    @property
    def calls(self) -> int:
        """Calls of append that were written in them."""
        return self._writer.calls

    @property
    def appended(self) -> int:
        """Entries that were written in them."""
        return self._writer.appended

    def append(self, drafts: Sequence[Draft], *, durable: bool, hurry: bool = True) -> Written:
        """As in the port. What cannot be stored fails the call with ArgsInvalid; a closed or forked journal raises here."""
        return self._writer.submit(drafts, durable=durable, hurry=hurry)

    def read(
        self, run: RunId, *, action: str | None = None, kinds: Collection[Kind] = (), after: int = 0, limit: int | None = None
    ) -> Iterator[Entry]:
        return self._reader.run(run, action=action, kinds=kinds, after=after, limit=limit)

    def pending(self, kind: Kind) -> Iterator[Entry]:
        return self._reader.pending(kind)

    def search(
        self,
        *,
        text: str = "",
        run: RunId | None = None,
        kinds: Collection[str] = (),
        since: int = 0,
        after: int = 0,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """As in the port; the case of A to Z does not matter."""
        return self._reader.search(text=text, run=run, kinds=kinds, since=since, after=after, limit=limit)

    def find_runs(self, prefix: str) -> list[RunId]:
        sql = "SELECT id FROM runs WHERE id >= ? AND substr(id, 1, ?) = ? ORDER BY number DESC"
        return [RunId(row[0]) for row in self._reader.rows(sql, (prefix, len(prefix), prefix))]

    def hold(self, run: RunId) -> AbstractContextManager[None]:
        return held(self._path.with_name(self._path.name + ".locks"), run)

    def version(self) -> int:
        """The highest `seq` there is: the same number for every process."""
        seq: int = self._reader.rows("SELECT coalesce(max(seq), 0) FROM entries")[0][0]
        return seq

    def verify(self, run: RunId | None = None) -> Iterator[Fault]:
        from remit.journal.verification import faults  # noqa: PLC0415 - rarely needed, and start-up time is a claim

        return faults(self._reader, run)

    def close(self) -> None:
        self._writer.close()
        self._reader.close()


def open_journal(path: Path, *, clock: Clock | None = None, patience: float = PATIENCE) -> SqliteJournal:
    """Open or create the journal at `path`, readable by this user only; side files stand next to it.

    `patience` is how many seconds to wait for another process's lock. Raises JournalTrouble, JournalLocked,
    JournalCorrupt or DiskFull.
    """
    return SqliteJournal(path.absolute(), clock=clock, patience=patience)
