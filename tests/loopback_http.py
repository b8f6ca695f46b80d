"""An HTTP server on a port of its own, for worlds that bring their state and their handler."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar


class State(Protocol):
    """What stands behind the port."""

    port: int


S = TypeVar("S", bound=State)


class LoopbackServer(ThreadingHTTPServer):
    """`state` is for its handlers, which hold their server as this."""

    daemon_threads = True

    def __init__(self, state: Any, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.state = state
        state.port = self.server_address[1]


class JsonHandler(BaseHTTPRequestHandler):
    """Answers with JSON, or with a page where it is told a text."""

    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def _answer(self, status: int, told: object, **headers: str) -> None:
        data = (told if isinstance(told, str) else json.dumps(told)).encode()
        kind = "text/html" if isinstance(told, str) else "application/json"
        self.send_response(status)
        for name, value in {"content-length": str(len(data)), "content-type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


@contextmanager
def served(state: S, handler: type[BaseHTTPRequestHandler]) -> Iterator[S]:
    """Ended with the block."""
    server = LoopbackServer(state, handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
