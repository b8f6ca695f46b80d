"""Operations of an OpenAPI document as tools: each goes the road of the request that it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from remit.config import Service as Configured
from remit.domain.action import Effect
from remit.domain.values import JsonValue, parse
from remit.errors import ArgsInvalid, BadInput, ToolFailed
from remit.ports import Call, Captured, Preview, Probed, Tool, ToolSpec, Undo
from remit.tools.base import BaseTool
from remit.tools.http.change import HttpChange
from remit.tools.http.get import HttpGet
from remit.tools.http.openapi import Operation, read_operations
from remit.tools.http.send import HttpSend
from remit.tools.http.service import Service

_WHOLE: Final = re.compile(r"\$\{([a-z]+(?:\.[^.{}]+)*)\}")
_CHANGES: Final = frozenset({"PUT", "PATCH", "DELETE"})
_WORDS: Final = frozenset({Effect.PURE, Effect.COMPENSABLE, Effect.IRREVERSIBLE})
_PLAIN: Final = frozenset({"string", "integer", "boolean"})


class OperationTool(BaseTool):
    """A request by its name. What it leaves follows from its method, unless the person knows better."""

    def __init__(self, service: str, operation: Operation, road: HttpGet | HttpSend | HttpChange, configured: Configured) -> None:
        self._service = service
        self._operation = operation
        self._road = road
        self._back = configured.undo.get(operation.name)
        properties: Any = operation.schema["properties"]
        self.spec = ToolSpec(
            name=f"http.{service}.{operation.name}",
            description=operation.description,
            schema=operation.schema,
            effect=_effect(service, operation, road, configured),
            egress=True,
            reads_untrusted=True,
            salient=() if isinstance(road, HttpGet) else tuple(properties),
            visible=tuple(name for name, one in properties.items() if one.get("type") in _PLAIN),
            seconds=road.spec.seconds,
        )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return self._road.targets(self._mapped(args))

    def owns(self, target: str) -> bool:
        return self._road.owns(target)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{self._operation.name}: {self._road.title(self._mapped(args))}"

    async def preview(self, call: Call) -> Preview:
        return await self._road.preview(self._on(call))

    async def capture(self, call: Call) -> Captured:
        return await self._road.capture(self._on(call))

    async def run(self, call: Call) -> JsonValue:
        return await self._road.run(self._on(call))

    async def probe(self, call: Call) -> Probed:
        return await self._road.probe(self._on(call))

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        """The author's, if there is one; else the road's own. Raises ToolFailed where the answer lacks what it needs."""
        if self._back is None:
            return self._road.undo(self._on(call), result)
        name, args = self._back
        known: dict[str, JsonValue] = {"args": dict(call.args), "result": _with_json(result)}
        return Undo(tool=f"http.{self._service}.{name}", args={key: _filled(value, known) for key, value in args.items()})

    def _on(self, call: Call) -> Call:
        return replace(call, args=self._mapped(call.args))

    def _mapped(self, args: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The same as arguments of the road."""
        found: dict[str, JsonValue] = {"service": self._service, "path": self._operation.request(args)}
        if not isinstance(self._road, HttpGet):
            found["method"] = self._operation.method
            found |= {"body": args["body"]} if "body" in args else {}
        return found


def operation_tools(name: str, configured: Configured, every: Mapping[str, Service], change: HttpChange | None) -> list[Tool]:
    """A tool for each operation of a service. Raises BadInput for a document or a setting that cannot be right."""
    assert configured.openapi is not None  # noqa: S101 - whoever calls has looked
    operations = {one.name: one for one in read_operations(configured.openapi)}
    for named in [*configured.effects, *configured.undo, *(back for back, _ in configured.undo.values())]:
        if named not in operations:
            raise BadInput(f"http.{name}: there is no operation {named!r}", fix=f"there are {', '.join(operations)}")
    get, send = HttpGet(every), HttpSend(every)

    def road(one: Operation) -> HttpGet | HttpSend | HttpChange:
        if one.method == "GET":
            return get
        return change if change is not None and one.method in _CHANGES and one.name not in configured.undo else send

    return [OperationTool(name, one, road(one), configured) for one in operations.values()]


def _effect(service: str, operation: Operation, road: BaseTool, configured: Configured) -> Effect:
    word = configured.effects.get(operation.name)
    if word is None:
        return Effect.COMPENSABLE if operation.name in configured.undo else road.spec.effect
    if word not in _WORDS:
        raise BadInput(f"http.{service}: {operation.name} cannot be {word!r}", fix=f"say one of {', '.join(sorted(_WORDS))}")
    return Effect(word)


def _with_json(result: JsonValue) -> JsonValue:
    """An answer with its text read as JSON, where it is some."""
    if not isinstance(result, Mapping):
        return result
    try:
        return {**result, "json": parse(str(result.get("text", "")))}
    except ArgsInvalid:
        return result


def _filled(value: Any, known: Mapping[str, JsonValue]) -> JsonValue:
    """A value with what it names put in; one that is only a name keeps its type."""
    if isinstance(value, Mapping):
        return {key: _filled(one, known) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, known) for one in value]
    if not isinstance(value, str):
        filled: JsonValue = value
        return filled
    whole = _WHOLE.fullmatch(value)
    return _named(whole[1], known) if whole else _WHOLE.sub(lambda found: str(_named(found[1], known)), value)


def _named(path: str, known: JsonValue) -> JsonValue:
    found = known
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise ToolFailed(f"the answer has no {path}, by which it could be taken back", fix="look at what the service answered")
        found = found[part]
    return found
