"""Steering a run that is under way: its level, a pause, words to its agent, steps taken over, another plan.

Each is a line in the run's journal, so that any process may write it beside the one that advances the run, and it survives whatever
happens to both. Whoever advances the run reads the new lines before each decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from remit.domain.action import Level
from remit.domain.budget import Budget
from remit.domain.entry import Draft, Entry, Kind
from remit.domain.run import Run
from remit.domain.steering import ByHand, Hand, Planned, Said, Steering
from remit.domain.values import JsonValue, RunId, parse
from remit.errors import AlreadyRecorded, BadInput
from remit.ports import Clock, Journal

STEERS: Final = (Kind.LEVEL, Kind.PAUSED, Kind.SAID, Kind.TAKEN, Kind.PLAN, Kind.BUDGET)
LONGEST_SAID: Final = 20_000
AGENT: Final = "agent"
_TRIES: Final = 20


class Steered:
    """What was said about one run so far; reads only what is new."""

    def __init__(self, journal: Journal, run: Run) -> None:
        self._journal = journal
        self._run = run.id
        self._read = 0
        self._now = Steering(level=run.level, chat=run.spec.get("chat") is True)

    @property
    def last(self) -> Steering:
        """As it was when it was last read, by whoever has just done so."""
        return self._now

    def now(self) -> Steering:
        # all lines, as each is passed once: of those of some kinds only, a search would begin at the last of them every time
        for entry in self._journal.read(self._run, after=self._read):
            self._read = entry.n
            if entry.kind in STEERS:
                self._now = _folded(self._now, entry)
        return self._now


class Steer:
    """Says something about a run. Each line is durable before the call returns."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def level(self, run: RunId, level: Level, *, who: str, why: str = "", once: str = "") -> None:
        """Counts from the next decision on. What waits for a person already goes on waiting."""
        self._write(run, Kind.LEVEL, {"level": str(level), "who": who, "why": why}, once=once)

    def promote(self, run: RunId, level: Level, text: str, *, who: str) -> None:
        """A conversation becomes a run: with these words it goes on by itself, at this level, until it is done. Raises as `say`."""
        _check(text)
        self._write(run, Kind.LEVEL, {"level": str(level), "who": who, "chat": False, "said": text})

    def to_chat(self, run: RunId, *, who: str) -> None:
        """A run becomes a conversation, with all that was said: from here on each action is its person's to run."""
        self._write(run, Kind.LEVEL, {"level": str(Level.OPERATOR), "who": who, "chat": True})

    def pause(self, run: RunId, *, who: str) -> None:
        """Nothing new begins; what is being done is done to its end."""
        self._write(run, Kind.PAUSED, {"on": True, "who": who})

    def go_on(self, run: RunId, *, who: str) -> None:
        self._write(run, Kind.PAUSED, {"on": False, "who": who})

    def budget(self, run: RunId, budget: Budget, *, who: str, once: str = "") -> None:
        """What it may use up from here on, in all; what is not named stays as it was."""
        self._write(run, Kind.BUDGET, {"budget": budget.to_spec(), "who": who}, once=once)

    def say(self, run: RunId, text: str, *, who: str, material: str = "") -> None:
        """Raises BadInput for words that are none, or too many."""
        _check(text)
        self._write(run, Kind.SAID, {"text": text, "who": who, **({"material": material} if material else {})})

    def hand(self, run: RunId, step: str, state: Hand, *, who: str, note: str = "", result: JsonValue = None) -> None:
        self._write(run, Kind.TAKEN, {"step": step, "state": str(state), "who": who, "note": note, "result": result})

    def plan(self, run: RunId, spec: Mapping[str, JsonValue], *, by: str = AGENT, tainted: bool = False, once: str = "") -> None:
        """The plan from here on."""
        self._write(run, Kind.PLAN, {"v": 1, "by": by, "tainted": tainted, "spec": dict(spec)}, once=once)

    def _write(self, run: RunId, kind: Kind, body: Mapping[str, JsonValue], *, once: str = "") -> None:
        """With `once` it is the same line, however often it is said."""
        kept = {key: value for key, value in body.items() if value not in ("", None)}
        for _ in range(_TRIES):  # somebody else may say something at the same moment
            number = sum(1 for _ in self._journal.read(run, action="", kinds=(kind,))) + 1
            try:
                part = f"@{once}" if once else f":{number}"
                return self._journal.append([Draft(run=run, kind=kind, part=part, at=self._clock.now(), body=kept)], durable=True).result()
            except AlreadyRecorded:
                if once:
                    return None

        raise AlreadyRecorded(f"too many speak to {run} at once", fix="say it again")


def _check(text: str) -> None:
    if not text.strip() or len(text) > LONGEST_SAID:
        raise BadInput(f"a message has 1 to {LONGEST_SAID} characters, this one {len(text)}", fix="say it shorter, or put it in a file")


def _folded(before: Steering, entry: Entry) -> Steering:
    value = parse(entry.body_json)
    body = value if isinstance(value, Mapping) else {}
    who = str(body.get("who", ""))
    match entry.kind:
        case Kind.LEVEL:
            level, chat = Level(str(body.get("level", before.level))), body.get("chat", before.chat)
            said = (*before.said, Said(n=entry.n, text=str(body["said"]), who=who)) if "said" in body else before.said
            return replace(before, level=level, why=str(body.get("why", "")), chat=chat is True, said=said)
        case Kind.PAUSED:
            return replace(before, paused_by=who or "?" if body.get("on") else "")
        case Kind.SAID:
            one = Said(n=entry.n, text=str(body.get("text", "")), who=who, material=str(body.get("material", "")))
            return replace(before, said=(*before.said, one))
        case Kind.BUDGET:
            given = before.budget.with_(Budget.of(body.get("budget")))
            return replace(before, budget=given, budgets=before.budgets + 1)
        case Kind.TAKEN:
            hand = Hand(str(body.get("state", Hand.BACK)))
            taken = ByHand(n=entry.n, state=hand, who=who, note=str(body.get("note", "")), result=body.get("result"))
            return replace(before, by_hand={**before.by_hand, str(body.get("step", "")): taken})
        case _:
            spec = body.get("spec")
            made = Planned(
                n=entry.n,
                by=str(body.get("by", AGENT)),
                tainted=body.get("tainted") is True,
                spec=spec if isinstance(spec, Mapping) else {},
            )
            return replace(before, plans=(*before.plans, made))
