"""What every stored journal does the same way: one writer, one reader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from remit.domain.entry import Draft, Entry, Kind
from remit.domain.values import RunId
from remit.journal.reading import Reader
from remit.journal.writer import Writer

if TYPE_CHECKING:
    from remit.ports import Fault, Written


class StoredJournal(ABC):
    """As in the port."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

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
        return self._reader.find_runs(prefix)

    @abstractmethod
    def hold(self, run: RunId) -> AbstractContextManager[None]:
        """As in the port."""

    def version(self) -> int:
        return self._reader.version()

    def verify(self, run: RunId | None = None) -> Iterator[Fault]:
        from remit.journal.verification import faults  # noqa: PLC0415 - rarely needed, and start-up time is a claim

        return faults(self._reader, run)

    def close(self) -> None:
        self._writer.close()
        self._reader.close()
