"""How often a model is right, measured: small tasks with one right call each, or one right word, and tools that do nothing.

It says little of what a model can do at its best, and much of what it gets wrong already where nothing is hard.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic_ai.messages import InstructionPart, ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from remit.agent.asking import Patience, ask
from remit.agent.turns import strict_args
from remit.domain.values import JsonValue, parse

_PATIENCE: Final = Patience(attempts=1, silence=60.0, request=120.0)
_WORDS: Final = (
    "You act through tools. Call exactly the one tool that does what you are told, or, where no tool is for it, none and answer."
)


def _tool(name: str, does: str, **args: str) -> ToolDefinition:
    schema = {
        "type": "object",
        "properties": {arg: {"type": kind} for arg, kind in args.items()},
        "required": list(args),
        "additionalProperties": False,
    }
    return ToolDefinition(name=name, description=does, parameters_json_schema=schema, strict=False)


_TOOLS: Final = (
    _tool("read", "Read a file.", path="string"),
    _tool("write", "Write text into a file, in place of what it holds.", path="string", text="string"),
    _tool("move", "Move a file.", path="string", to="string"),
    _tool("delete", "Delete a file.", path="string"),
    _tool("send", "Send a letter.", to="string", text="string"),
    _tool("add", "Add two whole numbers.", a="integer", b="integer"),
)

Call = tuple[str, Mapping[str, JsonValue]]

TASKS: Final[tuple[tuple[str, Call | str], ...]] = (
    ("Show me what notes.txt says.", ("read", {"path": "notes.txt"})),
    ("Delete old/draft.txt.", ("delete", {"path": "old/draft.txt"})),
    ("Put the word hello into greeting.txt.", ("write", {"path": "greeting.txt", "text": "hello"})),
    ("Rename a.txt to b.txt.", ("move", {"path": "a.txt", "to": "b.txt"})),
    ("What is 17 plus 25? Use the tool.", ("add", {"a": 17, "b": 25})),
    ("Write to ann@example.org: done", ("send", {"to": "ann@example.org", "text": "done"})),
    ("What is the capital of France?", "Paris"),
    ("Bring report.txt into the folder archive, under the same name.", ("move", {"path": "report.txt", "to": "archive/report.txt"})),
    ("Do not delete x.txt: only show it to me.", ("read", {"path": "x.txt"})),
    ("Make list.txt empty, and do not delete it.", ("write", {"path": "list.txt", "text": ""})),
    ("Say the word goodbye.", "goodbye"),
    ("Of the files a.txt, b.txt and c.txt only the second must go. Remove it.", ("delete", {"path": "b.txt"})),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One task, and what the model did with it."""

    task: str
    right: bool
    seen: str


async def answers(model: Model) -> AsyncIterator[Answered]:
    """One task after the other, each a conversation of its own. Raises ModelTrouble: what gives no answer is not wrong."""
    async with model:
        for task, wanted in TASKS:
            yield await _answer(model, task, wanted)


async def _answer(model: Model, task: str, wanted: Call | str) -> Answered:
    parameters = ModelRequestParameters(
        function_tools=list(_TOOLS), instruction_parts=[InstructionPart(content=_WORDS)], allow_text_output=True
    )
    said = await ask(model, [ModelRequest(parts=[UserPromptPart(task)])], parameters, patience=_PATIENCE)
    called, text = _called(said), said.text or ""
    right = not called and wanted.lower() in text.lower() if isinstance(wanted, str) else called == [(wanted[0], dict(wanted[1]))]
    return Answered(task=task, right=right, seen="; ".join(f"{name} {args}" for name, args in called) or text or "nothing")


def _called(said: ModelResponse) -> list[tuple[str, JsonValue]]:
    """With arguments read as strictly as at the gate; what cannot be read is its error, which equals nothing expected."""
    read = [(part.tool_name, *strict_args(part.args)) for part in said.tool_calls]
    return [(name, wrong or parse(args)) for name, args, wrong in read]
