"""Real mail servers on loopback: aiosmtpd, which does what it is told to, and an IMAP server in a process of its own."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imap_tools
from aiosmtpd.controller import Controller

from remit.config import Mail
from remit.domain.values import JsonValue
from remit.ports import Tool
from remit.testing import FakeClock, MemoryStore
from remit.tools.changes.roots import Roots
from remit.tools.mail.outbox import Outbox
from remit.tools.mail.tools import mail_tools

USER, PASSWORD = "demouser", "demopass"


@dataclass
class Smtp:
    """What the server took. `trouble` says how the next letters end; used up one by one."""

    port: int = 0
    taken: list[tuple[list[str], bytes]] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - the library's name
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble in {"451 later", "554 never"}:
            return trouble
        self.taken.append((list(envelope.rcpt_tos), envelope.content))
        if trouble == "close":
            server.transport.abort()
        if trouble == "rubbish":
            return "what was that"
        return "250 taken"


@dataclass
class Imap:
    """An account's folders, and what somebody else does there."""

    port: int

    @contextmanager
    def box(self) -> Iterator[Any]:
        with imap_tools.MailBoxUnencrypted("127.0.0.1", self.port, timeout=10).login(USER, PASSWORD, initial_folder=None) as box:
            yield box

    def reset(self) -> None:
        """Empty folders."""
        with self.box() as box:
            there = {folder.name for folder in box.folder.list()}
            for name in ("INBOX", "Sent", "Drafts"):
                if name not in there:
                    box.folder.create(name)
                box.folder.set(name)
                box.delete(box.uids())

    def add(self, folder: str, message: bytes) -> None:
        with self.box() as box:
            box.append(message, folder, dt=None)

    def look(self, *folders: str) -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
        """Subject, text and flags of every letter."""
        found = {}
        with self.box() as box:
            for name in folders or ("INBOX", "Sent", "Drafts"):
                box.folder.set(name, readonly=True)
                found[name] = [
                    (one.subject, one.text.strip(), tuple(flag for flag in one.flags if flag != "\\Recent"))
                    for one in box.fetch("ALL", mark_seen=False)
                ]
        return found


@dataclass
class MailWorld:
    """Both servers, an outbox and every tool for mail."""

    folder: Path
    smtp: Smtp
    imap: Imap
    clock: FakeClock = field(default_factory=FakeClock)

    def account(self, **more: Any) -> Mail:
        given = {"hold": 300, "imap": f"imap://{USER}:{PASSWORD}@127.0.0.1:{self.imap.port}", **more}
        return Mail(address="Ann Example <ann@example.org>", smtp=f"smtp://127.0.0.1:{self.smtp.port}", **given)

    def tools(self, **more: Any) -> dict[str, Tool]:
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        made = mail_tools(
            {"me": self.account(**more)}, roots=Roots([root]), store=MemoryStore(), clock=self.clock, outbox=self.folder / "outbox"
        )
        return {tool.spec.name: tool for tool in made}

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.folder / "outbox")

    def letter(self, **more: JsonValue) -> dict[str, JsonValue]:
        return {"account": "me", "to": ["bob@example.org"], "subject": "Seats", "text": "Two of them,\nplease.\n", **more}


@contextmanager
def smtp() -> Iterator[Smtp]:
    """A server of its own, ended with the block."""
    state = Smtp(port=_free())
    controller = Controller(state, hostname="127.0.0.1", port=state.port)
    controller.start()
    try:
        yield state
    finally:
        controller.stop()


@contextmanager
def imap() -> Iterator[Imap]:
    """A server of its own, ended with the block."""
    port = _free()
    argv = [str(Path(sys.executable).with_name("pymap")), "--host", "127.0.0.1", "--port", str(port), "dict", "--demo-data"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            made = Imap(port)
            _wait(made, process)
            yield made
        finally:
            process.kill()


@contextmanager
def rubbish() -> Iterator[int]:
    """The port of something that greets nobody as a mail server would."""

    class Rubbish(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"this is no SMTP\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Rubbish) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def dropping(server: Imap, word: bytes, *, says: bytes = b"") -> Iterator[int]:
    """A port before an IMAP server that passes a command on, and hangs up instead of its answer; or passes it not on, and says this."""

    class Between(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", server.port)) as there:
                self.lost = False
                back = threading.Thread(target=self.back, args=(there,))
                back.start()
                while data := self.request.recv(65536):
                    if says and word in data:
                        self.request.sendall(data.split()[0] + b" " + says + b"\r\n")
                        continue
                    self.lost = self.lost or word in data
                    there.sendall(data)
                there.shutdown(socket.SHUT_WR)
                back.join(10)

        def back(self, there: socket.socket) -> None:
            with suppress(OSError):
                while data := there.recv(65536):
                    if self.lost and b"completed" in data:
                        self.request.shutdown(socket.SHUT_RDWR)
                        return
                    self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Between) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy.server_address[1]
        finally:
            proxy.shutdown()
            thread.join()


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(server: Imap, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError):
            server.reset()
            return
    raise TimeoutError("the IMAP server does not start")
