"""What differs between SQLite and PostgreSQL: transactions, catalogues, and how a value is read and written exactly.

SQLite's values carry their own type, so they are read as they are. PostgreSQL has many types, and its text form of each gives the
same value back (with the settings of `prepare`), so there every value is text, and the column decides what it means.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from remit.domain.values import JsonValue

_STEPS: Final = 10_000
"""SQLite's instructions between looks at the clock."""
_GRACE: Final = 5
"""Seconds in which a PostgreSQL server may still say that a statement took too long."""
_AT_A_TIME: Final = 20
"""Rows that a PostgreSQL server is asked for at once."""
_EXACT: Final = (
    "extra_float_digits = 1", "DateStyle = 'ISO, YMD'", "IntervalStyle = 'postgres'", "bytea_output = 'hex'", "TimeZone = 'UTC'",
    "standard_conforming_strings = on",  # as those read it who look for the end of a statement
)  # fmt: skip
_SIDE: Final = (
    "(SELECT CASE WHEN upper(t) LIKE '%INT%' THEN 'number' WHEN upper(t) LIKE '%CHAR%' OR upper(t) LIKE '%CLOB%' OR upper(t) LIKE '%TEXT%'"
    " THEN 'text' WHEN t = '' OR upper(t) LIKE '%BLOB%' THEN 'any' ELSE 'number' END FROM (SELECT {} AS t))"
)
"""How SQLite compares values of a declared type (https://www.sqlite.org/datatype3.html, 3.1)."""


class Dialect(ABC):
    name: ClassVar[str]
    default_schema: ClassVar[str]
    """A query for the schema that a name without one means."""
    for_update: ClassVar[str]
    system_value: ClassVar[str]
    """What lets an INSERT say the value of a column that counts by itself."""
    is_file: ClassVar[bool]
    options: ClassVar[Mapping[str, Any]]

    def quoted(self, table: str) -> str:
        """A name, or SCHEMA.NAME, for statements."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))

    def column(self, name: str) -> str:
        """A column's name for statements; a dot in it is part of it."""
        return '"' + name.replace('"', '""') + '"'

    @abstractmethod
    def prepare(self, raw: Any) -> None:
        """Once for each connection."""

    @abstractmethod
    def read_only(self, seconds: int) -> Sequence[str]:
        """First in a transaction that must not write."""

    @abstractmethod
    def read_write(self, seconds: int) -> Sequence[str]:
        """First in a transaction that may."""

    @abstractmethod
    def cursor(self, raw: Any) -> Any:
        """A driver's cursor for one query, whose rows come as they are taken: all of them may be more than memory holds."""

    @abstractmethod
    def limit(self, raw: Any, deadline: float) -> None:
        """End what runs past the deadline (`time.monotonic`)."""

    @abstractmethod
    def unlimit(self, raw: Any) -> None: ...

    @abstractmethod
    def is_table(self, schema: str, name: str) -> tuple[str, tuple[object, ...]]:
        """A query that finds something when there is such a plain table."""

    @abstractmethod
    def obstacles(self, quoted: str, name: str) -> tuple[str, tuple[object, ...]]:
        """A query for what makes a write to the table do more or less than its rows show."""

    @abstractmethod
    def children(self, quoted: str, name: str) -> tuple[str, tuple[object, ...]]:
        """A query for foreign keys by which the database itself changes rows of other tables: for each pair of columns
        the constraint, the other table, its column, the column of this one (NULL: as its key has it), and whether the two compare alike.
        """

    @abstractmethod
    def hidden(self, name: str) -> tuple[str, tuple[object, ...]]:
        """A query for columns that belong to a row without being declared."""

    @abstractmethod
    def exact(self, column: str) -> str:
        """The expression that reads a column exactly."""

    @abstractmethod
    def encoded(self, value: object) -> JsonValue:
        """What such an expression gave, as JSON."""

    @abstractmethod
    def bound(self, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        """The same back: an expression and its values."""

    @abstractmethod
    def equals(self, column: str, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        """A condition that an index can answer."""

    @abstractmethod
    def is_exactly(self, column: str, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        """A condition that holds for this very value, type included."""


class Sqlite(Dialect):
    name = "sqlite"
    default_schema = "SELECT 'main'"
    for_update = ""
    system_value = ""
    is_file = True
    options: ClassVar[Mapping[str, Any]] = {"connect_args": {"check_same_thread": False, "timeout": 10}}

    def prepare(self, raw: Any) -> None:
        raw.isolation_level = None  # transactions begin where we say so
        raw.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        raw.execute("PRAGMA foreign_keys = ON")

    def read_only(self, seconds: int) -> Sequence[str]:  # noqa: ARG002 - the progress handler sees to it
        return ("PRAGMA query_only = ON", "BEGIN")

    def read_write(self, seconds: int) -> Sequence[str]:  # noqa: ARG002 - the progress handler sees to it
        return ("BEGIN IMMEDIATE",)

    def cursor(self, raw: Any) -> Any:
        return raw.cursor()

    def limit(self, raw: Any, deadline: float) -> None:
        raw.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)

    def unlimit(self, raw: Any) -> None:
        raw.set_progress_handler(None, 0)
        raw.execute("PRAGMA query_only = OFF")

    def is_table(self, schema: str, name: str) -> tuple[str, tuple[object, ...]]:
        master = f"{self.quoted(schema)}.sqlite_master" if schema else "sqlite_master"
        sql = f"SELECT 1 FROM {master} WHERE type = 'table' AND name = ? AND sql NOT LIKE 'CREATE VIRTUAL%'"  # noqa: S608
        return sql, (name,)

    def obstacles(self, quoted: str, name: str) -> tuple[str, tuple[object, ...]]:  # noqa: ARG002 - its catalogue knows names
        sql = (
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE"
            " UNION ALL SELECT 'ON CONFLICT REPLACE' FROM sqlite_master"
            " WHERE type = 'table' AND name = ?1 AND sql LIKE '%conflict%replace%'"
        )
        return sql, (name,)

    def children(self, quoted: str, name: str) -> tuple[str, tuple[object, ...]]:  # noqa: ARG002 - its catalogue knows names
        own = _SIDE.format('(SELECT type FROM pragma_table_xinfo(m.name) WHERE name = f."from" COLLATE NOCASE)')
        other = _SIDE.format(
            '(SELECT type FROM pragma_table_xinfo(p.name) WHERE name = f."to" COLLATE NOCASE OR (f."to" IS NULL AND pk = f.seq + 1))'
        )
        sql = (
            f"SELECT m.name || ' ' || f.id, m.name, f.\"from\", f.\"to\", m.sql || p.sql NOT LIKE '%collate%' AND {own} = {other}"  # noqa: S608
            " FROM sqlite_master m, pragma_foreign_key_list(m.name) f"
            " JOIN sqlite_master p ON p.type = 'table' AND p.name = f.\"table\" COLLATE NOCASE"
            " WHERE m.type = 'table' AND f.\"table\" = ? COLLATE NOCASE"
            " AND (f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR f.on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))"
            " ORDER BY 1, f.seq"
        )
        return sql, (name,)

    def hidden(self, name: str) -> tuple[str, tuple[object, ...]]:
        """`rowid`: the order in which rows come without ORDER BY. Tables without one, or whose key it is, have none to keep."""
        sql = (
            "SELECT 'rowid' FROM pragma_table_list(?1) WHERE NOT wr AND NOT EXISTS (SELECT 1 FROM pragma_table_info(?1)"
            " WHERE pk = 1 AND upper(type) = 'INTEGER' AND (SELECT count(*) FROM pragma_table_info(?1) WHERE pk) = 1)"
        )
        return sql, (name,)

    def exact(self, column: str) -> str:
        return self.column(column)

    def encoded(self, value: object) -> JsonValue:
        match value:
            case float():
                return {"r": value.hex()}
            case bytes():
                return {"b": value.hex()}
            case str() if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
                return {"t": value.encode("utf-8", "surrogateescape").hex()}
            case None | int() | str():
                return value
            case _:
                raise TypeError(f"SQLite has no {type(value).__name__}")

    def bound(self, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        if not isinstance(value, Mapping):
            return "?", (value,)
        kind, text = next(iter(value.items()))
        if kind == "r":
            return "?", (float.fromhex(str(text)),)
        return ("CAST(? AS TEXT)" if kind == "t" else "?"), (bytes.fromhex(str(text)),)

    def equals(self, column: str, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        sql, values = self.bound(value)
        return f"{self.column(column)} IS {sql}", values

    def is_exactly(self, column: str, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        sql, values = self.equals(column, value)
        return f"{sql} AND typeof({self.column(column)}) = ?", (*values, _typeof(value))


class Postgres(Dialect):
    name = "postgres"
    default_schema = "SELECT current_schema()"
    for_update = " FOR UPDATE"
    system_value = " OVERRIDING SYSTEM VALUE"
    is_file = False
    options: ClassVar[Mapping[str, Any]] = {"connect_args": {"connect_timeout": 10}}

    def __init__(self) -> None:
        self._watches: dict[int, threading.Timer] = {}

    def prepare(self, raw: Any) -> None:
        raw.autocommit = True
        with raw.cursor() as cursor:
            cursor.execute("; ".join(f"SET {setting}" for setting in _EXACT))
        raw.autocommit = False

    def read_only(self, seconds: int) -> Sequence[str]:
        return ("SET TRANSACTION READ ONLY", f"SET LOCAL statement_timeout = '{seconds}s'")

    def read_write(self, seconds: int) -> Sequence[str]:
        return (f"SET LOCAL statement_timeout = '{seconds}s'", f"SET LOCAL lock_timeout = '{seconds}s'")

    def cursor(self, raw: Any) -> Any:
        made = raw.cursor("remit")  # what one with a name finds stays with the server
        made.itersize = _AT_A_TIME
        return made

    def limit(self, raw: Any, deadline: float) -> None:
        """The server ends a statement itself; one that has gone silent is hung up on some time later."""
        self.unlimit(raw)
        watch = threading.Timer(deadline - time.monotonic() + _GRACE, _hang_up, (raw,))
        watch.daemon = True
        self._watches[id(raw)] = watch
        watch.start()

    def unlimit(self, raw: Any) -> None:
        if watch := self._watches.pop(id(raw), None):
            watch.cancel()

    def is_table(self, schema: str, name: str) -> tuple[str, tuple[object, ...]]:
        quoted = self.quoted(f"{schema}.{name}" if schema else name)
        return "SELECT 1 FROM pg_class WHERE oid = to_regclass(%s) AND relkind IN ('r', 'p')", (quoted,)

    def obstacles(self, quoted: str, name: str) -> tuple[str, tuple[object, ...]]:  # noqa: ARG002 - its catalogue knows oids
        sql = (
            "WITH RECURSIVE parts(oid, kind) AS (SELECT oid, relkind FROM pg_class WHERE oid = %s::regclass UNION"
            " SELECT c.oid, c.relkind FROM parts JOIN pg_inherits i ON i.inhparent = parts.oid JOIN pg_class c ON c.oid = i.inhrelid)"
            " SELECT tgname FROM pg_trigger JOIN parts ON tgrelid = parts.oid WHERE NOT tgisinternal"
            " UNION ALL SELECT rulename FROM pg_rewrite JOIN parts ON ev_class = parts.oid"
            " UNION ALL SELECT 'a table that inherits from it' FROM pg_inherits JOIN parts ON inhparent = parts.oid WHERE kind = 'r'"
            " UNION ALL SELECT 'row level security' FROM parts WHERE row_security_active(parts.oid)"
            " UNION ALL SELECT 'bpchar without a length, whose blanks are lost: ' || attname FROM pg_attribute JOIN parts ON attrelid = oid"
            " WHERE atttypid = 'bpchar'::regtype AND atttypmod = -1 AND NOT attisdropped"
        )
        return sql, (quoted,)

    def children(self, quoted: str, name: str) -> tuple[str, tuple[object, ...]]:  # noqa: ARG002 - its catalogue knows oids
        sql = (
            "SELECT f.oid::text, CASE WHEN pg_table_is_visible(c.oid) THEN '' ELSE n.nspname || '.' END || c.relname,"
            " a.attname, b.attname, true"
            " FROM pg_constraint f"
            " JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k(own, other, place)"
            " JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.own"
            " JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = k.other"
            " WHERE f.contype = 'f' AND f.confrelid = %s::regclass"
            " AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd')) ORDER BY 1, k.place"
        )
        return sql, (quoted,)

    def hidden(self, name: str) -> tuple[str, tuple[object, ...]]:  # noqa: ARG002 - where a row lies there is nobody's business
        return "SELECT 1 WHERE false", ()

    def exact(self, column: str) -> str:
        return f"{self.column(column)}::text"

    def encoded(self, value: object) -> JsonValue:
        return None if value is None else str(value)

    def bound(self, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        return "%s", (value,)

    def equals(self, column: str, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        return (f"{self.column(column)} IS NULL", ()) if value is None else (f"{self.column(column)} = %s", (value,))

    def is_exactly(self, column: str, value: JsonValue) -> tuple[str, tuple[object, ...]]:
        return f"{self.column(column)}::text IS NOT DISTINCT FROM %s", (value,)


def _hang_up(raw: Any) -> None:
    """End a connection whose server does not answer: whoever waits for it is told that it was lost."""
    with suppress(Exception), socket.socket(fileno=os.dup(raw.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def _typeof(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return {"r": "real", "b": "blob", "t": "text"}[next(iter(value))]
    return "null" if value is None else "integer" if isinstance(value, int) else "text"
