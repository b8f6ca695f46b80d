"""OpenAPI documents as tools: each operation goes the road of its request, on real services."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tool_calls
from claims import proves
from http_world import ORDERS, Server, serving
from kinto_world import SEATS, Kinto, kinto
from remit.config import Service
from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, BadInput, RemitError, ToolFailed
from remit.gate.schema import Shape
from remit.ports import Call, Tool
from remit.testing import MemoryStore
from remit.tools.http.tools import http_tools


@pytest.fixture(scope="module")
def theatre() -> Iterator[Kinto]:
    with kinto() as made:
        yield made


@pytest.fixture
def shop() -> Iterator[Server]:
    with serving() as made:
        yield made


def tools(folder: Path, document: object, service: Service) -> dict[str, Tool]:
    path = folder / "api.yaml"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return {tool.spec.name: tool for tool in http_tools({"it": replace(service, openapi=path)}, MemoryStore())}


def done(tool: Tool, args: Mapping[str, JsonValue]) -> tuple[Call, Any]:
    """With its arguments held to the document first."""
    Shape(tool).check(args)
    return tool_calls.done(tool, args)


@proves("http.openapi")
def test_operations_read_change_and_come_back(theatre: Kinto, tmp_path: Path) -> None:
    """A GET reads, a PUT is shown, made under the ETag and put back; names, classes and arguments come from the document."""
    theatre.empty()
    theatre.put("a1", who="ann")
    known = tools(tmp_path, SEATS, theatre.service)
    before = theatre.seats()
    assert json.loads(done(known["http.it.readSeat"], {"seat": "a1", "_fields": ["who"]})[1]["text"])["data"]["who"] == "ann"
    take = known["http.it.takeSeat"]
    assert take.spec.effect is Effect.COMPENSABLE
    call, result = done(take, {"seat": "a1", "body": {"data": {"who": "bob", "price": 3}}})
    assert theatre.seats()["a1"]["who"] == "bob"
    how = take.undo(call, result)
    assert how is not None
    done(known[how.tool], how.args)
    assert theatre.seats() == before
    done(known["http.it.delete_buckets_theatre_collections_seats_records_seat"], {"seat": "a1"})
    assert theatre.seats() == {}


@proves("http.openapi")
def test_an_author_says_what_takes_an_operation_back(shop: Server, tmp_path: Path) -> None:
    """Its answer fills the arguments, with their types; without an undo it is irreversible; what it does not answer is said."""
    service = Service(base=shop.base, private=True)
    assert tools(tmp_path, ORDERS, service)["http.it.order"].spec.effect is Effect.IRREVERSIBLE
    undo = {"order": ("cancel", {"id": "${result.json.order}", "body": {"was": "${args.body.seat}", "why": "undo of ${args.body.seat}"}})}
    known = tools(tmp_path, ORDERS, replace(service, undo=undo))
    order = known["http.it.order"]
    assert order.spec.effect is Effect.COMPENSABLE
    call, result = done(order, {"body": {"seat": "12A"}})
    how = order.undo(call, result)
    assert how is not None
    assert (how.tool, how.args) == ("http.it.cancel", {"id": 1, "body": {"was": "12A", "why": "undo of 12A"}})
    done(known[how.tool], how.args)
    assert shop.asked[-1][1] == "/cancel/1"
    with pytest.raises(ToolFailed, match=r"result\.json\.order"):
        order.undo(call, {"text": "thanks"})


@proves("http.openapi")
def test_what_remit_cannot_send_is_not_offered(shop: Server, tmp_path: Path) -> None:
    """A body that is no JSON, a header that is needed: no tool, instead of one that fails."""
    assert {name for name in tools(tmp_path, ORDERS, Service(base=shop.base, private=True)) if name.startswith("http.it.")} == {
        "http.it.order",
        "http.it.cancel",
    }


@proves("http.openapi_is_checked")
@pytest.mark.parametrize("seat", ["..", "", ".", "a/../../b", "a?x=1", "a#b", "%2e%2e", "a b", "\u00e4"])
def test_no_argument_leads_to_another_path(theatre: Kinto, tmp_path: Path, seat: str) -> None:
    """What a path is made of stays one part of it, or is refused."""
    known = tools(tmp_path, SEATS.replace(', pattern: "^[^/]*$"', ""), theatre.service)
    if seat in {"..", "", ".", "a/../../b", "%2e%2e"}:
        with pytest.raises(ArgsInvalid):
            known["http.it.readSeat"].targets({"seat": seat})
        return
    (target,) = known["http.it.readSeat"].targets({"seat": seat})
    base = f"{theatre.service.base}/buckets/theatre/collections/seats/records/"
    assert target.startswith(base)
    assert not any(c in target.removeprefix(base) for c in "/?#")


@proves("http.openapi_is_checked")
@pytest.mark.parametrize(
    ("document", "service"),
    [
        ("swagger: '2.0'", {}),
        ("[", {}),
        ("openapi: 3.0.0\npaths: { /a: { get: { parameters: [ { $ref: 'http://evil.example/p.yaml' } ] } } }", {}),
        ("openapi: 3.0.0\npaths: { /a: { get: { parameters: [ { $ref: '#/nowhere' } ] } } }", {}),
        ("openapi: 3.0.0\npaths: { /a: { get: { operationId: x } }, /b: { get: { operationId: x } } }", {}),
        ("openapi: 3.0.0\npaths: { /a: { get: { parameters: [ { name: q, in: query, schema: { type: odd } } ] } } }", {}),
        (SEATS, {"effects": {"readSeat": "harmless"}}),
        (SEATS, {"effects": {"nobody": "pure"}}),
        (SEATS, {"undo": {"takeSeat": ("nobody", {})}}),
    ],
)
def test_a_document_that_cannot_be_right_is_refused(theatre: Kinto, tmp_path: Path, document: str, service: dict[str, Any]) -> None:
    """With what is wrong with it, and nothing is fetched."""
    with pytest.raises(BadInput) as raised:
        tools(tmp_path, document, replace(theatre.service, **service))
    assert raised.value.fix


@proves("http.openapi_is_checked")
def test_arguments_are_held_to_the_document(theatre: Kinto, tmp_path: Path) -> None:
    """Types, what is needed, what may be null, limits of version 3.0; nothing more than is named."""
    shape = Shape(tools(tmp_path, SEATS, theatre.service)["http.it.takeSeat"])
    shape.check({"seat": "a1", "body": {"data": {"who": None, "price": 1}}})
    wrong: list[dict[str, JsonValue]] = [
        {"seat": "a1"},
        {"seat": "a1", "body": {"data": {"price": 0}}},
        {"seat": 1, "body": {"data": {}}},
        {"seat": "a1", "body": {"data": {}}, "more": 1},
    ]
    for args in wrong:
        with pytest.raises(RemitError):
            shape.check(args)
