"""The tools for calendars that a configuration brings."""

from __future__ import annotations

from collections.abc import Mapping

from remit.config import Calendar as Configured
from remit.ports import Clock, Store, Tool
from remit.tools.calendar.calendars import known
from remit.tools.calendar.look import CalendarFree, CalendarList
from remit.tools.calendar.write import CalendarCancel, CalendarCreate, CalendarMove, CalendarRestore


def calendar_tools(calendars: Mapping[str, Configured], store: Store, clock: Clock) -> list[Tool]:
    """Raises BadInput for a strange URL or zone, Unavailable when the library is not installed."""
    every = known(calendars)
    writing = [made(every, store, clock) for made in (CalendarCreate, CalendarMove, CalendarCancel, CalendarRestore)]
    return [CalendarList(every), CalendarFree(every), *writing]
