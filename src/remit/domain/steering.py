"""What people say about a run while it is under way: taken up at its next decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from remit.domain.action import Level
from remit.domain.budget import Budget
from remit.domain.values import JsonValue


class Hand(StrEnum):
    """Whose a step is: `taken` by a person, handed back `done`, or handed `back` undone."""

    TAKEN = "taken"
    DONE = "done"
    BACK = "back"


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A step that a person took over. What they did there is theirs: remit looks whether it worked, and cannot undo it."""

    n: int
    """The journal line that says so."""
    state: Hand
    who: str
    note: str = ""
    result: JsonValue = None
    """What a person says came of it, for the steps that refer to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Words of a person to an agent at work: they count as the person's own, like the goal."""

    n: int
    text: str
    who: str
    material: str = ""
    """What they handed over with it, from wherever: not their words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan made or changed while the run was under way."""

    n: int
    by: str
    """A person's name, or 'agent'."""
    tainted: bool
    """The run had read untrusted content, and no person wrote this."""
    spec: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """All of it, as it stands."""

    level: Level
    why: str = ""
    """Why the level is no longer the one that the run was opened with."""
    chat: bool = False
    """A conversation: it waits for its person after each answer, instead of ending."""
    paused_by: str = ""
    budget: Budget = field(default_factory=Budget)
    """What people gave since the run was opened."""
    budgets: int = 0
    """How often they did."""
    said: tuple[Said, ...] = ()
    plans: tuple[Planned, ...] = ()
    by_hand: Mapping[str, ByHand] = field(default_factory=dict)

    @property
    def words(self) -> str:
        return "\n".join(one.text for one in self.said)
