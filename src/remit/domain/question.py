"""A question to a person, and the person's answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from remit.domain.values import ActionId, Digest, QuestionId


class QuestionKind(StrEnum):
    """`anomaly`: how a run behaves is unusual, and its person says how it goes on."""

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


_CHOICES: Final[Mapping[QuestionKind, dict[str, str]]] = {
    QuestionKind.APPROVE: {
        "approve": "it is done once, exactly as shown",
        "edit": "your arguments are judged, and run instead",
        "deny": "it is not done, and what it was for is refused",
    },
    QuestionKind.IN_DOUBT: {
        "happened": "it counts as done, and is not done again",
        "not_happened": "it counts as failed, and may be tried again",
    },
    QuestionKind.CLARIFY: {"TEXT": "the run goes on with what you say", "deny": "the run does without an answer"},
    QuestionKind.ANOMALY: {"TEXT": "the run goes on with what you say", "deny": "the run ends; what it did stays, and can be undone"},
}


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
    """The replies that are foreseen; without any, every text is one."""
    free: bool = False
    """Any other text is a reply, too."""
    leads_to: Mapping[str, str] = field(default_factory=dict)
    """By option: what comes of it."""
    tried: str = ""
    """What was tried before, and how it ended; empty when nothing was."""
    clipped: bool = False
    """The preview is larger than a person can be shown: an approval then covers this action only once, like every other."""

    @property
    def choices(self) -> dict[str, str]:
        """What can be answered, and what comes of it."""
        if self.options:
            known = {option: self.leads_to.get(option, "") for option in self.options}
            return known | ({"TEXT": _CHOICES[self.kind]["TEXT"]} if self.free else {})
        return _CHOICES[self.kind]

    def reply(self, text: str) -> str | None:
        """What a reply means: one of the options by its words or its number, or the text itself where any is fine; None for neither."""
        wanted = plain(text)
        said = [option for option in self.options if plain(option) == wanted]
        numbered = [option for number, option in enumerate(self.options, start=1) if str(number) == wanted]
        meant = {*said, *numbered}
        if meant:
            return meant.pop() if len(meant) == 1 else None  # a number that is another option's words, too, says nothing
        return text.strip() if wanted and (self.free or not self.options) else None

    @property
    def silence(self) -> str:
        """What comes of no answer at all; never what a yes would do."""
        return "once it has expired, it is not done" if self.expires_at else "it waits, and nothing is done about it"


def plain(text: str) -> str:
    """The same words to a reader: without case, hidden characters, kinds of blanks, and punctuation around them."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return " ".join(seen.split()).strip(" .,;:!?\"'`()[]{}<>").casefold()


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
