"""The words a policy may use: the facts in `context`, their types, and the schema that holds policies to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from remit.domain.action import Effect, Level
from remit.policy.judge import ToolShape

ACTOR: Final = {"type": "Actor", "id": "agent"}
"""Who acts is not judged: the level says what an actor may do."""

_STRING: Final = {"type": "String"}
_LONG: Final = {"type": "Long"}
_BOOL: Final = {"type": "Boolean"}
_STRINGS: Final = {"type": "Set", "element": _STRING}

CONTEXT: Final[Mapping[str, Mapping[str, Any]]] = {
    "level": _STRING,
    "effect": _STRING,
    "egress": _BOOL,
    "sandboxed": _BOOL,
    "provenance": _LONG,
    "tainted": _BOOL,
    "planned": _BOOL,
    "first_seen": _BOOL,
    "earned": _BOOL,
    "high_stakes": _BOOL,
    "confidence": _LONG,
    "anomaly": _LONG,
    "budget_left": _BOOL,
    "approvals": _LONG,
    "approver_roles": _STRINGS,
}
"""Every fact by its name in `Facts`; the arguments stand beside them as `args`."""

WORDS: Final[Mapping[str, frozenset[str]]] = {
    "level": frozenset(level.value for level in Level),
    "effect": frozenset(effect.value for effect in Effect),
}
"""Facts that are one word out of a few: comparing them with another word is a typo."""

_ARGS: Final[Mapping[str, Mapping[str, Any]]] = {"string": _STRING, "integer": _LONG, "boolean": _BOOL, "strings": _STRINGS}


def families(tool: str) -> tuple[str, ...]:
    """The groups a tool belongs to, nearest first: `mcp.mail.send` is in `mcp.mail` and `mcp`."""
    parts = tool.split(".")
    return tuple(".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))


def schema(tools: Iterable[ToolShape], reads: Collection[str] | None = None) -> dict[str, Any]:
    """The Cedar schema (JSON form) of these tools; with `reads` only of the facts named there (`level`, `args.path`)."""
    actions: dict[str, Any] = {}
    for tool in tools:
        for family in families(tool.name):
            actions.setdefault(family, {})
        actions[tool.name] = {
            "memberOf": [{"id": family} for family in families(tool.name)],
            "appliesTo": {"principalTypes": ["Actor"], "resourceTypes": ["Tool"], "context": _record(_attributes(tool, reads))},
        }
    return {"": {"entityTypes": {"Actor": {}, "Tool": {}}, "actions": actions}}


def _attributes(tool: ToolShape, reads: Collection[str] | None) -> dict[str, Any]:
    facts = {name: kind for name, kind in CONTEXT.items() if reads is None or name in reads}
    if reads is not None and not any(name == "args" or name.startswith("args.") for name in reads):
        return facts
    args = {arg.name: {**_ARGS[arg.type], "required": arg.required} for arg in tool.args if reads is None or f"args.{arg.name}" in reads}
    return {**facts, "args": _record(args)}


def _record(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Record", "attributes": dict(attributes)}
