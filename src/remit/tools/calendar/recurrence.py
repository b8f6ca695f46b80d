"""When events take place: a series as its occurrences (RFC 5545, 3.8.5), by `recurring-ical-events`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import recurring_ical_events

from remit.tools.calendar.times import When

_FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """One time that an event takes place."""

    start: When
    end: When
    title: str
    place: str
    series: bool
    occurrence: When
    """How a series names it, also when it was moved."""
    busy: bool


def expandable(rule: Mapping[str, Sequence[Any]]) -> str:
    """Why a recurrence is not followed, '' when it is: some never come to a next time, and looking for it would never end."""
    if str((rule.get("FREQ") or [""])[0]).upper() not in _FREQUENCIES:
        return "it recurs by less than a day, or by nothing"
    if any(int(number) < 1 for name in ("INTERVAL", "COUNT") for number in rule.get(name, ())):
        return "its interval or count is not a positive number"
    if "COUNT" in rule and "UNTIL" in rule:
        return "it has both a count and an end"
    months = [int(month) for month in rule.get("BYMONTH", ())] or list(range(1, 13))
    days = [abs(int(day)) for day in rule.get("BYMONTHDAY", ())] or [1]
    if not any(1 <= month <= len(_DAYS) and 1 <= day <= _DAYS[month - 1] for month in months for day in days):
        return "it names days that no month has"
    if "BYSETPOS" in rule and str(rule["FREQ"][0]).upper() not in {"MONTHLY", "YEARLY"}:
        return "it counts within days or weeks"
    return ""


def between(calendar: Any, start: datetime, end: datetime) -> list[Taking]:
    """All that takes place in some time, in no order. Raises ValueError for an event whose recurrence cannot be followed."""
    found = []
    for event in calendar.walk("VEVENT"):
        rules = event.get("RRULE", [])
        for rule in rules if isinstance(rules, list) else [rules]:
            if why := expandable(rule):
                raise ValueError(why)
        if "EXRULE" in event:
            raise ValueError("it has a rule for what does not take place")
    several = any("RRULE" in event or "RDATE" in event for event in calendar.walk("VEVENT"))
    for event in recurring_ical_events.of(calendar).between(start, end):
        begins = event["DTSTART"].dt
        ends = event["DTEND"].dt if "DTEND" in event else begins + (timedelta() if isinstance(begins, datetime) else timedelta(days=1))
        found.append(
            Taking(
                start=begins,
                end=ends,
                title=str(event.get("SUMMARY", "(no title)")),
                place=str(event.get("LOCATION", "")),
                series=several,
                occurrence=event["RECURRENCE-ID"].dt if "RECURRENCE-ID" in event else begins,
                busy=event.get("TRANSP", "OPAQUE") != "TRANSPARENT" and event.get("STATUS", "") != "CANCELLED",
            )
        )
    return found


def has(calendar: Any, occurrence: When) -> bool:
    """Whether a series takes place then, as its rule has it."""
    wide = timedelta(days=1)
    begin = (occurrence if isinstance(occurrence, datetime) else datetime(occurrence.year, occurrence.month, occurrence.day)) - wide  # noqa: DTZ001 - days have no zone
    return any(alike(one.occurrence, occurrence) for one in between(calendar, begin, begin + 3 * wide))


def alike(one: When, other: When) -> bool:
    """Whether two times are the same; where one has no zone, by what the clock shows."""
    if isinstance(one, datetime) and isinstance(other, datetime):
        if one.tzinfo and other.tzinfo:
            return one.timestamp() == other.timestamp()
        return one.replace(tzinfo=None) == other.replace(tzinfo=None)
    return one == other


def merged(times: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping times as one, in order."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(times):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif end > start:
            found.append((start, end))
    return found
