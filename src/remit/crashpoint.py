"""Named places where a test may kill this process, as power loss or `kill -9` would.

`REMIT_CRASH=gate.started` dies at the first pass through that point, `REMIT_CRASH=gate.started:3` at the third. The variable
is read once, at import; without it a crash point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import Final

_NAME: Final[str] = os.environ.get("REMIT_CRASH", "").partition(":")[0]
_AT: Final[int] = int(os.environ.get("REMIT_CRASH", "").partition(":")[2] or "1")
_passed: int = 0


def crashpoint(name: str) -> None:
    """Die here by SIGKILL when the environment asks for it; otherwise do nothing."""
    global _passed  # noqa: PLW0603 - counts passes in this process, which is about to die
    if name != _NAME:
        return
    _passed += 1
    if _passed >= _AT:
        os.kill(os.getpid(), signal.SIGKILL)
