"""The tables of a journal file, and how an older file becomes a current one.

Migration N takes a file from version N-1 to N and never changes once shipped; `tests/contract/golden` keeps a file of
every version. Kind codes belong to the version: a kind without a code is stored as its text, so that a remit that
knows more kinds than this one never makes a file unreadable.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from remit.errors import JournalTrouble
from remit.journal.trouble import corrupt

APPLICATION: Final = 0x524D4954
"""`RMIT`: tells a journal from any other SQLite file."""

KINDS: Final = (
    "opened", "level", "plan", "leg", "message", "note", "closed", "reopened",
    "proposed", "asked", "answered", "settled", "refused", "started", "resumed", "finished", "undone",
)  # fmt: skip
CODES: Final = {name: code for code, name in enumerate(KINDS)}

_FIRST: Final = """
CREATE TABLE kinds(code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE runs(
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, n INTEGER NOT NULL, hash BLOB NOT NULL, anchored INTEGER NOT NULL DEFAULT 0);
CREATE TABLE entries(
  seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, n INTEGER NOT NULL, kind NOT NULL, at INTEGER NOT NULL,
  action TEXT NOT NULL, part TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL);
CREATE UNIQUE INDEX entry_once ON entries(run, action, part, kind);
CREATE UNIQUE INDEX entry_order ON entries(run, n);
CREATE TABLE pending(kind INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(kind, seq)) WITHOUT ROWID;
CREATE TABLE ledger(
  seq INTEGER PRIMARY KEY, run TEXT NOT NULL, n INTEGER NOT NULL, head BLOB NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL);
""" + "\n".join(f"INSERT INTO kinds VALUES({code}, '{name}');" for name, code in CODES.items())

MIGRATIONS: Final = (_FIRST,)


def kind_code(kind: str) -> int | str:
    """What stands in the `kind` column."""
    return CODES.get(kind, kind)


def kind_text(kind: str) -> int | str:
    """The same where every kind is stored as its text."""
    return str(kind)


def kind_name(code: int | str) -> str:
    """The kind's text; of a code that no shipped version wrote, its digits, so that verifying names the line."""
    return KINDS[code] if isinstance(code, int) and 0 <= code < len(KINDS) else str(code)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the current version, in one transaction. Raises JournalTrouble when it is newer or someone else's."""
    version = _version(connection, path)
    if version == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(_version(connection, path), len(MIGRATIONS)):
            for statement in MIGRATIONS[number].split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION and not empty:
        raise corrupt(path, "it is the database of another program")
    if version > len(MIGRATIONS):
        raise JournalTrouble(
            f"{path} was written by a newer remit (schema {version}, this one knows up to {len(MIGRATIONS)})",
            fix="upgrade this remit; an older one must not write to it",
        )
    return version
