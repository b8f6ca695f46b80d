"""Lines for a journal, journals of every kind, and other processes that use one: shared by the tests of the journal."""

from __future__ import annotations

import atexit
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from remit.domain.entry import Draft, Kind
from remit.domain.values import JsonValue, RunId
from remit.journal.postgres import open_postgres
from remit.journal.sqlite import open_journal
from remit.ports import Journal
from remit.testing import MemoryJournal
from sql_world import server

CHILD = Path(__file__).with_name("journal_child.py")
RUN = RunId("run1")
AT = 1_700_000_000_000
MAKERS: dict[str, Callable[[Path], Journal]] = {
    "sqlite": lambda folder: open_journal(folder / "journal.db"),
    "postgres": lambda _: open_postgres(new_database()),
    "memory": lambda _: MemoryJournal(),
}
"""Every implementation of the port; the contract suite runs over all of them."""


@cache
def _server() -> str:
    """One PostgreSQL for this process, ended with it."""
    folder = TemporaryDirectory(prefix="remit-pg-")
    running = server(Path(folder.name) / "data")
    uri = running.__enter__()
    atexit.register(folder.cleanup)
    atexit.register(running.__exit__, None, None, None)
    return uri


_NUMBERS = count()


def new_database() -> str:
    """The URL of an empty database."""
    uri, name = _server(), f"j{next(_NUMBERS)}"
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} STRATEGY wal_log")
    host = uri.partition("host=")[2]
    return f"postgresql+psycopg://postgres@/{name}?host={host}"


def connected(url: str) -> psycopg.Connection[Any]:
    """Somebody with an SQL shell."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def draft(kind: Kind = Kind.NOTE, action: str = "", *, run: str = RUN, part: str = "", at: int = AT, **body: JsonValue) -> Draft:
    return Draft(run=RunId(run), kind=kind, at=at, action=action, part=part, body=body)


def child(*arguments: object) -> subprocess.Popen[str]:
    """Another process that works on a journal; see `journal_child.py`."""
    command = [sys.executable, str(CHILD), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, encoding="utf-8")


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line that a child prints."""
    assert process.stdout
    return process.stdout.readline().strip()


@contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """Someone with an SQL shell and write access."""
    connection = sqlite3.connect(path)
    yield connection
    connection.commit()
    connection.close()


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A real file system of that size. Skips the test where mounting one is not permitted."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", disk], capture_output=True, check=False, text=True, encoding="utf-8"
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
