"""What must hold at the end. Each is looked up in the world or in the journal, never assumed; one that does not hold fails the demo."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from remit.demo.folder import INVOICES, booked, owed
from remit.demo.numbers import count, records
from remit.demo.seal import differing, seal
from remit.demo.telling import body_of
from remit.domain.action import Action
from remit.domain.entry import Entry, Kind
from remit.domain.outcome import Evidence
from remit.domain.record import Record, State
from remit.domain.run import RunState

Seal = dict[bytes, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Whether something held, and what was seen when it did not."""

    text: str
    held: bool
    seen: str = ""


@dataclass(slots=True, kw_only=True)
class Story:
    """What the parent saw of the world, beside what the journal says."""

    root: Path
    shell: bool
    before: Seal
    killed: str = ""
    """The action in flight at the kill."""
    death: int = 0
    """The exit status of the process that was killed."""
    lines: list[Entry] = field(default_factory=list)
    """The run in the journal, when it had ended."""
    after_work: Seal = field(default_factory=dict)
    ledger: Mapping[str, list[int]] = field(default_factory=dict)
    balances: Mapping[str, int] = field(default_factory=dict)
    undo_code: int = -1
    after_undo: Seal = field(default_factory=dict)
    verify_code: int = -1

    def look_at_work(self, lines: list[Entry]) -> None:
        """What the run left in the world, before it is taken back."""
        self.lines = lines
        self.after_work = seal(self.root)
        if self.shell:
            self.ledger, self.balances = booked(self.root / "invoices.db"), owed(self.root / "invoices.db")


def judge(story: Story) -> Iterator[Promise]:
    """Every promise that the demo shows."""
    found = records(story.lines)
    yield from _crash(story, found)
    yield from _gate(story, found)
    numbers = count(story.lines)
    yield Promise(
        text="what failed was tried in another way",
        held=0 < numbers.failed == len(numbers.retry_ms),
        seen=f"{numbers.failed} failures, {len(numbers.retry_ms)} other attempts",
    )
    if story.shell:
        yield from _books(story)
    yield from _end(story, found)


def _crash(story: Story, found: list[Record]) -> Iterator[Promise]:
    yield Promise(text="the process was really killed with -9", held=story.death == -signal.SIGKILL, seen=f"it ended with {story.death}")
    lost = [r for r in found if r.id == story.killed]
    outcome = lost[0].outcome if lost else None
    once = len(lost) == 1 and lost[0].resumed == 0 and outcome is not None and outcome.ok and outcome.evidence is Evidence.PROBE
    yield Promise(
        text="what was in flight then was recognised by looking, and not done again", held=once, seen=f"{story.killed}: {outcome}"
    )


def _gate(story: Story, found: list[Record]) -> Iterator[Promise]:
    refused = [r for r in found if r.state is State.REFUSED]
    yield Promise(
        text="nothing was started that policy or a person refused",
        held=bool(refused) and all(r.started is None for r in refused),
        seen=", ".join(r.id for r in refused if r.started is not None) or "nothing was refused",
    )
    touched = [name for name in differing(story.before, story.after_work) if name.startswith("originals/")]
    yield Promise(text="originals/ stayed as it was", held=not touched, seen=", ".join(touched))
    asked = [r for r in found if r.asked]
    wrong = [r.id for r in asked if _exists(r, story.after_work) is not (r.state is State.REFUSED)]
    yield Promise(
        text="what a person approved was done, what a person denied was not", held=bool(asked) and not wrong, seen=", ".join(wrong)
    )


def _books(story: Story) -> Iterator[Promise]:
    wanted = {invoice.number: [invoice.cents] for invoice in INVOICES}
    yield Promise(
        text="each invoice is booked once, with the right amount: no effect doubled, none lost, nothing left of what failed",
        held=story.ledger == wanted,
        seen=str(story.ledger),
    )
    sums: dict[str, int] = {}
    for invoice in INVOICES:
        sums[invoice.supplier] = sums.get(invoice.supplier, 0) + invoice.cents
    yield Promise(text="what is owed to each supplier is right", held=story.balances == sums, seen=str(story.balances))


def _end(story: Story, found: list[Record]) -> Iterator[Promise]:
    in_flight = [r.id for r in found if r.started is not None and r.finished is None]
    yield Promise(text="nothing is left in flight or in doubt", held=not in_flight, seen=", ".join(in_flight))
    state = next((str(body_of(entry).get("state")) for entry in story.lines if entry.kind == Kind.CLOSED), "open")
    yield Promise(text="the run says that it was done only in part, since something was refused", held=state == RunState.PARTLY, seen=state)
    yield Promise(text="the work had changed the folder", held=story.before != story.after_work, seen="it was the same")
    different = differing(story.before, story.after_undo)
    yield Promise(
        text="undo brought everything back: names, contents, modes, times and links",
        held=story.undo_code == 0 and not different,
        seen=f"exit code {story.undo_code}; different: {', '.join(different) or 'nothing'}",
    )
    yield Promise(text="the journal is what was written", held=story.verify_code == 0, seen=f"exit code {story.verify_code}")


def _exists(record: Record, sealed: Seal) -> bool:
    """Whether what an asked deletion is about was there after the run."""
    path = str(Action(id=record.id, actor="", tool=record.tool, args_json=record.args_json).args.get("path", ""))
    return path.encode("utf-8", "surrogateescape") in sealed
