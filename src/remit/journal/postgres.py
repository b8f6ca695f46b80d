"""The journal in a PostgreSQL database: `remit.ports.Journal` for any number of processes on any number of machines.

Its tables stand in a schema of their own, `remit`. One writer at a time, by a lock that ends with its transaction, so that `seq` is the
order in which lines became visible. What the tools write to the same database can be committed together with its record: `join`.
"""

from __future__ import annotations

import hashlib
import os
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
        self._engine = PostgresEngine(url, patience=patience)
        self._patience = patience
        super().__init__(Writer(self._engine, clock=clock, patience=patience), PostgresReader(url, self._engine.place, patience))

    @contextmanager
    def hold(self, run: RunId) -> Iterator[None]:
        """As in the port. Held by the session that writes: where that is lost, and another process has it, nothing more is written."""
        number = int.from_bytes(hashlib.sha256(b"remit.run " + run.encode()).digest()[:8], "big", signed=True)
        with self._translated(), self._writer.alone():
            taken = self._engine.hold(number)
        if not taken:
            raise RunBusy(f"another process is advancing run {run}", fix="wait for it, or end that process")
        try:
            yield
        finally:
            with suppress(JournalTrouble), self._writer.alone():
                self._engine.release(number)

    def join(self, connection: psycopg.Connection[Any], drafts: Sequence[Draft]) -> None:
        """Write lines in a transaction of somebody else, who commits at once. Raises AlreadyRecorded, ArgsInvalid or psycopg.Error.

        Until then no other line can be written by anybody, so that it has to be the last that is done before the commit.
        """
        lock_journal(connection)
        transaction = PostgresTransaction(connection, {})
        transaction.write([line(draft) for draft in drafts])
        transaction.finish()

    def settle(self) -> None:
        """Return when no transaction that joined is still on its way to be committed. Raises JournalTrouble."""
        with self._translated(), self._writer.alone():
            try:
                self._engine.begin(durable=False, patience=self._patience)
            finally:
                self._engine.roll_back()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._engine.trouble(error) from error


class PostgresReader(Reader):
    """Each page uses a connection of its own for as long as it takes."""

    code = staticmethod(kind_text)
    own_kind = "e.kind"

    def __init__(self, url: str, place: str, patience: float) -> None:
        self._url, self._patience = url, patience
        self._place = place
        self._idle: list[psycopg.Connection[Any]] = []
        self._lock = threading.Lock()
        self._closed = self._lost = False
        self._process = os.getpid()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        # No other text is ever stored, and no number beyond 64 bits.
        if any("\0" in value for value in values if isinstance(value, str)):
            return []
        try:
            return self._asked(sql, values)
        except psycopg.OperationalError as error:
            if not self._drop():
                raise trouble(error, self._place) from error
        except psycopg.Error as error:
            raise trouble(error, self._place) from error
        return self.rows(sql, values)  # a server that was restarted is met again

    def close(self) -> None:
        with self._lock:
            self._closed = True
            while self._idle and os.getpid() == self._process:  # else they are those of the process that forked
                self._idle.pop().close()

    def _asked(self, sql: str, values: Sequence[object]) -> list[Any]:
        with self._connection() as connection, suppress(UnicodeEncodeError, psycopg.errors.NumericValueOutOfRange):
            return connection.execute(spelled(sql), values).fetchall()
        return []

    def _drop(self) -> bool:
        """Let go of the connections that a lost server left; whether there were any."""
        with self._lock:
            before = len(self._idle)
            self._idle = [one for one in self._idle if not one.closed]
            lost, self._lost = self._lost or len(self._idle) < before, False
            return lost

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            if self._closed:
                raise JournalTrouble(f"{self._place} is closed", fix="open the journal again")
            if os.getpid() != self._process:
                raise JournalTrouble(f"{self._place} was opened before this process was forked", fix="open the journal after the fork")
            kept = self._idle.pop() if self._idle else None
        connection = kept
        if connection is None or connection.closed:
            connection = connect(self._url, self._patience)
            connection.execute("SET default_transaction_read_only = on")
        try:
            yield connection
        finally:
            with self._lock:
                self._lost = self._lost or (kept is connection and connection.closed)
                self._give_back(connection)

    def _give_back(self, connection: psycopg.Connection[Any]) -> None:
        if self._closed or connection.closed or len(self._idle) >= _IDLE:
            connection.close()
        else:
            self._idle.append(connection)


def open_postgres(url: str, *, clock: Clock | None = None, patience: float = PATIENCE) -> PostgresJournal:
    """Open or create the journal in the database at `url`. Raises BadInput for another kind of URL, or JournalTrouble."""
    if not url.startswith(PREFIX):
        raise BadInput("the journal's URL is of another kind", fix="write it as postgresql+psycopg://user:${PASSWORD}@host/database")
    return PostgresJournal("postgresql://" + url.removeprefix(PREFIX), clock=clock, patience=patience)
