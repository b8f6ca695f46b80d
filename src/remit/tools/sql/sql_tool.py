"""What every tool for databases shares."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, ToolFailed
from remit.ports import Call, Happened, Probed
from remit.tools.args import text
from remit.tools.base import BaseTool
from remit.tools.sql.database import Database
from remit.tools.sql.statement import Statement, Verb, read_statement

if TYPE_CHECKING:
    from sqlalchemy import Connection

_OURS: Final = re.compile(r'\bremit\b"?\s*\.|\bschema\b.*\bremit\b', re.IGNORECASE | re.DOTALL)
"""What names the journal's tables. Code that puts the name together passes; what it does to the journal, `remit log --verify` finds."""
_COMMENTS: Final = tuple(re.compile(one, re.DOTALL) for one in (r"(?!)", r"/\*.*?\*/", r"--[^\n]*", r"/\*.*?\*/|--[^\n]*"))
DATABASE: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "the database's name in remit's configuration"}
SQL: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "one statement"}


class SqlTool(BaseTool):
    """A tool that works in one of the configured databases."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self._databases = databases

    def database(self, args: Mapping[str, JsonValue]) -> Database:
        """Raises ToolFailed for a name that is not configured."""
        name = text(args, "database")
        if name not in self._databases:
            raise ToolFailed(f"there is no database {name!r}", fix=f"there are {', '.join(self._databases)}")
        return self._databases[name]

    def statement(self, args: Mapping[str, JsonValue]) -> Statement:
        """Raises ArgsInvalid, ToolFailed."""
        database, sql = self.database(args), text(args, "sql")
        if database.shared and any(_OURS.search(comment.sub(" ", sql)) for comment in _COMMENTS):
            raise ArgsInvalid("the schema `remit` there is the journal's own", fix="use `remit log`; name other tables")
        return read_statement(sql, database.dialect.name)

    def seal(self, call: Call, database: Database, connection: Connection, result: JsonValue) -> None:
        """Where the journal is in this database, record the result in the transaction of the effect; the last thing before its commit."""
        if database.shared and call.seal is not None:
            connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")  # what would fail at the commit fails here
            call.seal(connection.connection.dbapi_connection, result)

    async def probe(self, call: Call) -> Probed:
        """What was committed in the journal's own database is recorded; so what is not recorded surely was not.

        Only where all that it did is rows: a program that COPY calls, say, is not rolled back.
        """
        if self.database(call.args).shared and self.only_rows(call):
            return Probed(happened=Happened.NO, again=True)
        return await super().probe(call)

    def only_rows(self, call: Call) -> bool:
        """Whether a transaction that is rolled back leaves nothing of the call."""
        return self.statement(call.args).verb not in {Verb.OTHER, Verb.READ}

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{self.spec.name.removeprefix('sql.')} in {text(args, 'database')}: {visible(text(args, 'sql'), keep='')}"


def as_json(value: object) -> JsonValue:
    """A value as JSON has it, for those who read it; bytes as base64, what JSON has not as text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, dict):
        return {str(as_json(name)): as_json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124 - NaN is not itself
        return value
    return str(value)
