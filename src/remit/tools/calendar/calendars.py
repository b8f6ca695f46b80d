"""The calendars that the person named in the configuration, and asking one what takes place (RFC 4791, 7.8)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

from remit.config import Calendar as Configured
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, ToolFailed, ToolUncertain
from remit.tools.args import text
from remit.tools.calendar.times import zone
from remit.tools.http.addresses import read_url
from remit.tools.http.client import Wanted, ask
from remit.tools.http.resource import Resource
from remit.tools.http.service import Service, start

NAME: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "a calendar of remit's configuration"}
_EVENT: Final = re.compile(r"[!-~]{1,200}")
_MOST: Final = 16 << 20
_DAV: Final = "{DAV:}"
_DATA: Final = "{urn:ietf:params:xml:ns:caldav}calendar-data"
_QUERY: Final = """<?xml version="1.0" encoding="utf-8"?>
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop>
<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="{start}" end="{end}"/></C:comp-filter>
</C:comp-filter></C:filter></C:calendar-query>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One calendar: a service whose resources are events."""

    service: Service
    zone: str
    address: str

    def event(self, name: str) -> Resource:
        """An event by its name in the calendar. Raises ArgsInvalid for what is no such name."""
        plain = name
        for _ in range(3):  # some server may undo the escapes of escapes
            plain = unquote(plain)
        if not _EVENT.fullmatch(name) or any(c in plain for c in "/?#\\") or plain in {"", ".", ".."}:
            raise ArgsInvalid(f"{name!r} is no event", fix="take it from calendar.list, as it stands there")
        return Resource(self.service, self.service.place(name))

    async def between(self, begin: datetime, end: datetime) -> list[tuple[str, bytes]]:
        """Every event that takes place in some time, by its name, as the server has it. Raises ToolFailed."""
        body = _QUERY.format(start=_utc(begin), end=_utc(end)).encode("utf-8")
        headers = {**self.service.headers, "depth": "1", "content-type": "application/xml; charset=utf-8"}
        place = self.service.base
        try:
            answer = await ask(
                Wanted(method="REPORT", place=place, headers=headers, body=body, private=self.service.private, most=_MOST, redirects=0)
            )
        except ToolUncertain as error:  # asking again changes nothing
            raise ToolFailed(error.message, fix="try again") from error
        if answer.status != HTTPStatus.MULTI_STATUS:
            raise ToolFailed(f"{place.url} is asked in vain ({answer.status}): {start(answer)}", fix="see whether it is a CalDAV calendar")
        if answer.cut:
            raise ToolFailed(f"there is more than {_MOST} bytes in that time", fix="ask for a shorter time")
        return _events(answer.body)


def known(calendars: Mapping[str, Configured]) -> dict[str, Calendar]:
    """The configured calendars. Raises ArgsInvalid for a strange URL or zone."""
    return {name: _calendar(name, one) for name, one in calendars.items()}


def named(calendars: Mapping[str, Calendar], args: Mapping[str, JsonValue]) -> Calendar:
    """Raises ArgsInvalid for one that is not configured."""
    name = text(args, "calendar")
    if name not in calendars:
        raise ArgsInvalid(f"there is no calendar {name!r}", fix=f"there are {', '.join(calendars) or 'none'}; remit.toml names them")
    return calendars[name]


def _calendar(name: str, one: Configured) -> Calendar:
    if one.zone:
        zone(one.zone)
    secret = base64.b64encode(f"{one.user}:{one.password}".encode()).decode("ascii")
    service = Service(
        name=name,
        base=read_url(one.url.rstrip("/") + "/"),
        headers={"authorization": f"Basic {secret}"} if one.user else {},
        private=one.private,
        preconditions=True,
    )
    return Calendar(service=service, zone=one.zone, address=one.address)


def _events(body: bytes) -> list[tuple[str, bytes]]:
    try:
        said = body.decode("utf-8")
        if "<!DOCTYPE" in said or "<!ENTITY" in said:
            raise ToolFailed("the answer defines words of its own, which no calendar does", fix="see whether it is a CalDAV calendar")
        top = ET.fromstring(said)  # noqa: S314 - without a document type there is nothing that could grow
    except (UnicodeDecodeError, ET.ParseError) as error:
        raise ToolFailed(f"the answer cannot be read: {error}", fix="see whether it is a CalDAV calendar") from None
    found = []
    for response in top.iter(f"{_DAV}response"):
        href, data = response.findtext(f"{_DAV}href") or "", response.findtext(f".//{_DATA}")
        if data is not None:
            found.append((urlsplit(href).path.rpartition("/")[2], data.encode("utf-8")))
    return found


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
