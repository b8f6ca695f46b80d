"""Plain JSON values, one canonical text for each, and digests of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final, NewType, TypeAlias

from remit.errors import ArgsInvalid

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

RunId = NewType("RunId", str)
ActionId = NewType("ActionId", str)
"""`RUN/NAME`: unique by construction and chosen by whoever proposes, never derived from the arguments."""
QuestionId = NewType("QuestionId", str)
"""`RUN/NAME:N`: the N-th question about one action."""
Digest = NewType("Digest", str)
"""Lower-case hex SHA-256."""


def canonical(value: JsonValue) -> str:
    """The one text of a JSON value: sorted keys, no blanks, no NaN, raw Unicode. Equal values have equal texts."""
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise ArgsInvalid(f"not plain JSON: {error}", fix="use strings, finite numbers, booleans, null, lists, objects") from None


def parse(text: str | bytes) -> JsonValue:
    """Read JSON strictly: duplicate keys, NaN, infinities and lone surrogates are refused, as other readers differ on them."""
    try:
        value: JsonValue = _DECODER.decode(text) if isinstance(text, str) else _DECODER.decode(text.decode(json.detect_encoding(text)))
        canonical(value).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ArgsInvalid(f"not strict JSON: {error}", fix="send one JSON object with unique keys and finite numbers") from None
    return value


def thaw(text: str) -> dict[str, JsonValue]:
    """Read an object again that was read strictly before."""
    value: dict[str, JsonValue] = _PLAIN.decode(text)
    return value


def fields(value: JsonValue) -> Mapping[str, JsonValue]:
    """Those of an object; anything else has none."""
    return value if isinstance(value, Mapping) else {}


def items(value: JsonValue) -> Sequence[JsonValue]:
    """Those of a list; anything else has none."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def digest(*parts: str | bytes) -> Digest:
    """SHA-256 over length-prefixed parts, so that no two different lists of parts share a digest by shifting bytes."""
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return Digest(hasher.hexdigest())


def action_id(run: RunId, name: str) -> ActionId:
    """Join the two parts of an action's id."""
    return ActionId(f"{run}/{name}")


def split_id(value: str) -> tuple[RunId, str]:
    """Split an action's id into run and name. Raises ArgsInvalid for anything else."""
    run, slash, name = value.partition("/")
    if not (run and slash and name):
        raise ArgsInvalid(f"{value!r} is not an action id", fix="ids look like RUN/NAME; `remit log` shows them")
    return RunId(run), name


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for key, value in pairs:
        if key in found:
            raise ArgsInvalid(f"the key {key!r} stands twice in one object", fix="send each key once")
        found[key] = value
    return found


def _no_constant(name: str) -> float:
    raise ArgsInvalid(f"{name} is not a JSON number", fix="send a finite number or null")


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_PLAIN: Final = json.JSONDecoder()
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
"""Made once, as making one costs more than using it."""
