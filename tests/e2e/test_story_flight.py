"""The seed's story of a flight: an airline's REST service, Radicale, an outbox; a scripted model that reads what it is told. End to end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from flights_world import DAY, Airline, airline, described
from loopback_openai import Loopback, Reply, Script
from mail_world import Smtp, smtp
from radicale_world import Radicale, radicale
from remit_program import Program, program

GOAL = "book me a flight to Oslo next Tuesday, under 300 €, aisle seat"
PREFERENCES = "Never leave before 08:00. No stops. Aisle seats are C and D.\nConfirmations go to ann@example.org.\n"
BUSY = f"""BEGIN:VEVENT
UID:board
DTSTAMP:20311101T080000Z
DTSTART;TZID=Europe/Berlin:{DAY.replace("-", "")}T100000
DTEND;TZID=Europe/Berlin:{DAY.replace("-", "")}T113000
SUMMARY:Board
END:VEVENT
"""
IN_CALENDAR = {"calendar": "work", "from": f"{DAY}T00:00", "to": f"{DAY}T23:59"}
PLAN = [
    {"id": "wishes", "tool": "files-read", "args": {"path": "preferences.md"}, "reason": "what Ann prefers"},
    {"id": "day", "tool": "calendar-list", "args": IN_CALENDAR, "reason": "when she is busy"},
    {"id": "search", "tool": "http-air-search", "args": {"to": "Oslo", "day": DAY}, "reason": "what flies"},
    {
        "id": "book",
        "tool": "http-air-book",
        "reason": "the one that fits",
        "check": [{"tool": "http-air-booking", "args": {"id": "${book.json.id}"}, "at": "text", "contains": '"booked"'}],
    },
    {
        "id": "note",
        "tool": "calendar-create",
        "args": {"calendar": "work"},
        "reason": "so that the time is taken",
        "needs": ["book"],
        "check": [{"tool": "calendar-list", "args": IN_CALENDAR, "contains": "Flight to Oslo"}],
    },
    {
        "id": "confirm",
        "tool": "mail-send",
        "args": {"account": "me", "to": ["ann@example.org"]},
        "reason": "she likes to have it",
        "needs": ["book"],
    },
]


def calls(*each: tuple[str, Mapping[str, Any]]) -> Reply:
    return Reply(calls=[(tool, json.dumps(args)) for tool, args in each])


def told(body: Mapping[str, Any], tool: str) -> Any:
    """What came of the last call of a tool, as the model was told."""
    names = {call["id"]: call["function"]["name"] for one in body["messages"] for call in one.get("tool_calls") or ()}
    answers = [one["content"] for one in body["messages"] if one["role"] == "tool" and names[one["tool_call_id"]] == tool]
    return json.loads(answers[-1])["result"]


def choice(body: Mapping[str, Any]) -> dict[str, Any]:
    """The cheapest that fits what was asked for, what Ann prefers, and her day."""
    wishes = told(body, "files-read")["text"]
    busy = [(one["start"][:16], one["end"][:16]) for one in told(body, "calendar-list")["events"]]
    assert "before 08:00" in wishes
    assert "C and D" in wishes
    fitting = [
        (one["price"], one, seat)
        for one in json.loads(told(body, "http-air-search")["text"])
        for seat in one["seats"]
        if one["price"] < 300 and one["departs"][11:] >= "08:00" and one["stops"] == 0 and seat[-1] in "CD"
        if all(one["arrives"] <= begin or one["departs"] >= end for begin, end in busy)
    ]
    _, flight, seat = min(fitting, key=lambda one: one[0])
    return {**flight, "seat": seat}


def book(body: dict[str, Any]) -> Reply:
    best = choice(body)
    return calls(("http-air-book", {"body": {"flight": best["flight"], "seat": best["seat"]}}))


def event(body: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    best = choice(body)
    return "calendar-create", {"calendar": "work", "title": "Flight to Oslo", "start": best["departs"], "end": best["arrives"]}


def letter(body: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    best = choice(body)
    text = f"{best['flight']}, seat {best['seat']}, {best['price']} €.\n"
    return "mail-send", {"account": "me", "to": ["ann@example.org"], "subject": "Your flight to Oslo", "text": text}


LOOKING: tuple[Script, ...] = (
    calls(("plan", {"steps": PLAN})),
    calls(("files-read", {"path": "preferences.md"}), ("calendar-list", IN_CALENDAR)),
    calls(("http-air-search", {"to": "Oslo", "day": DAY})),
)
SCRIPT: tuple[Script, ...] = (
    *LOOKING,
    book,
    lambda body: calls(event(body)),
    lambda body: calls(letter(body)),
    Reply(text="Booked OS307, seat 17C: direct, after your board meeting. It is in your calendar; a letter follows."),
)
PROPOSING: tuple[Script, ...] = (
    *LOOKING,
    lambda body: calls((book(body).calls[0][0], json.loads(book(body).calls[0][1])), event(body), letter(body)),
    Reply(text="PARTLY: three proposals; you did not want them."),
)


@dataclass
class World:
    """Ann's folder, and the servers around it."""

    remit: Program
    air: Airline
    work: Radicale
    mail: Smtp

    @property
    def titles(self) -> list[str]:
        texts = [text.decode() for text in self.work.look().values()]
        return sorted(line.partition(":")[2] for text in texts for line in text.split("\r\n") if line.startswith("SUMMARY"))

    def going_on(self, server: Loopback, said: Any, answer: Callable[[str], tuple[str, ...]]) -> tuple[Any, list[str]]:
        """Each question answered in turn; how it ended, and what was asked."""
        titles = []
        for _ in range(8):
            waiting = self.remit.json("inbox", "--json")
            if not waiting:
                break
            titles.append(waiting[0]["title"])
            said = self.remit(*answer(waiting[0]["id"]), **self.env(server))
        return said, titles

    def env(self, server: Loopback) -> dict[str, str]:
        return {"REMIT_MODEL": "openai-compatible:tiny", "REMIT_BASE_URL": server.address}


@pytest.fixture(scope="module")
def calendar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    with radicale(tmp_path_factory.mktemp("radicale")) as made:
        yield made


@pytest.fixture
def world(calendar: Radicale, tmp_path: Path) -> Iterator[World]:
    remit = program(tmp_path)
    (remit.folder / "preferences.md").write_text(PREFERENCES, encoding="utf-8")
    calendar.reset()
    calendar.put("board.ics", BUSY)
    with ExitStack() as stack:
        air, mail = stack.enter_context(airline()), stack.enter_context(smtp())
        remit.configure(
            described(air, tmp_path)
            + f"""[calendar.work]
url = "{calendar.base}"
user = "ann"
password = "x"
zone = "Europe/Berlin"
private = true
[mail.me]
address = "Ann <ann@example.org>"
smtp = "smtp://127.0.0.1:{mail.port}"
hold = 600
"""
        )
        yield World(remit, air, calendar, mail)


@proves("story.flight")
@pytest.mark.parametrize("trouble", ["", "500", "close"])
def test_a_flight_is_booked_noted_and_confirmed_and_all_of_it_is_taken_back(world: World, trouble: str) -> None:
    """Booked once even where the answer is lost; one question; undo takes all back."""
    before = world.titles
    world.air.trouble = [trouble] if trouble else []
    with Loopback(SCRIPT) as server:
        said = world.remit("run", GOAL, "--level", "approver", **world.env(server))
        said, asked = world.going_on(server, said, lambda question: ("approve", question))
    assert said.code == 0, said.out + said.err
    assert asked == [f"book: POST {world.air.base}/bookings"]
    assert world.air.booked == [("OS307", "17C", "booked")]
    assert world.air.requests == (2 if trouble else 1)
    assert world.titles == sorted([*before, "Flight to Oslo"])
    assert "verified: book: its checks held" in said.out
    assert "verified: note: its checks held" in said.out
    assert len(world.remit.json("outbox", "--json")) == 1
    (run,) = [one["run"] for one in world.remit.json("runs", "--all", "--json") if one["kind"] == "agent"]
    undone = world.remit("undo", run, "--yes")
    assert undone.code == 0, undone.out + undone.err
    assert world.air.booked == [("OS307", "17C", "cancelled")]
    assert world.titles == before
    assert world.remit.json("outbox", "--json") == []
    assert world.mail.taken == []


@proves("story.flight")
def test_at_level_operator_the_same_goal_yields_proposals_only(world: World) -> None:
    """What leaves the machine asks even where it only looks; of three proposals at once nothing is done, nor after a no to each."""
    before = world.titles
    with Loopback(PROPOSING) as server:
        said = world.remit("run", GOAL, "--level", "operator", **world.env(server))
        for look in ("calendar.list", "search: read"):
            (question,) = world.remit.json("inbox", "--json")
            assert look in question["title"]
            said = world.remit("approve", question["id"], **world.env(server))
            search_run = question["action"].partition("/")[0]
        assert said.code == 3
        assert len(world.remit.json("inbox", "--json")) == 3
        assert (world.air.requests, world.titles, world.remit.json("outbox", "--json")) == (0, before, [])
        assert f"3 questions of run {search_run}: {GOAL}" in world.remit("inbox").out
        said = world.remit("deny", *(one["id"] for one in world.remit.json("inbox", "--json")), **world.env(server))
    assert said.code == 1, said.out
    assert "not verified: book: not done" in said.out
    assert (world.air.requests, world.titles, world.remit.json("outbox", "--json")) == (0, before, [])
