"""What a model said in one turn, as data: strictly read, under our own ids, before anything is journalled or done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic_ai.messages import ModelResponse, ModelResponsePart, TextPart, ThinkingPart, ToolCallPart

from remit.agent.toolset import sendable
from remit.domain.values import JsonValue, canonical, fields, items, parse
from remit.errors import ArgsInvalid

LONGEST_ARGS: Final = 4_000_000
"""Characters of arguments in one call; a file to be written may be long, but not endless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One call the model wants. `wrong` says why it cannot become an action; then `args_json` is an empty object."""

    name: str
    """`c<turn>.<index>`: its place in the journalled conversation. What id the provider gave does not matter."""
    tool: str
    args_json: str
    wrong: str = ""
    sure: int = -1
    """Per cent, where it was measured."""
    how: str = ""
    """By what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One journalled response: text, calls, or both. Neither, or an answer that was cut off, is a malformed turn."""

    number: int
    text: str
    calls: tuple[Wanted, ...]
    cut: bool = False
    """The endpoint stopped it at its length limit."""

    @property
    def final(self) -> bool:
        return bool(self.text.strip()) and not self.calls and not self.cut

    @property
    def malformed(self) -> bool:
        return not self.final and (not self.calls or any(call.wrong for call in self.calls))


def wire_id(number: int, index: int) -> str:
    """The call id that goes back to the provider: nine letters and digits, which the strictest of them demand."""
    return f"c{number:04d}x{index:03d}"


def foreign_parts(response: ModelResponse) -> list[str]:
    """Kinds of parts that are no text, thought or call to us: something the provider ran on its own, which no gate saw."""
    return [part.part_kind for part in response.parts if not isinstance(part, TextPart | ThinkingPart | ToolCallPart)]


def own_response(response: ModelResponse, number: int) -> tuple[ModelResponse, dict[str, str]]:
    """The response under our ids and with canonical arguments only, and what is wrong with which call (by index).

    What cannot be read strictly is kept nowhere: neither a tool nor a provider ever sees it again.
    """
    wrong: dict[str, str] = {}
    parts: list[ModelResponsePart] = []
    index = 0
    for part in response.parts:
        if not isinstance(part, ToolCallPart):
            parts.append(part)
            continue
        args, error = strict_args(part.args)
        if error:
            wrong[str(index)] = error
        parts.append(_own_call(part, args, wire_id(number, index)))
        index += 1
    return replace(response, parts=parts), wrong


def read_turn(response: ModelResponse, number: int, body: Mapping[str, JsonValue]) -> Turn:
    """The turn in a response of our own making; its `body` says what its calls meant when it was journalled, and what was measured."""
    tools = [str(tool) for tool in items(body.get("tools"))]
    wrong, sure = fields(body.get("wrong")), fields(body.get("sure"))
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    return Turn(
        number=number,
        text="".join(part.content for part in response.parts if isinstance(part, TextPart)),
        calls=tuple(
            Wanted(
                name=f"c{number}.{index}",
                tool=tool,
                args_json=str(part.args),
                wrong=str(wrong.get(str(index), "")),
                sure=int(str(fields(sure.get(str(index))).get("percent", -1))),
                how=str(fields(sure.get(str(index))).get("how", "")),
            )
            for index, (part, tool) in enumerate(zip(calls, tools, strict=True))
        ),
        cut=response.finish_reason == "length",
    )


def scrubbed(value: object) -> JsonValue:
    """Plain JSON without nulls and empty things, and without lone surrogates, which no UTF-8 journal can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {str(key): scrubbed(item) for key, item in value.items() if item is not None and item not in ({}, [])}
    if isinstance(value, Sequence):
        return [scrubbed(item) for item in value]
    return value if isinstance(value, bool | int | float) else None


def _own_call(part: ToolCallPart, args: str, call: str) -> ToolCallPart:
    """A plain call: no special kind that the library would treat in a way of its own, only what the provider wants back."""
    return ToolCallPart(
        tool_name=sendable(part.tool_name),
        args=args,
        tool_call_id=call,
        id=part.id,
        provider_name=part.provider_name,
        provider_details=part.provider_details,
    )


def strict_args(args: str | Mapping[str, object] | None) -> tuple[str, str]:
    """Canonical arguments and no error, or an empty object and the error."""
    try:
        # some endpoints send objects instead of text: their parser has run already, ours still judges the values
        value = parse(args or "{}") if isinstance(args, str) or args is None else parse(canonical(args))  # type: ignore[arg-type]
    except ArgsInvalid as error:
        return "{}", str(error)
    if not isinstance(value, dict):
        return "{}", "the arguments are not a JSON object"
    text = canonical(value)
    return (text, "") if len(text) <= LONGEST_ARGS else ("{}", f"the arguments are longer than {LONGEST_ARGS} characters")
