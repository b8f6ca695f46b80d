"""The browser's only way out: a proxy on loopback that looks at every address before it is used (remit.tools.http.addresses)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from remit.errors import RemitError, ToolFailed
from remit.tools.http.addresses import Place, addresses, read_url

MOST: Final = 200 << 20
"""Bytes that may come in, in all."""
_HEAD: Final = 64 * 1024
_SECONDS: Final = 20
_CHUNK: Final = 64 * 1024
_REFUSED: Final = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_SAFE: Final = (b"GET", b"HEAD", b"OPTIONS")


@dataclass(kw_only=True)
class Egress:
    """Tunnels to public addresses, and to the private ones of origins that the person named."""

    private: Callable[[str], bool]
    """Whether an origin may be on a private address."""
    port: int = 0
    came: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Origins and why; Chromium has errands of its own, which are among them."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the browser."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for mypy: a server's callback is a task
        self._tasks.add(task)
        try:
            await self._served(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError, IndexError, RemitError):
            pass
        except asyncio.CancelledError:  # by `close`; asyncio's server would print it
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        """End what is still going on."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        line, _, headers = head.partition(b"\r\n")
        method, target, _ = line.split(b" ")
        tunnel = method == b"CONNECT"
        place = read_url(f"https://{target.decode('ascii')}/" if tunnel else target.decode("ascii"))
        try:
            if not tunnel and method not in _SAFE:  # inside TLS only the browser can tell, and does
                raise ToolFailed(f"{method.decode('ascii', 'replace')} {place.url} is not let through", fix="browser.submit sends")
            up, down = await self._connected(place)
        except RemitError as error:
            self.refused.append((place.origin, error.message))
            writer.write(_REFUSED)
            await writer.drain()
            return
        try:
            if tunnel:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await self._both(reader, writer, up, down)
            else:
                down.write(_origin_form(method, place, headers))
                await self._answered(up, writer)
        finally:
            down.close()

    async def _answered(self, up: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One answer, and nothing of what the browser says afterwards: it is told that the connection ends with it."""
        head = b"HTTP/1.1 1"
        while head.split(b" ", 2)[1][:1] == b"1":
            async with asyncio.timeout(_SECONDS):
                head = await up.readuntil(b"\r\n\r\n")
            first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
            kept = [line for line in lines if not line.lower().startswith((b"connection:", b"keep-alive:", b"proxy-"))]
            writer.write(b"\r\n".join([first, *kept, b"connection: close", b"", b""]))
        await self._pipe(up, writer, counted=True)

    async def _connected(self, place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address, *_ = await addresses(place, private=self.private(place.origin))
        async with asyncio.timeout(_SECONDS):
            return await asyncio.open_connection(str(address), place.port, limit=_HEAD)

    async def _both(self, *ends: asyncio.StreamReader | asyncio.StreamWriter) -> None:
        """Until either side is through."""
        reader, writer, up, down = ends
        assert isinstance(reader, asyncio.StreamReader)  # noqa: S101 - for mypy
        assert isinstance(writer, asyncio.StreamWriter)  # noqa: S101
        assert isinstance(up, asyncio.StreamReader)  # noqa: S101
        assert isinstance(down, asyncio.StreamWriter)  # noqa: S101
        out = asyncio.ensure_future(self._pipe(reader, down, counted=False))
        back = asyncio.ensure_future(self._pipe(up, writer, counted=True))
        try:
            await asyncio.wait([out, back], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([back], timeout=_SECONDS if not back.done() and out.done() else 0)
        finally:
            for pipe in (out, back):
                pipe.cancel()
            await asyncio.gather(out, back, return_exceptions=True)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, counted: bool) -> None:
        while chunk := await source.read(_CHUNK):
            if counted:
                self.came += len(chunk)
                if self.came > MOST:
                    self.refused.append(("", f"more than {MOST >> 20} MB in all"))
                    return
            sink.write(chunk)
            await sink.drain()


@asynccontextmanager
async def egress(private: Callable[[str], bool]) -> AsyncIterator[Egress]:
    """A proxy for as long as the block lasts."""
    way = Egress(private=private)
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0, limit=_HEAD)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        await way.close()


def _origin_form(method: bytes, place: Place, headers: bytes) -> bytes:
    """The same request as a server takes it, for one answer."""
    kept = [line for line in headers.split(b"\r\n") if line and not line.lower().startswith((b"proxy-", b"connection:"))]
    path = "/" + place.url.split("/", 3)[3] if place.url.count("/") > 2 else "/"  # noqa: PLR2004 - http://host/path
    return b"\r\n".join([method + b" " + path.encode("ascii") + b" HTTP/1.1", *kept, b"connection: close", b"", b""])
