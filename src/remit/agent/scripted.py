"""The model port as a Pydantic AI model: scripted models take the same road as real endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from remit.agent.toolset import function_name
from remit.domain.values import JsonValue, canonical
from remit.errors import BadInput
from remit.ports import Model, ToolSpec


def as_model(port: Model, tools: Sequence[ToolSpec]) -> FunctionModel:
    """A Pydantic AI model that answers with what `port` responds.

    History items are objects: {"role": "user", "text"}, {"role": "model", "text", "calls": [{"id", "tool", "args"}]} and
    {"role": "tool", "id", "tool", "text"}. An answer's `args` may be text, which then is read as strictly as an endpoint's.
    """
    names = {function_name(spec.name): spec.name for spec in tools}

    async def respond(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        history = [item for message in messages for item in _items(message, names)]
        return _response(await port.respond(history, tools))

    return FunctionModel(respond, model_name=port.name)


def _items(message: ModelMessage, names: Mapping[str, str]) -> list[Mapping[str, JsonValue]]:
    if isinstance(message, ModelRequest):
        return [item for part in message.parts if (item := _request_item(part, names))]
    calls: list[JsonValue] = [
        {"id": part.tool_call_id, "tool": names.get(part.tool_name, part.tool_name), "args": str(part.args)}
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    return [{"role": "model", "text": message.text or "", "calls": calls}]


def _request_item(part: object, names: Mapping[str, str]) -> dict[str, JsonValue]:
    match part:
        case UserPromptPart(content=str(text)):
            return {"role": "user", "text": text}
        case ToolReturnPart():
            return {"role": "tool", "id": part.tool_call_id, "tool": names.get(part.tool_name, part.tool_name), "text": str(part.content)}
        case _:
            return {}


def _response(answer: Mapping[str, JsonValue]) -> ModelResponse:
    text, calls = answer.get("text"), answer.get("calls") or []
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        raise BadInput("a scripted model's calls are not a list", fix='answer {"text": …} and/or {"calls": [{"id", "tool", "args"}]}')
    parts: list[ModelResponsePart] = [TextPart(text)] if isinstance(text, str) and text else []
    return ModelResponse(parts=[*parts, *(_call(call) for call in calls)])


def _call(call: JsonValue) -> ToolCallPart:
    if not isinstance(call, Mapping):
        raise BadInput("a scripted model's call is not an object", fix='a call is {"id", "tool", "args"}')
    args = call.get("args") or {}
    return ToolCallPart(
        tool_name=function_name(str(call.get("tool", ""))),
        args=args if isinstance(args, str) else canonical(args),
        tool_call_id=str(call.get("id", "")),
    )
