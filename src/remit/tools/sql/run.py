"""Looking into databases, and running what cannot be undone."""

from __future__ import annotations

from typing import Final

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import JsonValue, canonical
from remit.domain.visible import visible
from remit.errors import ToolFailed
from remit.ports import Call, Preview, ToolSpec
from remit.tools.args import number, schema, text
from remit.tools.base import uninterrupted
from remit.tools.sql.database import SECONDS, Database
from remit.tools.sql.sql_tool import DATABASE, SQL, SqlTool, as_json
from remit.tools.sql.statement import Statement, Verb

_ROWS: Final = 200
_ROWS_MAX: Final = 5000
_MOST: Final = 4 << 20
"""Bytes of an answer."""


class SqlQuery(SqlTool):
    """Only what its syntax tree shows to be a query runs, and it runs in a transaction that cannot write."""

    spec = ToolSpec(
        name="sql.query",
        description="Read from a database: one SELECT. Values that JSON has not are given as text, bytes as base64.",
        schema=schema(
            ("database", "sql"),
            database=DATABASE,
            sql=SQL,
            limit={"type": "integer", "minimum": 1, "maximum": _ROWS_MAX, "default": _ROWS, "description": "rows at most"},
        ),
        effect=Effect.PURE,
        reads_untrusted=True,
        visible=("database", "sql"),
    )

    async def run(self, call: Call) -> JsonValue:
        database, statement = self.database(call.args), self.statement(call.args)
        if statement.verb is not Verb.READ:
            why = statement.why or f"it is {statement.verb}"
            raise ToolFailed(f"this is not a query: {why}", fix="use sql.write for one INSERT, UPDATE or DELETE, sql.run for anything else")
        return await uninterrupted(lambda: self._read(database, statement, number(call.args, "limit", _ROWS)))

    def _read(self, database: Database, statement: Statement, limit: int) -> JsonValue:
        listed: list[JsonValue] = []
        size, more = 0, False
        with database.reading() as connection, database.query(connection, statement.text) as (columns, rows):
            for row in rows:
                values: JsonValue = [as_json(value) for value in row]
                size += len(canonical(values).encode())
                more = len(listed) == limit or size > _MOST
                if more:
                    break
                listed.append(values)
        if more and not listed:
            raise ToolFailed(f"one row is larger than {_MOST >> 20} MB", fix="name fewer columns, or take parts of them with substr")
        return {"columns": columns, "rows": listed, "count": len(listed), "more": more}


class SqlRun(SqlTool):
    """Anything else, for good: definitions, commands, statements on tables whose rows cannot be told apart."""

    spec = ToolSpec(
        name="sql.run",
        description="Run any one statement, such as CREATE TABLE, for good: nothing is shown before, nothing can be undone.",
        schema=schema(("database", "sql"), database=DATABASE, sql=SQL),
        effect=Effect.IRREVERSIBLE,
        salient=("database", "sql"),
        visible=("database", "sql"),
        seconds=SECONDS + 30,
    )

    async def preview(self, call: Call) -> Preview:
        database = self.database(call.args)
        why = self.statement(call.args).why
        note = "What it does is not known before, and cannot be taken back." + (f" ({why})" if why else "")
        return Preview(text=f"in {database.name}:\n  {visible(text(call.args, 'sql'), keep=chr(10))}\n{note}")

    async def run(self, call: Call) -> JsonValue:
        database, statement = self.database(call.args), self.statement(call.args)
        return await uninterrupted(lambda: self._run(call, database, statement))

    def _run(self, call: Call, database: Database, statement: Statement) -> JsonValue:
        with database.writing() as connection:
            found = database.execute(connection, statement.text)
            rows: list[JsonValue] = [[as_json(value) for value in row] for row in found.fetchmany(_ROWS)] if found.returns_rows else []
            result: JsonValue = {"rows": rows, "count": found.rowcount}
            crashpoint("sql.written")
            self.seal(call, database, connection, result)
        crashpoint("sql.committed")
        return result
