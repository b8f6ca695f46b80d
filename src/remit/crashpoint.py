"""Named places where a test may kill this process, as power loss or `kill -9` would.

`REMIT_CRASH=gate.started` dies at the first pass through that point, `REMIT_CRASH=gate.started:3` at the third. The variable
is read once, at import; without it a crash point costs two comparisons.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_name: str = os.environ.get("REMIT_CRASH", "").partition(":")[0]
_left: int = int(os.environ.get("REMIT_CRASH", "").partition(":")[2] or "1")
_record: list[str] | None = None


def crashpoint(name: str) -> None:
    """Die here by SIGKILL when the environment asks for it; otherwise do nothing."""
    global _left  # noqa: PLW0603 - counts passes in this process, which is about to die
    if _record is not None:
        _record.append(name)
    if name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """What REMIT_CRASH does, for a process that runs already."""
    global _name, _left  # noqa: PLW0603 - see above
    _name, _, times = point.partition(":")
    _left = int(times or "1")


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The names of the points that are passed within the block, in order."""
    global _record  # noqa: PLW0603 - one recording at a time
    _record = []
    try:
        yield _record
    finally:
        _record = None
