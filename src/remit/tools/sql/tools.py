"""The tools for databases, wired together."""

from __future__ import annotations

from collections.abc import Mapping

from remit.ports import Store, Tool
from remit.tools.sql.database import Database
from remit.tools.sql.run import SqlQuery, SqlRun
from remit.tools.sql.write import SqlRestore, SqlWrite


def sql_tools(databases: Mapping[str, str], store: Store) -> list[Tool]:
    """The tools over these databases (name to URL); none without any. No connection is made. Raises BadInput for a strange URL."""
    known = {name: Database(name, url) for name, url in databases.items()}
    made: list[Tool] = [SqlQuery(known), SqlWrite(known, store), SqlRun(known), SqlRestore(known, store)]
    return made if known else []
