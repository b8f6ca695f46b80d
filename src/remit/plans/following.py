"""Which step of a plan a call carries out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

from remit.domain.plan import Step, Way
from remit.domain.values import JsonValue, canonical
from remit.errors import PlanInvalid
from remit.plans.references import is_reference, named_in, resolve


def steps_of(steps: Iterable[Step], tool: str, args: Mapping[str, JsonValue], results: Mapping[str, JsonValue]) -> list[Step]:
    """The steps that this call may be: by their way or an alternative, every argument that the plan states being the same.

    An argument that the plan leaves out, or takes whole from an earlier result, is free here: where its value comes from is judged as
    provenance. A text with a reference in it is what it stands for, once that is known.
    """
    return [step for step in steps if any(_is(way, tool, args, results) for way in (step.way, *step.otherwise))]


def fixed_in(steps: Iterable[Step], inputs: Mapping[str, JsonValue], tool: str, args: Mapping[str, JsonValue]) -> bool:
    """Whether one of the steps states this call with every argument it has, and takes none of them from a result."""
    wanted = canonical(args)
    return any(
        way.tool == tool and fixed(way) and canonical(resolve(way.args, {"inputs": dict(inputs)})) == wanted
        for step in steps
        for way in (step.way, *step.otherwise)
    )


def fixed(way: Way) -> bool:
    """Whether none of its arguments comes from a result."""
    return not named_in(way.args) - {"inputs"}


def _is(way: Way, tool: str, args: Mapping[str, JsonValue], results: Mapping[str, JsonValue]) -> bool:
    return way.tool == tool and all(
        _fits(value, args[name], results) if name in args else bool(named_in(value)) for name, value in way.args.items()
    )


def _is_list(value: JsonValue) -> TypeGuard[Sequence[JsonValue]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _fits(planned: JsonValue, wanted: JsonValue, results: Mapping[str, JsonValue]) -> bool:
    if isinstance(planned, str) and is_reference(planned) and named_in(planned) - {"inputs"}:
        return True
    if isinstance(planned, Mapping) and isinstance(wanted, Mapping):
        return planned.keys() == wanted.keys() and all(_fits(value, wanted[name], results) for name, value in planned.items())
    if _is_list(planned) and _is_list(wanted):
        return len(planned) == len(wanted) and all(_fits(one, other, results) for one, other in zip(planned, wanted, strict=True))
    try:
        return canonical(resolve(planned, results)) == canonical(wanted)
    except PlanInvalid:
        return False
