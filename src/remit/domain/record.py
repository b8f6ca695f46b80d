"""The state of one action, folded from its journal entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from remit.domain.action import Action
from remit.domain.entry import Entry, Kind
from remit.domain.outcome import Evidence, Outcome, Status
from remit.domain.question import Answer, Approval, Question, QuestionKind
from remit.domain.values import ActionId, Digest, JsonValue, QuestionId, canonical, fields, items, parse, thaw


class State(StrEnum):
    PROPOSED = "proposed"
    WAITING = "waiting"
    APPROVED = "approved"
    STARTED = "started"
    FINISHED = "finished"
    UNDONE = "undone"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(slots=True, kw_only=True)
class Asked:
    """One question as it stands in the journal, with the answers so far."""

    question: Question
    staged: JsonValue
    binding: str
    answers: list[Approval] = field(default_factory=list)
    settled: str = ""
    """Empty while it is open, then why it ended."""

    def approvers(self, now: int) -> list[Approval]:
        """Distinct people whose yes still counts for exactly this question's digest at `now`."""
        found: dict[str, Approval] = {}
        for answer in self.answers:
            if answer.answer is Answer.APPROVE and answer.digest == self.question.digest and now <= answer.until:
                found.setdefault(answer.who, answer)
        return list(found.values())

    def lapsed(self, now: int) -> bool:
        """Somebody said yes, and it is too old to count."""
        return any(a.answer is Answer.APPROVE and a.until < now for a in self.answers)

    def answered(self, *wanted: Answer) -> Approval | None:
        return next((a for a in self.answers if a.answer in wanted), None)


@dataclass(slots=True, kw_only=True)
class Record:
    """Everything the journal knows about one action. Unknown kinds and keys are passed over, so that older code can read newer journals."""

    id: ActionId
    tool: str = ""
    actor: str = ""
    args_json: str = "{}"
    """What was proposed, or what a person edited it to."""
    edited_by: str = ""
    undoes: str = ""
    """The id of the action that this one takes back."""
    proposed: Mapping[str, JsonValue] | None = None
    asked: list[Asked] = field(default_factory=list)
    refused: Mapping[str, JsonValue] | None = None
    started: Mapping[str, JsonValue] | None = None
    started_seq: int = 0
    resumed: int = 0
    finished: Mapping[str, JsonValue] | None = None
    undone_by: list[str] = field(default_factory=list)
    """Ids of the undo actions, oldest first; whether the last of them still holds is known from its own record."""
    partly_by: str = ""
    """The latest undo action that took back only a part, with no whole one after it: the rest still stands and can be taken back."""

    @property
    def action(self) -> Action:
        """What was proposed, or what a person edited it to, to be submitted or settled again."""
        return Action(id=self.id, actor=self.actor, tool=self.tool, args_json=self.args_json, undoes=self.undoes)

    @property
    def args(self) -> dict[str, JsonValue]:
        """A fresh copy of what was proposed, or of what a person edited it to."""
        return thaw(self.args_json)

    @property
    def touches(self) -> tuple[str, ...]:
        """What it really touched, as URIs, once it was started."""
        return _texts(self.started or {}, "touches")

    @property
    def people(self) -> tuple[str, ...]:
        """Whose yes it was started on."""
        return _texts(self.started or {}, "people")

    @property
    def state(self) -> State:
        if self.finished is not None:
            return State.UNDONE if self.undone_by else State.FINISHED
        if self.started is not None:
            return State.STARTED
        if self.refused is not None:
            return State.EXPIRED if self.refused.get("by") == "expired" else State.REFUSED
        if self.open_question is not None:
            return State.APPROVED if self.open_question.answered(Answer.APPROVE) else State.WAITING
        return State.PROPOSED

    @property
    def open_question(self) -> Asked | None:
        return next((a for a in reversed(self.asked) if not a.settled), None)

    @property
    def outcome(self) -> Outcome | None:
        return None if self.finished is None else outcome_from(self.finished)


def fold(action: ActionId, entries: Iterable[Entry]) -> Record:
    """Replay one action's entries, in order, into its record."""
    record = Record(id=action)
    for entry in entries:
        body = fields(parse(entry.body_json))
        _fold_question(record, entry, body)
        _fold_step(record, entry, body)
    return record


def _fold_step(record: Record, entry: Entry, body: Mapping[str, JsonValue]) -> None:
    match entry.kind:
        case Kind.PROPOSED:
            record.proposed = body
            record.tool, record.actor, record.undoes = _text(body, "tool"), _text(body, "actor"), _undoes(entry, body)
            record.args_json = canonical(body.get("args", {}))
        case Kind.REFUSED:
            record.refused = body
        case Kind.STARTED:
            record.started, record.started_seq = body, entry.seq
        case Kind.RESUMED:
            record.resumed += 1
        case Kind.FINISHED:
            record.finished = body
        case Kind.UNDONE:
            if body.get("partly"):
                record.partly_by = _text(body, "by")
            else:
                record.undone_by.append(_text(body, "by"))
                record.partly_by = ""
        case _:
            pass


def _fold_question(record: Record, entry: Entry, body: Mapping[str, JsonValue]) -> None:
    match entry.kind:
        case Kind.ASKED:
            record.asked.append(question_from(entry, body))
        case Kind.ANSWERED:
            _answer(record, entry, body)
        case Kind.SETTLED:
            for asked in record.asked:
                if asked.question.id.endswith(entry.part):
                    asked.settled = _text(body, "why") or "settled"
        case _:
            pass


def _undoes(entry: Entry, body: Mapping[str, JsonValue]) -> str:
    """Version 0.1 wrote it into the reason of what remit's own undo proposed."""
    why = _text(body, "why")
    by_undo = _text(body, "actor").startswith("person:") or entry.action.endswith(".undo")
    return _text(body, "undoes") or (why.removeprefix("undo ") if by_undo and why.startswith("undo ") else "")


def _answer(record: Record, entry: Entry, body: Mapping[str, JsonValue]) -> None:
    part, _, who = entry.part.partition("@")
    for asked in record.asked:
        if asked.question.id.endswith(part) and not asked.settled:  # an answer that came too late changes nothing
            if asked.answered(Answer.EDIT):
                return  # nor does one to what has been replaced: whose arguments run is who wrote them first
            edited = canonical(body["args"]) if "args" in body else ""
            asked.answers.append(
                Approval(
                    question=asked.question.id,
                    answer=Answer(_text(body, "answer")),
                    who=who,
                    at=entry.at,
                    digest=Digest(_text(body, "digest")),
                    until=_number(body, "until"),
                    note=_text(body, "note"),
                    args_json=edited,
                    roles=frozenset(_texts(body, "roles")),
                )
            )
            if edited:
                record.args_json, record.edited_by = edited, who


def question_body(question: Question, *, staged: JsonValue, binding: str) -> dict[str, JsonValue]:
    """The body of an ASKED entry."""
    body: dict[str, JsonValue] = {
        "kind": str(question.kind),
        "title": question.title,
        "text": question.body,
        "why": question.why,
        "digest": question.digest,
        "people": question.people,
        "expires": question.expires_at,
    }
    optional: dict[str, JsonValue] = {
        "roles": sorted(question.roles),
        "options": list(question.options),
        "leads": dict(question.leads_to),
        "free": question.free,
        "tried": question.tried,
        "staged": staged,
        "binding": binding,
        "clipped": question.clipped,
    }
    return body | {key: value for key, value in optional.items() if value}


def question_from(entry: Entry, body: Mapping[str, JsonValue] | None = None) -> Asked:
    """Read an ASKED entry back."""
    body = fields(parse(entry.body_json)) if body is None else body
    question = Question(
        id=QuestionId(f"{entry.id}{entry.part}"),
        action=ActionId(entry.id),
        kind=QuestionKind(_text(body, "kind")),
        title=_text(body, "title"),
        body=_text(body, "text"),
        why=_text(body, "why"),
        digest=Digest(_text(body, "digest")),
        people=_number(body, "people"),
        roles=frozenset(_texts(body, "roles")),
        asked_at=entry.at,
        expires_at=_number(body, "expires"),
        options=tuple(dict.fromkeys(_texts(body, "options"))),
        leads_to={str(option): str(what) for option, what in fields(body.get("leads")).items()},
        free=bool(body.get("free")),
        tried=_text(body, "tried"),
        clipped=bool(body.get("clipped")),
    )
    return Asked(question=question, staged=body.get("staged"), binding=_text(body, "binding"))


def outcome_body(outcome: Outcome) -> dict[str, JsonValue]:
    """The body of a FINISHED entry: only what says something."""
    body: dict[str, JsonValue] = {"status": str(outcome.status)}
    if outcome.evidence is not Evidence.RESULT:
        body["evidence"] = str(outcome.evidence)
    for key, value in (("result", outcome.result), ("error", outcome.error), ("code", outcome.code)):
        if value not in (None, ""):
            body[key] = value
    return body


def outcome_from(body: Mapping[str, JsonValue]) -> Outcome:
    """Read a FINISHED body back."""
    return Outcome(
        status=Status(_text(body, "status")),
        result=body.get("result"),
        error=_text(body, "error"),
        code=_text(body, "code"),
        evidence=Evidence(_text(body, "evidence") or "result"),
    )


def _text(body: Mapping[str, JsonValue], key: str) -> str:
    return str(body.get(key) or "")


def _number(body: Mapping[str, JsonValue], key: str) -> int:
    value = body.get(key, 0)
    return value if isinstance(value, int) else 0


def _texts(body: Mapping[str, JsonValue], key: str) -> tuple[str, ...]:
    return tuple(map(str, items(body.get(key))))
