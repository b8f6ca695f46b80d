"""Tools whose effects can be counted, as no shipped tool is without a probe: one that cannot look at what it did, one that can."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.ports import Call, Happened, Probed, ToolSpec
from remit.tools.base import BaseTool

_SLOW = 0.01
"""Seconds before and after the effect, so that kills find the moments around it."""


class PostSend(BaseTool):
    """Sends a line away: it cannot be asked whether it arrived, and sending again would double it."""

    name = "post.send"

    def __init__(self, outbox: Path, *, pause: float = _SLOW) -> None:
        self._outbox = outbox
        self._pause = pause
        self.spec = ToolSpec(
            name=self.name,
            description="send a line",
            schema={"type": "object", "properties": {"line": {"type": "string"}}, "required": ["line"], "additionalProperties": False},
            effect=Effect.IRREVERSIBLE,
            salient=("line",),
        )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (str(args["line"]),)

    async def run(self, call: Call) -> JsonValue:
        await asyncio.sleep(self._pause)
        out = os.open(self._outbox, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(out, f"{call.action} {call.args['line']}\n".encode())
        os.close(out)
        await asyncio.sleep(self._pause)
        return {"sent": call.args["line"]}


class PostBook(PostSend):
    """The same, to somebody who keeps a list by idempotency key: it can look."""

    name = "post.book"

    async def probe(self, call: Call) -> Probed:
        there = self._outbox.read_text(encoding="utf-8") if self._outbox.exists() else ""
        if any(line.startswith(f"{call.action} ") for line in there.splitlines()):
            return Probed(happened=Happened.YES, result={"sent": call.args["line"]})
        return Probed(happened=Happened.NO, again=True)


class CarelessSend(PostSend):
    """A seeded fault: claims that what was started can simply run again, as most frameworks do. The judge must catch it."""

    async def probe(self, call: Call) -> Probed:
        return Probed(happened=Happened.NO, again=True)


def post_tools(outbox: Path, *, careless: bool = False) -> list[BaseTool]:
    """What a run of the doubt family has besides the shipped tools."""
    return [CarelessSend(outbox) if careless else PostSend(outbox), PostBook(outbox)]
