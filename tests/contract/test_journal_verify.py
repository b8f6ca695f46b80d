"""Someone changes the file behind the journal's back: every way of it is found and named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from claims import proves
from journal_world import draft, tampering
from remit.domain.entry import Kind
from remit.domain.values import RunId
from remit.journal.sqlite import SqliteJournal, open_journal

BAD = "bad"
"""The run that is tampered with; the runs `good` and `long` stay as they are."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of three runs with interleaved entries, closed and so anchored."""
    journal = open_journal(tmp_path / "journal.db")
    for number in range(1, 11):
        journal.append([draft(Kind.NOTE, f"a{number}", run=run, x=number) for run in (BAD, "good")], durable=False).result()
    journal.append([draft(Kind.MESSAGE, part=str(i), run="long") for i in range(400)], durable=False).result()
    journal.close()
    return tmp_path / "journal.db"


def found(path: Path, run: str | None = None) -> list[tuple[str, int]]:
    """Where verifying finds faults."""
    journal = open_journal(path)
    faults = list(journal.verify(RunId(run) if run else None))
    journal.close()
    return sorted({(fault.run, fault.n) for fault in faults})


def entry(column: str, value: str) -> str:
    """SQL that changes one field of entry 5."""
    return f"UPDATE entries SET {column} = {value} WHERE run = 1 AND n = 5"


def test_an_untouched_journal_has_no_fault(path: Path) -> None:
    """No false alarms, before and after it is opened again and goes on."""
    assert found(path) == []
    journal = open_journal(path)
    journal.append([draft(Kind.NOTE, "late", run=BAD)], durable=True).result()
    assert list(journal.verify()) == []
    journal.close()
    assert found(path) == []


@proves("journal.tampering")
@pytest.mark.parametrize(
    "change",
    [
        entry("body", "'{\"x\":6}'"),
        entry("body", "x'ff'"),
        entry("body", "body || ' '"),
        entry("at", "at + 1"),
        entry("at", "'soon'"),
        entry("kind", "13"),
        entry("kind", "99"),
        entry("kind", "'unheard'"),
        entry("kind", "x'00'"),
        entry("action", "'b5'"),
        entry("part", "'?1'"),
        entry("hash", "zeroblob(32)"),
    ],
)
def test_a_changed_field_is_named(path: Path, change: str) -> None:
    """Whatever field of an entry is changed, verifying names that entry, and neither of the other runs."""
    with tampering(path) as sql:
        assert sql.execute(change).rowcount == 1
    faults = found(path)
    assert (BAD, 5) in faults
    assert set(faults) <= {(BAD, 5), (BAD, 6)}
    assert found(path, "good") == []
    assert found(path, BAD) == faults


@proves("journal.tampering")
@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("DELETE FROM entries WHERE run = 1 AND n = 5", [5]),
        ("DELETE FROM entries WHERE run = 1 AND n BETWEEN 3 AND 6", [3]),
        ("DELETE FROM entries WHERE run = 1 AND n = 1", [1]),
        ("DELETE FROM entries WHERE run = 1 AND n >= 9", [9, 10]),
        ("DELETE FROM entries WHERE run = 1", [1, 10]),
        ("UPDATE runs SET hash = zeroblob(32) WHERE number = 1", [10]),
        ("UPDATE runs SET n = 8 WHERE number = 1", [8, 9]),
        ("UPDATE runs SET n = 12 WHERE number = 1", [11]),
        ("UPDATE ledger SET n = 9 WHERE run = 'bad'", [9]),
        ("UPDATE ledger SET head = zeroblob(32) WHERE run = 'bad'", [10]),
        ("UPDATE ledger SET hash = zeroblob(32) WHERE run = 'bad'", [10]),
        ("UPDATE ledger SET at = at + 1 WHERE run = 'bad'", [10]),
        ("DELETE FROM ledger WHERE run = 'bad'", [10]),
        ("DELETE FROM ledger", [10]),
        ("DELETE FROM runs WHERE number = 1", [10]),
        ("UPDATE runs SET id = 'other' WHERE number = 1", [10]),
    ],
)
def test_a_removed_entry_head_or_ledger_row_is_named(path: Path, change: str, where: list[int]) -> None:
    """What is gone or points elsewhere is named by run and number: in the middle, at the end, and in the ledger of heads."""
    with tampering(path) as sql:
        assert sql.execute(change).rowcount >= 1
    assert [n for run, n in found(path) if run == BAD] == where
    assert [n for run, n in found(path, BAD) if run == BAD] == where


def swap(sql: sqlite3.Connection, column: str) -> None:
    """Exchange one column of entries 4 and 5."""
    fourth, fifth = [row[0] for row in sql.execute(f"SELECT {column} FROM entries WHERE run = 1 AND n IN (4, 5) ORDER BY n")]
    for new, old in ((-1, fourth), (fourth, fifth), (fifth, -1)):
        assert sql.execute(f"UPDATE entries SET {column} = ? WHERE run = 1 AND {column} = ?", (new, old)).rowcount == 1


@proves("journal.tampering")
@pytest.mark.parametrize("column", ["body", "action", "seq", "n"])
def test_swapped_entries_are_named(path: Path, column: str) -> None:
    """Contents, numbers or places of two entries exchanged: both are looked at, one at least is named."""
    with tampering(path) as sql:
        swap(sql, column)
    named = [n for run, n in found(path) if run == BAD]
    assert {4, 5} & set(named)
    assert set(named) <= {4, 5, 6}


@proves("journal.tampering")
def test_a_shortened_chain_with_a_fitting_head_is_known_to_the_ledger(path: Path) -> None:
    """Cutting the end off and correcting the run's head is still found, as the ledger knew the later head."""
    with tampering(path) as sql:
        sql.execute("DELETE FROM entries WHERE run = 1 AND n > 7")
        sql.execute("UPDATE runs SET n = 7, hash = (SELECT hash FROM entries WHERE run = 1 AND n = 7) WHERE number = 1")
    assert (BAD, 10) in found(path)


@proves("journal.tampering")
def test_a_run_that_is_wholly_gone_is_named(path: Path) -> None:
    """Removing a run with its head leaves its anchors."""
    with tampering(path) as sql:
        sql.execute("DELETE FROM entries WHERE run = 1")
        sql.execute("DELETE FROM runs WHERE number = 1")
    assert found(path) == [(BAD, 10)]


def test_a_closed_run_is_anchored_at_once(tmp_path: Path) -> None:
    """The head of a finished run is in the ledger even when the process is killed right after."""
    journal = open_journal(tmp_path / "journal.db")
    journal.append([draft(Kind.OPENED), draft(Kind.CLOSED)], durable=True).result()
    journal.append([draft(run="open")], durable=True).result()
    with tampering(tmp_path / "journal.db") as sql:
        assert list(sql.execute("SELECT run, n FROM ledger")) == [("run1", 2)]
    journal.close()
    with tampering(tmp_path / "journal.db") as sql:
        assert list(sql.execute("SELECT run, n FROM ledger")) == [("run1", 2), ("open", 1)]


def test_heads_are_anchored_every_256_entries(tmp_path: Path) -> None:
    """A long-lived process need not close for its runs to be anchored."""
    journal = open_journal(tmp_path / "journal.db")
    for number in range(300):
        journal.append([draft(Kind.NOTE, f"a{number}", run=f"r{number % 3}")], durable=False).result()
    with tampering(tmp_path / "journal.db") as sql:
        assert sql.execute("SELECT count(*), sum(n) FROM ledger").fetchone() == (3, 256)
    journal.close()


def test_appending_beyond_a_changed_head_is_refused(path: Path) -> None:
    """A journal that does not fit its own head is not written on silently."""
    with tampering(path) as sql:
        sql.execute("UPDATE runs SET n = 8 WHERE number = 1")
    journal: SqliteJournal = open_journal(path)
    error = journal.append([draft(Kind.NOTE, "late", run=BAD)], durable=True).exception()
    assert error is not None
    assert "beyond the head" in str(error)
    journal.append([draft(Kind.NOTE, "late", run="good")], durable=True).result()
    journal.close()
