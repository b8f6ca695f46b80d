"""An MCP server over pipes that behaves until `WHEN` (a method) is asked: then it is in `TROUBLE`. `SENT` has a dot for each piece."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from mcp_old_child import answer

_PIECES = 150_000
"""Of 65,536 bytes: ten gigabytes."""


def say(words: bytes, *, times: int = 1) -> None:
    with Path(os.environ["SENT"]).open("ab", buffering=0) as sent:
        for _ in range(times):
            os.write(1, words)
            sent.write(b".")


def misbehave(trouble: str, right: bytes) -> None:
    match trouble:
        case "hangs up":
            sys.exit(1)
        case "half":
            say(right[: len(right) // 2])
            sys.exit(1)
        case "rubbish":
            say(b"this is no message\n\xff\xfe\n[]\n" + right)
        case "one endless line":
            say(b"x" * 65536, times=_PIECES)
        case "endless chatter":
            chatter = b'{"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "%s"}}\n' % (b"x" * 65000)
            say(chatter, times=_PIECES)
        case "silence":
            threading.Event().wait(60)
        case _:
            raise ValueError(trouble)


if __name__ == "__main__":
    for line in sys.stdin:
        received = json.loads(line)
        if "id" not in received:
            continue
        right = json.dumps({"jsonrpc": "2.0", "id": received["id"], **answer(received)}).encode() + b"\n"
        if received["method"] == os.environ["WHEN"]:
            misbehave(os.environ["TROUBLE"], right)
        else:
            os.write(1, right)
