"""A plan as data: steps, what each needs, how its success is seen, and what to try otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from remit.domain.action import Level
from remit.domain.values import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to do a step: a tool and its arguments, in which `${step.path}` stands for an earlier result."""

    tool: str
    args: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must be true afterwards: of the step's own result, or of what a pure tool sees when it looks."""

    test: str
    """`equals`, `differs`, `contains`, `lacks`, `matches`, `at_least` or `at_most`."""
    value: JsonValue
    at: str = ""
    """Dotted path into the result; empty is the whole result."""
    look: Way | None = None
    within: int = 0
    """Seconds that it may take until it holds: meanwhile it is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a plan. Without checks, a step passes when its tool succeeds and an exit code, if there is one, is 0."""

    id: str
    way: Way
    reason: str = ""
    needs: tuple[str, ...] = ()
    """Steps that must have passed before; references in the arguments are needs too."""
    checks: tuple[Check, ...] = ()
    retries: int = 0
    """How often the same way is tried again before the alternatives."""
    otherwise: tuple[Way, ...] = ()
    keep: bool = False
    """Keep what a failed attempt left behind; by default it is taken back first where that is exact."""
    high_stakes: bool = False
    expect: str = ""
    """What it should come to, in words, for whoever reads the plan."""
    confidence: int = -1
    """Per cent, as whoever planned it says; -1 is unsaid. It is shown, and grants nothing."""
    times: int = 1
    """How often a model may carry it out, where that cannot be undone exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do for a goal, in an order that satisfies every need."""

    goal: str
    steps: tuple[Step, ...]
    level: Level | None = None
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    text: str = ""
    """The file as the person wrote it: its words are the person's own."""
