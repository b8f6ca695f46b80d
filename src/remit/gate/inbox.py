"""What waits for a person, and how a person answers. Imports nothing heavy: answering must start fast."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from remit.domain.entry import Draft, Kind
from remit.domain.question import Answer, Edit, Question, QuestionKind
from remit.domain.record import Record, fold, question_from
from remit.domain.values import ActionId, JsonValue, RunId, parse
from remit.errors import AlreadyRecorded, BadInput, NotFound

if TYPE_CHECKING:
    from remit.ports import Clock, Journal

APPROVAL_MS = 24 * 3600 * 1000
"""How long an approval counts unless said otherwise."""

_FITTING = {
    QuestionKind.APPROVE: (Answer.APPROVE, Answer.EDIT, Answer.DENY),
    QuestionKind.ANOMALY: (Answer.REPLY, Answer.DENY),
    QuestionKind.IN_DOUBT: (Answer.HAPPENED, Answer.NOT_HAPPENED),
    QuestionKind.CLARIFY: (Answer.REPLY, Answer.DENY),
}

_APPROVING = (Answer.APPROVE, Answer.EDIT)


class Inbox:
    """Reads open questions and records answers. An answer is bound to the digest that was shown; it never runs anything."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def pending(self) -> list[Question]:
        """Open questions, oldest first."""
        return [question_from(entry).question for entry in self._journal.pending(Kind.ASKED)]

    def find(self, text: str) -> Question:
        """The one open question whose id is, or starts with, `text`. Raises NotFound when there is none or more than one."""
        if not text:
            raise BadInput("an empty id names no question", fix="`remit inbox` lists the ids")
        questions = self.pending()
        exact = [q for q in questions if text in {q.id, q.action}]
        found = exact or [q for q in questions if q.id.startswith(text)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise NotFound(f"no open question {text!r}", fix="`remit inbox` lists what is open; it may have been answered already")
        raise NotFound(f"{text!r} could be {', '.join(q.id for q in found[:5])}", fix="type more of the id")

    def record(self, question: Question) -> Record:
        """The action the question is about."""
        run, _, name = question.action.partition("/")
        return fold(ActionId(question.action), self._journal.read(RunId(run), action=name))

    def answers(self, question: Question) -> list[str]:
        """What was said so far, and by whom; it is carried out when the run goes on."""
        asked = next((a for a in self.record(question).asked if a.question.id == question.id), None)
        said = asked.answers if asked else []
        return [f"{one.who} said {one.answer}{': ' + one.note if one.note else ''}" for one in said]

    def answer(
        self,
        question: Question,
        answer: Answer,
        *,
        who: str,
        note: str = "",
        edit: Edit | None = None,
        roles: Sequence[str] = (),
        valid_ms: int = APPROVAL_MS,
    ) -> None:
        """Record one person's answer, exactly once. `edit` goes with the answer `edit` only.

        Raises BadInput when it does not fit the question, AlreadyRecorded when it is closed or this person answered before.
        """
        if answer not in _FITTING[question.kind]:
            fitting = ", ".join(_FITTING[question.kind])
            raise BadInput(f"{answer} does not answer this question", fix=f"it can be answered with: {fitting}")
        if answer is Answer.REPLY:
            note = _reply(question, note)
        who = _name(who)
        record = self.record(question)
        if answer in _APPROVING and record.actor.startswith("person:") and _name(record.actor.removeprefix("person:")) == who:
            raise BadInput("nobody approves their own action", fix="another person has to answer")
        asked = next((a for a in record.asked if a.question.id == question.id), None)
        if asked is None or asked.settled:
            raise AlreadyRecorded(f"{question.id} is no longer open", fix="`remit log` shows how it ended")
        edited = asked.answered(Answer.EDIT)
        if edited is not None:
            raise AlreadyRecorded(f"{edited.who} has edited {question.id}", fix="the run will ask about the edited call; answer that")
        if 0 < question.expires_at < self._clock.now():
            raise BadInput(f"{question.id} has expired", fix="the run will say so; start the step again if you still want it")
        body: dict[str, JsonValue] = {"answer": str(answer), "digest": question.digest, "until": self._clock.now() + valid_ms}
        body |= {"note": note} if note else {}
        body |= {"roles": sorted(roles)} if roles else {}
        self._write(question, who, body | (_edited(edit) if answer is Answer.EDIT else {}))

    def _write(self, question: Question, who: str, body: dict[str, JsonValue]) -> None:
        run, _, rest = question.id.partition("/")
        name, _, number = rest.rpartition(":")
        draft = Draft(run=RunId(run), action=name, kind=Kind.ANSWERED, part=f":{number}@{who}", at=self._clock.now(), body=body)
        try:
            self._journal.append([draft], durable=True).result()
        except AlreadyRecorded:
            raise AlreadyRecorded(
                f"{who} has answered {question.id} before", fix="an answer cannot be changed; deny the next one"
            ) from None


def _reply(question: Question, text: str) -> str:
    meant = question.reply(text)
    if meant is not None:
        return meant
    if not text.strip():
        raise BadInput("an empty answer says nothing", fix="say what you mean, or deny the question")
    raise BadInput(f"{text!r} is not one of the answers", fix=f"answer with one of: {', '.join(question.options)}")


def _edited(edit: Edit | None) -> dict[str, JsonValue]:
    args = parse(edit.args_json) if edit else None
    if edit is None or not isinstance(args, dict):
        raise BadInput("the edited arguments are not a JSON object", fix='send all of them, like {"path": "a.txt", "text": "…"}')
    return {"args": args, "digest": edit.seen}


def _name(who: str) -> str:
    """One spelling per person, as two people must be two. Raises BadInput."""
    name = unicodedata.normalize("NFKC", who).strip().casefold()
    if not name or "@" in name or any(unicodedata.category(c).startswith("C") for c in name):
        raise BadInput(f"{who!r} is not a name", fix="give a name with --as NAME, without @ and hidden characters")
    return name
