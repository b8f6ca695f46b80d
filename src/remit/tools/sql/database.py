"""A database that remit may work in: its connections, what its tables look like, its rows exactly as they stand.

The only file that knows SQLAlchemy. SQLite and PostgreSQL; whatever differs between the two is in `dialect`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from remit.domain.values import canonical
from remit.errors import BadInput, Conflict, ToolFailed, ToolUncertain, Unavailable
from remit.tools.sql.dialect import Dialect, Postgres, Sqlite
from remit.tools.sql.rows import Row

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SECONDS: Final = 60
"""How long one statement may take."""
_TOGETHER: Final = 200
"""Rows that are looked up with one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A table whose rows follow when a row they refer to goes or changes its key."""

    table: str
    columns: tuple[str, ...]
    refers_to: tuple[str, ...]
    alike: bool
    """Whether the two sides compare alike, so that a plain look-up finds the rows that the database itself would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What has to be known of a table to put its rows back."""

    table: str
    """Quoted, for statements."""
    name: str
    columns: tuple[str, ...]
    """Stored ones: what the database computes from others cannot be set."""
    key: tuple[str, ...]
    obstacles: tuple[str, ...]
    """What makes a write do more, or less, than its rows show: triggers, rules, row level security and the like."""
    children: tuple[Child, ...]


class Database:
    """Connections are made on first use, each transaction on one of its own; safe to use from any thread."""

    def __init__(self, name: str, url: str, *, seconds: int = SECONDS, journal: str = "") -> None:
        """`journal` is the URL of the database that the journal is in. Raises BadInput for a URL of another kind of database."""
        self.name = name
        self.shared = bool(journal) and _place(url) is not None and _place(url) == _place(journal)
        """Whether what is written can be committed together with its record."""
        self._url = url
        self._seconds = seconds
        kind = url.partition(":")[0].partition("+")[0]
        if kind not in {"sqlite", "postgresql"}:
            raise BadInput(f"database {name!r}: {kind!r} is not supported", fix="use sqlite:///… or postgresql+psycopg://…")
        if kind == "sqlite" and not url.partition(":///")[2].startswith("/"):
            raise BadInput(f"database {name!r}: its path is not absolute", fix="write sqlite:////home/ann/books.db, with four strokes")
        self.dialect: Dialect = Sqlite() if kind == "sqlite" else Postgres()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction in which nothing can be written. Raises ToolFailed for what the database says."""
        with self._transaction(self.dialect.read_only) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, and rolled back by any exception.

        Raises ToolFailed; ToolUncertain when the commit itself did not answer, as then it may have happened.
        """
        import sqlalchemy as sa  # noqa: PLC0415 - a large library; only databases pay for it

        with self._transaction(self._read_write) as connection:
            yield connection
            try:
                connection.commit()
            except sa.exc.IntegrityError:
                raise
            except sa.exc.DBAPIError as error:
                raise ToolUncertain(f"{self.name}: the commit did not answer: {_said(error)}") from error

    @contextmanager
    def trying(self) -> Iterator[Connection]:
        """A transaction that is rolled back whatever happens. Raises ToolFailed."""
        with self._transaction(self.dialect.read_write) as connection:
            yield connection

    def execute(self, connection: Connection, sql: str, values: Sequence[object] = ()) -> Any:
        """One statement as it stands; a `%` or `:` in it means nothing when there are no values."""
        return connection.execution_options(no_parameters=not values).exec_driver_sql(sql, tuple(values) if values else None)

    @contextmanager
    def query(self, connection: Connection, sql: str) -> Iterator[tuple[list[str], Iterator[Sequence[object]]]]:
        """What a query finds: columns, and rows that come as they are taken. Raises ToolFailed."""
        raw = connection.connection.dbapi_connection
        try:
            with closing(self.dialect.cursor(raw)) as cursor:
                cursor.execute(sql)
                yield [column[0] for column in cursor.description or ()], iter(cursor)
        except connection.dialect.loaded_dbapi.Error as error:
            raise ToolFailed(f"{self.name}: {_said(error)}") from error

    def shape(self, connection: Connection, table: str) -> Shape:
        """Raises ToolFailed when there is no such plain table."""
        import sqlalchemy as sa  # noqa: PLC0415 - a large library; only databases pay for it

        schema, _, name = table.rpartition(".")
        if self.shared and schema.strip('"').lower() == "remit":
            raise ToolFailed("the schema `remit` there is the journal's own", fix="use `remit log`; name other tables")
        looks = sa.inspect(connection)
        quoted = self.dialect.quoted(table)
        if not self.execute(connection, *self.dialect.is_table(schema, name)).fetchone():
            known = ", ".join(sorted(looks.get_table_names(schema or None))[:20])
            raise ToolFailed(f"{self.name} has no table {table!r}", fix=f"it has {known}" if known else "it has no tables")
        columns = looks.get_columns(name, schema or None)
        key = tuple(looks.get_pk_constraint(name, schema or None)["constrained_columns"])
        return Shape(
            table=quoted,
            name=table,
            columns=(*(str(one["name"]) for one in columns if not one.get("computed")), *self._hidden(connection, name, columns)),
            key=key,
            obstacles=tuple(row[0] for row in self.execute(connection, *self.dialect.obstacles(quoted, name))),
            children=tuple(self._children(connection, quoted, name, key, columns)),
        )

    def rows(self, connection: Connection, shape: Shape, places: Sequence[Row], *, lock: bool = False) -> dict[str, Row]:
        """The rows that have these values in some columns, whole, by the canonical text of their key."""
        found: dict[str, Row] = {}
        for start in range(0, len(places), _TOGETHER):
            some = places[start : start + _TOGETHER]
            conditions, values = [], list[object]()
            for place in some:
                parts = [self.dialect.equals(name, value) for name, value in place.items()]
                conditions.append(" AND ".join(sql for sql, _ in parts))
                values += [value for _, bound in parts for value in bound]
            columns = ", ".join(self.dialect.exact(name) for name in shape.columns)
            where = " OR ".join(f"({condition})" for condition in conditions)
            sql = f"SELECT {columns} FROM {shape.table} WHERE {where}{self.dialect.for_update if lock else ''}"  # noqa: S608 - quoted names
            for row in self.execute(connection, sql, values):
                exact = dict(zip(shape.columns, map(self.dialect.encoded, row), strict=True))
                found[canonical({name: exact[name] for name in shape.key})] = exact
        return found

    def _read_write(self, seconds: int) -> Sequence[str]:
        """A snapshot from before the journal's lock was had would not see the last line."""
        return (*(["SET TRANSACTION ISOLATION LEVEL READ COMMITTED"] if self.shared else []), *self.dialect.read_write(seconds))

    @cached_property
    def _engine(self) -> Engine:
        import sqlalchemy as sa  # noqa: PLC0415 - a large library; only databases pay for it

        try:
            # A file may be replaced by another of its name, and a server may have gone: a connection that is kept would not notice.
            engine = sa.create_engine(self._url, poolclass=sa.NullPool, **self.dialect.options)
        except (ValueError, sa.exc.ArgumentError):  # what it says may hold the password
            raise Unavailable(f"the URL of database {self.name!r} cannot be read", fix="write it as docs/configuration.md shows") from None
        # Reading a table's columns asks nothing of their types, so one that SQLAlchemy does not know is no trouble.
        warnings.filterwarnings("ignore", "Did not recognize type", sa.exc.SAWarning)
        sa.event.listen(engine, "do_connect", self._there)
        sa.event.listen(engine, "connect", lambda raw, _: self._prepare(raw))
        return engine

    @contextmanager
    def _transaction(self, first: Callable[[int], Sequence[str]]) -> Iterator[Connection]:
        import sqlalchemy as sa  # noqa: PLC0415 - loaded with the engine

        engine = self._engine
        try:
            with engine.connect() as connection:
                raw = connection.connection.dbapi_connection
                self.dialect.limit(raw, time.monotonic() + self._seconds)
                for sql in first(self._seconds):
                    connection.exec_driver_sql(sql)
                try:
                    yield connection
                finally:
                    self.dialect.unlimit(raw)
        except sa.exc.IntegrityError as error:
            raise Conflict(f"{self.name}: {_said(error)}", fix="look at the rows that it collides with") from error
        except sa.exc.DBAPIError as error:
            raise ToolFailed(f"{self.name}: {_said(error)}") from error

    def _there(self, _dialect: Any, _record: Any, where: Sequence[Any], _more: Any) -> None:
        """SQLite would make a file of a name that was mistyped."""
        if self.dialect.is_file and where and not Path(where[0]).exists():
            raise ToolFailed(f"{self.name}: there is no file {where[0]}", fix="mend its url in remit.toml, or make the database")

    def _prepare(self, raw: Any) -> None:
        self.dialect.limit(raw, time.monotonic() + self._seconds)
        try:
            self.dialect.prepare(raw)
        finally:
            self.dialect.unlimit(raw)

    def _hidden(self, connection: Connection, name: str, columns: Sequence[Any]) -> list[str]:
        """Columns that belong to a row without being declared."""
        names = {str(one["name"]).lower() for one in columns}
        return [row[0] for row in self.execute(connection, *self.dialect.hidden(name)) if row[0] not in names]

    def _children(
        self, connection: Connection, quoted: str, name: str, key: Sequence[str], columns: Sequence[Mapping[str, Any]]
    ) -> Iterator[Child]:
        spelled = {str(one["name"]).lower(): str(one["name"]) for one in columns}
        pairs: dict[tuple[str, str], list[tuple[str, str, bool]]] = {}
        for constraint, table, own, other, alike in self.execute(connection, *self.dialect.children(quoted, name)):
            both = pairs.setdefault((constraint, table), [])
            parent = other or key[len(both)]
            both.append((own, parent if parent in spelled.values() else spelled.get(parent.lower(), parent), bool(alike)))
        for (_, table), all_of in pairs.items():
            own_names, other_names, alike_all = zip(*all_of, strict=True)
            yield Child(table=table, columns=own_names, refers_to=other_names, alike=all(alike_all))


def _place(url: str) -> Mapping[str, str] | None:
    """Server and database, however the user and the password are; None for what cannot be read, which is said when it is opened."""
    try:
        from psycopg import Error  # noqa: PLC0415 - a large library; whoever has a journal there has it already
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - see above

        parts = {name: str(value) for name, value in conninfo_to_dict(url.replace("+psycopg", "", 1)).items()}
    except (ImportError, Error):
        return None
    named = {"host": "", "hostaddr": "", "port": "5432", "service": "", "dbname": parts.get("user", ""), **parts}
    return {name: named[name] for name in ("host", "hostaddr", "port", "service", "dbname")}


def _said(error: Any) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())
