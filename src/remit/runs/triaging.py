"""What is known of a task before it begins, gathered for triage; and what a person chose, kept for the next time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from remit.domain.action import Action, Level
from remit.domain.decision import Facts
from remit.domain.entry import Draft, Kind
from remit.domain.plan import Plan, Step, Way
from remit.domain.situation import Situation
from remit.domain.values import JsonValue, RunId, action_id, canonical, fields, items, parse
from remit.errors import BadInput, ToolFailed
from remit.gate.gate import Gate
from remit.plans.references import named_in, resolve
from remit.policy.provenance import WORDS
from remit.policy.triage import Act, Past, Triage
from remit.ports import Clock, Journal
from remit.runs.records import DAYS_MS, MOST, answered_for

_PART: Final = "triage"


def acts_of(plan: Plan, gate: Gate) -> tuple[Act, ...]:
    """What each step would do; one whose arguments are not known yet counts as the worst that its tool may."""
    return tuple(_act(plan, step, way, gate) for step in plan.steps for way in (step.way, *step.otherwise) if way.tool in gate.tools)


def record_of(acts: tuple[Act, ...], journal: Journal, clock: Clock) -> tuple[int, int]:
    """How many of the latest calls of these tools a person answered for, and how many of them were denied, edited or undone."""
    found = [answered_for(journal, clock, tool) for tool in sorted({act.tool for act in acts})]
    return sum(reviewed for reviewed, _ in found), sum(wrong for _, wrong in found)


def past_choices(journal: Journal, clock: Clock) -> tuple[Past, ...]:
    """The levels that a person chose for earlier tasks."""
    notes = journal.search(text=_PART, kinds=(Kind.NOTE,), since=clock.now() - DAYS_MS)
    bodies = [fields(fields(parse(note.body_json)).get(_PART)) for note in notes if note.part == _PART]
    return tuple(
        Past(quadrant=str(one.get("quadrant", "")), level=Level(str(one["chosen"])), about=frozenset(map(str, items(one.get("about")))))
        for one in bodies[-MOST:]
        if "chosen" in one
    )


def remember(journal: Journal, clock: Clock, run: RunId, found: Triage, chosen: Level, *, by_person: bool) -> None:
    """What was recommended for a run, and what a person chose instead or all the same."""
    body: dict[str, JsonValue] = {"v": 1, "quadrant": found.quadrant.name, "level": str(found.level), "judgement": found.judgement}
    body |= {"tolerance": found.tolerance, "uncertainty": found.uncertainty, "reasons": list(found.reasons)}
    body["about"] = list(found.about)
    body |= {"chosen": str(chosen)} if by_person else {"used": str(chosen)}
    note = Draft(run=run, kind=Kind.NOTE, part=_PART, at=clock.now(), body={_PART: body})
    journal.append([note], durable=False).result()


def as_data(found: Triage) -> dict[str, JsonValue]:
    """The recommendation as JSON."""
    value = parse(canonical({key: list(item) if isinstance(item, tuple) else item for key, item in asdict(found).items()}))
    return {**fields(value), "quadrant": found.quadrant.name.lower()}


def _act(plan: Plan, step: Step, way: Way, gate: Gate) -> Act:
    tool = gate.tools[way.tool]
    facts: Facts | None = None
    if not named_in(way.args) - {"inputs"}:
        args = resolve(way.args, {"inputs": dict(plan.inputs)})
        try:
            action = Action.wanting(action_id(RunId("plan"), "step"), actor="plan", tool=way.tool, args=fields(args))
            facts, _ = gate.judge(action, Situation(level=Level.OPERATOR, words=plan.text or plan.goal, planned=True))
        except (BadInput, ToolFailed):
            facts = None  # it will be refused as it is
    return Act(
        tool=way.tool,
        effect=facts.effect if facts else tool.spec.effect,
        egress=tool.spec.egress,
        named=facts is not None and facts.provenance >= WORDS,
        checked=bool(step.checks),
        high_stakes=step.high_stakes,
    )
