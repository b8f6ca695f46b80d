"""Tools for endpoints that call none, or badly: the model answers in JSON held to a schema, and that is read as text and calls.

What it wants still goes the one road: its calls are calls like any others, read as strictly, and judged by the gate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_ai.messages import (
    InstructionPart,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from remit.domain.values import parse
from remit.errors import ArgsInvalid

_HOW: Final = """\
Answer with one JSON object: `say` is your text, `calls` lists the tools that you want to call now, each with its name and its \
arguments; an empty list for none. What a tool answered comes as the next message. These are your tools, with the JSON schemas of \
their arguments:
"""


_ANY: Final[Mapping[str, Any]] = {"type": "object", "additionalProperties": True}


class Constrained(WrapperModel):
    """The same model, asked for JSON instead of tool calls. Answers come whole: half a JSON object is nothing to show."""

    def __init__(self, model: Model, *, exact: bool = False) -> None:
        """`exact`: whether the endpoint holds the model to a schema with a case for each tool, as few do."""
        super().__init__(model)
        self._exact = exact

    async def request(
        self, messages: list[ModelMessage], model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> ModelResponse:
        tools = model_request_parameters.function_tools
        told = [*(model_request_parameters.instruction_parts or ()), InstructionPart(content=_described(tools))]
        parameters = ModelRequestParameters(
            output_mode="native",
            output_object=OutputObjectDefinition(json_schema=_schema(tools, exact=self._exact), name="answer", strict=False),
            instruction_parts=told,
            allow_text_output=True,
        )
        response = await self.wrapped.request([_plain(message) for message in messages], model_settings, parameters)
        return _read(response)


def _schema(tools: Sequence[ToolDefinition], *, exact: bool) -> dict[str, Any]:
    """Of an answer. Whatever it holds to, which arguments fit which tool is for the gate to say."""
    call = _call([tool.name for tool in tools], _ANY)
    if exact and tools:
        call = {"anyOf": [_call([tool.name], _held(tool.parameters_json_schema)) for tool in tools]}
    return {
        "type": "object",
        "properties": {"say": {"type": "string"}, "calls": {"type": "array", "items": call} if tools else {"type": "array", "maxItems": 0}},
        "required": ["say", "calls"],
        "additionalProperties": False,
    }


def _call(names: Sequence[str], args: object) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"type": "string", "enum": list(names)}, "args": args},
        "required": ["tool", "args"],
        "additionalProperties": False,
    }


def _held(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a tool's schema can stand inside another: references mean another root there, and no two engines know the same patterns."""
    return _ANY if '"$ref"' in json.dumps(schema) else _patternless(schema)


def _patternless(schema: Mapping[str, Any]) -> dict[str, Any]:
    def kept(value: Any) -> Any:
        if isinstance(value, Mapping):
            return _patternless(value)
        return [kept(item) for item in value] if isinstance(value, list | tuple) else value

    return {name: kept(value) for name, value in schema.items() if not (name == "pattern" and isinstance(value, str))}


def _described(tools: Sequence[ToolDefinition]) -> str:
    lines = [
        json.dumps({"tool": tool.name, "does": tool.description, "args": tool.parameters_json_schema}, ensure_ascii=False) for tool in tools
    ]
    return "\n".join([_HOW, *(lines or ["(none)"])])


def _plain(message: ModelMessage) -> ModelMessage:
    """The same in texts: what it called as the JSON that it would have said, what came of it as a message."""
    if isinstance(message, ModelResponse):
        calls = [{"tool": part.tool_name, "args": _args(part.args)} for part in message.parts if isinstance(part, ToolCallPart)]
        return ModelResponse(parts=[TextPart(json.dumps({"say": message.text or "", "calls": calls}, ensure_ascii=False))])
    parts: list[ModelRequestPart] = [
        UserPromptPart(f"{part.tool_name} answered: {part.content}") if isinstance(part, ToolReturnPart) else part for part in message.parts
    ]
    return ModelRequest(parts=parts)


def _read(response: ModelResponse) -> ModelResponse:
    """Text and calls of an answer; one that is no such object is all text."""
    others = [part for part in response.parts if not isinstance(part, TextPart)]
    answer = _object(response.text or "")
    if answer is None:
        return response
    say, calls = answer.get("say"), answer.get("calls")
    parts: list[ModelResponsePart] = [*others, *([TextPart(say)] if isinstance(say, str) and say else [])]
    for number, call in enumerate(calls if isinstance(calls, list) else [calls] if calls else []):
        name = call.get("tool") if isinstance(call, Mapping) else call
        args = call.get("args", {}) if isinstance(call, Mapping) else None
        # what is no object goes on as text: the reader of calls says what is wrong with it
        parts.append(ToolCallPart(str(name), args if isinstance(args, dict) else json.dumps(args), tool_call_id=f"json{number}"))
    response.parts = parts
    return response


def _object(text: str) -> dict[str, Any] | None:
    text = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    try:
        value = parse(text)
    except ArgsInvalid as error:
        return {"calls": [f"unreadable: {error.message}"]} if _meant(text) else None
    if isinstance(value, dict) and ("say" in value or "calls" in value):
        return value
    return {"calls": ["unreadable: it is no object with say and calls"]} if _meant(text) else None


def _meant(text: str) -> bool:
    """Whether it may have been meant as an answer with calls in it: such a one is told of, and never taken for a report."""
    return text.startswith(("{", "[")) or any(f'"{word}"' in text for word in ("calls", "tool", "args"))


def _args(args: object) -> object:
    try:
        return json.loads(args) if isinstance(args, str) else args or {}
    except ValueError:
        return {}
