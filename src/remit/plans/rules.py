"""The rule planner: a plan for a goal in plain words, without a model. It knows a short list of sentences, and says so of no other.

English, and read strictly: whatever it does not know word for word it leaves to a model or a plan file. What it plans is judged like
any plan; its words are the person's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from remit.domain.plan import Plan
from remit.domain.values import JsonValue
from remit.plans.spec import plan_from

RULES: Final = "rules"
"""In the place of a model's name."""
KNOWN: Final = (
    "copy A to B",
    "move A to B (or: rename)",
    "delete A",
    "make a folder A",
    'write "TEXT" to A',
    "read A",
    "list A",
    "run `COMMAND`",
)
"""Joined by `, then` or `and then`."""

_NAME: Final = r"(?:\"([^\"\n]+)\"|'([^'\n]+)'|([^\s\"'`]*[./][^\s\"'`]*))"
"""In quotes, or with a dot or a slash in it: `delete everything` names nothing."""
_WORD: Final = r"(?:\"([^\"\n]+)\"|'([^'\n]+)'|([^\s\"'`]+))"
_BETWEEN: Final = re.compile(r"\s*(?:,\s*(?:and\s+)?then|;|\band\s+then)\s+", re.IGNORECASE)
_END: Final = re.compile(r"(?<=[^\s./!])[.!]$")
"""The end of a sentence, and not of a path."""
_Made = Callable[[tuple[str, ...]], dict[str, JsonValue]]


def _step(tool: str, *names: str) -> _Made:
    """A step of this tool whose arguments are what was found, in order."""

    def made(found: tuple[str, ...]) -> dict[str, JsonValue]:
        return {"tool": tool, "args": dict(zip(names, found, strict=True))}

    return made


def _written(found: tuple[str, ...]) -> dict[str, JsonValue]:
    text, path = found
    return {
        "tool": "files.write",
        "args": {"path": path, "text": f"{text}\n"},
        "check": [{"tool": "files.read", "args": {"path": path}, "at": "text", "equals": f"{text}\n"}],
    }


_SENTENCES: Final[Mapping[str, _Made]] = {
    rf"copy\s+{_NAME}\s+to\s+{_NAME}": _step("files.copy", "path", "to"),
    rf"(?:move|rename)\s+{_NAME}\s+to\s+{_NAME}": _step("files.move", "path", "to"),
    rf"(?:delete|remove)\s+{_NAME}": _step("files.delete", "path"),
    rf"(?:make|create)\s+(?:a\s+|the\s+)?(?:folder|directory)\s+{_WORD}": _step("files.mkdir", "path"),
    rf"write\s+(?:\"([^\"\n]*)\"|'([^'\n]*)'|`([^`\n]*)`)\s+(?:in)?to\s+{_NAME}": _written,
    rf"(?:read|show)\s+{_NAME}": _step("files.read", "path"),
    rf"list\s+{_WORD}": _step("files.list", "path"),
    r"run\s+`([^`\n]+)`()()": _step("shell.run", "command"),
}
_RULES: Final = [(re.compile(pattern, re.IGNORECASE), way) for pattern, way in _SENTENCES.items()]


def rule_plan(goal: str) -> Plan | None:
    """The plan for a goal that it knows, word for word; None for any other."""
    steps: list[JsonValue] = []
    for number, sentence in enumerate(_BETWEEN.split(_END.sub("", goal.strip())), start=1):
        made = _made(sentence.strip())
        if made is None:
            return None
        needs: list[JsonValue] = [f"step{number - 1}"] if number > 1 else []
        steps.append({"id": f"step{number}", "reason": sentence.strip(), "needs": needs, **made})
    plan = plan_from({"goal": goal, "step": steps}, name="the rule planner's plan")
    return Plan(goal=goal, steps=plan.steps, text=goal)


def _made(sentence: str) -> dict[str, JsonValue] | None:
    for pattern, way in _RULES:
        match = pattern.fullmatch(sentence)
        if match:
            groups = [match.group(n) for n in range(1, len(match.groups()) + 1)]
            # each name is one of three ways to write it: the first that is there
            found = tuple(next((one for one in groups[at : at + 3] if one is not None), "") for at in range(0, len(groups), 3))
            return way(found)
    return None
