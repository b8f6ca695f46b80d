"""An MCP server of the era before discovery (2025-06-18), by hand, that says of itself what `TOOLS` has."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any


def answer(message: dict[str, Any]) -> dict[str, Any]:
    match message["method"]:
        case "initialize":
            about = {"name": "old", "version": "1"}
            return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": about}}
        case "tools/list":
            return {"result": {"tools": json.loads(os.environ["TOOLS"])}}
        case "tools/call" if message["params"]["arguments"].get("text") == "refuse":
            return {"error": {"code": -32602, "message": "no, though I did it"}}
        case "tools/call":
            with Path(os.environ["NOTES"]).open("a", encoding="utf-8") as file:
                file.write(json.dumps(message["params"]["arguments"], sort_keys=True) + "\n")
            return {"result": json.loads(os.environ.get("ANSWER", "{}")) or {"content": [{"type": "text", "text": "done"}]}}
        case _:
            return {"error": {"code": -32601, "message": "no such method"}}


if __name__ == "__main__":
    late: list[str] = []
    for line in sys.stdin:
        received = json.loads(line)
        if "id" not in received:
            continue
        said = json.dumps({"jsonrpc": "2.0", "id": received["id"], **answer(received)})
        if received.get("params", {}).get("arguments", {}).get("text") == "late":  # its answer comes after that of the next call
            late.append(said)
            continue
        print(said, flush=True)
        threading.Event().wait(0.5 if late else 0)
        while late:
            print(late.pop(), flush=True)
