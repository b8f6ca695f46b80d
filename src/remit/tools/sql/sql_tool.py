"""What every tool for databases shares."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ToolFailed
from remit.tools.args import text
from remit.tools.base import BaseTool
from remit.tools.sql.database import Database
from remit.tools.sql.statement import Statement, read_statement

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
        return read_statement(text(args, "sql"), self.database(args).dialect.name)

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
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124 - NaN is not itself
        return value
    return str(value)
