"""Journals as older versions wrote them: each is opened, verified, read as it was, and written on."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from claims import proves
from journal_world import draft
from remit.domain.action import Level
from remit.domain.budget import Budget
from remit.domain.entry import Draft, Kind
from remit.domain.run import Run, RunKind
from remit.domain.steering import Hand
from remit.domain.values import RunId, canonical
from remit.gate.steering import Steered
from remit.journal.schema import KINDS, MIGRATIONS
from remit.journal.sqlite import open_journal

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(GOLDEN.glob("journal-v*.sql"))


def restored(golden: Path, folder: Path) -> Path:
    """The file that was shipped, made again from its dump."""
    path = folder / "journal.db"
    connection = sqlite3.connect(path)
    connection.executescript(golden.read_text(encoding="utf-8"))
    connection.close()
    return path


def test_there_is_a_golden_journal_of_every_schema_version() -> None:
    """Who changes the schema adds a migration and keeps a file of it."""
    assert [path.stem for path in VERSIONS] == [f"journal-v{number}" for number in range(1, len(MIGRATIONS) + 1)]


@proves("journal.golden")
@pytest.mark.parametrize("golden", VERSIONS, ids=lambda path: path.stem)
def test_a_journal_of_an_older_version_is_read_verified_and_written_on(golden: Path, tmp_path: Path) -> None:
    """Every field of every entry is what it was, the chains and the ledger hold, and new lines are chained to the old ones."""
    expected = json.loads(golden.with_suffix(".json").read_text(encoding="utf-8"))
    journal = open_journal(restored(golden, tmp_path))
    assert list(journal.verify()) == []
    found = list(journal.search())
    for entry, was in zip(found, expected, strict=True):
        assert (entry.seq, entry.run, entry.n, entry.kind, entry.at) == (was["seq"], was["run"], was["n"], was["kind"], was["at"])
        assert (entry.action, entry.part, entry.body_json, entry.hash.hex()) == (
            was["action"],
            was["part"],
            canonical(was["body"]),
            was["hash"],
        )
    assert [f"{e.run}/{e.action}{e.part}" for e in journal.pending(Kind.ASKED)] == ["run1/copy-1:1"]
    assert [e.run for e in journal.pending(Kind.OPENED)] == ["run1", "run2"]
    journal.append([draft(Kind.CLOSED, part="2"), draft(Kind.SETTLED, "copy-1", part=":1")], durable=True).result()
    assert [e.run for e in journal.pending(Kind.OPENED)] == ["run2"]
    assert list(journal.pending(Kind.ASKED)) == []
    assert list(journal.verify()) == []
    journal.close()


@proves("journal.golden")
def test_the_newest_golden_journal_has_a_line_of_every_kind() -> None:
    """A kind that ships is in the golden file, with its body as shipped."""
    steering = json.loads((GOLDEN / "steering-1.json").read_text(encoding="utf-8"))
    kinds = {line["kind"] for line in [*json.loads(VERSIONS[-1].with_suffix(".json").read_text(encoding="utf-8")), *steering]}
    assert kinds == set(Kind)


@proves("journal.golden")
def test_golden_steering_lines_are_read_as_they_were_meant(tmp_path: Path) -> None:
    """The bodies of level, pause, words, a step by hand and a plan, as first shipped."""
    lines = json.loads((GOLDEN / "steering-1.json").read_text(encoding="utf-8"))
    journal = open_journal(tmp_path / "journal.db")
    run = Run(id=RunId("run1"), kind=RunKind.AGENT, goal="x", level=Level.APPROVER, actor="a", opened_at=1)
    drafts = [Draft(run=run.id, kind=Kind(one["kind"]), at=1, part=one["part"], body=one["body"]) for one in lines]
    journal.append(drafts, durable=True).result()
    now = Steered(journal, run).now()
    journal.close()
    assert (now.level, now.chat, now.paused_by) == (Level.CONSULTANT, True, "ann")
    assert [one.text for one in now.said] == ["call it c", "go on"]
    assert (now.by_hand["b"].state, now.by_hand["b"].result, now.by_hand["b"].note) == (Hand.DONE, {"n": 1}, "typed")
    assert [(plan.by, plan.tainted) for plan in now.plans] == [("ann", False)]
    assert (now.budget, now.budgets) == (Budget(money=2_500_000, tokens=2000), 2)


def test_kind_codes_never_move() -> None:
    """A code in a file means the same kind for ever; kinds without a code are stored by name."""
    assert KINDS[:17] == (
        "opened", "level", "plan", "leg", "message", "note", "closed", "reopened", "proposed",
        "asked", "answered", "settled", "refused", "started", "resumed", "finished", "undone",
    )  # fmt: skip
