"""What is in an iCalendar file (RFC 5545): one event, its recurrence and the occurrences that differ. No other file writes any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import icalendar

from remit.errors import ArgsInvalid, ToolFailed
from remit.tools.calendar.recurrence import alike, expandable, has
from remit.tools.calendar.times import When, told

_OURS: Final = "-//remit//remit//EN"
_VOLATILE: Final = frozenset({"DTSTAMP", "LAST-MODIFIED", "CREATED", "BEGIN", "END"})
"""Properties that say when somebody wrote, not what."""
_SERIES: Final = ("RRULE", "RDATE", "EXDATE", "EXRULE")


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """An event to be made."""

    uid: str
    title: str
    start: When
    end: When
    texts: Mapping[str, str]
    """`LOCATION`, `DESCRIPTION`."""
    repeat: str = ""
    organizer: str = ""
    attendees: Sequence[str] = ()


def made(new: New, at: datetime) -> bytes:
    """The file of a new event. Raises ArgsInvalid for a recurrence that is none."""
    event = icalendar.Event()
    event.add("UID", new.uid)
    event.add("DTSTAMP", at)
    event.add("DTSTART", new.start)
    event.add("DTEND", new.end)
    event.add("SUMMARY", new.title)
    for name, text in new.texts.items():
        event.add(name, text)
    if new.repeat:
        event.add("RRULE", _rule(new.repeat))
    if new.attendees:
        event.add("ORGANIZER", icalendar.vCalAddress(f"mailto:{new.organizer}"))
    for address in new.attendees:
        event.add("ATTENDEE", icalendar.vCalAddress(f"mailto:{address}"), parameters={"RSVP": "TRUE", "PARTSTAT": "NEEDS-ACTION"})
    calendar = icalendar.Calendar()
    calendar.add("PRODID", _OURS)
    calendar.add("VERSION", "2.0")
    calendar.add_component(event)
    return _written(calendar)


def read(body: bytes) -> icalendar.Calendar:
    """Raises ToolFailed for what is no file of one event."""
    try:
        calendar = icalendar.Calendar.from_ical(body)
        _master(calendar)
    except ToolFailed:
        raise
    except Exception as error:  # the library raises ValueError, KeyError, IndexError and more for rubbish
        raise ToolFailed(f"this is no event that can be read: {error}", fix="look at it with the calendar's own program") from error
    assert isinstance(calendar, icalendar.Calendar)  # noqa: S101 - the library's own promise
    return calendar


def attended(body: bytes) -> bool:
    """Whether others take part, or are to be reminded, so that a server may write to them."""
    return any("ATTENDEE" in part for part in read(body).walk())


def title(body: bytes) -> str:
    """What it is called."""
    return str(_master(read(body)).get("SUMMARY", "(no title)"))


def moved(body: bytes, start: When, end: When | None, occurrence: When | None, at: datetime) -> bytes:
    """The same event at another time: all of it, or one occurrence of a series. Without `end` it lasts as long as before.

    Raises ToolFailed where a whole series would not follow its own rule any more, or there is no such occurrence.
    """
    calendar = _plain(read(body))
    event = _master(calendar) if occurrence is None else _apart(calendar, occurrence)
    before = _start(event)
    start, end = _as(before, start), None if end is None else _as(before, end)
    length = _end(event) - before
    _same_kind(before, start)
    if occurrence is None and any(name in event for name in _SERIES):
        _shift(calendar, event, start - before)
    _put(event, "DTSTART", start)
    _put(event, "DTEND", end if end is not None else start + length)
    event.pop("DURATION", None)
    if _after(start, _end(event)):
        raise ArgsInvalid("it would end before it begins", fix="send an end after the start, or none")
    _touched(event, at)
    return _written(calendar)


def cancelled(body: bytes, occurrence: When, at: datetime) -> bytes:
    """A series without one of its occurrences. Raises ToolFailed when it has no such one."""
    calendar = _plain(read(body))
    master, own = _master(calendar), _own(calendar, occurrence)
    if own is None:
        _must_have(calendar, occurrence)
    else:
        calendar.subcomponents.remove(own)
    master.add("EXDATE", [_like(master, occurrence)])
    _touched(master, at)
    return _written(calendar)


def lines(body: bytes | None) -> list[str]:
    """What an event says, line by line, for people: without zones, and without the times of writing."""
    if body is None:
        return []
    try:
        return [f"{name}{_params(value)}: {_said(value)}" for event in read(body).walk("VEVENT") for name, value in _properties(event)]
    except ToolFailed:
        return body.decode("utf-8", "backslashreplace").splitlines()


def same(one: bytes, other: bytes) -> bool:
    """Whether two files say the same, however their servers order and fold it."""
    try:
        return _picture(one) == _picture(other)
    except ToolFailed:
        return one == other


def _picture(body: bytes) -> list[list[tuple[str, str, bytes]]]:
    return sorted(
        sorted((name, _params(value), _ical(value)) for name, value in _properties(part))
        for part in read(body).walk()
        if part.name not in {"VCALENDAR", "VTIMEZONE", "STANDARD", "DAYLIGHT"}
    )


def _plain(calendar: Any) -> Any:
    """The same. Raises ToolFailed for what cannot be changed without changing more: exceptions for all that follows, strange rules."""
    for event in calendar.walk("VEVENT"):
        if "RECURRENCE-ID" in event and "RANGE" in event["RECURRENCE-ID"].params:
            raise ToolFailed("an exception of this series counts for all that follow", fix="change it with the calendar's own program")
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            if why := expandable(rule):
                raise ToolFailed(f"its recurrence is not followed here: {why}", fix="change it with the calendar's own program")
    return calendar


def _as(before: When, value: When) -> When:
    """A time as the event has its own: one without a zone is a time of day wherever one is."""
    floating = isinstance(before, datetime) and before.tzinfo is None
    return value.replace(tzinfo=None) if floating and isinstance(value, datetime) else value


def _properties(part: Any) -> Iterator[tuple[str, Any]]:
    for name, value in part.property_items(recursive=False, sorted=False):
        if name not in _VOLATILE:
            yield name, value


def _params(value: Any) -> str:
    found = getattr(value, "params", None) or {}
    return "".join(f";{name}={found[name]}" for name in sorted(found) if name != "VALUE")


def _ical(value: Any) -> bytes:
    written = value.to_ical() if hasattr(value, "to_ical") else value
    return written if isinstance(written, bytes) else str(written).encode("utf-8")


def _said(value: Any) -> str:
    moment = getattr(value, "dt", None)
    return told(moment) if isinstance(moment, date) else _ical(value).decode("utf-8", "backslashreplace")


def _written(calendar: icalendar.Calendar) -> bytes:
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical(sorted=False))


def _master(calendar: Any) -> Any:
    found = [event for event in calendar.walk("VEVENT") if "RECURRENCE-ID" not in event]
    if len(found) != 1 or "DTSTART" not in found[0]:
        raise ToolFailed("it is not one event with a start", fix="look at it with the calendar's own program")
    return found[0]


def _own(calendar: Any, occurrence: When) -> Any:
    """The part of a series that says how this occurrence differs."""
    return next((e for e in calendar.walk("VEVENT") if "RECURRENCE-ID" in e and alike(e["RECURRENCE-ID"].dt, occurrence)), None)


def _apart(calendar: Any, occurrence: When) -> Any:
    """The same, made from the series where there is none yet."""
    own = _own(calendar, occurrence)
    if own is not None:
        return own
    master = _must_have(calendar, occurrence)
    own = icalendar.Event.from_ical(master.to_ical())
    for name in _SERIES:
        own.pop(name, None)
    length = _end(master) - _start(master)
    there = _like(master, occurrence)
    own.add("RECURRENCE-ID", there)
    _put(own, "DTSTART", there)
    _put(own, "DTEND", there + length)
    own.pop("DURATION", None)
    calendar.add_component(own)
    return own


def _must_have(calendar: Any, occurrence: When) -> Any:
    master = _master(calendar)
    if not any(name in master for name in _SERIES):
        raise ToolFailed("this event has no occurrences, it is one", fix="leave `occurrence` out")
    if not has(calendar, occurrence):
        raise ToolFailed(f"it does not take place on {told(occurrence)}", fix="take `occurrence` from calendar.list, as it stands there")
    return master


def _like(master: Any, occurrence: When) -> Any:
    """The occurrence in the zone of its series, as RFC 5545 wants it."""
    start = _start(master)
    if isinstance(start, datetime) and isinstance(occurrence, datetime):
        return occurrence.astimezone(start.tzinfo) if start.tzinfo and occurrence.tzinfo else occurrence.replace(tzinfo=start.tzinfo)
    return occurrence


def _shift(calendar: Any, master: Any, by: timedelta) -> None:
    """A series as a whole: its time of day may change, and its end moves along. Another day would be another series."""
    rule = master.get("RRULE", {})
    start = _start(master)
    if _day(start + by) != _day(start):
        raise ToolFailed("a series on other days is another series", fix="move occurrences, or make a new series")
    if any("RECURRENCE-ID" in event for event in calendar.walk("VEVENT")) or any(name in master for name in ("EXDATE", "RDATE")):
        raise ToolFailed("some occurrences of this series are special, and would lose their place", fix="move occurrences one by one")
    if "UNTIL" in rule:
        rule["UNTIL"] = [until + by for until in rule["UNTIL"]]


def _same_kind(before: When, start: When) -> None:
    if isinstance(before, datetime) is not isinstance(start, datetime):
        kind = "a time" if isinstance(before, datetime) else "a day"
        raise ArgsInvalid(f"this event begins at {kind}", fix=f"send {kind} as its start")


def _start(event: Any) -> Any:
    return event["DTSTART"].dt


def _end(event: Any) -> Any:
    if "DTEND" in event:
        return event["DTEND"].dt
    if "DURATION" in event:
        return _start(event) + event["DURATION"].dt
    return _start(event) + (timedelta() if isinstance(_start(event), datetime) else timedelta(days=1))


def _put(event: Any, name: str, value: When) -> None:
    event.pop(name, None)
    event.add(name, value)


def _touched(event: Any, at: datetime) -> None:
    for name in ("DTSTAMP", "LAST-MODIFIED"):
        event.pop(name, None)
        event.add(name, at)
    sequence = int(event.get("SEQUENCE", 0)) + 1
    event.pop("SEQUENCE", None)
    event.add("SEQUENCE", sequence)


def _rule(text: str) -> Any:
    try:
        found = icalendar.vRecur.from_ical(text.removeprefix("RRULE:"))
    except (AssertionError, KeyError, ValueError) as error:
        raise ArgsInvalid(f"{text!r} is no recurrence: {error}", fix="write it as FREQ=WEEKLY;COUNT=10") from None
    names = [part.partition("=")[0].strip().upper() for part in text.removeprefix("RRULE:").split(";")]
    try:
        why = expandable(found) if len(set(names)) == len(names) else "it says something twice"
    except (TypeError, ValueError) as error:
        why = str(error)
    if why or not text.isprintable():
        raise ArgsInvalid(f"{text!r} is not followed here: {why or 'it has hidden characters'}", fix="write it as FREQ=WEEKLY;COUNT=10")
    return found


def _after(start: When, end: When) -> bool:
    return type(start) is type(end) and end < start


def _day(value: When) -> date:
    return value.date() if isinstance(value, datetime) else value


def stamp(milliseconds: int) -> datetime:
    """A moment of the clock as iCalendar writes it: to the second."""
    return datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
