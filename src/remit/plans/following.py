"""Which step of a plan a call carries out."""

from __future__ import annotations

from collections.abc import Mapping

from remit.domain.plan import Plan, Step, Way
from remit.domain.values import JsonValue, canonical
from remit.plans.references import named_in, resolve


def steps_of(plan: Plan, tool: str, args: Mapping[str, JsonValue]) -> list[Step]:
    """The steps that this call may be: by their way or an alternative, every argument that the plan states being the same.

    What the plan leaves out, or takes from an earlier result, is free here: where such a value comes from is judged as provenance.
    """
    return [step for step in plan.steps if any(_is(way, tool, args) for way in (step.way, *step.otherwise))]


def _is(way: Way, tool: str, args: Mapping[str, JsonValue]) -> bool:
    return way.tool == tool and all(
        named_in(value) or (name in args and canonical(resolve(value, {})) == canonical(args[name])) for name, value in way.args.items()
    )
