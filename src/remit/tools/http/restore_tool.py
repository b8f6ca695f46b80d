"""Putting a resource back: only over what the action left there, and a conflict is a result, so that the rest of an undo goes on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import Conflict, ToolFailed
from remit.ports import Call, Captured, Happened, Preview, Probed
from remit.tools.http.resource import Request, Standing, unpack
from remit.tools.http.resource_tool import Change, ResourceTool

_CONFLICT = "conflict"


class RestoreTool(ResourceTool):
    """Its arguments are `etag`, what the action left (null: nothing), and `was`, what stood there before (null: nothing)."""

    @abstractmethod
    def differing(self, call: Call, was: Standing, now: Standing) -> list[str]:
        """Where the two differ, but for what the service is known to write itself."""

    def change(self, call: Call, before: Standing | None) -> Change:
        if (before.etag if before else None) != call.args["etag"]:
            raise Conflict(f"{self.resource(call).place.url} was changed since", fix="what stands there stays; look at it")
        was = unpack(call.args["was"], self.store)
        if was is None:
            return Change(request=Request(method="DELETE"), then=None)
        return Change(request=Request(method="PUT", body=was.body, type=was.type), then=was.body)

    async def preview(self, call: Call) -> Preview:
        try:
            return await super().preview(call)
        except Conflict as error:
            now, was = await self.resource(call).read(), unpack(call.args["was"], self.store)
            shown, clipped = self.compared(now.body if now else None, was.body if was else None)
            return Preview(text=f"in conflict, it stays as it is now: {visible(error.message, keep='')}\n{shown}", clipped=clipped)

    async def capture(self, call: Call) -> Captured:
        try:
            return await super().capture(call)
        except Conflict as error:
            return Captured(data={_CONFLICT: error.message}, touches=())

    async def run(self, call: Call) -> dict[str, JsonValue]:
        if found := _conflict(call):
            return self._kept(call, found)
        try:
            result = await super().run(call)
        except Conflict as error:
            return self._kept(call, error.message)
        return {**result, "differs": await self._differs(call)}

    async def probe(self, call: Call) -> Probed:
        return Probed(happened=Happened.NO, again=True) if _conflict(call) else await super().probe(call)

    def following(self, args: Mapping[str, JsonValue], earlier: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:
        """What the other one put back is what this one's action left, under the name that the service gave it now.

        Where it found somebody else's work, what stands there is theirs, whatever it looks like.
        """
        found = result if isinstance(result, Mapping) else {}
        if found.get("conflicts") and _same_place(earlier, args):
            return {**args, "etag": ""}
        return {**args, "etag": found["etag"]} if found.get("etag") and _leads(earlier, args) else args

    def joined(self, calls: Sequence[Mapping[str, JsonValue]]) -> Sequence[Mapping[str, JsonValue]]:
        found: list[Mapping[str, JsonValue]] = []
        for call in calls:
            before = next((n for n, earlier in enumerate(found) if _leads(earlier, call)), None)
            if before is None:
                found.append(call)
            else:
                found[before] = {**found[before], "was": call["was"]}
        return found

    def done(self, call: Call, before: Standing | None, now: Standing | None) -> bool:  # noqa: ARG002 - what was there decides
        was = unpack(call.args["was"], self.store)
        return was is now if was is None or now is None else not self.differing(call, was, now)

    async def _differs(self, call: Call) -> list[JsonValue]:
        try:
            was, now = unpack(call.args["was"], self.store), await self.resource(call).read()
        except ToolFailed as error:  # it is done all the same
            return [f"nobody knows: {error.message}"]
        return [*self.differing(call, was, now)] if was and now else []

    def _kept(self, call: Call, why: str) -> dict[str, JsonValue]:
        return {"conflicts": [{"path": self.resource(call).place.url, "detail": why}], "etag": ""}


def _leads(earlier: Mapping[str, JsonValue], args: Mapping[str, JsonValue]) -> bool:
    """Whether one of them puts back what the other one's action left."""
    was = earlier.get("was")
    return _same_place(earlier, args) and isinstance(was, Mapping) and was.get("etag") == args.get("etag")


def _same_place(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    places = [{name: value for name, value in args.items() if name not in {"etag", "was"}} for args in (one, other)]
    return places[0] == places[1]


def _conflict(call: Call) -> str:
    return str(call.captured.get(_CONFLICT, "")) if isinstance(call.captured, Mapping) else ""
