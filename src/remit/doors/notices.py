"""Telling people that something waits: by Apprise, to whatever they have named, and never what it is about: notices go through many hands.

A notice names the run, the question and the tool, and where to look: no argument, no secret, nothing that answers by being opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import apprise

from remit.errors import BadInput, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """One question, as far as it may be told."""

    question: str
    kind: str
    tool: str = ""
    expires: str = ""
    """When it ends without an answer, in words; empty where it never does."""


class Notices:
    """Raises BadInput for an address that nobody can notify."""

    def __init__(self, addresses: Sequence[str], *, link: str = "") -> None:
        self._apprise = apprise.Apprise()
        for number, address in enumerate(addresses, start=1):
            if not self._apprise.add(address):
                raise BadInput(
                    f"the address number {number} of [notify] is none", fix="one that Apprise knows, such as mailto:// or ntfy://"
                )
        self._link = link

    def send(self, waiting: Sequence[Waits]) -> None:
        """One notice of all of them. Raises Unavailable where it did not get through to everybody."""
        many = "1 question waits" if len(waiting) == 1 else f"{len(waiting)} questions wait"
        lines = [_line(one) for one in waiting]
        lines += ["", f"look: {self._link}" if self._link else "look: remit inbox", "Without an answer nothing is done."]
        if not self._apprise.notify(title=f"remit: {many} for you", body="\n".join(lines)):
            raise Unavailable("a notice did not get through", fix="look at the addresses in [notify], and at the network")


def _line(one: Waits) -> str:
    what = f"{one.kind.replace('_', ' ')}{f' {one.tool}' if one.tool else ''}"
    return f"{what}: {one.question}{f' (until {one.expires})' if one.expires else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours in which nobody is told anything."""

    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def read(cls, text: str, zone: str) -> Quiet:
        """`22:00-07:00`. Raises BadInput."""
        try:
            begin, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
            return cls(begin=begin, end=end, zone=ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise BadInput(f"notify.quiet is {text!r} in {zone!r}", fix='write quiet = "22:00-07:00" and zone = "Europe/Berlin"') from None

    def covers(self, moment: datetime) -> bool:
        """Over midnight, too; an end is not covered."""
        now = moment.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end
