"""`remit demo` as a person starts it: from some folder, with its own temporary folder, in a pipe or at a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST = 90.0
_ARGV = [sys.executable, "-m", "remit", "demo"]


def environment(folder: Path) -> dict[str, str]:
    """A home nobody can write to, root included, and an empty place for temporary files."""
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "here").mkdir(exist_ok=True)
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("REMIT_", "XDG_", "FORCE_COLOR", "NO_COLOR", "COLUMNS"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return env | {"HOME": "/proc/nobody", "TMPDIR": str(folder / "tmp"), "PATH": path}


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The whole demo in a pipe."""
    return subprocess.run(
        [*_ARGV, *options],
        env=environment(folder),
        cwd=_here(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST,
        check=False,
    )


@dataclass
class Watched:
    """A demo that runs at a terminal of ours."""

    process: subprocess.Popen[bytes]
    terminal: int
    text: str = ""
    read: int = 0

    def until(self, wanted: str) -> bool:
        """Read until `wanted` appears after what was found before; False at the end of the output."""
        deadline = time.monotonic() + LONGEST
        while (at := self.text.find(wanted, self.read)) < 0:
            if time.monotonic() > deadline or not self._more():
                return False
        self.read = at + len(wanted)
        return True

    def finish(self) -> int:
        """Read to the end; the exit code."""
        while self._more():
            pass
        return self.process.wait(timeout=LONGEST)

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def _more(self) -> bool:
        ready, _, _ = select.select([self.terminal], [], [], LONGEST)
        try:
            data = os.read(self.terminal, 1 << 16) if ready else b""
        except OSError:  # the other side is closed
            data = b""
        self.text += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)

    @staticmethod
    def plain(text: str) -> str:
        """Without colours and cursor movements; what a progress bar drew over is a line of its own."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")


@contextmanager
def watched(folder: Path, *options: str, term: str = "xterm", columns: int = 100) -> Iterator[Watched]:
    """The demo at a pseudo-terminal of that size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = environment(folder) | {"TERM": term}
    process = subprocess.Popen(
        [*_ARGV, *options], env=env, cwd=_here(folder), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Watched(process, ours)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(ours)


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that mention the folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if str(folder / "tmp") in line:
                found.append(line)
    return found


def _here(folder: Path) -> Path:
    return folder / "here"
