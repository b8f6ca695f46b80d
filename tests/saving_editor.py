"""A program of its own that saves a file the ways editors do, one save for each line it is told: `STYLE DELAY_US CONTENT`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def renamed(file: Path, content: bytes, pause: Callable[[], None]) -> None:
    """Write beside, then rename over it (most editors)."""
    pause()
    beside = file.with_name("editor.tmp")
    beside.write_bytes(content)
    beside.replace(file)


def truncated(file: Path, content: bytes, pause: Callable[[], None]) -> None:
    """Empty it and write anew (nano, shells)."""
    pause()
    file.write_bytes(content)


def held(file: Path, content: bytes, pause: Callable[[], None]) -> None:
    """Open first, think, then write into what was opened (databases, logs, slow programs)."""
    try:
        handle = os.open(file, os.O_WRONLY)
    except FileNotFoundError:
        truncated(file, content, pause)
        return
    pause()
    os.ftruncate(handle, 0)
    os.pwrite(handle, content, 0)
    os.close(handle)


def backed_up(file: Path, content: bytes, pause: Callable[[], None]) -> None:
    """Rename the old one to a backup, then make a new one (vim)."""
    pause()
    with suppress(FileNotFoundError):
        file.rename(file.with_name("editor.bak"))
    file.write_bytes(content)


STYLES = {"renamed": renamed, "truncated": truncated, "held": held, "backed_up": backed_up}


def main() -> None:
    """Serve until standard input ends."""
    file = Path(sys.argv[1])
    for line in sys.stdin:
        style, delay, content = line.split()
        until = time.perf_counter() + int(delay) / 1e6

        def pause(until: float = until) -> None:
            while time.perf_counter() < until:
                os.sched_yield()

        STYLES[style](file, content.encode("ascii"), pause)
        print("saved", flush=True)


if __name__ == "__main__":
    main()
