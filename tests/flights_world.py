"""An airline's REST service on loopback: what flies, bookings that are known again by their key, and cancelling."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from loopback_http import JsonHandler, served

DAY = "2031-12-02"
"""A Tuesday."""
FLIGHTS = [
    {"flight": "OS101", "departs": f"{DAY}T06:10", "arrives": f"{DAY}T07:50", "price": 89, "stops": 0, "seats": ["4C", "9A"]},
    {"flight": "OS205", "departs": f"{DAY}T10:30", "arrives": f"{DAY}T12:10", "price": 149, "stops": 0, "seats": ["11D"]},
    {"flight": "OS307", "departs": f"{DAY}T13:00", "arrives": f"{DAY}T14:40", "price": 212, "stops": 0, "seats": ["2A", "17C"]},
    {"flight": "OS409", "departs": f"{DAY}T13:30", "arrives": f"{DAY}T18:55", "price": 120, "stops": 1, "seats": ["3C"]},
    {"flight": "OS511", "departs": f"{DAY}T17:00", "arrives": f"{DAY}T18:40", "price": 345, "stops": 0, "seats": ["1C", "1D"]},
]
"""One leaves too early, one while Ann is busy, one has a stop, one costs too much; one fits."""

_TEXT = {"type": "string"}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/flights": {
            "get": {"operationId": "search", "summary": "What flies on a day.",
                    "parameters": [{"name": name, "in": "query", "required": True, "schema": _TEXT} for name in ("to", "day")]},
        },
        "/bookings": {
            "post": {"operationId": "book", "summary": "Book a seat.",
                     "requestBody": {"required": True, "content": {"application/json": {"schema": {
                         "type": "object", "required": ["flight", "seat"], "additionalProperties": False,
                         "properties": {"flight": _TEXT, "seat": _TEXT}}}}}},
        },
        "/bookings/{id}": {"get": {"operationId": "booking", "parameters": [{"name": "id", "in": "path", "schema": _TEXT}]}},
        "/bookings/{id}/cancel": {"post": {"operationId": "cancel", "parameters": [{"name": "id", "in": "path", "schema": _TEXT}]}},
    },
}  # fmt: skip


@dataclass
class Airline:
    """What really is booked. `trouble`: how the next bookings are answered, `500` or `close`, after they were made."""

    port: int = 0
    bookings: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    requests: int = 0
    """To book, answered or not."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def booked(self) -> list[tuple[str, str, str]]:
        return [(one["flight"], one["seat"], one["state"]) for one in self.bookings.values()]

    def book(self, key: str, wanted: dict[str, Any]) -> dict[str, Any]:
        if not key or key not in self.keys:
            name = f"B{len(self.bookings) + 1}"
            self.keys[key] = name
            self.bookings[name] = {"id": name, **wanted, "state": "booked"}
        return self.bookings[self.keys[key]]


class _Handler(JsonHandler, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        where = urlsplit(self.path)
        asked = dict(parse_qsl(where.query))
        name = where.path.rpartition("/")[2]
        if where.path == "/flights":
            self._answer(200, FLIGHTS if asked == {"to": "Oslo", "day": DAY} else [])
        else:
            there = self.server.state.bookings.get(name)
            self._answer(200 if there else 404, there or {"error": "no such booking"})

    def do_POST(self) -> None:
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        *_, name, last = self.path.split("/")
        if last == "cancel":
            state.bookings[name]["state"] = "cancelled"
            self._answer(200, state.bookings[name])
            return
        state.requests += 1
        booking = state.book(self.headers.get("Idempotency-Key", ""), json.loads(body))
        trouble = state.trouble.pop(0) if state.trouble else ""
        if trouble == "close":
            self.close_connection = True
        else:
            self._answer(500 if trouble else 201, {"error": "try later"} if trouble else booking)


def described(air: Airline, folder: Path) -> str:
    """The service as `remit.toml` names it, with its description written into the folder."""
    (folder / "air.json").write_text(json.dumps(API), encoding="utf-8")
    return f"""
[http.air]
base = "{air.base}"
private = true
idempotency = "Idempotency-Key"
openapi = "{folder / "air.json"}"
undo.book = {{ operation = "cancel", args = {{ id = "${{result.json.id}}" }} }}
"""


@contextmanager
def airline() -> Iterator[Airline]:
    """A service of its own, ended with the block."""
    with served(Airline(), _Handler) as state:
        yield state
