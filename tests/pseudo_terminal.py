"""The real program on a real terminal (a pseudo-terminal): type into it, wait for what it shows."""

from __future__ import annotations

import os
import pty
import select

from remit_program import Program

PATIENCE = 30.0
"""Seconds to wait for a text to appear."""


class Terminal:
    """The program on a pseudo-terminal; type into it, wait for what it shows."""

    def __init__(self, remit: Program, *args: str, **env: str) -> None:
        argv = remit.argv(*args)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(remit.folder)
            os.execve(argv[0], argv, remit.env(TERM="xterm", **env))  # noqa: S606 - the program itself, in the forked child
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait_for(self, text: str) -> None:
        """Until `text` has appeared after what was waited for before."""
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], PATIENCE)
            assert ready, f"{text!r} did not appear in {self.seen!r}"
            chunk = self._read()
            assert chunk, f"ended before {text!r} appeared: {self.seen!r}"
            self.seen += chunk
        self.seen = self.seen.partition(text)[2]

    def end(self, press: str = "") -> int:
        """Its exit code. `press` is typed again while nothing happens: Python loses a signal between showing a prompt and waiting."""
        while True:
            if press and not select.select([self.fd], [], [], 5)[0]:
                self.type(press)
            elif not self._read():
                break
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> str:
        try:
            return os.read(self.fd, 65536).decode("utf-8", "replace")
        except OSError:  # Linux reports the end of a pseudo-terminal so
            return ""
