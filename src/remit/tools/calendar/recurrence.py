"""When events take place: a series as its occurrences (RFC 5545, 3.8.5), by `recurring-ical-events`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import recurring_ical_events

from remit.tools.calendar.times import When


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


def between(calendar: Any, start: datetime, end: datetime) -> list[Taking]:
    """All that takes place in some time, in no order."""
    found = []
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
    if isinstance(occurrence, datetime):
        return any(_moment(one.occurrence) == _moment(occurrence) for one in between(calendar, occurrence - wide, occurrence + wide))
    begin = datetime(occurrence.year, occurrence.month, occurrence.day) - wide  # noqa: DTZ001 - days have no zone
    return any(one.occurrence == occurrence for one in between(calendar, begin, begin + 3 * wide))


def merged(times: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Overlapping times as one, in order."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(times):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif end > start:
            found.append((start, end))
    return found


def _moment(value: When) -> float | When:
    return value.timestamp() if isinstance(value, datetime) and value.tzinfo else value
