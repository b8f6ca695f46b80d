"""A question to a person, and the person's answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remit.domain.values import ActionId, Digest, QuestionId


class QuestionKind(StrEnum):
    APPROVE = "approve"
    CLARIFY = "clarify"
    IN_DOUBT = "in_doubt"
    ANOMALY = "anomaly"


class Answer(StrEnum):
    """`happened` and `not_happened` answer a question in doubt; `reply` answers a clarification."""

    APPROVE = "approve"
    EDIT = "edit"
    DENY = "deny"
    HAPPENED = "happened"
    NOT_HAPPENED = "not_happened"
    REPLY = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something waits for a person. Silence is never consent: when it expires, nothing was done."""

    id: QuestionId
    action: ActionId
    kind: QuestionKind
    title: str
    """Verb and target, computed from the arguments, never from an agent's summary."""
    body: str
    """The whole preview: diff, command, rows. Never cut silently."""
    why: str
    """Which policies asked, and the facts they used."""
    digest: Digest
    """An approval counts for exactly this digest."""
    people: int
    roles: frozenset[str]
    asked_at: int
    """Milliseconds since 1970, UTC."""
    expires_at: int
    options: tuple[str, ...] = ()
    """For a clarification: the only replies that mean something; empty lets any text be one."""
    clipped: bool = False
    """The preview is larger than a person can be shown: an approval then covers this action only once, like every other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's answer to one question; spent once, in the transaction that starts the action."""

    question: QuestionId
    answer: Answer
    who: str
    at: int
    digest: Digest
    until: int
    """Milliseconds since 1970, UTC; after it the approval is worth nothing."""
    note: str = ""
    args_json: str = ""
    """With `edit`: canonical JSON of the arguments to judge again."""
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Other arguments than the asked ones, in one person's words."""

    args_json: str
    seen: str = ""
    """The digest of the edited call as that person was shown it (`Gate.shown`). Without it, or when the call would do something else
    by the time it is taken up, the edit is a wish, and a person is asked about it."""
