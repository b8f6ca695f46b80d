"""What of a run's plans counts at the gate: steps written before anything untrusted was read, or by a person, and not used up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from remit.domain.action import Effect
from remit.domain.plan import Plan, Step
from remit.domain.steering import Planned
from remit.domain.values import JsonValue, canonical
from remit.gate.steering import AGENT
from remit.plans.following import fixed_in, steps_of
from remit.plans.spec import step_spec

AGAIN: Final = frozenset({Effect.PURE, Effect.REVERSIBLE, Effect.TRANSACTIONAL})
"""What is exactly undone, or changes nothing, may be done again by the same step: a second try is no second effect."""

Plans = Sequence[tuple[Planned, Plan]]


def counting(plans: Plans) -> tuple[Planned, list[Step]] | None:
    """The plan that counts, and those of its steps that do; None before there is one.

    A plan that a model made after it had read what strangers wrote changes nothing here. Of one that a person changed, what they did not
    change is no more theirs than it was.
    """
    counts: tuple[Planned, list[Step]] | None = None
    before: dict[str, str] = {}
    for planned, plan in plans:
        now = {step.id: what(step) for step in plan.steps}
        if planned.by == AGENT and not planned.tainted:
            counts = planned, list(plan.steps)
        elif planned.by != AGENT:
            trusted = {step.id: what(step) for step in counts[1]} if counts else {}
            theirs = [step for step in plan.steps if now[step.id] == trusted.get(step.id) or now[step.id] != before.get(step.id)]
            counts = planned, theirs
        before = now
    return counts


def matching(
    steps: Sequence[Step],
    tool: str,
    args: Mapping[str, JsonValue],
    results: Mapping[str, JsonValue],
    must: Collection[str],
) -> list[Step]:
    """The steps that this call may be, and that say something of each argument in `must`: what a step passes over it does not allow."""
    return [
        step
        for step in steps_of(steps, tool, args, results)
        if any(way.tool == tool and {*must} <= {*way.args} for way in (step.way, *step.otherwise))
    ]


def whole(steps: Sequence[Step], inputs: Mapping[str, JsonValue], tool: str, args: Mapping[str, JsonValue]) -> bool:
    """Whether one of them states this call with every argument it has."""
    return fixed_in(steps, inputs, tool, args)


def left(step: Step, effect: Effect, uses: Callable[[str], int]) -> bool:
    """Whether the step may be carried out once more."""
    return effect in AGAIN or uses(step.id) < step.times


def named_by(steps: Sequence[Step]) -> str:
    """The arguments that the steps state: what they name was known when they were written."""
    return canonical([dict(way.args) for step in steps for way in (step.way, *step.otherwise)])


def what(step: Step) -> str:
    """What a step does, and how that is seen; not how it is spoken of."""
    spec = step_spec(step)
    return canonical({key: spec[key] for key in ("tool", "args", "check", "otherwise", "times", "high_stakes") if key in spec})
