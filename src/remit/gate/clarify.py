"""Asking a person something that is not an approval: what to do when the ways are used up, or what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from remit.domain.entry import Draft, Kind
from remit.domain.question import Answer, Question, QuestionKind
from remit.domain.receipt import Waiting
from remit.domain.record import fold, question_body
from remit.domain.values import ActionId, Digest, QuestionId, RunId
from remit.errors import AlreadyRecorded
from remit.gate.execution import written
from remit.ports import Clock, Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What a person is to be asked."""

    title: str
    body: str
    tried: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    """The possible replies, each with what it leads to; without any, every text is one."""
    free: bool = False
    """Any other text is a reply, too."""
    kind: QuestionKind = QuestionKind.CLARIFY


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a person said; `text` is one of the options when options were given, and 'stop' for a denial."""

    text: str
    who: str


async def clarify(
    journal: Journal,
    clock: Clock,
    question_for: ActionId,
    wanted: Inquiry,
) -> Reply | Waiting:
    """Put the question once, or read its reply. Idempotent per `question_for`; never expires, as silence decides nothing."""
    run, _, name = question_for.partition("/")
    record = fold(question_for, journal.read(RunId(run), action=name))
    if record.asked:
        asked = record.asked[-1]
        said = asked.answered(Answer.REPLY, Answer.DENY)
        if said is None:
            return Waiting(action=question_for, question=asked.question)
        if not asked.settled:
            await _write(
                journal, Draft(run=RunId(run), action=name, part=":1", kind=Kind.SETTLED, at=clock.now(), body={"why": "answered"})
            )
        return Reply(text="stop" if said.answer is Answer.DENY else said.note, who=said.who)
    question = Question(
        id=QuestionId(f"{question_for}:1"),
        action=question_for,
        kind=wanted.kind,
        title=wanted.title,
        body=wanted.body,
        options=tuple(wanted.options),
        leads_to=wanted.options,
        free=wanted.free,
        tried=wanted.tried,
        why="only a person can say it",
        digest=Digest(""),
        people=1,
        roles=frozenset(),
        asked_at=clock.now(),
        expires_at=0,
    )
    draft = Draft(
        run=RunId(run), action=name, part=":1", kind=Kind.ASKED, at=clock.now(), body=question_body(question, staged=None, binding="")
    )
    await _write(journal, draft)
    return Waiting(action=question_for, question=question)


async def withdraw(journal: Journal, clock: Clock, question_for: ActionId) -> None:
    """Nobody need answer it any more, where it is open."""
    run, _, name = question_for.partition("/")
    record = fold(question_for, journal.read(RunId(run), action=name))
    if record.asked and not record.asked[-1].settled:
        body = {"why": "withdrawn"}
        await _write(journal, Draft(run=RunId(run), action=name, part=":1", kind=Kind.SETTLED, at=clock.now(), body=body))


async def _write(journal: Journal, draft: Draft) -> None:
    try:
        await written(journal.append([draft], durable=False))
    except AlreadyRecorded:
        return  # somebody wrote the same line first; it says the same
