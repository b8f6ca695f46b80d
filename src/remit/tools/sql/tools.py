"""The tools for databases, wired together."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from remit.ports import Store, Tool
from remit.tools.sql.database import Database
from remit.tools.sql.run import SqlQuery, SqlRun
from remit.tools.sql.write import SqlRestore, SqlWrite


def sql_tools(databases: Mapping[str, str], store: Store, *, journal: str = "") -> list[Tool]:
    """The tools over these databases (name to URL). No connection is made. Raises BadInput for a strange URL, ImportError.

    What is written to the database that is at the URL `journal` is committed together with its record.
    """
    for library in ("sqlalchemy", "sqlglot", "psycopg"):  # they load with the first statement, which is too late to find that out
        if find_spec(library) is None:
            raise ImportError(name=library)
    known = {name: Database(name, url, journal=journal) for name, url in databases.items()}
    return [SqlQuery(known), SqlWrite(known, store), SqlRun(known), SqlRestore(known, store)]
