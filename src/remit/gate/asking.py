"""Questions about actions: putting them, finding the same one again, and reading the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from remit.domain.action import Action
from remit.domain.decision import Decision
from remit.domain.entry import Draft, Kind
from remit.domain.outcome import Evidence, Outcome, Status
from remit.domain.question import Answer, Approval, Question, QuestionKind
from remit.domain.record import Asked, Record, question_body, question_from
from remit.domain.values import Digest, JsonValue, QuestionId, RunId
from remit.errors import AsksUsedUp
from remit.gate.execution import written
from remit.ports import Clock, Journal, Preview

_HOUR_MS: Final = 3_600_000


class No(NamedTuple):
    """Why an action will not run: a person denied it, or nobody answered in time."""

    by: str
    reason: str


class Asking:
    """Writes and reads the lines around a question; decides nothing."""

    def __init__(self, journal: Journal, clock: Clock, *, question_ms: int) -> None:
        self._journal = journal
        self._clock = clock
        self._question_ms = question_ms

    def question(
        self, action: Action, record: Record, title: str, shown: tuple[Preview, Digest], *, decision: Decision, why: str, tried: str
    ) -> Question:
        """The next question about an action, not yet put."""
        preview, digest = shown
        now = self._clock.now()
        return Question(
            id=QuestionId(f"{action.id}:{len(record.asked) + 1}"),
            action=action.id,
            kind=QuestionKind.APPROVE,
            title=title,
            body=preview.text,
            why=why,
            digest=digest,
            people=decision.people,
            roles=decision.roles,
            asked_at=now,
            expires_at=now + self._question_ms,
            clipped=preview.clipped,
            tried=tried,
        )

    def doubt(self, action: Action, record: Record, title: str, known: str) -> Question:
        """Did it happen? Only a person who looks can say; this question never expires."""
        now = self._clock.now()
        return Question(
            id=QuestionId(f"{action.id}:{len(record.asked) + 1}"),
            action=action.id,
            kind=QuestionKind.IN_DOUBT,
            title=title,
            body="\n".join(part for part in ("It was started and its end is unknown.", known, f"arguments: {action.args_json}") if part),
            why="the tool cannot tell by looking whether this happened; running it again could double it",
            digest=Digest(""),
            people=1,
            roles=frozenset(),
            asked_at=now,
            expires_at=0,
        )

    async def ask(self, question: Question, preview: Preview | None, before: Sequence[Draft]) -> None:
        """Put the question. `before` goes into the same transaction."""
        body = question_body(question, staged=preview.staged if preview else None, binding=preview.binding if preview else "")
        draft = self._about(question, Kind.ASKED, body)
        await written(self._journal.append([*before, draft], durable=False))

    def check(self, limit: int) -> None:
        """Raises AsksUsedUp when so many were asked within the last hour; 0 is no limit."""
        if not limit:
            return
        asked = sorted(entry.at for entry in self._journal.search(kinds=(Kind.ASKED,), since=self._clock.now() - _HOUR_MS))
        if len(asked) >= limit:
            raise AsksUsedUp(len(asked), until=asked[-limit] + _HOUR_MS)

    def twin(self, action: Action, digest: Digest) -> Question | None:
        """An open question of the same run about exactly the same thing: a retry does not ask twice."""
        for entry in self._journal.pending(Kind.ASKED):
            if entry.run == action.run and entry.action != action.name:
                asked = question_from(entry)
                if asked.question.digest == digest:
                    return asked.question
        return None

    def settled(self, asked: Asked, why: str) -> Draft:
        """The line that ends a question."""
        return self._about(asked.question, Kind.SETTLED, {"why": why})

    async def endorse(self, question: Question, edit: Approval) -> None:
        """Whoever wrote the arguments approves exactly them, for as long as they meant it."""
        body: dict[str, JsonValue] = {
            "answer": str(Answer.APPROVE),
            "digest": question.digest,
            "until": edit.until,
            "note": f"edited in {edit.question}",
            "roles": sorted(edit.roles),
        }
        draft = self._about(question, Kind.ANSWERED, body, who=edit.who)
        await written(self._journal.append([draft], durable=False))

    def verdict_of(self, asked: Asked) -> Outcome | None:
        """What a person who looked says about an action in doubt."""
        said = asked.answered(Answer.HAPPENED, Answer.NOT_HAPPENED)
        if said is None:
            return None
        if said.answer is Answer.HAPPENED:
            result = dict(asked.staged) if isinstance(asked.staged, Mapping) else {}
            return Outcome(status=Status.SUCCEEDED, evidence=Evidence.PERSON, result={**result, "said_by": said.who, "note": said.note})
        return Outcome(
            status=Status.FAILED, code="not_happened", evidence=Evidence.PERSON, error=f"{said.who} looked and says it did not happen"
        )

    def _about(self, question: Question, kind: Kind, body: dict[str, JsonValue], *, who: str = "") -> Draft:
        run, _, rest = question.id.partition("/")
        name, _, number = rest.rpartition(":")
        part = f":{number}@{who}" if who else f":{number}"
        return Draft(run=RunId(run), action=name, kind=kind, part=part, at=self._clock.now(), body=body)


def answered_no(asked: Asked, now: int) -> No | None:
    """A denial, or silence past the expiry. The two are told apart: a timeout is nobody's no."""
    deny = asked.answered(Answer.DENY)
    if deny is not None:
        note = f": {deny.note}" if deny.note else ""
        return No("person", f"{deny.who} said no{note}")
    waiting_for_nobody = not asked.approvers(now) and asked.answered(Answer.EDIT) is None
    if waiting_for_nobody and 0 < asked.question.expires_at < now:
        return No("expired", "nobody answered in time; that is not a no, and nothing was done")
    return None
