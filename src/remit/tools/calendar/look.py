"""The tools that look into calendars. What stands there was written by whoever may invite, so it taints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, ToolFailed
from remit.ports import Call, Happened, Probed, ToolSpec
from remit.tools.args import number, schema, text
from remit.tools.base import BaseTool
from remit.tools.calendar import events
from remit.tools.calendar.calendars import NAME, Calendar, named
from remit.tools.calendar.recurrence import Taking, between, merged
from remit.tools.calendar.times import moment, told, when, zone
from remit.tools.http.client import SECONDS

_LONGEST: Final = timedelta(days=400)
_LISTED: Final = 500
_FROM: Final[Mapping[str, JsonValue]] = {"type": "string", "description": "a day, or a time such as 2026-11-27T10:00"}
ZONE: Final[Mapping[str, JsonValue]] = {"type": "string", "description": "the zone of times that name none, such as Europe/Berlin"}


class _Look(BaseTool):
    def __init__(self, calendars: Mapping[str, Calendar]) -> None:
        self._calendars = calendars

    def span(self, args: Mapping[str, JsonValue], name: str) -> tuple[datetime, datetime, tzinfo]:
        """From when to when, and the zone of days. Raises ArgsInvalid."""
        name = text(args, "zone", "") or name
        where = zone(name or "UTC")
        begin, end = (moment(when(text(args, key), name), where) for key in ("from", "to"))
        if len(text(args, "to")) <= len("2026-11-27"):
            end += timedelta(days=1)  # the day itself is meant, too
        if not begin < end <= begin + _LONGEST:
            raise ArgsInvalid("that is no time from earlier to later, of at most 400 days", fix="send `from` and `to` so")
        return begin, end, where

    async def taking(self, calendar: Calendar, begin: datetime, end: datetime) -> tuple[list[tuple[str, Taking]], list[str]]:
        """All that takes place, with the event's name, and the names of those that cannot be read."""
        found: list[tuple[str, Taking]] = []
        strange = []
        for name, body in await calendar.between(begin, end):
            try:
                taking = await asyncio.to_thread(lambda body=body: between(events.read(body), begin, end))  # type: ignore[misc]
                found += [(name, one) for one in taking]
            except (ToolFailed, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                strange.append(name)
        return found, strange

    def owns(self, target: str) -> bool:  # noqa: ARG002 - each is a calendar of the person's
        return True

    async def probe(self, call: Call) -> Probed:  # noqa: ARG002 - the same for each
        return Probed(happened=Happened.NO, again=True)


class CalendarList(_Look):
    """What takes place, each occurrence of a series by itself."""

    spec = ToolSpec(
        name="calendar.list",
        description="List what takes place in a calendar in some time: titles, times, places; each occurrence of a series by itself.",
        schema=schema(("calendar", "from", "to"), calendar=NAME, **{"from": _FROM, "to": _FROM}, zone=ZONE),
        effect=Effect.PURE,
        egress=True,
        reads_untrusted=True,
        visible=("calendar",),
        seconds=SECONDS + 10,
    )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (named(self._calendars, args).service.base.url,)

    async def run(self, call: Call) -> JsonValue:
        calendar = named(self._calendars, call.args)
        begin, end, where = self.span(call.args, calendar.zone)
        found, strange = await self.taking(calendar, begin, end)
        found.sort(key=lambda one: (moment(one[1].start, where), one[0]))
        listed: list[JsonValue] = [_told(name, one) for name, one in found[:_LISTED]]
        more = {"more": len(found) - _LISTED} if len(found) > _LISTED else {}
        return {"events": listed, **more, **({"unreadable": [*strange]} if strange else {})}


class CalendarFree(_Look):
    """When nothing takes place in any of some calendars."""

    spec = ToolSpec(
        name="calendar.free",
        description="Say when calendars are busy and when they are free, in some time. All-day events count as busy.",
        schema=schema(
            ("from", "to"),
            calendars={"type": "array", "items": NAME, "description": "all of remit's configuration if left out"},
            **{"from": _FROM, "to": _FROM},
            zone=ZONE,
            minutes={"type": "integer", "minimum": 1, "default": 30, "description": "shorter gaps are left out"},
        ),
        effect=Effect.PURE,
        egress=True,
        reads_untrusted=False,
        seconds=SECONDS + 10,
    )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return tuple(calendar.service.base.url for calendar in self._chosen(args))

    async def run(self, call: Call) -> JsonValue:
        chosen = self._chosen(call.args)
        begin, end, where = self.span(call.args, next((one.zone for one in chosen if one.zone), ""))
        busy: list[tuple[datetime, datetime]] = []
        strange = 0
        for calendar in chosen:
            found, unread = await self.taking(calendar, begin, end)
            strange += len(unread)
            busy += [(moment(one.start, where), moment(one.end, where)) for _, one in found if one.busy]
        taken = [(max(a, begin), min(b, end)) for a, b in merged(busy)]
        gap = timedelta(minutes=number(call.args, "minutes", 30))
        edges = [begin, *(edge for pair in taken for edge in pair), end]
        free = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= gap]
        return {"busy": _pairs(taken, where), "free": _pairs(free, where), **({"unreadable": strange} if strange else {})}

    def _chosen(self, args: Mapping[str, JsonValue]) -> list[Calendar]:
        names: Any = args.get("calendars") or list(self._calendars)
        return [named(self._calendars, {"calendar": name}) for name in names]


def _told(name: str, one: Taking) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {"event": name, "title": one.title, "start": told(one.start), "end": told(one.end)}
    if one.place:
        found["place"] = one.place
    return {**found, "occurrence": told(one.occurrence)} if one.series else found


def _pairs(times: Sequence[tuple[datetime, datetime]], where: tzinfo) -> list[JsonValue]:
    return [{"start": told(a.astimezone(where)), "end": told(b.astimezone(where))} for a, b in times]
