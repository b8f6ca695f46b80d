"""One MCP server, reached from a thread of its own, as its session outlives the event loop of a leg. The only file that knows `mcp`.

The official client speaks both eras of the protocol. It gets no callbacks: a server that wants something of us (a sample, an answer, our
folders) is told that there is none.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeVar

import mcp

from remit.config import McpServer
from remit.domain.visible import visible
from remit.errors import BadInput, ToolFailed, ToolUncertain, Unavailable
from remit.tools.mcp.definitions import Definition
from remit.tools.mcp.transports import MOST, over_http, over_pipes

T = TypeVar("T")
_CONNECT_SECONDS: Final = 20
_LIST_SECONDS: Final = 30
_PAGES: Final = 50
_MOST: Final = 200
"""Tools of one server."""
_NOT_DONE: Final = frozenset({-32601, -32602})
"""JSON-RPC: there is no such method, or it has wrong parameters. Others the official client says, too, of answers that it cannot read."""
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER")


class Connection:
    """Connects at the first question, and again after it was lost."""

    def __init__(self, name: str, server: McpServer) -> None:
        self._name = name
        self._server = server
        self._live: _Live | None = None

    async def listed(self) -> list[Definition]:
        """What the server says of its tools now. Raises Unavailable."""
        live = await self._connected()
        try:
            async with asyncio.timeout(min(_LIST_SECONDS, self._server.seconds)):
                return await live.ask(_listed)
        except Exception as error:  # whatever it is, nothing was done
            self._drop(live)
            raise Unavailable(f"MCP server {self._name} does not list its tools: {_said(error)}", fix="see what it says") from error

    async def call(self, tool: str, args: dict[str, Any]) -> Any:
        """The answer of one call. Raises Unavailable or ToolFailed when it surely was not carried out, else ToolUncertain."""
        live = await self._connected()
        try:
            return await live.ask(lambda client: client.call_tool(tool, args, read_timeout_seconds=self._server.seconds))
        except mcp.MCPError as error:
            if error.code in _NOT_DONE and self._server.trusted:
                raise ToolFailed(f"MCP server {self._name} refused it: {_said(error)}", fix="mend the arguments") from error
            self._drop(live)
            raise ToolUncertain(f"MCP server {self._name} did not answer: {_said(error)}", fix="look whether it acted") from error
        except Exception as error:
            self._drop(live)
            raise ToolUncertain(f"MCP server {self._name} was lost: {_said(error)}", fix="look whether it acted") from error

    async def _connected(self) -> _Live:
        live = self._live
        if live is None or not live.usable():
            live = self._live = _Live(self._name, self._server)
        try:
            async with asyncio.timeout(min(_CONNECT_SECONDS, self._server.seconds)):
                await asyncio.shield(asyncio.wrap_future(live.ready))  # others may wait for it, too
        except Exception as error:
            self._drop(live)
            raise Unavailable(
                f"MCP server {self._name} was not reached: {_said(error)}", fix="see whether its command or url is right"
            ) from error
        return live

    def _drop(self, live: _Live) -> None:
        """No further call uses it, and with the last one that does it ends, a server that was started for it included."""
        if self._live is live:
            self._live = None
        live.retire()


class _Live:
    """A session and its thread. A daemon: when this process ends, its pipes close and a server that was started for it ends, too."""

    def __init__(self, name: str, server: McpServer) -> None:
        self.ready: Future[None] = Future()
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._client: Any = None
        self._pid = os.getpid()
        self._asking = 0
        self._retired = False
        self._task = self._loop.create_task(self._session())
        self._thread = threading.Thread(target=self._serve, name=f"remit-mcp-{name}", daemon=True)
        self._thread.start()

    def usable(self) -> bool:
        return self._thread.is_alive() and self._pid == os.getpid()

    async def ask(self, work: Callable[[Any], Awaitable[T]]) -> T:
        async def asked() -> T:
            return await work(self._client)

        self._asking += 1
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked(), self._loop))
        finally:
            self._asking -= 1
            self._end_when_idle()

    def retire(self) -> None:
        self._retired = True
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self._retired and not self._asking:
            with suppress(RuntimeError):  # its loop has ended already
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._task)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
            if not self.ready.done():
                self.ready.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        finally:
            self._loop.close()

    async def _session(self) -> None:
        async with mcp.Client(_transport(self._server), read_timeout_seconds=self._server.seconds) as client:
            # An answer taints and is not believed, so it is not held to the server's own schema, whose patterns could run for ever.
            client.session.validate_tool_result = _unchecked  # type: ignore[method-assign]
            self._client = client
            self.ready.set_result(None)
            await asyncio.get_running_loop().create_future()  # until it is cancelled


async def _unchecked(name: str, result: Any) -> None:
    """Any answer is one."""


def _transport(server: McpServer) -> Any:
    if server.url:
        return over_http(server.url, server.headers, server.seconds)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return over_pipes(server.command, {**kept, **server.env})


async def _listed(client: Any) -> list[Definition]:
    found: list[Definition] = []
    cursor = None
    for _ in range(_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += [_definition(tool) for tool in page.tools]
        if sum(one.size for one in found) > MOST:
            raise BadInput("it says more of its tools than an answer may have", fix="look what they are")
        cursor = page.next_cursor
        if not cursor or len(found) > _MOST:
            break
    return found[:_MOST]


def _definition(tool: Any) -> Definition:
    hints = tool.annotations.model_dump(by_alias=True, exclude_none=True, mode="json") if tool.annotations else {}
    return Definition(name=tool.name, description=tool.description or "", schema=dict(tool.input_schema), hints=hints)


def _said(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return visible(str(error) or type(error).__name__, keep="\n")[:500]
