"""The road of a call that changes one resource under a precondition: look, show, keep, change, look again, take back."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from remit.crashpoint import crashpoint
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, Conflict, ToolFailed, ToolUncertain
from remit.ports import Call, Captured, Happened, Preview, Probed, Store, Undo
from remit.tools.base import BaseTool
from remit.tools.http.client import Answer
from remit.tools.http.documents import compared
from remit.tools.http.resource import Request, Resource, Standing, pack, strong, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a call asks of a resource, and what would stand there then as far as that can be said."""

    request: Request
    then: bytes | None


class ResourceTool(BaseTool):
    """What a subclass asks for is shown against what stands there, and carried out only while that still does."""

    restores = ""
    """The tool that puts back what stood there."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @abstractmethod
    def resource(self, call: Call) -> Resource:
        """Where the call lands. Raises ArgsInvalid."""

    @abstractmethod
    def change(self, call: Call, before: Standing | None) -> Change:
        """What it asks, given what stands there. Raises ToolFailed for what cannot be."""

    @abstractmethod
    def done(self, call: Call, before: Standing | None, now: Standing | None) -> bool:
        """Whether what stands there now, and is not what was there before, is what the call wanted. Never guesses."""

    @abstractmethod
    def back(self, call: Call) -> Mapping[str, JsonValue]:
        """The arguments by which the tool that restores finds the place again."""

    def compared(self, before: bytes | None, then: bytes | None) -> tuple[str, bool]:
        """What stands there and what shall, side by side, and whether that had to be cut."""
        return compared(before, then)

    async def preview(self, call: Call) -> Preview:
        before = await self.resource(call).read()
        change = self.change(call, before)
        shown, clipped = await asyncio.to_thread(self.compared, before.body if before else None, change.then)
        text = f"{self.title(call.args)}\n{shown or 'nothing is different then'}"
        staged = await asyncio.to_thread(pack, before, self.store)
        return Preview(text=text, staged={"before": staged}, binding=before.etag if before else "nothing", clipped=clipped)

    async def capture(self, call: Call) -> Captured:
        resource = self.resource(call)
        before = await resource.read()
        if isinstance(call.staged, Mapping) and _etag(before) != _etag(unpack(call.staged["before"], self.store)):
            raise Conflict(f"{resource.place.url} was changed since this was shown", fix="look at it again")
        self.change(call, before)
        kept = await asyncio.to_thread(pack, before, self.store)
        await asyncio.to_thread(self.store.sync)
        return Captured(data={"before": kept}, touches=(resource.place.url,))

    async def run(self, call: Call) -> dict[str, JsonValue]:
        """Raises Conflict when something else stands there by now, ToolFailed when it surely changed nothing, else ToolUncertain."""
        resource, before = self.resource(call), self.before(call)
        change = self.change(call, before)
        try:
            answer = await resource.change(change.request, _etag(before), key=call.action)
        except Conflict as error:
            if call.again:  # the request before this one may have been carried out after all
                raise ToolUncertain(error.message, fix="look what stands there") from error
            raise
        crashpoint("http.answered")
        return self.result(answer, await self._after(call, before, answer, resource))

    async def probe(self, call: Call) -> Probed:
        """Nobody else can have it both ways: while the same ETag stands there, the request was not carried out, and may be sent again."""
        if call.captured is None:
            return await super().probe(call)
        before, now = self.before(call), await self.resource(call).read()
        if _etag(before) == _etag(now):
            return Probed(happened=Happened.NO, again=True, begun=True)
        result: JsonValue = {"url": self.resource(call).place.url, "etag": _etag(now)}
        if self.done(call, before, now):
            return Probed(happened=Happened.YES, result=result)
        change = self.change(call, before)
        shown, _ = self.compared(change.then, now.body if now else None)
        return Probed(happened=Happened.UNKNOWN, detail=f"what stands there is neither what was there nor what was wanted:\n{shown}")

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        """Put back what stood there, while what we left still stands. Raises ToolFailed when nobody knows what that was."""
        if not isinstance(result, Mapping) or not isinstance(call.captured, Mapping) or result.get("etag", "") == "":
            raise ToolFailed("nobody knows what stood there afterwards", fix=f"look at {visible(self.resource(call).place.url, keep='')}")
        return Undo(tool=self.restores, args={**self.back(call), "etag": result["etag"], "was": call.captured["before"]})

    def result(self, answer: Answer, after: str | None) -> dict[str, JsonValue]:
        """What the actor is told; `etag` is null for nothing, '' for what nobody knows."""
        return {"status": answer.status, "url": answer.url, "etag": after}

    def before(self, call: Call) -> Standing | None:
        """What was captured."""
        if not isinstance(call.captured, Mapping):
            raise ArgsInvalid("what was captured is no resource", fix="hand over what `capture` returned, unchanged")
        return unpack(call.captured.get("before"), self.store)

    async def _after(self, call: Call, before: Standing | None, answer: Answer, resource: Resource) -> str | None:
        """The ETag of what we left there; '' when somebody may have been faster than our second look."""
        if self.change(call, before).then is None:
            return None
        if answered := strong(answer):
            return answered
        try:
            now = await resource.read()
        except ToolFailed:
            return ""
        return now.etag if now and self.done(call, before, now) else ""


def _etag(standing: Standing | None) -> str | None:
    return standing.etag if standing else None
