"""A supervisor that listens on loopback, and the service that it really starts, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

from loopback_http import JsonHandler, served

CHILD: Final = Path(__file__).with_name("shop_child.py")
GOOD, BROKEN = "workers = 4\n", "workers = four\n"
API: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "paths": {f"/services/shop/{name}": {"post": {"operationId": name}} for name in ("restart", "stop")},
}
"""What an OpenAPI document says of the supervisor."""


@dataclass
class Ops:
    """Keeps the shop whose files are in `folder`. `asked` is every request to it; `starts` counts how often the shop was started."""

    folder: Path
    shop_port: int
    port: int = 0
    asked: list[str] = field(default_factory=list)
    starts: int = 0
    trouble: list[str] = field(default_factory=list)
    """How the next restarts are answered after they were made: `500`, or `close`; used up one by one."""
    process: subprocess.Popen[str] | None = None

    @property
    def config(self) -> str:
        """For remit.toml."""
        shop = f'[http.shop]\nbase = "http://127.0.0.1:{self.shop_port}"\nprivate = true\n'
        return f'{shop}[http.ops]\nbase = "http://127.0.0.1:{self.port}"\nprivate = true\n'

    @property
    def up(self) -> bool:
        """As a customer sees it."""
        with suppress(URLError, ConnectionError), urlopen(f"http://127.0.0.1:{self.shop_port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def start(self) -> None:
        """Anew, and wait until it is open or gone."""
        self.stop()
        self.starts += 1
        argv = [sys.executable, "-B", str(CHILD), str(self.folder), str(self.shop_port)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            self.process.wait(10)

    def stop(self) -> None:
        """At once, as by a crash."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def status(self) -> dict[str, Any]:
        code = self.process.poll() if self.process else None
        with suppress(FileNotFoundError):
            log = (self.folder / "shop.log").read_text(encoding="utf-8").splitlines()[-3:]
            return {"status": "running" if code is None else f"ended with {code}", "log": log}
        return {"status": "never started", "log": []}


class _Handler(JsonHandler, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ops: Ops = self.server.state
        ops.asked.append(f"GET {self.path}")
        if self.path == "/services/shop":
            self._answer(200, ops.status())
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        ops: Ops = self.server.state
        ops.asked.append(f"POST {self.path}")
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/services/shop/stop":
            ops.stop()
            self._answer(200, {"stopped": "shop"})
            return
        if self.path != "/services/shop/restart":
            self._answer(404, {})
            return
        ops.start()
        trouble = ops.trouble.pop(0) if ops.trouble else ""
        if trouble == "close":
            self.close_connection = True
        else:
            self._answer(500 if trouble else 200, {"error": "timed out"} if trouble else {"restarted": "shop"})


@contextmanager
def supervising(folder: Path) -> Iterator[Ops]:
    """A supervisor and its shop, which is open; both are ended with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    (folder / "shop.conf").write_text(GOOD, encoding="utf-8")
    with served(Ops(folder, port), _Handler) as ops:
        try:
            ops.start()
            yield ops
        finally:
            ops.stop()
