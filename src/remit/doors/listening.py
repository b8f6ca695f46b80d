"""A web server inside our own loop: it listens at once, and ends when it is told, without taking signals for itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from remit.errors import Unavailable


class Server(uvicorn.Server):
    """`serve()` runs it until `should_exit`."""

    def __init__(self, config: uvicorn.Config, heard: socket.socket) -> None:
        super().__init__(config)
        self._heard = heard

    @property
    def address(self) -> str:
        host, port = self._heard.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super().serve(sockets=sockets or [self._heard])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are for whoever runs this."""
        yield


def listening(application: Starlette, host: str, port: int) -> Server:
    """Raises Unavailable where nobody can listen there."""
    try:
        heard = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024)
    except OSError as error:
        raise Unavailable(f"nobody can listen at {host}:{port}: {error.strerror}", fix="name another --port") from None
    config = uvicorn.Config(application, log_level="warning", lifespan="off", access_log=False, timeout_graceful_shutdown=5)
    return Server(config, heard)
