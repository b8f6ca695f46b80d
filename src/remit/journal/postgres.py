"""The journal in a PostgreSQL database: `remit.ports.Journal` for any number of processes on any number of machines.

Its tables stand in a schema of their own, `remit`. One writer at a time, by a lock that ends with its transaction, so that `seq` is the
order in which lines became visible. What the tools write to the same database can be committed together with its record: `join`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg

from remit.domain.values import RunId
from remit.errors import BadInput, JournalTrouble, RunBusy
from remit.journal.engine import PATIENCE
from remit.journal.journal import StoredJournal
from remit.journal.postgres_engine import PostgresEngine, PostgresTransaction, connect, lock_journal, spelled, trouble
from remit.journal.reading import Reader
from remit.journal.schema import kind_text
from remit.journal.transaction import line
from remit.journal.writer import Writer

if TYPE_CHECKING:
    from remit.domain.entry import Draft
    from remit.ports import Clock

PREFIX: Final = "postgresql+psycopg://"
_IDLE: Final = 4
"""Connections that are kept for the next page."""


class PostgresJournal(StoredJournal):
    """Made by `open_postgres`."""

    def __init__(self, url: str, *, clock: Clock | None, patience: float) -> None:
        engine = PostgresEngine(url, patience=patience)
        super().__init__(Writer(engine, clock=clock, patience=patience), PostgresReader(url, engine.place))
        self._holds = Holds(url, engine.place)

    @contextmanager
    def hold(self, run: RunId) -> Iterator[None]:
        """As in the port. Held as long as the connection to the server lasts."""
        with self._holds.held(run):
            yield

    def join(self, connection: psycopg.Connection[Any], drafts: Sequence[Draft]) -> None:
        """Write lines in a transaction of somebody else, who commits at once. Raises AlreadyRecorded, ArgsInvalid or psycopg.Error.

        Until then no other line can be written by anybody, so that it has to be the last that is done before the commit.
        """
        lock_journal(connection)
        transaction = PostgresTransaction(connection, {})
        transaction.write([line(draft) for draft in drafts])
        transaction.finish()

    def close(self) -> None:
        super().close()
        self._holds.close()


class PostgresReader(Reader):
    """Each page uses a connection of its own for as long as it takes."""

    code = staticmethod(kind_text)
    own_kind = "e.kind"

    def __init__(self, url: str, place: str) -> None:
        self._url = url
        self._place = place
        self._idle: list[psycopg.Connection[Any]] = []
        self._lock = threading.Lock()
        self._closed = False

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        found: list[Any] = []
        # No other text is ever stored, and no number beyond 64 bits.
        if any("\0" in value for value in values if isinstance(value, str)):
            return found
        try:
            with self._connection() as connection, suppress(UnicodeEncodeError, psycopg.errors.NumericValueOutOfRange):
                found = connection.execute(spelled(sql), values).fetchall()
        except psycopg.Error as error:
            raise trouble(error, self._place) from error
        return found

    def close(self) -> None:
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            if self._closed:
                raise JournalTrouble(f"{self._place} is closed", fix="open the journal again")
            connection = self._idle.pop() if self._idle else None
        if connection is None or connection.closed:
            connection = connect(self._url)
            connection.execute("SET default_transaction_read_only = on")
        try:
            yield connection
        finally:
            with self._lock:
                self._give_back(connection)

    def _give_back(self, connection: psycopg.Connection[Any]) -> None:
        if self._closed or connection.closed or len(self._idle) >= _IDLE:
            connection.close()
        else:
            self._idle.append(connection)


class Holds:
    """Runs that this process advances: locks of one connection, given back by the server when it is gone."""

    def __init__(self, url: str, place: str) -> None:
        self._url = url
        self._place = place
        self._lock = threading.Lock()
        self._held: set[RunId] = set()
        self._connection: psycopg.Connection[Any] | None = None

    @contextmanager
    def held(self, run: RunId) -> Iterator[None]:
        """Raises RunBusy at once when it is held, also by this process; JournalTrouble when the server is gone."""
        try:
            with self._lock:
                self._take(run)
        except psycopg.Error as error:
            raise trouble(error, self._place) from error
        try:
            yield
        finally:
            with self._lock, suppress(psycopg.Error):
                self._held.discard(run)
                if self._connection is not None:
                    self._connection.execute("SELECT pg_advisory_unlock(%s)", (_number(run),))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _take(self, run: RunId) -> None:
        connection = self._connection
        if connection is None or (connection.closed and not self._held):
            connection = self._connection = connect(self._url)
        if run in self._held or connection.execute("SELECT pg_try_advisory_lock(%s)", (_number(run),)).fetchone() != (True,):
            raise RunBusy(f"another process is advancing run {run}", fix="wait for it, or end that process")
        self._held.add(run)


def open_postgres(url: str, *, clock: Clock | None = None, patience: float = PATIENCE) -> PostgresJournal:
    """Open or create the journal in the database at `url`. Raises BadInput for another kind of URL, or JournalTrouble."""
    if not url.startswith(PREFIX):
        raise BadInput("the journal's URL is of another kind", fix="write it as postgresql+psycopg://user:${PASSWORD}@host/database")
    return PostgresJournal("postgresql://" + url.removeprefix(PREFIX), clock=clock, patience=patience)


def _number(run: RunId) -> int:
    return int.from_bytes(hashlib.sha256(b"remit.run " + run.encode()).digest()[:8], "big", signed=True)
