"""The tools that change calendars: one event at a time, only while it is what was seen, and put back byte for byte."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, ToolFailed
from remit.ports import Call, Clock, Store, ToolSpec
from remit.tools.args import FLAG, described, flag, number, schema, text
from remit.tools.calendar import events
from remit.tools.calendar.calendars import NAME, Calendar, named
from remit.tools.calendar.look import ZONE
from remit.tools.calendar.times import When, when
from remit.tools.http.client import SECONDS
from remit.tools.http.documents import beside
from remit.tools.http.resource import Request, Resource, Standing
from remit.tools.http.resource_tool import Change, ResourceTool
from remit.tools.http.restore_tool import RestoreTool
from remit.tools.mail.accounts import plain

_ICS: Final = "text/calendar; charset=utf-8"
_TIME: Final[Mapping[str, JsonValue]] = {"type": "string", "description": "a day, or a time such as 2026-11-27T10:00"}
_EVENT: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "as calendar.list names it"}
_OCCURRENCE: Final = described(_TIME, "for a series: the one occurrence that is meant, as calendar.list names it; left out, all of it")
_NOTIFY: Final = described(FLAG, "the event has attendees, and their servers may write to them: this cannot be taken back from them")


class _OnCalendar(ResourceTool):
    restores = "calendar.restore"

    def __init__(self, calendars: Mapping[str, Calendar], store: Store, clock: Clock) -> None:
        super().__init__(store)
        self.calendars = calendars
        self._clock = clock

    def resource(self, call: Call) -> Resource:
        return named(self.calendars, call.args).event(self.name(call))

    def name(self, call: Call) -> str:
        """The event's name in its calendar."""
        return text(call.args, "event")

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (named(self.calendars, args).event(text(args, "event")).place.url,)

    def back(self, call: Call) -> Mapping[str, JsonValue]:
        return {"calendar": call.args["calendar"], "event": self.name(call)}

    def compared(self, before: bytes | None, then: bytes | None) -> tuple[str, bool]:
        return beside(events.lines(before), events.lines(then))

    def now(self) -> datetime:
        """When something is written."""
        return events.stamp(self._clock.now())

    def time(self, args: Mapping[str, JsonValue], key: str) -> When | None:
        """An argument as a day or a time, in the zone that goes with it."""
        if key not in args:
            return None
        return when(text(args, key), text(args, "zone", "") or named(self.calendars, args).zone)


class _Writes(_OnCalendar):
    def effect(self, args: Mapping[str, JsonValue]) -> Effect:
        """Exactly undone, unless others are told of it."""
        return Effect.COMPENSABLE if self.told(args) else Effect.REVERSIBLE

    def told(self, args: Mapping[str, JsonValue]) -> bool:
        """Whether others hear of it."""
        return flag(args, "notify")

    @abstractmethod
    def written(self, call: Call, before: Standing | None) -> bytes | None:
        """The event as it shall be, None for none. Raises ToolFailed, ArgsInvalid."""

    def change(self, call: Call, before: Standing | None) -> Change:
        if before and events.attended(before.body) and not self.told(call.args):
            raise ToolFailed("others take part in this event, and would be told", fix="send notify = true if they shall be")
        try:
            then = self.written(call, before)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # what a library says of a strange event
            raise ToolFailed(f"this event cannot be changed: {error}", fix="change it with the calendar's own program") from error
        if then is None:
            return Change(request=Request(method="DELETE"), then=None)
        return Change(request=Request(method="PUT", body=then, type=_ICS), then=then)

    def done(self, call: Call, before: Standing | None, now: Standing | None) -> bool:
        then = self.change(call, before).then
        return then is None if now is None else then is not None and events.same(then, now.body)


class CalendarCreate(_Writes):
    """A new event, whose name comes from the action's id: made twice it is one event."""

    spec = ToolSpec(
        name="calendar.create",
        description="Make an event: with times in a time zone, or days for all-day events. With attendees it invites them.",
        schema=schema(
            ("calendar", "title", "start"),
            calendar=NAME,
            title={"type": "string", "minLength": 1, "maxLength": 1000},
            start=_TIME,
            end=described(_TIME, "when it ends; a last day that is meant, too; or send minutes"),
            minutes={"type": "integer", "minimum": 1, "maximum": 525_600, "description": "how long it lasts, instead of an end"},
            zone=ZONE,
            place={"type": "string"},
            description={"type": "string"},
            repeat={"type": "string", "description": "how it recurs, as FREQ=WEEKLY;BYDAY=MO;COUNT=10"},
            attendees={"type": "array", "items": {"type": "string"}, "description": "their mail addresses"},
        ),
        effect=Effect.COMPENSABLE,
        egress=True,
        salient=("attendees",),
        visible=("calendar", "title"),
        seconds=2 * SECONDS + 10,
    )

    def name(self, call: Call) -> str:
        return f"{_uid(call)}.ics"

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (named(self.calendars, args).service.base.url, *(f"mailto:{one}" for one in _attendees(args)))

    def owns(self, target: str) -> bool:
        return any(target == calendar.service.base.url for calendar in self.calendars.values())

    def title(self, args: Mapping[str, JsonValue]) -> str:
        start = visible(text(args, "start"), keep="")
        invited = f", inviting {', '.join(visible(one, keep='') for one in _attendees(args))}" if self.told(args) else ""
        return f"new in {text(args, 'calendar')}: {visible(text(args, 'title'), keep='')}, {start}{invited}"

    def told(self, args: Mapping[str, JsonValue]) -> bool:
        return bool(args.get("attendees"))

    def written(self, call: Call, before: Standing | None) -> bytes | None:
        if before is not None:
            raise ToolFailed("an event of this action's name is there already", fix="look at it; nothing was changed")
        args, calendar = call.args, named(self.calendars, call.args)
        attendees = _attendees(args)
        if attendees and not calendar.address:
            raise ToolFailed("nobody is named who invites", fix=f"set `address` of calendar {text(args, 'calendar')} in remit.toml")
        start = self.time(args, "start")
        assert start is not None  # noqa: S101 - the schema requires it
        return events.made(
            events.New(
                uid=_uid(call),
                title=text(args, "title"),
                start=start,
                end=_end(args, start, self.time(args, "end")),
                texts={name: text(args, key) for key, name in (("place", "LOCATION"), ("description", "DESCRIPTION")) if key in args},
                repeat=text(args, "repeat", ""),
                organizer=calendar.address,
                attendees=attendees,
            ),
            self.now(),
        )


class CalendarMove(_Writes):
    """An event, or one occurrence of a series, at another time."""

    spec = ToolSpec(
        name="calendar.move",
        description="Move an event to another time: all of it, or one occurrence of a series. It lasts as long as before unless told.",
        schema=schema(
            ("calendar", "event", "start"),
            calendar=NAME,
            event=_EVENT,
            start=_TIME,
            end=_TIME,
            zone=ZONE,
            occurrence=_OCCURRENCE,
            notify=_NOTIFY,
        ),
        effect=Effect.COMPENSABLE,
        egress=True,
        salient=("calendar", "event", "start"),
        visible=("calendar", "event", "notify"),
        seconds=2 * SECONDS + 10,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        which = f" of {visible(text(args, 'occurrence'), keep='')}" if "occurrence" in args else ""
        return f"move {visible(self.targets(args)[0], keep='')}{which} to {visible(text(args, 'start'), keep='')}"

    def written(self, call: Call, before: Standing | None) -> bytes | None:
        start = self.time(call.args, "start")
        assert start is not None  # noqa: S101 - the schema requires it
        body = _there(before)
        end = self.time(call.args, "end")
        if end is not None and not isinstance(end, datetime):
            end += timedelta(days=1)  # the last day is meant, too
        return events.moved(body, start, end, self.time(call.args, "occurrence"), self.now())


class CalendarCancel(_Writes):
    """An event, or one occurrence of a series, that does not take place."""

    spec = ToolSpec(
        name="calendar.cancel",
        description="Remove an event, or one occurrence of a series.",
        schema=schema(("calendar", "event"), calendar=NAME, event=_EVENT, zone=ZONE, occurrence=_OCCURRENCE, notify=_NOTIFY),
        effect=Effect.COMPENSABLE,
        egress=True,
        salient=("calendar", "event"),
        visible=("calendar", "event", "notify"),
        seconds=2 * SECONDS + 10,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        which = f"{visible(text(args, 'occurrence'), keep='')} of " if "occurrence" in args else ""
        return f"cancel {which}{visible(self.targets(args)[0], keep='')}"

    def written(self, call: Call, before: Standing | None) -> bytes | None:
        body, occurrence = _there(before), self.time(call.args, "occurrence")
        return None if occurrence is None else events.cancelled(body, occurrence, self.now())


class CalendarRestore(RestoreTool, _OnCalendar):
    """Puts an event back as it was; one that somebody changed since stays as it is and is reported."""

    spec = ToolSpec(
        name="calendar.restore",
        undoes=True,
        description="Put an event back as it was before an earlier action. Used by undo.",
        schema=schema(
            ("calendar", "event", "etag", "was"),
            calendar=NAME,
            event=_EVENT,
            etag={"type": ["string", "null"], "description": "what the action left there"},
            was={"type": ["object", "null"], "description": "what the action recorded"},
        ),
        effect=Effect.REVERSIBLE,
        egress=True,
        salient=("calendar", "event"),
        visible=("calendar", "event"),
        seconds=2 * SECONDS + 10,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"put back {visible(self.targets(args)[0], keep='')}"

    def differing(self, call: Call, was: Standing, now: Standing) -> list[str]:  # noqa: ARG002 - the same everywhere
        return [] if was.body == now.body or events.same(was.body, now.body) else ["the event"]


def _uid(call: Call) -> str:
    return f"remit-{digest('remit.event.1', call.action)[:32]}"


def _attendees(args: Mapping[str, JsonValue]) -> list[str]:
    """Raises ArgsInvalid for what is no plain address."""
    found: Any = args.get("attendees") or []
    return [plain(str(one)) for one in found]


def _end(args: Mapping[str, JsonValue], start: When, end: When | None) -> When:
    """Given, by minutes, or the usual: an hour, or the day."""
    timed = isinstance(start, datetime)
    if end is None:
        return start + timedelta(minutes=number(args, "minutes", 60)) if timed else start + timedelta(days=1)
    if isinstance(end, datetime) is not timed:
        raise ArgsInvalid("start and end are not of one kind", fix="send two days, or two times")
    last = end if timed else end + timedelta(days=1)
    if last <= start:
        raise ArgsInvalid("it would end before it begins", fix="send an end after the start, or minutes")
    return last


def _there(before: Standing | None) -> bytes:
    if before is None:
        raise ToolFailed("there is no such event", fix="take it from calendar.list, as it stands there")
    return before.body
