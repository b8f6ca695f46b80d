"""A real HTTP server on loopback that does what services do, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback_http import LoopbackServer, served

ORDERS: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/orders": {
            "post": {
                "operationId": "order",
                "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
            }
        },
        "/cancel/{id}": {
            "post": {"operationId": "cancel", "parameters": [{"name": "id", "in": "path", "schema": {"type": "integer"}}],
                     "requestBody": {"content": {"application/json": {"schema": {}}}}},
        },
        "/upload": {"post": {"requestBody": {"required": True, "content": {"text/plain": {}}}}},
        "/secret": {"get": {"parameters": [{"name": "X-Key", "in": "header", "required": True}]}},
    },
}  # fmt: skip
"""What an OpenAPI document says of it."""


@dataclass
class Server:
    """What stands behind the port. `orders` are what really happened; `asked` is every request, in order."""

    port: int = 0
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    """How the next orders end: `500` after acting, `close` after acting, `refuse` before; used up one by one."""
    elsewhere: str = ""
    """Where `/away` sends one."""

    def order(self, key: str, body: Any) -> int:
        """Take an order, or know it again by its key; its number."""
        if not key or key not in self.keys:
            self.orders.append(body)
            self.keys[key] = len(self.orders)
        return self.keys[key]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def do_GET(self) -> None:
        self._note(b"")
        path = self.path.partition("?")[0]
        if path == "/half":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self._broken(b"half")
        elif path == "/rubbish":
            self._broken(b"this is no HTTP\r\n\r\n")
        elif path == "/away":
            self._answer(302, b"", location=self.server.state.elsewhere)
        else:
            orders = json.dumps({"orders": len(self.server.state.orders)}).encode()
            self._answer(*_CONTENTS.get(path, (200, orders)))

    def do_POST(self) -> None:
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self._note(body)
        trouble = state.trouble.pop(0) if state.trouble else ""
        if trouble == "refuse":
            self._answer(422, b"no such seat")
            return
        number = state.order(self.headers.get("Idempotency-Key", ""), json.loads(body))
        if trouble == "close":
            self._broken(b"")
        elif trouble == "500":
            self._answer(500, b"the printer is on fire")
        else:
            self._answer(201, json.dumps({"order": number}).encode())

    def _note(self, body: bytes) -> None:
        self.server.state.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))

    def _broken(self, data: bytes) -> None:
        self.wfile.write(data)
        self.close_connection = True

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), "content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


_CONTENTS = {"/big": (200, b"x" * 3_000_000), "/bytes": (200, b"\xff\x00"), "/missing": (404, b"no such thing")}


@contextmanager
def serving() -> Iterator[Server]:
    """A server of its own, ended with the block."""
    with served(Server(), _Handler) as state:
        yield state
