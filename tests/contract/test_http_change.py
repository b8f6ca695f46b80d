"""Resources of a service with preconditions: kept, changed only as they were seen, put back; on a real Kinto."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from http_world import serving
from kinto_world import Kinto, kinto
from remit.config import Service
from remit.domain.values import ActionId, JsonValue
from remit.errors import ArgsInvalid, Conflict, ToolFailed
from remit.journal.store import DirStore
from remit.ports import Call, Happened, Tool
from remit.testing import Scenario, check_tool
from remit.tools.http.tools import http_tools
from tool_calls import begun, done


@pytest.fixture(scope="module")
def server() -> Iterator[Kinto]:
    with kinto() as made:
        yield made


@pytest.fixture
def theatre(server: Kinto) -> Kinto:
    """One seat taken by ann."""
    server.empty()
    server.put("a1", who="ann", rows=[1, 2])
    return server


def tools(service: Service, tmp_path: Path) -> dict[str, Tool]:
    return {tool.spec.name: tool for tool in http_tools({"theatre": service}, DirStore(tmp_path / "store"))}


def taken_back(known: dict[str, Tool], call: Call, result: JsonValue) -> Any:
    how = known["http.change"].undo(call, result)
    assert how is not None
    return done(known[how.tool], dict(how.args))[1]


CALLS: list[tuple[str, str, JsonValue]] = [
    ("PUT", "a1", {"data": {"who": "bob"}}),
    ("PUT", "b2", {"data": {"who": "bob"}}),
    ("PATCH", "a1", {"data": {"paid": True, "rows": [3]}}),
    ("DELETE", "a1", None),
]


@proves("tools.checked")
@pytest.mark.parametrize(("method", "seat", "body"), CALLS)
def test_http_change_keeps_its_promises(theatre: Kinto, tmp_path: Path, method: str, seat: str, body: JsonValue) -> None:
    """Looking has no effect, undo brings back, others are spared, and every kill is settled without a person."""
    known = tools(theatre.service, tmp_path)
    args: dict[str, JsonValue] = {"service": "theatre", "method": method, "path": theatre.seat(seat)} | ({"body": body} if body else {})

    def reset() -> None:
        theatre.empty()
        theatre.put("a1", who="ann", rows=[1, 2])

    def meddle() -> Callable[[], bool]:
        theatre.put(seat, who="theirs")
        return lambda: theatre.seats().get(seat) == {"who": "theirs"}

    found = check_tool(Scenario(tools=known, tool="http.change", args=args, reset=reset, look=theatre.seats, meddle=meddle))
    assert found == []


@proves("http.undo")
@pytest.mark.parametrize(("method", "seat", "body"), CALLS)
def test_a_resource_is_put_back_as_it_was(theatre: Kinto, tmp_path: Path, method: str, seat: str, body: JsonValue) -> None:
    """Replaced, made, patched or deleted: afterwards the service shows what it showed before, and the undo can be undone."""
    known = tools(theatre.service, tmp_path)
    before = theatre.seats()
    args: dict[str, JsonValue] = {"service": "theatre", "method": method, "path": theatre.seat(seat)} | ({"body": body} if body else {})
    call, result = done(known["http.change"], args)
    changed = theatre.seats()
    assert changed != before
    how = known["http.change"].undo(call, result)
    assert how is not None
    back, told = done(known["http.restore"], dict(how.args))
    assert theatre.seats() == before
    assert not told.get("differs")
    again = known["http.restore"].undo(back, told)
    assert again is not None
    done(known["http.restore"], dict(again.args))
    assert theatre.seats() == changed


@proves("http.undo_spares")
def test_an_undo_keeps_what_somebody_else_changed_since(theatre: Kinto, tmp_path: Path) -> None:
    """It is a conflict, shown against what stands there now, and the service itself compares, so there is no gap to slip through."""
    known = tools(theatre.service, tmp_path)
    call, result = done(known["http.change"], {"service": "theatre", "method": "DELETE", "path": theatre.seat("a1")})
    theatre.put("a1", who="carl")
    how = known["http.change"].undo(call, result)
    assert how is not None
    undo = Call(action=ActionId("r/u"), args=how.args)
    shown = asyncio.run(known[how.tool].preview(undo)).text
    assert "conflict" in shown
    assert "carl" in shown
    assert taken_back(known, call, result)["conflicts"]
    assert theatre.seats() == {"a1": {"who": "carl"}}


@proves("http.undo_spares")
def test_a_change_in_the_last_moment_is_noticed_by_the_service(theatre: Kinto, tmp_path: Path) -> None:
    """Between looking and sending somebody else may be faster: then nothing is changed."""
    known = tools(theatre.service, tmp_path)
    args: dict[str, JsonValue] = {"service": "theatre", "method": "PUT", "path": theatre.seat("a1"), "body": {"data": {"who": "bob"}}}
    call = begun(known["http.change"], args)
    theatre.put("a1", who="carl")
    with pytest.raises(Conflict):
        asyncio.run(known["http.change"].run(call))
    late = Call(action=ActionId("r/b"), args=args, staged=call.staged)
    with pytest.raises(Conflict):
        asyncio.run(known["http.change"].capture(late))
    assert theatre.seats() == {"a1": {"who": "carl"}}


@proves("http.probe")
def test_looking_tells_whether_a_request_was_carried_out(theatre: Kinto, tmp_path: Path) -> None:
    """The same ETag: not yet, send it again. What was wanted: done. Anything else: nobody knows, and what stands there is shown."""
    known = tools(theatre.service, tmp_path)
    tool = known["http.change"]
    args: dict[str, JsonValue] = {"service": "theatre", "method": "PATCH", "path": theatre.seat("a1"), "body": {"data": {"who": "bob"}}}
    call = begun(tool, args)
    assert asyncio.run(tool.probe(call)).happened is Happened.NO
    result: Any = asyncio.run(tool.run(call))
    found = asyncio.run(tool.probe(call))
    assert found.happened is Happened.YES
    assert found.result == {"url": tool.targets(args)[0], "etag": result["etag"]}
    theatre.put("a1", who="bob", more="theirs")
    found = asyncio.run(tool.probe(call))
    assert found.happened is Happened.UNKNOWN
    assert "theirs" in found.detail


@proves("http.no_preconditions")
def test_a_service_without_etags_is_refused_with_a_way_out(tmp_path: Path) -> None:
    """Said to honour preconditions, but giving no ETag: nothing is sent, as nobody would notice a change of somebody else."""
    with serving() as plain:
        known = tools(Service(base=plain.base, private=True, preconditions=True), tmp_path)
        args: dict[str, JsonValue] = {"service": "theatre", "method": "PUT", "path": "orders", "body": {"x": 1}}
        with pytest.raises(ToolFailed, match="no strong ETag"):
            begun(known["http.change"], args)
        assert [method for method, *_ in plain.asked] == ["GET"]


@proves("http.no_preconditions")
def test_a_plain_service_gets_no_tool_that_undoes(tmp_path: Path) -> None:
    """What cannot be done safely is not offered: there is `http.send`, which asks."""
    with serving() as plain:
        assert set(tools(Service(base=plain.base, private=True), tmp_path)) == {"http.get", "http.send"}


@proves("http.change_is_checked")
@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"method": "PUT"}, ArgsInvalid),
        ({"method": "DELETE", "body": {}}, ArgsInvalid),
        ({"method": "PATCH", "path": "none", "body": {}}, ToolFailed),
        ({"method": "DELETE", "path": "none"}, ToolFailed),
        ({"method": "PUT", "path": "../../__heartbeat__", "body": {}}, ArgsInvalid),
        ({"method": "PUT", "path": "..%2f..%2f__heartbeat__", "body": {}}, ArgsInvalid),
        ({"method": "PUT", "path": "..%252f%252e%252e/__heartbeat__", "body": {}}, ArgsInvalid),
    ],
)
def test_what_cannot_be_changed_is_said(theatre: Kinto, tmp_path: Path, args: dict[str, JsonValue], error: type[Exception]) -> None:
    """A missing body, a body too many, nothing there, a path that leads out: an error with a way out, and nothing was sent."""
    path = str(args.get("path", "a1"))
    given = {"service": "theatre", **args, "path": path if path.startswith("..") else theatre.seat(path)}
    before = theatre.seats()
    with pytest.raises(error) as raised:
        begun(tools(theatre.service, tmp_path)["http.change"], given)
    assert getattr(raised.value, "fix", "")
    assert theatre.seats() == before
