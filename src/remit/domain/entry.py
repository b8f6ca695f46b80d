"""The lines of the journal: what kinds there are, and how each is chained to the one before.

Persisted shape, version 1. Bodies are canonical JSON objects; golden files of every shape ever shipped are in
`tests/contract/golden`. A reader ignores keys it does not know and never fails on a kind it does not know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from remit.domain.values import JsonValue, RunId, canonical

GENESIS: Final = bytes(32)


class Kind(StrEnum):
    """Run-level kinds first; each (run, action, part, kind) exists at most once."""

    OPENED = "opened"
    LEVEL = "level"
    PLAN = "plan"
    PAUSED = "paused"
    SAID = "said"
    TAKEN = "taken"
    BUDGET = "budget"
    LEG = "leg"
    MESSAGE = "message"
    NOTE = "note"
    CLOSED = "closed"
    REOPENED = "reopened"

    PROPOSED = "proposed"
    ASKED = "asked"
    ANSWERED = "answered"
    SETTLED = "settled"
    REFUSED = "refused"
    STARTED = "started"
    RESUMED = "resumed"
    FINISHED = "finished"
    UNDONE = "undone"


CLOSES: Final[Mapping[Kind, Kind]] = MappingProxyType({Kind.SETTLED: Kind.ASKED, Kind.CLOSED: Kind.OPENED})
"""An entry of the left kind ends the pending one of the right kind with the same (run, action, part)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A line to be written. `action` is the action's name within the run, or '' for the run itself."""

    run: RunId
    kind: Kind
    at: int
    """Milliseconds since 1970, UTC."""
    action: str = ""
    part: str = ""
    """Tells apart lines of one kind: the question's number (`:1`), the answerer (`:1@ann`), a leg's number."""
    body: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line that is written. `n` counts from 1 within its run, `seq` over the whole journal."""

    seq: int
    run: RunId
    n: int
    kind: str
    """Text, not `Kind`: an entry written by a newer remit must still be readable and verifiable."""
    at: int
    action: str
    part: str
    body_json: str
    hash: bytes

    @property
    def id(self) -> str:
        return f"{self.run}/{self.action}" if self.action else str(self.run)


class Done:
    """The end of a call that was over before it returned: what a future says once it is done, without the cost of being one."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def done(self) -> bool:
        return True

    def result(self, timeout: float | None = None) -> None:  # noqa: ARG002 - as a future takes it
        if self.error is not None:
            raise self.error

    def exception(self, timeout: float | None = None) -> BaseException | None:  # noqa: ARG002 - as a future takes it
        return self.error


def chain(  # noqa: PLR0913 - every field of an entry is hashed
    previous: bytes, *, run: str, n: int, kind: str, at: int, action: str, part: str, body_json: str
) -> bytes:
    """The hash of an entry: SHA-256 over the previous hash and every field of this one, each length-prefixed."""
    text = previous
    for field_text in (run, str(n), kind, str(at), action, part, body_json):
        data = field_text.encode()
        text += len(data).to_bytes(4, "big") + data
    return hashlib.sha256(text).digest()


def body_text(draft: Draft) -> str:
    """The canonical text that is stored and hashed."""
    return canonical(draft.body)
