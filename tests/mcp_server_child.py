"""An MCP server on standard input and output, made with the official SDK. `NOTES` is where it writes, `SAYS` what it says of its tools."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mcp.server import MCPServer
from mcp.types import ToolAnnotations

notes = Path(os.environ["NOTES"])
says = json.loads(os.environ.get("SAYS", "{}"))
server = MCPServer("notes", log_level="ERROR")


@server.tool(description=says.get("add", "Add a note."), annotations=ToolAnnotations(**says.get("hints", {})))
def add(text: str, times: int = 1) -> dict[str, int]:
    with notes.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n" * times)
    if text == "die":
        os._exit(1)
    if text == "fail":
        raise ValueError("the disk is on fire")
    return {"added": times}


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def look() -> str:
    """Read all notes."""
    return notes.read_text(encoding="utf-8") if notes.exists() else ""


if __name__ == "__main__":
    if os.environ.get("PORT"):
        server.run("streamable-http", host="127.0.0.1", port=int(os.environ["PORT"]))
    server.run("stdio")
