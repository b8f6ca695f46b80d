"""A goal being pursued, and how its legs end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from remit.domain.action import Level
from remit.domain.values import JsonValue, QuestionId, RunId


class RunKind(StrEnum):
    """Who advances it: the plan worker, the agent worker, a person's own orders (undo), the clock (held), or nobody here."""

    PLAN = "plan"
    AGENT = "agent"
    UNDO = "undo"
    HELD = "held"
    """One call that is held until its time has come."""
    OWN = "own"
    """A person's own program, which remit cannot continue."""


class RunState(StrEnum):
    """`open`: a leg may go on at once. The last four are final; only `done` claims that every check passed."""

    OPEN = "open"
    WAITING = "waiting"
    DONE = "done"
    PARTLY = "partly"
    COULD_NOT = "could_not"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        return self not in {RunState.OPEN, RunState.WAITING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One goal pursued at a level of autonomy. It lives as rows; a leg loads it, advances it and lets it go."""

    id: RunId
    kind: RunKind
    goal: str
    """The person's own words."""
    level: Level
    actor: str
    opened_at: int
    spec: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the worker needs: the plan as data, or the model's name."""
    roots: tuple[str, ...] = ()
    """The folders the run works in; relative paths are relative to the first."""
    leg: int = 0
    """Counts from 1; 0 before the first leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEnd:
    """Why a leg stopped: the run is final, or it waits for the named questions, or it hit a limit and stays open."""

    state: RunState
    summary: str = ""
    waiting: tuple[QuestionId, ...] = ()
    until: int = 0
    """For one that waits for no answer: when it may go on. Milliseconds since 1970, UTC."""
