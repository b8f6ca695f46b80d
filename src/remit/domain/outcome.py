"""What became of an action."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remit.domain.values import JsonValue


class Status(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"


class Evidence(StrEnum):
    """How an outcome is known."""

    RESULT = "result"
    PROBE = "probe"
    PERSON = "person"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Succeeded, failed (the effect surely did not happen), or in doubt. Nobody may round in doubt to one of the others."""

    status: Status
    result: JsonValue = None
    error: str = ""
    code: str = ""
    evidence: Evidence = Evidence.RESULT

    @property
    def ok(self) -> bool:
        return self.status is Status.SUCCEEDED
