"""PostgreSQL's side of the writer: the connection, the tables, and what is said otherwise than in SQLite."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final, TypeVar

import psycopg

from remit.errors import DiskFull, JournalCorrupt, JournalLocked, JournalTrouble
from remit.journal.engine import PATIENCE
from remit.journal.schema import kind_text
from remit.journal.transaction import Head, Transaction

T = TypeVar("T")

_LOCK: Final = 0x52454D4954
"""The number of the advisory lock that makes one writer."""
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE SCHEMA IF NOT EXISTS remit;
CREATE TABLE remit.about(version INTEGER NOT NULL);
CREATE TABLE remit.runs(
  number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id TEXT COLLATE "C" NOT NULL UNIQUE, n BIGINT NOT NULL, hash BYTEA NOT NULL,
  anchored BIGINT NOT NULL DEFAULT 0);
CREATE TABLE remit.entries(
  seq BIGINT PRIMARY KEY, run BIGINT NOT NULL, n BIGINT NOT NULL, kind TEXT COLLATE "C" NOT NULL, at BIGINT NOT NULL,
  action TEXT COLLATE "C" NOT NULL, part TEXT COLLATE "C" NOT NULL, body TEXT COLLATE "C" NOT NULL, hash BYTEA NOT NULL,
  UNIQUE (run, action, part, kind), UNIQUE (run, n));
CREATE TABLE remit.pending(kind TEXT COLLATE "C" NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (kind, seq));
CREATE TABLE remit.ledger(
  seq BIGINT PRIMARY KEY, run TEXT COLLATE "C" NOT NULL, n BIGINT NOT NULL, head BYTEA NOT NULL, at BIGINT NOT NULL, hash BYTEA NOT NULL);
"""
_SETTINGS: Final = """
SELECT pg_catalog.set_config(key, value, false) FROM pg_catalog.pg_settings JOIN (VALUES
  ('search_path', 'pg_catalog'), ('idle_session_timeout', '0'), ('statement_timeout', '0'), ('transaction_timeout', '0'),
  ('idle_in_transaction_session_timeout', '0'), ('lock_timeout', 'PATIENCE')) AS wanted(key, value) ON name = key"""
"""What a server has not (older ones know fewer) is not set."""
_HASTE: Final = 1.0
"""Seconds that a transaction waits for somebody's table lock before the patient way is taken."""
_SILENCE: Final = 6
"""How often its patience a server may take for one answer."""
_INTERVAL: Final = 0.1
"""Seconds between looks whether there was a signal."""
_ROW: Final = "(%s, %s::bigint, %s::bigint, %s::text, %s::bigint, %s::text, %s::text, %s::text, %s::bytea)"
_INSERT: Final = """
INSERT INTO remit.entries(seq, run, n, kind, at, action, part, body, hash)
SELECT (SELECT coalesce(max(seq), 0) FROM remit.entries) + i, run, n, kind, at, action, part, body, hash
FROM (VALUES ROWS) AS v(i, run, n, kind, at, action, part, body, hash) RETURNING seq"""
_COLUMNS: Final = 8
_ROWS: Final = 1000
"""Lines in one statement; PostgreSQL takes 65,535 values."""
_OTHERWISE: Final = (
    (re.compile(r" INDEXED BY \w+"), ""),
    (re.compile(r"\b(FROM|INTO|UPDATE|JOIN) (runs|entries|pending|ledger)\b"), r"\1 remit.\2"),
    (re.compile(r"CAST\((\w+) AS BLOB\)"), r"convert_to(\1, 'UTF8')"),
    (re.compile(r"\binstr\("), "strpos("),
    (re.compile(r"\?"), "%s"),
    (re.compile(r"lower\(%s\)"), 'lower(%s COLLATE "C")'),
)


class _Busy(psycopg.OperationalError):
    """Another process is writing."""


class _Lost(psycopg.OperationalError):
    """A run that was held is held by another process."""


class Impatient(psycopg.Connection[Any]):
    """Hangs up on a server that is silent: one that waits for a lock says so long before."""

    silence = _SILENCE * PATIENCE

    def wait(self, gen: Any, interval: float = _INTERVAL, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, timeout or self.silence)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:  # it is still to answer
                self.pgconn.finish()
                raise psycopg.OperationalError(f"it said nothing for {self.silence:.0f} s") from error
            raise


class PostgresTransaction(Transaction):
    """As for SQLite. A failed statement would end the transaction, so each call has a point to go back to."""

    taken = psycopg.errors.UniqueViolation
    unfit = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
    code = staticmethod(kind_text)

    def __init__(self, connection: psycopg.Connection[Any], known: Mapping[str, Head]) -> None:
        super().__init__(lambda sql, values=(): connection.execute(spelled(sql), values), known)
        self._connection = connection

    def _mark(self) -> None:
        self._connection.execute("SAVEPOINT call")

    def _back(self) -> None:
        self._connection.execute("ROLLBACK TO SAVEPOINT call")

    def _insert(self, values: Sequence[object]) -> int:
        last = 0
        for start in range(0, len(values), _ROWS * _COLUMNS):
            some = values[start : start + _ROWS * _COLUMNS]
            rows = len(some) // _COLUMNS
            numbered: list[object] = []
            for row in range(rows):
                numbered += (row + 1, *some[row * _COLUMNS : (row + 1) * _COLUMNS])
            sql = _INSERT.replace("ROWS", ", ".join([_ROW] * rows))
            last = max(seq for (seq,) in self._connection.execute(sql, numbered))
        return last


class PostgresEngine:
    """The database at `url` (as libpq reads it), its tables made or found. Raises JournalTrouble."""

    errors: Final = psycopg.Error

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self._url, self._patience = url, patience
        self._held: set[int] = set()
        self.place = _place(url)
        try:
            self._connection = connect(url, patience)
        except psycopg.Error as error:
            raise trouble(error, self.place) from error
        try:
            self._prepare(patience)
        except BaseException as error:
            self._connection.close()
            if isinstance(error, psycopg.Error):
                raise trouble(error, self.place) from error
            raise

    def begin(self, *, durable: bool, patience: float) -> None:
        """A connection that was lost meanwhile is made anew, as nothing was said yet."""
        self._meeting(lambda: self._begin(durable=durable, patience=patience))

    def hold(self, number: int) -> bool:
        """Take a lock for as long as this session lasts, or until `release`; whether it was free. Between transactions only."""
        if number in self._held or self._meeting(lambda: _one(self._connection, f"SELECT pg_try_advisory_lock({number})")) is not True:
            return False
        self._held.add(number)
        return True

    def release(self, number: int) -> None:
        """Never raises: what is not given back ends with the session."""
        self._held.discard(number)
        with suppress(psycopg.Error):
            self._connection.execute(f"SELECT pg_advisory_unlock({number})")

    def transaction(self, known: Mapping[str, Head]) -> Transaction:
        return PostgresTransaction(self._connection, known)

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        with suppress(psycopg.Error):
            if not self._connection.closed:
                self._connection.execute("ROLLBACK")

    def tidy(self) -> None:
        """The server does that."""

    def is_busy(self, error: Exception) -> bool:
        return isinstance(error, _Busy | psycopg.errors.LockNotAvailable)

    def trouble(self, error: Exception) -> JournalTrouble:
        return trouble(error, self.place)

    def close(self) -> None:
        self._connection.close()

    def _meeting(self, work: Callable[[], T]) -> T:
        """Do it; once more on a new connection if the old one turns out to be gone."""
        if not self._connection.closed:
            try:
                return work()
            except psycopg.OperationalError:
                if not self._connection.closed:
                    raise
        self._connection = connect(self._url, self._patience)
        # Whoever took a run that was held by the lost session is at work on it by now: then nothing more is written here.
        if not all(_one(self._connection, f"SELECT pg_try_advisory_lock({number})") for number in self._held):
            self._connection.close()
            raise _Lost
        return work()

    def _begin(self, *, durable: bool, patience: float) -> None:
        lock = "pg_advisory_xact_lock" if patience else "pg_try_advisory_xact_lock"
        limit = int((patience or _HASTE) * 1000)
        told = self._connection.execute(
            "BEGIN ISOLATION LEVEL READ COMMITTED; "  # else a snapshot from before the lock would not see the last line
            f"SET LOCAL synchronous_commit = {'on' if durable else 'off'}; SET LOCAL lock_timeout = {limit}; SELECT {lock}({_LOCK})"
        )
        while told.nextset():
            pass
        if not patience and told.fetchone() != (True,):
            raise _Busy

    def _prepare(self, patience: float) -> None:
        encoding = self._connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise JournalTrouble(f"{self.place} cannot hold all text, as its encoding is {encoding}", fix="use one with ENCODING 'UTF8'")
        self.begin(durable=True, patience=patience)
        version = None
        if self._connection.execute("SELECT to_regclass('remit.about')").fetchone() != (None,):
            version = self._connection.execute("SELECT version FROM remit.about").fetchone()
        if version is None:
            for statement in _SCHEMA.split(";\n"):
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO remit.about VALUES (%s)", (_VERSION,))
        elif version[0] > _VERSION:
            raise JournalTrouble(
                f"{self.place} was written by a newer remit (schema {version[0]}, this one knows up to {_VERSION})",
                fix="upgrade this remit; an older one must not write to it",
            )
        self.commit()


@cache
def spelled(sql: str) -> str:
    """The same in PostgreSQL's words."""
    for pattern, text in _OTHERWISE:
        sql = pattern.sub(text, sql)
    return sql


def connect(url: str, patience: float = PATIENCE) -> psycopg.Connection[Any]:
    """In autocommit mode, for any thread, one at a time, whatever the database or the role has set. Raises psycopg.Error."""
    made = Impatient.connect(url, autocommit=True, connect_timeout=10, application_name="remit", client_encoding="utf8", keepalives_idle=30)
    made.silence = _SILENCE * patience
    try:
        made.execute(_SETTINGS.replace("PATIENCE", f"{int(patience * 1000)}ms"))
    except BaseException:
        made.close()
        raise
    return made


def lock_journal(connection: psycopg.Connection[Any]) -> None:
    """Become the one writer until the end of the transaction. Raises psycopg.Error when that takes too long."""
    connection.execute(f"SELECT pg_catalog.pg_advisory_xact_lock({_LOCK})")


def _one(connection: psycopg.Connection[Any], sql: str) -> Any:
    found = connection.execute(sql).fetchone()
    return found[0] if found else None


def trouble(error: Exception, place: str) -> JournalTrouble:
    """The error to raise for what PostgreSQL reported."""
    said = " ".join(str(error).split())
    match error:
        case _Busy() | psycopg.errors.LockNotAvailable():
            return JournalLocked(f"another process keeps {place} locked", fix="end what holds it (pg_locks shows who), then try again")
        case psycopg.errors.DiskFull():
            return DiskFull(f"no space left to write {place}", fix="free some space; nothing was recorded and the journal needs no repair")
        case _Lost():
            return JournalTrouble(f"another process advances a run that this one held, as {place} was lost meanwhile", fix="resume the run")
        case psycopg.errors.ReadOnlySqlTransaction():
            return JournalTrouble(f"{place} is read-only ({said})", fix="name the server that is written to")
        case psycopg.errors.InsufficientPrivilege():
            return JournalTrouble(f"{place} cannot be written ({said})", fix="let this role create or own the schema `remit` there")
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn() | psycopg.errors.IndexCorrupted():
            return JournalCorrupt(f"{place} is not a sound journal ({said})", fix="restore a copy of the schema `remit`")
        case psycopg.OperationalError():
            return JournalTrouble(f"{place} does not answer ({said})", fix="see whether the server is up and the URL is right")
        case _:
            return JournalTrouble(f"{place}: {said}", fix="see the server's log, then run `remit log --verify`")


def _place(url: str) -> str:
    """For people: without user and password."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error as error:
        raise JournalTrouble("the URL of the journal cannot be read", fix="write it as docs/configuration.md shows") from error
    return f"the journal in {parts.get('dbname', 'postgres')} at {parts.get('host', 'localhost')}"
