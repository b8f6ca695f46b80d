"""People are told that something waits: a real server of ours, real notices over HTTP to one that listens for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from claims import proves
from loopback_http import JsonHandler, served
from remit.doors.notices import Quiet
from remit.errors import BadInput
from remit_program import Program, program
from serve_world import serving, until

ONLINE = 'goal = "x"\n[[step]]\nid = "pay"\ntool = "shell.run_online"\nargs = { command = "echo sesame" }\n'
WRITE = 'goal = "x"\nlevel = "operator"\n[[step]]\nid = "note"\ntool = "files.write"\nargs = { path = "sesame.txt", text = "x" }\n'


@dataclass(kw_only=True)
class Box:
    """What was sent to it. `broken`: it takes nothing."""

    port: int = 0
    notices: list[dict[str, str]] = field(default_factory=list)
    broken: bool = False


class Handler(JsonHandler, BaseHTTPRequestHandler):
    """As Apprise posts it."""

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.server.state.broken:
            self._answer(500, {})
        else:
            self.server.state.notices.append({"title": told["title"], "text": told["message"]})
            self._answer(200, {})


@pytest.fixture
def box() -> Iterator[Box]:
    with served(Box(), Handler) as state:
        yield state


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def configure(remit: Program, box: Box, more: str = "") -> None:
    remit.configure(f'[notify]\naddresses = ["json://127.0.0.1:{box.port}/box"]\n{more}')


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


@proves("notices.once_and_plain")
def test_people_are_told_once_and_not_of_what(remit: Program, box: Box) -> None:
    """By two servers, and again after both: one notice, with run, tool and where to look, and no argument in it."""
    configure(remit, box, 'link = "https://remit.example/inbox"\n')
    remit("run", str(remit.plan(ONLINE)))
    (question,) = remit.json("inbox", "--json")
    with serving(remit), serving(remit):
        until(lambda: box.notices)
        wait(1.0)
    with serving(remit) as again:
        until(lambda: again.lines)
        wait(1.0)
    (notice,) = box.notices
    assert notice["title"] == "remit: 1 question waits for you"
    assert question["id"] in notice["text"]
    assert "approve shell.run_online" in notice["text"]
    assert "https://remit.example/inbox" in notice["text"]
    assert "Without an answer nothing is done." in notice["text"]
    assert "sesame" not in json.dumps(notice)


@proves("notices.digest")
def test_what_can_be_undone_waits_for_the_digest_and_the_rest_does_not(remit: Program, box: Box) -> None:
    """A far digest holds back the write, and not the command; one that comes each second tells of it."""
    configure(remit, box, 'digest = "0 0 1 1 *"\n')
    remit("run", str(remit.plan(WRITE)))
    remit("run", str(remit.plan(ONLINE)))
    with serving(remit):
        until(lambda: box.notices)
        wait(1.0)
    assert ["files.write" in one["text"] for one in box.notices] == [False]
    configure(remit, box, 'digest = "* * * * * *"\n')
    with serving(remit):
        until(lambda: len(box.notices) == 2)
    assert "files.write" in box.notices[1]["text"]


@proves("notices.once_and_plain")
def test_what_does_not_get_through_is_said_and_stops_nothing(remit: Program, box: Box) -> None:
    """The server goes on."""
    configure(remit, box)
    box.broken = True
    remit("run", str(remit.plan(ONLINE)))
    with serving(remit) as server:
        until(lambda: any("did not get through" in line for line in server.lines))
        assert server.process.poll() is None
        assert server.end() == 0


@proves("notices.quiet")
@pytest.mark.parametrize(
    ("hour", "minute", "quiet"), [(21, 0, True), (20, 59, False), (23, 30, True), (4, 59, True), (5, 0, False), (12, 0, False)]
)
def test_quiet_hours_are_in_their_zone_and_over_midnight(hour: int, minute: int, quiet: bool) -> None:
    """22 to 6 in Berlin, in winter; given in UTC."""
    hours = Quiet.read("22:00-06:00", "Europe/Berlin")
    assert hours.covers(datetime(2026, 1, 5, hour, minute, tzinfo=UTC)) is quiet


@proves("notices.quiet")
def test_nobody_is_told_in_quiet_hours(remit: Program, box: Box) -> None:
    """Nor of what cannot be undone; it waits until they end."""
    configure(remit, box, 'quiet = "00:00-23:59:59"\n')
    remit("run", str(remit.plan(ONLINE)))
    with serving(remit) as server:
        until(lambda: server.lines)
        wait(1.5)
    assert box.notices == []


@proves("notices.quiet")
@pytest.mark.parametrize(("quiet", "zone"), [("late", "UTC"), ("22:00", "UTC"), ("25:00-07:00", "UTC"), ("22:00-07:00", "Nowhere")])
def test_hours_that_are_none_are_said(quiet: str, zone: str) -> None:
    """Before anything is served."""
    with pytest.raises(BadInput):
        Quiet.read(quiet, zone)


@proves("notices.once_and_plain")
def test_an_address_that_is_none_is_said_without_it(remit: Program) -> None:
    """As it may hold a password."""
    remit.configure('[notify]\naddresses = ["nonsense://ann:hunter22@x"]\n')
    refused = remit("serve", "--port", "0")
    assert (refused.code, "address number 1" in refused.err, "hunter22" in refused.err) == (2, True, False)
