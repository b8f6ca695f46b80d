"""One tool of an MCP server at the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from remit.config import McpServer
from remit.domain.action import Effect
from remit.domain.values import JsonValue, canonical
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, BadInput, Conflict, ToolFailed, ToolUncertain
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec
from remit.tools.base import BaseTool
from remit.tools.mcp.connection import Connection
from remit.tools.mcp.definitions import Definition, Pins

_TEXT: Final = 200_000
_OTHERS: Final = 100
_PLAIN: Final = frozenset({"string", "integer", "boolean"})
_WORDS: Final = tuple(effect.value for effect in Effect if effect not in {Effect.REVERSIBLE, Effect.TRANSACTIONAL, Effect.DEFERRABLE})
"""What may be said of a tool that remit cannot take back."""


class McpTool(BaseTool):
    """Nobody knows what a strange server does, so a call is irreversible and leaves this machine, unless the person knows better.

    With `effects` in the configuration they say so of one tool; with `trusted` they take the server's word (its annotations). A word of
    the server that is worse than theirs counts all the same.
    """

    def __init__(
        self, server: str, configured: McpServer, definition: Definition, connection: Connection, pins: Pins, *, changed: bool
    ) -> None:
        self._server = server
        self._definition = definition
        self._connection = connection
        self._pins = pins
        self._changed = changed
        self._trusted = configured.trusted
        self._effect = Effect.IRREVERSIBLE if changed else _effect(server, configured, definition)
        said = visible(definition.description, keep="\n").strip()
        properties = definition.closed()["properties"]
        names = tuple(properties) if isinstance(properties, Mapping) else ()
        self.spec = ToolSpec(
            name=f"mcp.{server}.{definition.name}",
            description=f"(of MCP server {server}{', CHANGED since it was agreed to' if changed else ''}) {said}",
            schema=definition.closed(),
            effect=self._effect,
            egress=True,
            reads_untrusted=True,
            salient=names,
            visible=tuple(name for name in names if _type(properties, name) in _PLAIN),
            seconds=configured.seconds + 30,
            version=definition.hash,
        )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:  # noqa: ARG002 - where it lands is the server's to say
        """The tool itself; one that changed is a place that nobody has named."""
        place = f"mcp:{self._server}/{self._definition.name}"
        return (f"{place}#{self._definition.hash}",) if self._changed else (place,)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{self._definition.name} of MCP server {self._server}: {visible(canonical(args), keep='')}"

    async def preview(self, call: Call) -> Preview:
        lines = [self.title(call.args), visible(json.dumps(dict(call.args), indent=2, ensure_ascii=False), keep="\n")]
        if self._changed:
            lines.append(f"\nThe server describes this tool otherwise than when it was agreed to. It says now:\n{self.spec.description}")
            lines.append(visible(json.dumps(self._definition.closed(), indent=2, ensure_ascii=False), keep="\n"))
        return Preview(text="\n".join(lines))

    async def capture(self, call: Call) -> Captured:
        """Raises Conflict when the server describes the tool otherwise by now: what was judged is not what would be called."""
        listed = await self._connection.listed()
        now = next((one for one in listed if one.name == self._definition.name), None)
        if now is None or now.hash != self._definition.hash:
            self._pins.save(listed)
            what = "does not have it any more" if now is None else "describes it otherwise by now"
            raise Conflict(f"MCP server {self._server} {what}", fix="start remit again: it is judged as it is then, and asks")
        return Captured(data={"definition": self._definition.hash}, touches=self.targets(call.args))

    async def run(self, call: Call) -> JsonValue:
        """Raises ToolFailed for what a trusted server says to have failed; of a strange one nobody knows (ToolUncertain)."""
        args: Any = json.loads(canonical(call.args))
        answer = await self._connection.call(self._definition.name, args)
        result = _told(answer)
        if self._changed:
            self._pins.agree(self._definition)  # a person approved this very call of it
        if answer.is_error:
            said = f"{self._definition.name} of {self._server} failed: {visible(str(result.get('text', '')), keep=chr(10))[:2000]}"
            if self._trusted or self._effect is Effect.PURE:
                raise ToolFailed(said, fix="see what it says")
            raise ToolUncertain(said, fix="look whether it did anything")
        return result

    async def probe(self, call: Call) -> Probed:  # noqa: ARG002 - the same for each
        """Only what changes nothing, or may be done twice by the word of a server that is trusted, is simply done again."""
        if self._effect is Effect.PURE or (self._trusted and self._definition.hints.get("idempotentHint") is True and not self._changed):
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.UNKNOWN, detail=f"MCP server {self._server} cannot be asked what it did")


def _effect(server: str, configured: McpServer, definition: Definition) -> Effect:
    hints = definition.hints
    reads, destroys = hints.get("readOnlyHint") is True, hints.get("destructiveHint") is True
    word = configured.effects.get(definition.name)
    if word is not None:
        if word not in _WORDS:
            raise BadInput(f"mcp.{server}: {definition.name} cannot be {word!r}", fix=f"say one of {', '.join(_WORDS)}")
        return Effect.IRREVERSIBLE if destroys and not reads else Effect(word)
    if configured.trusted and reads and not destroys:
        return Effect.PURE
    if configured.trusted and hints.get("destructiveHint") is False:
        return Effect.COMPENSABLE
    return Effect.IRREVERSIBLE


def _told(answer: Any) -> dict[str, JsonValue]:
    texts = [item.text for item in answer.content if getattr(item, "type", "") == "text"]
    others: list[JsonValue] = [str(getattr(item, "type", "?")) for item in answer.content if getattr(item, "type", "") != "text"]
    text = "\n".join(texts)
    found: dict[str, JsonValue] = {"text": text[:_TEXT], "cut": len(text) > _TEXT}
    structured = answer.structured_content
    with suppress(ArgsInvalid):  # what is no plain JSON is left out; its text is there
        if structured is not None and len(canonical(structured)) <= _TEXT:
            found["structured"] = structured
    return {**found, "others": others[:_OTHERS]} if others else found


def _type(properties: JsonValue, name: str) -> object:
    one = properties.get(name) if isinstance(properties, Mapping) else None
    return one.get("type") if isinstance(one, Mapping) and isinstance(one.get("type"), str) else None
