"""Reading a journal file: by pages, so that no reader keeps an old state of the file alive or blocks the writer."""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from remit.domain.entry import Entry, Kind
from remit.domain.values import RunId, canonical
from remit.errors import JournalTrouble
from remit.journal.connection import open_reader, translated
from remit.journal.schema import KINDS, kind_code, kind_name

PAGE: Final = 256
_EARLIEST: Final = -(2**63)
_COLUMNS: Final = "e.seq, r.id, e.n, e.kind, e.at, e.action, e.part, e.body, e.hash"
_ENTRIES: Final = f"{_COLUMNS} FROM entries e JOIN runs r ON r.number = e.run"
_NUMBER: Final = "(SELECT number FROM runs WHERE id = ?)"
_ID: Final = "r.id || CASE e.action WHEN '' THEN '' ELSE '/' || e.action END"


class Where:
    """Conditions of a query together with their values, in step."""

    def __init__(self) -> None:
        self.sql = ""
        self.values: list[object] = []

    def also(self, condition: str, *values: object) -> None:
        self.sql += f" AND {condition}"
        self.values += values


class Reader(ABC):
    """What is asked of a journal, in SQLite's words. Any number of threads may read at once."""

    code = staticmethod(kind_code)
    own_kind = "CASE typeof(e.kind) WHEN 'text' THEN e.kind ELSE '' END"
    """The text of a kind that has no code."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of one query. Raises JournalTrouble."""

    @abstractmethod
    def close(self) -> None:
        """Nothing is read afterwards."""

    def run(self, run: RunId, *, action: str | None, kinds: Collection[str], after: int, limit: int | None) -> Iterator[Entry]:
        """Entries of one run by `n`."""
        where = Where()
        where.also(f"e.run = {_NUMBER}", run)
        self._among(where, kinds)
        if action is None:
            return self._pages(_ENTRIES, where, order="e.n", after=after, limit=limit)
        where.also("e.action = ?", action)
        # The plus keeps SQLite from walking the whole run in order instead of looking up the action.
        return self._pages(_ENTRIES, where, order="+e.n", after=after, limit=limit)

    def pending(self, kind: Kind) -> Iterator[Entry]:
        """Open entries of `kind` by `seq`."""
        where = Where()
        where.also("p.kind = ?", self.code(kind))
        source = f"{_COLUMNS} FROM pending p JOIN entries e ON e.seq = p.seq JOIN runs r ON r.number = e.run"
        return self._pages(source, where, order="p.seq", after=0, limit=None)

    def search(self, *, text: str, run: RunId | None, kinds: Collection[str], since: int, after: int, limit: int | None) -> Iterator[Entry]:
        """Entries of all runs by `seq`; text is compared without regard to the case of A to Z."""
        if any("\ud800" <= c <= "\udfff" for c in text):
            return iter(())  # no entry holds half a character, and SQLite would look for something else
        where = Where()
        where.also("e.at >= ?", max(since, _EARLIEST))
        self._among(where, kinds)
        if text:
            known = [self.code(name) for name in KINDS if text.lower() in name]
            places = [f"instr(lower({place}), lower(?)) > 0" for place in (_ID, "e.body", self.own_kind)]
            places += [f"e.kind IN ({_marks(known)})"] if known else []
            # In a body the text stands as JSON writes it: with quotes and line ends escaped.
            where.also(f"({' OR '.join(places)})", text, canonical(text)[1:-1], text, *known)
        if run is None:
            return self._pages(_ENTRIES, where, order="e.seq", after=after, limit=limit)
        where.also(f"e.run = {_NUMBER} AND +e.seq > ?", run, after)
        return self._pages(_ENTRIES, where, order="e.n", after=0, limit=limit)

    def _pages(self, source: str, where: Where, *, order: str, after: int, limit: int | None) -> Iterator[Entry]:
        sql = f"SELECT {source} WHERE {order} > ?{where.sql} ORDER BY {order} LIMIT ?"
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(left, PAGE)
            page = [_entry(row) for row in self.rows(sql, (after, *where.values, size))]
            yield from page
            if len(page) < size:
                return
            after = page[-1].n if order.endswith(".n") else page[-1].seq
            left = None if left is None else left - len(page)

    def find_runs(self, prefix: str) -> list[RunId]:
        """Newest first."""
        sql = "SELECT id FROM runs WHERE id >= ? AND substr(id, 1, ?) = ? ORDER BY number DESC"
        return [RunId(row[0]) for row in self.rows(sql, (prefix, len(prefix), prefix))]

    def version(self) -> int:
        """The highest `seq` there is: the same number for every process."""
        seq: int = self.rows("SELECT coalesce(max(seq), 0) FROM entries")[0][0]
        return seq

    def _among(self, where: Where, kinds: Collection[str]) -> None:
        if kinds:
            where.also(f"e.kind IN ({_marks(kinds)})", *(self.code(str(kind)) for kind in kinds))


class FileReader(Reader):
    """Each page uses a connection of its own for as long as it takes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        found: list[Any] = []
        # Only Unicode and 64-bit numbers are ever stored: nothing equals other text (an argument with broken bytes, say), or is larger.
        with self._connection() as connection, translated(self._path), suppress(UnicodeEncodeError, OverflowError):
            found = connection.execute(sql, values).fetchall()
        return found

    def close(self) -> None:
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise JournalTrouble(f"{self._path} is closed", fix="open the journal again")
            connection = self._idle.pop() if self._idle else None
        connection = connection or open_reader(self._path)
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, run, n, kind, at, action, part, body, hashed = row
    return Entry(seq=seq, run=RunId(run), n=n, kind=kind_name(kind), at=at, action=action, part=part, body_json=body, hash=hashed)
