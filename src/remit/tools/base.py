"""Fail-closed defaults for the optional parts of a tool: what is missing makes a tool stricter, never looser."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from remit.domain.action import Effect
from remit.domain.values import JsonValue, canonical
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec, Undo

_T = TypeVar("_T")


class BaseTool(ABC):
    """A tool without pre-image, probe or undo. Subclasses override what they can do better, and must override `run`."""

    spec: ToolSpec

    def effect(self, args: Mapping[str, JsonValue]) -> Effect:  # noqa: ARG002 - part of the port
        return self.spec.effect

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:  # noqa: ARG002 - part of the port
        return ()

    def owns(self, target: str) -> bool:  # noqa: ARG002 - part of the port
        return False

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return {name: args[name] for name in self.spec.visible if name in args}

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:  # noqa: ARG002 - part of the port
        return ()

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{self.spec.name} {canonical(args)}"

    async def preview(self, call: Call) -> Preview:
        return Preview(text=canonical(call.args))

    async def capture(self, call: Call) -> Captured:
        return Captured(data=None, touches=self.targets(call.args))

    @abstractmethod
    async def run(self, call: Call) -> JsonValue:
        """The effect; see the port."""

    async def probe(self, call: Call) -> Probed:
        """A pure call changed nothing, so it may simply run again; of anything else this default knows nothing."""
        if self.effect(call.args) is Effect.PURE and not self.spec.egress:
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.UNKNOWN, detail="this tool cannot look at what it did")

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - part of the port
        return None

    def left(self, args: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:  # noqa: ARG002 - part of the port
        return args

    def following(self, args: Mapping[str, JsonValue], earlier: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:  # noqa: ARG002 - part of the port
        return args

    def joined(self, calls: Sequence[Mapping[str, JsonValue]]) -> Sequence[Mapping[str, JsonValue]]:
        return calls


async def uninterrupted(work: Callable[[], _T]) -> _T:
    """Run `work` in a thread and, even when cancelled, return only when it has ended: nothing happens behind the gate's back."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        raise
