"""`${step.path}` in a plan's arguments: which steps they name, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from remit.domain.values import JsonValue, canonical, parse
from remit.errors import ArgsInvalid, PlanInvalid

_REFERENCE = re.compile(r"(?<!\$)\$\{([A-Za-z0-9_-]+)((?:\.[^.${}]+)*)\}")
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_ESCAPED = "$${"
"""`$${HOME}` is the text `${HOME}`, for the shell."""
_PIECE = re.compile(rf"{re.escape(_ESCAPED)}|{_REFERENCE.pattern}")


def named_in(value: JsonValue) -> set[str]:
    """The ids of the steps that a value refers to."""
    if isinstance(value, str):
        return {match.group(1) for match in _REFERENCE.finditer(value)}
    if isinstance(value, Mapping):
        return set().union(*(named_in(item) for item in value.values()))
    if isinstance(value, Sequence):
        return set().union(*(named_in(item) for item in value))
    return set()


def places_in(value: JsonValue, step: str) -> set[str]:
    """The dotted paths into one step's result that a value refers to."""
    if isinstance(value, str):
        return {match.group(2)[1:] for match in _REFERENCE.finditer(value) if match.group(1) == step}
    if isinstance(value, Mapping):
        return set().union(*(places_in(item, step) for item in value.values()))
    if isinstance(value, Sequence):
        return set().union(*(places_in(item, step) for item in value))
    return set()


def resolve(value: JsonValue, results: Mapping[str, JsonValue]) -> JsonValue:
    """Replace every reference. One that is a whole text keeps the result's type; inside a longer text it becomes text.

    Raises PlanInvalid when a result has nothing at the path.
    """
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return _of(whole, results)
        return _PIECE.sub(lambda match: "${" if match.group(0) == _ESCAPED else _text(_of(match, results)), value)
    if isinstance(value, Mapping):
        return {key: resolve(item, results) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [resolve(item, results) for item in value]
    return value


def is_reference(text: str) -> bool:
    """Whether it is one reference and nothing else."""
    return _REFERENCE.fullmatch(text) is not None


def look_up(value: JsonValue, path: str) -> JsonValue:
    """What stands at a dotted path; numbers index lists, `json` is a `text` there, read. Raises PlanInvalid for what is missing."""
    for part in [p for p in path.split(".") if p]:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, Mapping) and part == "json" and isinstance(value.get("text"), str):
            value = _read(str(value["text"]))
        elif (
            isinstance(value, Sequence) and not isinstance(value, str) and _NUMBER.fullmatch(part) and -len(value) <= int(part) < len(value)
        ):
            value = value[int(part)]
        else:
            raise PlanInvalid(f"there is no {part!r} in the result at {path!r}", fix=_has(value))
    return value


def _read(text: str) -> JsonValue:
    try:
        return parse(text)
    except ArgsInvalid as error:
        raise PlanInvalid(f"the text is not JSON: {error.message}", fix="refer to the text as a whole") from None


def _has(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return f"it has: {', '.join(list(value)[:8])}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"it is a list: say .0 to .{len(value) - 1}" if value else "it is an empty list"
    return f"it is the end of the path: {canonical(value)[:60]}"


def _of(match: re.Match[str], results: Mapping[str, JsonValue]) -> JsonValue:
    step, path = match.group(1), match.group(2)
    if step not in results:
        raise PlanInvalid(f"{match.group(0)}: {step!r} has no result", fix="refer to a step that passes before this one")
    return look_up(results[step], path)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical(value)
