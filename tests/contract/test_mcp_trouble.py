"""MCP servers that hang up, talk rubbish, ten gigabytes or nothing at all: in a call that is in doubt, before one nothing was sent."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import resource
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

import tool_calls
from claims import proves
from mcp_old_child import answer
from mcp_world import HERE, OLD
from remit.config import McpServer
from remit.domain.values import ActionId
from remit.errors import ToolUncertain
from remit.ports import Call, Tool
from remit.tools.mcp.tools import mcp_tools
from trouble_world import GIGABYTES, Behaviour, Trouble, breaks_off, endless, silent, trickling, troubled

FEW: Final = 300 << 20
"""Bytes that may be under way when somebody has had enough of ten gigabytes."""
PIPES: Final = ("hangs up", "half", "rubbish", "one endless line", "endless chatter", "silence")
OK: Final = b"HTTP/1.1 200 OK\r\n"
JSON: Final = OK + b"content-type: application/json\r\n"
EVENTS: Final = OK + b"content-type: text/event-stream\r\n\r\n"
PACKED: Final = gzip.compress(b" " * (1 << 24))
HTTP: Final[Mapping[str, Behaviour]] = {
    "hangs up": breaks_off(b""),
    "half": breaks_off(JSON + b"content-length: 1000\r\n\r\nhalf"),
    "rubbish": breaks_off(b"this is no HTTP\r\n\r\n"),
    "no JSON": breaks_off(JSON + b"content-length: 4\r\n\r\nwhat"),
    "a page": breaks_off(OK + b"content-type: text/html\r\ncontent-length: 4\r\n\r\n<p/>"),
    "taken, and that is all": breaks_off(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"),
    "elsewhere": breaks_off(b"HTTP/1.1 307 Moved\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n"),
    "packed": breaks_off(JSON + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(PACKED) + PACKED),
    "ten gigabytes": endless(JSON + b"content-length: %d\r\n\r\n" % GIGABYTES),
    "endless event": endless(EVENTS + b"data: ", b"x" * 65536),
    "endless events": endless(EVENTS, b"event: message\ndata:\n\n" * 1000),
    "endless head": endless(OK, b"x: " + b"y" * 65536 + b"\r\n"),
    "trickle": trickling(JSON + b"content-length: 1000000\r\n\r\n"),
    "silence": silent,
}


@contextmanager
def over_pipes(trouble: str, when: str, folder: Path) -> Iterator[tuple[McpServer, Trouble]]:
    there = Trouble()
    sent = folder / "sent"
    env = {"TROUBLE": trouble, "WHEN": when, "SENT": str(sent), "TOOLS": json.dumps([OLD]), "NOTES": str(folder / "notes")}
    yield McpServer(command=(sys.executable, str(HERE / "mcp_trouble_child.py")), env=env, seconds=4, trusted=True), there
    there.sent = sent.stat().st_size * 65536 if sent.exists() else 0


@contextmanager
def over_http(trouble: str, when: str, folder: Path) -> Iterator[tuple[McpServer, Trouble]]:
    os.environ.update(TOOLS=json.dumps([OLD]), NOTES=str(folder / "notes"))
    with troubled(_speaks(when, HTTP[trouble]), greets=True) as there:
        yield McpServer(url=f"http://127.0.0.1:{there.port}/mcp", seconds=4, trusted=True), there


def _speaks(when: str, trouble: Behaviour) -> Behaviour:
    """MCP over HTTP, well enough, until that method is asked."""

    def behave(line: socket.socket, there: Trouble) -> None:
        with line.makefile("rb") as reader:
            while head := _head(reader):
                asked = json.loads(reader.read(int(head.get("content-length", 0))) or b"{}")
                if asked.get("method") == when:
                    trouble(line, there)
                    return
                said = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer(asked)}).encode() if "id" in asked else b""
                line.sendall((JSON if said else b"HTTP/1.1 405 No\r\n") + b"content-length: %d\r\n\r\n" % len(said) + said)

    return behave


def _head(reader: Any) -> dict[str, str]:
    lines = []
    while (line := reader.readline(65536).decode()).strip():
        lines.append(line)
    return {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}


WAYS: Final = {"pipes": over_pipes, "http": over_http}
TROUBLES: Final = [("pipes", one) for one in PIPES] + [("http", one) for one in HTTP]


def peak() -> int:
    """Bytes that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def add(tools: list[Tool]) -> Tool:
    (tool,) = tools
    return tool


@proves("mcp.in_trouble")
@pytest.mark.parametrize(("way", "trouble"), TROUBLES)
def test_a_call_that_gets_no_whole_answer_is_in_doubt(tmp_path: Path, way: str, trouble: str) -> None:
    """By whatever the client's library makes of it, and however far the server is trusted; of ten gigabytes only a little is taken."""
    with WAYS[way](trouble, "tools/call", tmp_path) as (server, there):
        tool = add(mcp_tools({"notes": server}, tmp_path / "state")[0])
        before = peak()
        if (way, trouble) == ("pipes", "rubbish"):
            assert tool_calls.done(tool, {"text": "x"})[1]["text"] == "done"  # what is no message is none
        else:
            with pytest.raises(ToolUncertain) as raised:
                asyncio.run(tool.run(Call(action=ActionId("r/a"), args={"text": "x"})))
            assert raised.value.fix
        assert peak() - before < FEW
    assert there.sent < FEW


@proves("mcp.in_trouble")
@pytest.mark.parametrize(("way", "trouble"), [one for one in TROUBLES if one != ("pipes", "rubbish")])
@pytest.mark.parametrize("when", ["initialize", "tools/list"])
def test_a_server_that_cannot_be_asked_is_left_out_with_a_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str, trouble: str, when: str
) -> None:
    """A sentence of ours, and no traceback of somebody's library beside it."""
    with WAYS[way](trouble, when, tmp_path) as (server, there):
        tools, why = mcp_tools({"notes": server}, tmp_path / "state")
        assert not tools
        assert why
        assert why[0].startswith("notes: ")
        assert not caplog.records
    assert there.sent < FEW
