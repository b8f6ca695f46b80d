"""What an endpoint can do, by trying: a few small requests, each for one thing that remit needs or uses. It costs a few hundred tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from pydantic_ai.messages import InstructionPart, ModelMessage, ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from remit.agent.asking import Patience, ask
from remit.agent.turns import foreign_parts, strict_args
from remit.domain.values import parse
from remit.errors import ModelTrouble

CALLS: Final = "calls tools"
_PATIENCE: Final = Patience(attempts=1, silence=60.0, request=120.0)
_ADD: Final = ToolDefinition(
    name="add",
    description="Add two whole numbers.",
    parameters_json_schema={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    strict=False,
)
_WORDS: Final = "You are being tried out. Do exactly what you are told, with as few words as you can."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One thing that was tried."""

    what: str
    works: bool
    seen: str
    needed: bool = True
    """Without it goals cannot be pursued with this model."""


async def trials(model: Model) -> AsyncIterator[Tried]:
    """One after the other; ends after the first when nothing answers."""
    async with model:
        answered = await _answers(model)
        yield answered
        if not answered.works:
            return
        yield await _streams(model)
        called, history = await _calls(model)
        yield called
        if called.works:
            yield await _goes_on(model, history)
        yield await _several(model)


async def _answers(model: Model) -> Tried:
    try:
        said = await _ask(model, [_user("Say only the word: yes")])
    except ModelTrouble as error:
        return Tried(what="answers", works=False, seen=f"{error.message} ({error.fix})" if error.fix else error.message)
    text = (said.text or "").strip()
    return Tried(what="answers", works=bool(text), seen=_short(text) or "an empty answer")


async def _streams(model: Model) -> Tried:
    pieces: list[str] = []
    try:
        await ask(model, [_user("Count from one to five.")], _parameters(), patience=_PATIENCE, on_text=pieces.append)
    except ModelTrouble as error:
        return Tried(
            what="streams", works=False, seen=f"{error.message}; conversations show nothing until an answer is whole", needed=False
        )
    return Tried(what="streams", works=len(pieces) > 1, seen=f"{len(pieces)} pieces", needed=False)


async def _calls(model: Model) -> tuple[Tried, list[ModelMessage]]:
    asked = _user("Call the tool add with a = 19 and b = 23. Do not add them yourself.")
    try:
        said = await _ask(model, [asked], tools=True)
    except ModelTrouble as error:
        return Tried(what=CALLS, works=False, seen=error.message), []
    calls = _called(said)
    works = calls == [{"a": 19, "b": 23}] and not foreign_parts(said)
    return Tried(what=CALLS, works=works, seen=f"add {calls}" if calls else _short(said.text or "no call")), [asked, said]


async def _goes_on(model: Model, history: list[ModelMessage]) -> Tried:
    said = history[-1]
    calls = [part for part in said.parts if isinstance(part, ToolCallPart)] if isinstance(said, ModelResponse) else []
    answers = [ToolReturnPart(tool_name=call.tool_name, content='{"sum": 42}', tool_call_id=call.tool_call_id) for call in calls]
    try:
        end = await _ask(model, [*history, ModelRequest(parts=answers)], tools=True)
    except ModelTrouble as error:
        return Tried(what="reads answers of tools", works=False, seen=error.message)
    return Tried(what="reads answers of tools", works="42" in (end.text or ""), seen=_short(end.text or "no text"))


async def _several(model: Model) -> Tried:
    try:
        said = await _ask(model, [_user("In one turn call the tool add twice: 1 and 2, and 3 and 4.")], tools=True)
    except ModelTrouble as error:
        return Tried(what="calls several at once", works=False, seen=error.message, needed=False)
    calls = _called(said)
    return Tried(what="calls several at once", works=len(calls) > 1, seen=f"{len(calls)} calls", needed=False)


async def _ask(model: Model, messages: list[ModelMessage], *, tools: bool = False) -> ModelResponse:
    return await ask(model, messages, _parameters(tools=tools), patience=_PATIENCE)


def _parameters(*, tools: bool = False) -> ModelRequestParameters:
    return ModelRequestParameters(
        function_tools=[_ADD] if tools else [], instruction_parts=[InstructionPart(content=_WORDS)], allow_text_output=True
    )


def _called(said: ModelResponse) -> list[object]:
    """What it called `add` with; a call that cannot be read strictly is its error."""
    read = [strict_args(part.args) for part in said.parts if isinstance(part, ToolCallPart) and part.tool_name == _ADD.name]
    return [wrong or parse(args) for args, wrong in read]


def _user(text: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(text)])


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - a line of a table
