"""What remit itself remembers of a run that ended: how it ended, and what worked where something else had not.

Only from the journal, and without a stranger's words: an outcome is the person's goal, its end and the tools; a lesson of a run that had
read what strangers wrote is trusted no more than that. One outcome is kept for each goal, the newest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from remit.domain.entry import Entry, Kind
from remit.domain.memory import Matter, Remembered, Trust
from remit.domain.record import Record, fold
from remit.domain.run import LegEnd, Run
from remit.domain.values import ActionId, JsonValue, canonical, digest, fields, parse
from remit.ports import Journal

_LENGTH: Final = 8
_GOAL: Final = 300
_CALL: Final = 200


def learnt(run: Run, end: LegEnd, journal: Journal, at: int) -> list[Remembered]:
    """Of a model's run that has come to an end, at that moment."""
    entries = list(journal.read(run.id))
    return [_outcome(run, end, entries, at), *_lessons(run, entries, at)]


def _outcome(run: Run, end: LegEnd, entries: list[Entry], at: int) -> Remembered:
    wanted = [str(fields(parse(one.body_json)).get("tool")) for one in entries if one.kind == Kind.PROPOSED]
    asked = sum(one.kind == Kind.ASKED for one in entries)
    by = f" by {', '.join(Counter(wanted))}" if wanted else ""
    text = f"{end.state.replace('_', ' ')} at level {run.level}{by}; {asked} question(s) asked. The goal was: {run.goal[:_GOAL]}"
    return Remembered(
        id=digest("outcome", run.goal, *run.roots)[:_LENGTH],
        matter=Matter.OUTCOME,
        text=text[:1000],
        goal=run.goal,
        trust=Trust.OWN,
        who="remit",
        run=run.id,
        at=at,
        roots=run.roots,
    )


def _lessons(run: Run, entries: list[Entry], at: int) -> Iterator[Remembered]:
    """A step whose first way did not hold, and another one did."""
    by_action: dict[str, list[Entry]] = {}
    for one in entries:
        by_action.setdefault(one.action, []).append(one)
    records = {name: fold(ActionId(f"{run.id}/{name}"), found) for name, found in by_action.items() if name}
    failed: dict[str, str] = {}
    for note in (one for one in entries if one.kind == Kind.NOTE and one.action in records):
        body = fields(parse(note.body_json))
        step, record = str(body.get("step", "")), records[note.action]
        if step and "failed" in body:
            failed.setdefault(step, note.action)
        elif step in failed and _call(records[failed[step]]) != _call(record):
            first = failed.pop(step)
            yield _lesson(run, step, records[first], record, at)


def _lesson(run: Run, step: str, first: Record, then: Record, at: int) -> Remembered:
    tainted = any(fields(fields(record.proposed or {}).get("facts")).get("tainted") for record in (first, then))
    text = f"{_call(first)} did not do; {_call(then)} did. The goal was: {run.goal[:_GOAL]}"
    return Remembered(
        id=digest("lesson", run.id, step)[:_LENGTH],
        matter=Matter.LESSON,
        text=text[:1000],
        goal=run.goal,
        trust=Trust.UNTRUSTED if tainted else Trust.OWN,
        who="remit",
        run=run.id,
        at=at,
        roots=run.roots,
    )


def _call(record: Record) -> str:
    args: Mapping[str, JsonValue] = record.args
    return f"{record.tool} {canonical(args)}"[:_CALL]
