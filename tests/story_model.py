"""A scripted model that reads: what it says may be made from what it was told, as a model's would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from loopback_openai import Loopback, Reply, Script

Body = dict[str, Any]


class Model(Loopback):
    """`Loopback` by what a story needs of it."""

    def __init__(self, *script: Script) -> None:
        super().__init__(script)

    @property
    def env(self) -> dict[str, str]:
        """For the program that shall ask it."""
        return {"REMIT_MODEL": "openai-compatible:tiny", "REMIT_BASE_URL": self.address}

    def told(self, turn: int) -> str:
        """What it was told before its answer number `turn`, counted from 0."""
        return said(self.asked[turn])


def calls(tool: str, **args: Any) -> Reply:
    return Reply(calls=[(tool, json.dumps(args))])


def together(*replies: Reply) -> Reply:
    """Several calls in one answer."""
    return Reply(calls=[call for reply in replies for call in reply.calls])


def said(body: Body) -> str:
    """Everything that came after the model's last answer."""
    messages: Sequence[Body] = body["messages"]
    last = max((n for n, one in enumerate(messages) if one["role"] == "assistant"), default=-1)
    return "\n".join(str(one["content"]) for one in messages[last + 1 :])


def step(name: str, tool: str, args: Body, *check: Body, **more: Any) -> Body:
    """One of a plan."""
    return {"id": name, "tool": tool, "args": args, "reason": f"to {name}", "check": list(check), **more}
