"""The documented exit codes, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from remit.domain.run import LegEnd

DONE: Final = 0
NOT_DONE: Final = 1
BAD_INPUT: Final = 2
WAITING: Final = 3
CONFLICT: Final = 5
MISSING: Final = 6
JOURNAL: Final = 7
INTERRUPTED: Final = 130
TERMINATED: Final = 143


def exit_code_for(end: LegEnd) -> int:
    """How a run stands, as an exit code."""
    return {"done": DONE, "waiting": WAITING}.get(end.state, NOT_DONE)
