"""A server of ours as a process: what it prints, where it listens, events signed for it, and its end."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

from standardwebhooks import Webhook

from remit_program import Program

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four bytes!").decode()
BOUND = 60.0


class Served:
    """One server process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def port(self) -> int:
        line = until(lambda: next((one for one in self.lines if one.startswith("listening at")), ""))
        return int(line.partition("127.0.0.1:")[2].partition("/")[0])

    def post(
        self, body: str, *, hook: str = "orders", event: str = "e1", when: float = 0.0, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        at = datetime.fromtimestamp(when or time.time(), UTC)
        signed = {
            "webhook-id": event,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(event, at, body),
            "content-type": "application/json",
        }
        connection = HTTPConnection("127.0.0.1", self.port, timeout=BOUND)
        try:
            connection.request("POST", f"/hooks/{hook}", body=body.encode(), headers={**signed, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(BOUND)
        self._reader.join(BOUND)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return code


@contextmanager
def serving(remit: Program, **env: str) -> Iterator[Served]:
    served = Served(remit.start("serve", "--port", "0", PYTHONUNBUFFERED="1", **env))
    try:
        yield served
    finally:
        served.end()


def until(found: Callable[[], Any]) -> Any:
    """What it finds once it finds something."""
    end = time.monotonic() + BOUND
    while time.monotonic() < end:
        if value := found():
            return value
        threading.Event().wait(0.05)
    raise AssertionError("it never came")
