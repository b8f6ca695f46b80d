"""Times as people and models write them, always with a zone: one that does not exist there, or exists twice, is an error, no guess."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from remit.errors import ArgsInvalid

_FIRST: Final = 1970
_LAST: Final = 2200
When: TypeAlias = date | datetime
"""A day, or a moment with its zone."""


def zone(name: str) -> tzinfo:
    """A zone by its name in the IANA database. Raises ArgsInvalid."""
    try:
        return UTC if name.upper() in {"UTC", "Z"} else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ArgsInvalid(f"there is no time zone {name!r}", fix="write it as Europe/Berlin or UTC") from None


def when(text: str, name: str) -> When:
    """`2026-11-27` is a day; `2026-11-27T10:00` a time in the zone `name` ('' for none); with an offset it is the moment it says.

    What `told` writes is read, too.

    Raises ArgsInvalid for a time without a zone, or one that the zone skips or has twice.
    """
    if text.endswith("]"):
        text, _, own = text[:-1].partition("[")
        name = own or name
    try:
        found = date.fromisoformat(text) if len(text) <= len("2026-11-27") else datetime.fromisoformat(text)
    except ValueError:
        raise ArgsInvalid(f"{text!r} is no day and no time", fix="write 2026-11-27, or 2026-11-27T10:00") from None
    if not _FIRST <= found.year <= _LAST:
        raise ArgsInvalid(f"{text!r} is not between {_FIRST} and {_LAST}", fix="send a day of our times")
    if not isinstance(found, datetime):
        return found
    if found.tzinfo is not None:
        local = found.astimezone(zone(name) if name else UTC)
        return found.astimezone(UTC) if local.fold else local  # the second of two has no name but its offset
    if not name:
        raise ArgsInvalid(f"{text!r} has no time zone", fix="send `zone`, such as Europe/Berlin, or give remit.toml one for this calendar")
    return _there(found, zone(name), text, name)


def moment(value: When, where: tzinfo) -> datetime:
    """A day begins at midnight where the person is, and a time without a zone is meant there."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=where)
    return datetime(value.year, value.month, value.day, tzinfo=where)


def told(value: When) -> str:
    """For models and people: with offset and zone."""
    if not isinstance(value, datetime):
        return value.isoformat()
    name = getattr(value.tzinfo, "key", "") or (value.tzname() or "")
    return f"{value.isoformat()}[{name}]" if name and name != "UTC" else value.isoformat()


def _there(naive: datetime, where: tzinfo, text: str, name: str) -> datetime:
    found = naive.replace(tzinfo=where)
    if found.astimezone(UTC).astimezone(where).replace(tzinfo=None) != naive:
        raise ArgsInvalid(f"{text} does not exist in {name}: clocks go forward then", fix="choose another time")
    if found.utcoffset() != found.replace(fold=1).utcoffset():
        after = naive.replace(tzinfo=where, fold=1).utcoffset() or timedelta()
        raise ArgsInvalid(f"{text} exists twice in {name}: clocks go back then", fix=f"give an offset, such as {text}{_offset(after)}")
    return found


def _offset(value: timedelta) -> str:
    minutes = int(value.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
