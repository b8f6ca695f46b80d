"""How an MCP server is reached: over the pipes of its process, or over HTTP. Neither takes more of what it says than an answer may have.

The official client's own transports take a line, or a body, of any length whole. Over HTTP ours is the official one on a connection that
counts; over pipes it is ours, as the official one reads the pipe itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED, ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse, jsonrpc_message_adapter

MOST: Final = 16 << 20
"""Bytes of one answer, with whatever is said before it."""
_TOO_MUCH: Final = f"it said more than {MOST >> 20} MB, which no answer may have"
_CHECK_SECONDS: Final = 0.01
_END_CHECKS: Final = 200
"""As long has a process to end by itself, and again to end when it is told to."""


@asynccontextmanager
async def over_pipes(command: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[tuple[Any, Any]]:
    """Start it, in a session of its own; with the block it ends, and every process that it started there. Raises OSError."""
    loop = asyncio.get_running_loop()
    # What it writes beside the protocol is not for the person's terminal: it could say anything there.
    process, ends = await loop.subprocess_exec(
        lambda: SubprocessStreamProtocol(MOST, loop), *command, stderr=subprocess.DEVNULL, env=dict(env), start_new_session=True
    )
    if ends.stdin is None or ends.stdout is None:  # they were asked for
        raise OSError("it has no pipes")
    pipes = _Pipes(ends.stdout, ends.stdin)
    said, hears = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    says, heard = anyio.create_memory_object_stream[SessionMessage](0)
    with said, hears, says, heard:
        async with anyio.create_task_group() as group:
            group.start_soon(pipes.read, said)
            group.start_soon(pipes.write, heard)
            try:
                yield hears, says
            finally:
                ends.stdin.close()
                with anyio.CancelScope(shield=True):
                    await _end(process)
                process.close()
                group.cancel_scope.cancel()


@dataclass
class _Pipes:
    """What is said on them: one message a line."""

    out: asyncio.StreamReader
    into: asyncio.StreamWriter
    open: set[str | int] = field(default_factory=set)
    """Requests that were not answered."""

    async def read(self, said: Any) -> None:
        """Pass on what it says, until it says too much or nothing more; what is no message is none."""
        why, taken = "it closed the connection", 0
        async with said:
            with suppress(anyio.BrokenResourceError):  # nobody listens any more
                while line := await self._line():
                    taken += len(line)
                    if taken > MOST:
                        why = _TOO_MUCH
                        break
                    with suppress(ValueError):
                        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                        taken = 0 if self._answers(message) else taken
                        await said.send(SessionMessage(message))
                for one in tuple(self.open):
                    error = ErrorData(code=CONNECTION_CLOSED, message=why)
                    await said.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=one, error=error)))
        while taken <= MOST and (more := await self.out.read(1 << 16)):  # so that it is not kept from ending
            taken += len(more)

    async def write(self, heard: Any) -> None:
        """Pass on what it is told."""
        with suppress(OSError):  # it is gone, which reading tells
            async for one in heard:
                if isinstance(one.message, JSONRPCRequest):
                    self.open.add(one.message.id)
                self.into.write(one.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                await self.into.drain()

    async def _line(self) -> bytes:
        """The next one, b'' when there is none."""
        try:
            return await self.out.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            return b" " * (MOST + 1)
        except (asyncio.IncompleteReadError, OSError):
            return b""

    def _answers(self, message: Any) -> bool:
        if not isinstance(message, JSONRPCResponse | JSONRPCError) or message.id not in self.open:
            return False
        self.open.remove(message.id)
        return True


async def _end(process: asyncio.SubprocessTransport) -> None:
    """As the protocol has it: its input has ended; then it is told to end, then it must, and so must all that it left in its session."""
    for told in (signal.SIGTERM, signal.SIGKILL):
        if not await _left(process):
            return
        _tell(process, told)
    await _left(process)


async def _left(process: asyncio.SubprocessTransport) -> bool:
    """Whether it, or any other of its session, is still there after a while."""
    for _ in range(_END_CHECKS):
        if process.get_returncode() is not None and not _tell(process, 0):
            return False
        await asyncio.sleep(_CHECK_SECONDS)
    return True


def _tell(process: asyncio.SubprocessTransport, told: int) -> bool:
    """Whether anybody was there that may be told."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.get_pid(), told)
        return True
    return False


@asynccontextmanager
async def over_http(url: str, headers: Mapping[str, str], seconds: float) -> AsyncIterator[tuple[Any, Any]]:
    """A session over HTTP, streaming or not; `seconds` may pass without a word."""
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # what it cannot read is answered to whoever asked, not on the terminal
    client = httpx2.AsyncClient(headers={**headers, "accept-encoding": "identity"}, timeout=seconds, transport=_Counting(), trust_env=False)
    async with client, streamable_http_client(url, http_client=client, max_sse_event_size=MOST) as streams:
        yield streams


class _Counting(httpx2.AsyncHTTPTransport):
    """Bodies of bounded length, as they are: what is packed could be of any length when it is unpacked."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("its answer is packed, which it was asked not to do", request=request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Counted(response.stream)
        return response


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for part in self._stream:
            taken += len(part)
            if taken > MOST:
                raise httpx2.StreamError(_TOO_MUCH)
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
