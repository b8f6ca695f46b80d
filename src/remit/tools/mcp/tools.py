"""The tools of the MCP servers that a configuration names."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from remit.config import McpServer
from remit.errors import BadInput, RemitError
from remit.ports import Tool
from remit.tools.mcp.connection import Connection
from remit.tools.mcp.definitions import Definition, Pins
from remit.tools.mcp.tool import McpTool

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


def mcp_tools(servers: Mapping[str, McpServer], folder: Path) -> tuple[list[Tool], list[str]]:
    """The tools, and a sentence for each server or tool that cannot be used.

    A server is asked when it was never asked before; later its tools are as they were seen then, and compared before each call.
    """
    made: list[Tool] = []
    trouble: list[str] = []
    for name, server in servers.items():
        if not _NAME.fullmatch(name):
            raise BadInput(f"mcp.{name} is no name", fix="use small letters, digits, _ and -")
        connection, pins = Connection(name, server), Pins(folder / f"{name}.json")
        known = pins.load()
        if known is None:
            try:
                pins.save(_asked(connection))
                known = pins.load()
            except RemitError as error:
                trouble.append(f"{name}: {error}")
                continue
        definitions, agreed = known or ({}, {})
        for definition in definitions.values():
            if definition.unfit:
                trouble.append(f"{name}: {definition.name!r} is left out: {definition.unfit}")
            else:
                changed = agreed.get(definition.name) != definition.hash
                made.append(McpTool(name, server, definition, connection, pins, changed=changed))
    return made, trouble


def _asked(connection: Connection) -> list[Definition]:
    """Ask from a thread, as whoever wires the tools may be inside an event loop."""
    found: list[Definition] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.extend(asyncio.run(connection.listed()))
        except BaseException as error:  # noqa: BLE001 - raised again below
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found
