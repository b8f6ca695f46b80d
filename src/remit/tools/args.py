"""Reading arguments that the gate has already checked against the schema; what still does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid

PATH: Final[Mapping[str, JsonValue]] = {
    "type": "string",
    "minLength": 1,
    "description": "absolute, or relative to the first allowed folder; file:// URIs are taken too",
}
FLAG: Final[Mapping[str, JsonValue]] = {"type": "boolean", "default": False}


def schema(required: tuple[str, ...], **properties: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The JSON Schema of an object with exactly these properties."""
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


def described(kind: Mapping[str, JsonValue], text: str) -> dict[str, JsonValue]:
    """The same property with a description of its own."""
    return {**kind, "description": text}


def text(args: Mapping[str, JsonValue], name: str, default: str | None = None) -> str:
    """A string argument."""
    value = args.get(name, default)
    if not isinstance(value, str):
        raise ArgsInvalid(f"{name} is not a text", fix=f"send {name} as a string")
    return value


def number(args: Mapping[str, JsonValue], name: str, default: int) -> int:
    """A whole number that is not negative."""
    value = args.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ArgsInvalid(f"{name} is not a whole number from 0", fix=f"send {name} as a whole number")
    return value


def flag(args: Mapping[str, JsonValue], name: str, *, default: bool = False) -> bool:
    """A yes or no."""
    value = args.get(name, default)
    if not isinstance(value, bool):
        raise ArgsInvalid(f"{name} is not true or false", fix=f"send {name} as true or false")
    return value


def already(result: JsonValue) -> set[str]:
    """The places that something that takes back found as it would have made them: somebody else did."""
    listed = result.get("already", ()) if isinstance(result, Mapping) else ()
    return set(map(str, listed)) if isinstance(listed, list | tuple) else set()
