"""MCP servers in processes of their own, which write notes into one file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from remit.config import McpServer
from remit.ports import Tool
from remit.tools.mcp.tools import mcp_tools

HERE = Path(__file__).parent
OLD = {"name": "add", "description": "Add a note.", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}


class World:
    """Servers that write into one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes.txt"

    def server(self, says: Mapping[str, Any] | None = None, **more: Any) -> McpServer:
        env = {"NOTES": str(self.notes), "SAYS": json.dumps(says or {})}
        return McpServer(command=(sys.executable, str(HERE / "mcp_server_child.py")), env=env, **more)

    def old(self, *tools: Mapping[str, Any], answer: Mapping[str, Any] | None = None) -> McpServer:
        env = {"NOTES": str(self.notes), "TOOLS": json.dumps(tools or (OLD,)), "ANSWER": json.dumps(answer or {})}
        return McpServer(command=(sys.executable, str(HERE / "mcp_old_child.py")), env=env)

    def tools(self, server: McpServer) -> dict[str, Tool]:
        return {tool.spec.name: tool for tool in mcp_tools({"notes": server}, self.folder / "state")[0]}

    def trouble(self, server: McpServer) -> list[str]:
        return mcp_tools({"notes": server}, self.folder / "state")[1]

    def processes(self) -> list[str]:
        """The servers that are running."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"NOTES={self.notes}\0".encode() in (process / "environ").read_bytes():
                    found.append(process.name)
        return found

    def written(self) -> str:
        return self.notes.read_text(encoding="utf-8") if self.notes.exists() else ""
