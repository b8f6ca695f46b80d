"""A model's opinion of a task, as data: asked once, strictly read, and only ever used to be more careful."""

from __future__ import annotations

from typing import Final

from pydantic_ai.messages import InstructionPart, ModelRequest, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from remit.agent.asking import Patience, ask
from remit.agent.turns import strict_args
from remit.domain.values import parse
from remit.policy.triage import Opinion

_WORDS: Final = """\
You are told a task that may be handed to an AI with tools. You do not do it. Say, by calling `opinion`, how much human judgement \
it takes (0: none, 100: only a person should decide) and how much autonomous action can be tolerated (0: none, 100: any mistake is \
easily taken back), with one short reason. When you cannot tell, say 50 and what is missing."""
_SCORE: Final = {"type": "integer", "minimum": 0, "maximum": 100}
_TOOL: Final = ToolDefinition(
    name="opinion",
    description="Your opinion of the task.",
    parameters_json_schema={
        "type": "object",
        "properties": {"judgement": _SCORE, "tolerance": _SCORE, "reason": {"type": "string"}},
        "required": ["judgement", "tolerance", "reason"],
        "additionalProperties": False,
    },
    strict=False,
)
_MOST: Final = 100
_LONGEST: Final = 500


async def opinion_of(model: Model, task: str, patience: Patience | None = None) -> Opinion | None:
    """None when what it says is none. Raises ModelUnavailable or ModelRejected when it cannot be asked."""
    parameters = ModelRequestParameters(function_tools=[_TOOL], instruction_parts=[InstructionPart(content=_WORDS)], allow_text_output=True)
    async with model:
        said = await ask(model, [ModelRequest(parts=[UserPromptPart(task)])], parameters, patience=patience or Patience(attempts=2))
    calls = [part for part in said.parts if isinstance(part, ToolCallPart) and part.tool_name == _TOOL.name]
    if not calls:
        return None
    args = parse(strict_args(calls[0].args)[0])
    numbers = [args.get(key) for key in ("judgement", "tolerance")] if isinstance(args, dict) else []
    whole = [one for one in numbers if isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= _MOST]
    if len(whole) != len(numbers) or not isinstance(args, dict) or not numbers:
        return None
    return Opinion(judgement=whole[0], tolerance=whole[1], reason=str(args.get("reason", ""))[:_LONGEST])
