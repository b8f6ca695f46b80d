"""What the gate hands back for a submitted action: always a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from remit.domain.outcome import Outcome
from remit.domain.question import Question
from remit.domain.values import ActionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Policy or a person said no, or nobody answered in time; `by` says which. Nothing was done."""

    action: ActionId
    by: str
    """`policy`, `person`, `expired` or `input`."""
    reason: str
    instead: str = ""
    """What would be allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A person is asked. Nothing was done."""

    action: ActionId
    question: Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The action ran; the outcome says how it ended. `args_json` is what really ran, which a person may have edited."""

    action: ActionId
    outcome: Outcome
    args_json: str
    edited_by: str = ""


Receipt: TypeAlias = Refused | Waiting | Finished
