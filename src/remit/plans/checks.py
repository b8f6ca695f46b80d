"""Did it work? Decided by looking at results and at the world, never by asking a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from remit.domain.plan import Check, Step
from remit.domain.values import JsonValue, canonical
from remit.errors import PlanInvalid
from remit.plans.matching import matching
from remit.plans.references import look_up

_MOST_TEXT = 1_000_000
_MOST_SHOWN = 300


def exit_code_trouble(step: Step, result: JsonValue) -> str:
    """A result with an exit code other than 0 failed, unless the step's own checks speak about it. Empty when fine."""
    code = result.get("exit_code") if isinstance(result, Mapping) else None
    if code in (None, 0) or any(check.look is None and check.at == "exit_code" for check in step.checks):
        return ""
    said = result.get("stderr") or result.get("stdout") if isinstance(result, Mapping) else ""
    tail = str(said).strip().splitlines()[-3:]
    return f"exit code {code}: {' / '.join(tail)}" if tail else f"exit code {code}"


async def trouble(check: Check, seen: JsonValue) -> str:
    """Why the check does not hold for what was seen; empty when it holds. Raises PlanInvalid where it cannot be applied."""
    value = look_up(seen, check.at)
    matches = check.test == "matches"
    if await matching(str(check.value), str(value)[:_MOST_TEXT]) if matches else _holds(check.test, value, check.value):
        return ""
    shown = canonical(value)
    shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"
    return f"{check.at or 'result'} should {_WORDS[check.test]} {canonical(check.value)}, but is {shown}"


_WORDS = {
    "equals": "equal",
    "differs": "differ from",
    "contains": "contain",
    "lacks": "not contain",
    "matches": "match",
    "at_least": "be at least",
    "at_most": "be at most",
}


def _holds(test: str, value: JsonValue, wanted: JsonValue) -> bool:
    match test:
        case "equals":
            return canonical(value) == canonical(wanted)
        case "differs":
            return canonical(value) != canonical(wanted)
        case "contains":
            return _contains(value, wanted)
        case "lacks":
            return not _contains(value, wanted)
        case "at_least" | "at_most":
            return _compare(test, value, wanted)
        case _:
            raise PlanInvalid(f"{test!r} is not a test", fix=f"tests are {', '.join(_WORDS)}")


def _contains(value: JsonValue, wanted: JsonValue) -> bool:
    if isinstance(value, str):
        return str(wanted) in value
    if isinstance(value, Mapping):
        return str(wanted) in value or any(_within(item, wanted) for item in value.values())
    if isinstance(value, Sequence):
        return any(_within(item, wanted) for item in value)
    raise PlanInvalid(f"nothing can be contained in {canonical(value)}", fix="use contains on a text, list or object")


def _within(item: JsonValue, wanted: JsonValue) -> bool:
    """An item that is it, or holds it at any depth: whoever looks at a list of events for a title means their texts, too."""
    if canonical(item) == canonical(wanted):
        return True
    return isinstance(item, str | Mapping | Sequence) and _contains(item, wanted)


def _compare(test: str, value: JsonValue, wanted: JsonValue) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool) or not isinstance(value, int | float) or not isinstance(wanted, int | float):
        raise PlanInvalid(f"{canonical(value)} and {canonical(wanted)} cannot be compared", fix="use at_least and at_most on numbers")
    return value >= wanted if test == "at_least" else value <= wanted
