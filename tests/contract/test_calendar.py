"""Calendars on a real CalDAV server: what takes place, changes that are exact to the byte, and what nobody else loses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import tool_calls
from claims import proves
from http_world import serving
from radicale_world import ALONE, SERIES, Radicale, radicale
from remit.config import Calendar
from remit.domain.action import Effect
from remit.domain.values import ActionId, JsonValue
from remit.errors import ArgsInvalid, RemitError, ToolFailed
from remit.journal.store import DirStore
from remit.ports import Call, Happened, Tool
from remit.testing import FakeClock, Scenario, check_tool
from remit.tools.calendar.times import told, when
from remit.tools.calendar.tools import calendar_tools


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    with radicale(tmp_path_factory.mktemp("radicale")) as made:
        yield made


@pytest.fixture
def work(server: Radicale) -> Radicale:
    server.reset()
    return server


def tools(server: Radicale, folder: Path) -> dict[str, Tool]:
    return {tool.spec.name: tool for tool in calendar_tools({"work": server.calendar}, DirStore(folder / "store"), FakeClock())}


def begun(tool: Tool, args: Mapping[str, JsonValue], name: str = "r/a") -> Call:
    return tool_calls.begun(tool, {"calendar": "work", **args}, name)


def done(tool: Tool, args: Mapping[str, JsonValue], name: str = "r/a") -> tuple[Call, Any]:
    return tool_calls.done(tool, {"calendar": "work", **args}, name)


def listed(known: dict[str, Tool], begin: str, end: str, **more: JsonValue) -> list[dict[str, Any]]:
    found: Any = asyncio.run(
        known["calendar.list"].run(Call(action=ActionId("r/l"), args={"calendar": "work", "from": begin, "to": end, **more}))
    )
    return list(found["events"])


CALLS: list[tuple[str, dict[str, JsonValue]]] = [
    ("calendar.create", {"title": "Lunch; with, commas\r\nATTENDEE:mailto:evil@x.org", "start": "2026-11-27T12:00", "minutes": 45}),
    ("calendar.create", {"title": "Away", "start": "2026-12-01", "end": "2026-12-03", "repeat": "FREQ=YEARLY;COUNT=3"}),
    ("calendar.move", {"event": "alone.ics", "start": "2026-11-27T14:00"}),
    ("calendar.move", {"event": "series.ics", "start": "2026-10-20T11:00"}),
    ("calendar.move", {"event": "series.ics", "occurrence": "2026-11-03T09:30", "start": "2026-11-04T16:00", "end": "2026-11-04T17:00"}),
    ("calendar.cancel", {"event": "day.ics"}),
    ("calendar.cancel", {"event": "series.ics", "occurrence": "2026-10-27T09:30"}),
    ("calendar.cancel", {"event": "others.ics", "notify": True}),
]


@proves("tools.checked")
@pytest.mark.parametrize(("tool", "args"), CALLS)
def test_every_tool_on_calendars_keeps_its_promises(work: Radicale, tmp_path: Path, tool: str, args: dict[str, JsonValue]) -> None:
    """Looking has no effect, undo brings back every byte, others are spared, and every kill is settled without a person."""
    known = tools(work, tmp_path)
    event = args.get("event")

    def meddle() -> Callable[[], bool]:
        name = str(event) if event else next(name for name in work.look() if name.startswith("remit-"))
        work.put(name, ALONE.replace("UID:alone", f"UID:{name.removesuffix('.ics')}").replace("Review", "Theirs"))
        return lambda: b"Theirs" in work.look().get(name, b"")

    def look() -> list[bytes]:
        """Each call makes an event of a name of its own."""
        return sorted(re.sub(rb"remit-[0-9a-f]{32}", b"made", body) for body in work.look().values())

    scenario = Scenario(tools=known, tool=tool, args={"calendar": "work", **args}, reset=work.reset, look=look, meddle=meddle)
    assert check_tool(scenario) == []


@proves("calendar.undo")
@pytest.mark.parametrize(("tool", "args"), CALLS)
def test_an_event_is_put_back_byte_for_byte(work: Radicale, tmp_path: Path, tool: str, args: dict[str, JsonValue]) -> None:
    """Whatever was made, moved or cancelled; the undo can be undone, to the byte as well."""
    known = tools(work, tmp_path)
    before = work.look()
    call, result = done(known[tool], args)
    changed = work.look()
    assert changed != before
    how = known[tool].undo(call, result)
    assert how is not None
    back, told_of = done(known[how.tool], how.args, "r/u")
    assert work.look() == before
    assert not told_of["differs"]
    again = known[how.tool].undo(back, told_of)
    assert again is not None
    done(known[again.tool], again.args, "r/uu")
    assert work.look() == changed


@proves("calendar.undo_spares")
def test_an_undo_keeps_what_somebody_else_changed_since(work: Radicale, tmp_path: Path) -> None:
    """The other person's version stays and is shown beside the one that was to come back."""
    known = tools(work, tmp_path)
    call, result = done(known["calendar.move"], {"event": "alone.ics", "start": "2026-11-27T14:00"})
    work.put("alone.ics", ALONE.replace("Room 4", "Room 7"))
    how = known["calendar.move"].undo(call, result)
    assert how is not None
    shown = asyncio.run(known[how.tool].preview(Call(action=ActionId("r/u"), args=how.args))).text
    assert "conflict" in shown
    assert "-LOCATION: Room 7" in shown
    _, told_of = done(known[how.tool], how.args, "r/u")
    assert told_of["conflicts"]
    assert b"Room 7" in work.look()["alone.ics"]


@proves("calendar.recurrence")
def test_a_series_is_listed_as_its_occurrences(work: Radicale, tmp_path: Path) -> None:
    """Over a change of clocks the time of day stays, and an occurrence that was moved or cancelled is where it is now."""
    known = tools(work, tmp_path)
    done(known["calendar.move"], {"event": "series.ics", "occurrence": "2026-11-03T09:30", "start": "2026-11-04T16:00"})
    done(known["calendar.cancel"], {"event": "series.ics", "occurrence": "2026-11-10T09:30"}, "r/b")
    found = [one for one in listed(known, "2026-10-20", "2026-11-20") if one["event"] == "series.ics"]
    assert [one["start"] for one in found] == [
        "2026-10-20T09:30:00+02:00[Europe/Berlin]",
        "2026-10-27T09:30:00+01:00[Europe/Berlin]",
        "2026-11-04T16:00:00+01:00[Europe/Berlin]",
        "2026-11-17T09:30:00+01:00[Europe/Berlin]",
    ]
    assert found[2]["occurrence"] == "2026-11-03T09:30:00+01:00[Europe/Berlin]"
    done(known["calendar.move"], {"event": "series.ics", "occurrence": found[2]["occurrence"], "start": "2026-11-05T08:00"}, "r/c")
    again = [one["start"] for one in listed(known, "2026-11-02", "2026-11-08") if one["event"] == "series.ics"]
    assert again == ["2026-11-05T08:00:00+01:00[Europe/Berlin]"]


@proves("calendar.recurrence")
@pytest.mark.parametrize(
    ("event", "args", "says"),
    [
        (SERIES, {"occurrence": "2026-11-04T09:30", "start": "2026-11-04T10:00"}, "does not take place"),
        (SERIES.replace("WEEKLY", "WEEKLY;BYDAY=TU"), {"start": "2026-10-21T09:30"}, "another series"),
        (
            SERIES.replace("RRULE", "EXDATE;TZID=Europe/Berlin:20261027T093000\nRRULE"),
            {"start": "2026-10-20T11:00"},
            "special",
        ),
        (SERIES, {"start": "2026-10-20"}, "begins at a time"),
        (SERIES, {"start": "2026-10-20T09:30", "end": "2026-10-20T09:00"}, "end before it begins"),
        (SERIES.replace("RRULE:FREQ=WEEKLY;COUNT=8\n", ""), {"occurrence": "2026-10-20T09:30", "start": "2026-10-20T10:00"}, "it is one"),
    ],
)
def test_a_move_that_would_break_a_series_is_refused(
    work: Radicale, tmp_path: Path, event: str, args: dict[str, JsonValue], says: str
) -> None:
    """No such occurrence, a rule that would not fit, exceptions that would lose their place: said with a way out, and nothing changes."""
    work.put("series.ics", event)
    before = work.look()
    with pytest.raises(RemitError, match=says) as raised:
        begun(tools(work, tmp_path)["calendar.move"], {"event": "series.ics", **args})
    assert raised.value.fix
    assert work.look() == before


FLOATING = ALONE.replace(";TZID=Europe/Berlin", "").replace("UID:alone", "UID:floating")


@proves("calendar.zones")
def test_a_time_without_a_zone_is_meant_where_the_calendar_is(work: Radicale, tmp_path: Path) -> None:
    """Such events are listed among the others, moved as such, and so are occurrences of such a series."""
    work.put("floating.ics", FLOATING)
    work.put("fs.ics", SERIES.replace(";TZID=Europe/Berlin", "").replace("UID:series", "UID:fs"))
    known = tools(work, tmp_path)
    assert len([one for one in listed(known, "2026-11-27", "2026-11-27") if one["event"] in {"floating.ics", "alone.ics"}]) == 2
    done(known["calendar.move"], {"event": "floating.ics", "start": "2026-11-27T15:00"})
    done(known["calendar.cancel"], {"event": "fs.ics", "occurrence": "2026-10-27T09:30"}, "r/b")
    done(known["calendar.move"], {"event": "fs.ics", "start": "2026-11-03T12:00", "occurrence": "2026-11-03T09:30"}, "r/c")
    starts = {(one["event"], one["start"][:16]) for one in listed(known, "2026-10-20", "2026-11-30")}
    assert {("floating.ics", "2026-11-27T15:00"), ("fs.ics", "2026-11-03T12:00")} <= starts
    assert ("fs.ics", "2026-10-27T09:30") not in starts


ENDLESS = ["FREQ=DAILY;INTERVAL=0", "FREQ=SECONDLY", "FREQ=DAILY;COUNT=0"]


@proves("calendar.endless")
@pytest.mark.parametrize("rule", ENDLESS)
def test_a_recurrence_that_never_comes_to_an_end_holds_nothing(work: Radicale, tmp_path: Path, rule: str) -> None:
    """Somebody's is named as unreadable beside the others, which are listed; of ours it is refused; changing it is refused."""
    work.put("endless.ics", ALONE.replace("UID:alone", f"UID:endless\nRRULE:{rule}"))
    known = tools(work, tmp_path)
    args: dict[str, JsonValue] = {"calendar": "work", "from": "2026-11-20", "to": "2026-12-02"}
    found: Any = asyncio.run(known["calendar.list"].run(Call(action=ActionId("r/l"), args=args)))
    assert "endless.ics" in found.get("unreadable", ["endless.ics"])
    assert any(one["event"] == "alone.ics" for one in found["events"])
    with pytest.raises(ArgsInvalid):
        begun(known["calendar.create"], {"title": "x", "start": "2026-11-27", "repeat": rule})
    for hard in ("FREQ=DAILY;BYSETPOS=2", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"):  # Radicale itself would not come back from these
        with pytest.raises(ArgsInvalid):
            begun(known["calendar.create"], {"title": "x", "start": "2026-11-27", "repeat": hard})
    with pytest.raises(ToolFailed):
        begun(known["calendar.move"], {"event": "endless.ics", "start": "2026-11-27T12:00"})


@proves("calendar.others")
def test_exceptions_for_all_that_follow_and_alarms_that_mail_are_left_alone(work: Radicale, tmp_path: Path) -> None:
    """What cannot be changed without changing more is refused; a reminder by mail counts as somebody who is told."""
    own = "UID:series\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261103T093000"
    future = SERIES.replace("RRULE:FREQ=WEEKLY;COUNT=8\n", "").replace("UID:series", own)
    work.put("series.ics", SERIES + future)
    alarm = "BEGIN:VALARM\nACTION:EMAIL\nTRIGGER:-PT1H\nSUMMARY:x\nDESCRIPTION:x\nATTENDEE:mailto:bob@example.org\nEND:VALARM\nEND:VEVENT"
    work.put("alone.ics", ALONE.replace("END:VEVENT", alarm))
    known = tools(work, tmp_path)
    with pytest.raises(ToolFailed, match="all that follow"):
        begun(known["calendar.cancel"], {"event": "series.ics", "occurrence": "2026-11-03T09:30"})
    with pytest.raises(ToolFailed, match="others take part"):
        begun(known["calendar.move"], {"event": "alone.ics", "start": "2026-11-27T12:00"})


@proves("calendar.recurrence")
def test_the_end_of_a_series_moves_along(work: Radicale, tmp_path: Path) -> None:
    """A series until some moment keeps its last occurrence when all of it is moved to later in the day."""
    work.put("series.ics", SERIES.replace("COUNT=8", "UNTIL=20261103T083000Z"))
    known = tools(work, tmp_path)
    done(known["calendar.move"], {"event": "series.ics", "start": "2026-10-20T15:00"})
    found = [one["start"][:16] for one in listed(known, "2026-10-01", "2026-12-01") if one["event"] == "series.ics"]
    assert found == ["2026-10-20T15:00", "2026-10-27T15:00", "2026-11-03T15:00"]


@proves("calendar.others")
def test_others_are_told_only_when_that_is_wanted(work: Radicale, tmp_path: Path) -> None:
    """An event with attendees is left alone unless the call says that they shall hear of it, and then it is no exact undo any more."""
    known = tools(work, tmp_path)
    args: dict[str, JsonValue] = {"calendar": "work", "event": "others.ics", "start": "2026-11-27T18:00"}
    with pytest.raises(ToolFailed, match="others take part"):
        begun(known["calendar.move"], args)
    assert known["calendar.move"].effect(args) is Effect.REVERSIBLE
    assert known["calendar.move"].effect({**args, "notify": True}) is Effect.COMPENSABLE
    invited = {"calendar": "work", "title": "x", "start": "2026-11-27T18:00", "attendees": ["bob@example.org"]}
    assert known["calendar.create"].effect(invited) is Effect.COMPENSABLE
    assert "mailto:bob@example.org" in known["calendar.create"].targets(invited)
    assert "bob@example.org" in known["calendar.create"].title(invited)


@proves("calendar.zones")
def test_times_have_a_zone_and_exist_once() -> None:
    """A time that clocks skip or have twice is no guess; one with an offset is what it says; what is listed can be sent back."""
    assert told(when("2026-11-27T10:00", "Europe/Berlin")) == "2026-11-27T10:00:00+01:00[Europe/Berlin]"
    assert when("2026-11-27T10:00+05:00", "") == datetime(2026, 11, 27, 5, tzinfo=UTC)
    assert when("2026-10-25T02:30+01:00", "Europe/Berlin") == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    again = when("2026-10-25T02:30+01:00", "Europe/Berlin")
    assert when(told(again), "America/New_York") == again
    for text, zone, says in [
        ("2026-03-29T02:30", "Europe/Berlin", "does not exist"),
        ("2026-10-25T02:30", "Europe/Berlin", r"twice .*\+01:00|exists twice"),
        ("2026-11-27T10:00", "", "no time zone"),
        ("2026-11-27T10:00", "Mars/Base", "no time zone 'Mars/Base'"),
        ("tomorrow", "UTC", "no day and no time"),
    ]:
        with pytest.raises(ArgsInvalid, match=says) as raised:
            when(text, zone)
        assert raised.value.fix


@proves("calendar.free")
def test_free_is_when_nothing_takes_place(work: Radicale, tmp_path: Path) -> None:
    """Overlapping events are one busy time, transparent ones none, a day is a whole day; short gaps are left out."""
    work.put("over.ics", ALONE.replace("UID:alone", "UID:over").replace("T100000", "T103000").replace("T110000", "T120000"))
    work.put("thin.ics", ALONE.replace("UID:alone", "UID:thin\nTRANSP:TRANSPARENT").replace("T10", "T13").replace("T11", "T14"))
    known = tools(work, tmp_path)
    args: dict[str, JsonValue] = {"from": "2026-11-27T08:00", "to": "2026-11-28", "minutes": 60}
    found: Any = asyncio.run(known["calendar.free"].run(Call(action=ActionId("r/f"), args=args)))
    assert [(one["start"][5:16], one["end"][5:16]) for one in found["busy"]] == [
        ("11-27T10:00", "11-27T12:00"),
        ("11-27T16:00", "11-27T17:00"),
        ("11-28T00:00", "11-29T00:00"),
    ]
    assert [(one["start"][5:16], one["end"][5:16]) for one in found["free"]] == [
        ("11-27T08:00", "11-27T10:00"),
        ("11-27T12:00", "11-27T16:00"),
        ("11-27T17:00", "11-28T00:00"),
    ]


@proves("calendar.probe")
def test_looking_tells_whether_a_change_was_made(work: Radicale, tmp_path: Path) -> None:
    """Also where the server writes the event in its own order; an event of somebody else under that name is a question."""
    known = tools(work, tmp_path)
    tool = known["calendar.create"]
    call = begun(tool, {"title": "Lunch", "start": "2026-11-27T12:00"})
    assert asyncio.run(tool.probe(call)).happened is Happened.NO
    asyncio.run(tool.run(call))
    assert asyncio.run(tool.probe(call)).happened is Happened.YES
    name = next(name for name in work.look() if name.startswith("remit-"))
    work.put(name, ALONE.replace("UID:alone", f"UID:{name.removesuffix('.ics')}"))
    assert asyncio.run(tool.probe(call)).happened is Happened.UNKNOWN


@proves("calendar.bad_servers")
@pytest.mark.parametrize("path", ["/rubbish", "/half", "/bytes", "/missing", "/big", "/"])
def test_a_server_that_is_no_calendar_is_said(tmp_path: Path, path: str) -> None:
    """Rubbish, half an answer, something else: an error with a way out, and no guess about what takes place."""
    with serving() as plain:
        calendar = Calendar(url=plain.base + path, private=True, zone="UTC")
        known = {tool.spec.name: tool for tool in calendar_tools({"work": calendar}, DirStore(tmp_path), FakeClock())}
        with pytest.raises(ToolFailed) as raised:
            listed(known, "2026-11-27", "2026-11-28")
        assert raised.value.fix


@proves("calendar.names")
@pytest.mark.parametrize(
    "name",
    [
        "../other/alone.ics",
        "a/b.ics",
        "..",
        "x.ics?y",
        "x y",
        "%2e%2e/x",
        "x#y",
        "ä.ics",
        "..%2fprivate%2fp.ics",
        "%2e",
        "%252e%252e",
        "a%2fb.ics",
        "a%3fb",
    ],
)
def test_a_name_that_leads_out_of_the_calendar_is_refused(work: Radicale, tmp_path: Path, name: str) -> None:
    """An event is a plain name; nothing is asked for anything else."""
    with pytest.raises((ArgsInvalid, ToolFailed)):
        begun(tools(work, tmp_path)["calendar.cancel"], {"event": name})
