"""A real CalDAV server: Radicale in a process of its own, on loopback, with its files in a folder of the test's."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from remit.config import Calendar

ALONE = """BEGIN:VEVENT
UID:alone
DTSTAMP:20261101T080000Z
DTSTART;TZID=Europe/Berlin:20261127T100000
DTEND;TZID=Europe/Berlin:20261127T110000
SUMMARY:Review
LOCATION:Room 4
X-COLOUR;X-SHADE="a:b":blue\\, not green
END:VEVENT
"""
SERIES = """BEGIN:VEVENT
UID:series
DTSTAMP:20261101T080000Z
DTSTART;TZID=Europe/Berlin:20261020T093000
DTEND;TZID=Europe/Berlin:20261020T094500
SUMMARY:Standup
RRULE:FREQ=WEEKLY;COUNT=8
END:VEVENT
"""
OTHERS = """BEGIN:VEVENT
UID:others
DTSTAMP:20261101T080000Z
DTSTART:20261127T150000Z
DTEND:20261127T160000Z
SUMMARY:With others
ORGANIZER:mailto:ann@example.org
ATTENDEE:mailto:bob@example.org
END:VEVENT
"""
ALL_DAY = """BEGIN:VEVENT
UID:day
DTSTAMP:20261101T080000Z
DTSTART;VALUE=DATE:20261128
SUMMARY:Holiday
END:VEVENT
"""
EVENTS = {"alone.ics": ALONE, "series.ics": SERIES, "others.ics": OTHERS, "day.ics": ALL_DAY}


def ics(event: str) -> bytes:
    """A whole file around an event."""
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//somebody//else//EN\n{event}END:VCALENDAR\n".replace("\n", "\r\n").encode()


@dataclass
class Radicale:
    """The server, and what somebody else does there."""

    port: int
    client: httpx2.Client

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/ann/work/"

    @property
    def calendar(self) -> Calendar:
        return Calendar(url=self.base, user="ann", password="x", zone="Europe/Berlin", address="ann@example.org", private=True)

    def ask(self, method: str, name: str = "", body: bytes | None = None, **headers: str) -> httpx2.Response:
        return self.client.request(method, self.base + name, content=body, headers=headers)

    def put(self, name: str, event: str) -> None:
        self.ask("PUT", name, ics(event), **{"content-type": "text/calendar"}).raise_for_status()

    def reset(self) -> None:
        """The calendar with four events: one alone, a series, one with others, one of a whole day."""
        self.ask("DELETE")
        self.ask("MKCALENDAR").raise_for_status()
        for name, event in EVENTS.items():
            self.put(name, event)

    def look(self) -> dict[str, bytes]:
        """Every event, byte for byte."""
        found = self.ask("PROPFIND", depth="1").text
        names = [part.partition("<")[0].rpartition("/")[2] for part in found.split("href>") if part.startswith("/ann/work/")]
        return {name: self.ask("GET", name).content for name in names if name}


@contextmanager
def radicale(folder: Path) -> Iterator[Radicale]:
    """A server of its own, ended with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server-hosts", f"127.0.0.1:{port}", "--storage-filesystem-folder", str(folder), "--auth-type", "none"]
    with subprocess.Popen([sys.executable, "-m", "radicale", "--config", "", *options], stderr=subprocess.DEVNULL) as process:
        try:
            with closing(httpx2.Client(auth=("ann", "x"), trust_env=False, timeout=60)) as client:
                made = Radicale(port, client)
                _wait(made, process)
                made.reset()
                yield made
        finally:
            process.kill()


def _wait(server: Radicale, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with suppress(httpx2.ConnectError):
            server.ask("GET")
            return
    raise TimeoutError("Radicale does not start")
