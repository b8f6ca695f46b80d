"""A letter that waits in the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from remit.domain.values import RunId


def release_run(letter: str) -> RunId:
    """The run that lets a letter go."""
    return RunId(f"mail-{letter[:12]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is on the envelope. Until it goes it can be called back, and then it is as if it had never been written."""

    id: str
    action: str
    """Who put it there."""
    account: str
    recipients: Sequence[str]
    subject: str
    message_id: str
    goes_at: int
    """Milliseconds since 1970, UTC."""
