"""A long conversation made short enough: the goal, what people said and what came of each call stay; the rest of old turns goes.

Nothing is asked of a model for it: a summary that a model wrote could claim what never was. The whole stays in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart

_TEXT: Final = 400
_ARGS: Final = 160
_ANSWER: Final = 240
_PERSON: Final = 4000
_LONGEST: Final = 16_000
"""Characters of a whole summary; of what is more the oldest goes."""
_HEAD: Final = "What happened before, in short (remit's record; more can be looked up with your tools):"


def summary(messages: Sequence[ModelMessage], before: str) -> str:
    """Of the part of a conversation that is left out, in order, after the summary of what was left out before."""
    lines = before.splitlines()[1:]
    lines += [line for message in messages for line in (_said(message) if isinstance(message, ModelResponse) else _told(message))]
    kept: list[str] = []
    room = _LONGEST
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            kept.append(f"({len(lines) - len(kept)} earlier lines left out)")
            break
        kept.append(line)
    return "\n".join([_HEAD, *reversed(kept)])


def _said(message: ModelResponse) -> list[str]:
    lines = [f"you said: {_cut(part.content, _TEXT)}" for part in message.parts if isinstance(part, TextPart) and part.content.strip()]
    return lines + [
        f"you called {part.tool_name} {_cut(str(part.args), _ARGS)}" for part in message.parts if isinstance(part, ToolCallPart)
    ]


def _told(message: ModelRequest) -> list[str]:
    lines = []
    for part in message.parts:
        match part:
            case ToolReturnPart():
                lines.append(f"{part.tool_name} answered: {_cut(str(part.content), _ANSWER)}")
            case UserPromptPart(content=str(text)):
                lines += _cut(text, _PERSON).splitlines()
            case _:
                pass
    return lines


def _cut(text: str, most: int) -> str:
    plain = " ".join(text.split()) if most < _PERSON else text
    return plain if len(plain) <= most else f"{plain[:most]}… (+{len(plain) - most})"
