"""How far a plan has come, as the journal has it: for people who look, never for whoever advances it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from remit.domain.entry import Entry, Kind
from remit.domain.outcome import Status
from remit.domain.plan import Plan
from remit.domain.steering import Hand, Steering
from remit.domain.values import fields, parse

TODO = "to do"
_WAITS = "a question waits"
_UNANSWERED = "not done: its question was not answered before the end"


def standing(plan: Plan, entries: Iterable[Entry], steering: Steering) -> dict[str, str]:
    """A few words on each step, by id."""
    found = dict.fromkeys((step.id for step in plan.steps), TODO)
    by: dict[str, str] = {}
    for entry in entries:
        if entry.kind == Kind.CLOSED:
            found = {step: _UNANSWERED if state.endswith(_WAITS) else state for step, state in found.items()}
        step, said = _said(entry, fields(parse(entry.body_json)))
        by[entry.action] = step or by.get(entry.action, "")
        step = by[entry.action] if entry.kind == Kind.UNDONE else step
        if step in found and said:
            found[step] = said
    for step, hand in steering.by_hand.items():
        if step in found and hand.state is not Hand.BACK:
            found[step] = f"taken over by {hand.who}" if hand.state is Hand.TAKEN else f"done by {hand.who}"
    return found


def _said(entry: Entry, body: Mapping[str, object]) -> tuple[str, str]:
    """Which step a line is about, and what it says of it. An attempt is named STEP.N; an agent's action names its step in a note."""
    step, _, number = entry.action.rpartition(".")
    if entry.kind == Kind.UNDONE:
        return step if number.isdigit() else "", "taken back"
    if entry.kind == Kind.NOTE and "step" in body:
        return str(body["step"]), f"failed: {body['failed']}" if "failed" in body else "done"
    if number.startswith("stuck"):
        return step, f"stuck: {_WAITS}" if entry.kind == Kind.ASKED else ""
    return step, _attempt(entry.kind, body) if number.isdigit() else ""


def _attempt(kind: str, body: Mapping[str, object]) -> str:
    match kind:
        case Kind.PROPOSED:
            return "begun"
        case Kind.ASKED:
            return _WAITS
        case Kind.STARTED:
            return "under way"
        case Kind.REFUSED:
            return f"refused: {body.get('reason', '')}"
        case Kind.NOTE:
            return f"failed: {body.get('failed', '')}"
        case Kind.FINISHED:
            return "done" if body.get("status") == Status.SUCCEEDED else f"{body.get('status')}: {body.get('error', '')}"
        case _:
            return ""
