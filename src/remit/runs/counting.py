"""The tasks of a journal, counted: what they did alone, what people said, what was taken back.

A *task* is a plan or a goal. An *intervention* is a person's answer, or anything else that they said to it on the way. An action was done
*alone* when it may have changed something and no person had said yes to it; it was *wrong* when a person took it back later, or a check did
at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from remit.domain.entry import Entry, Kind
from remit.domain.outcome import Status
from remit.domain.question import Answer, QuestionKind
from remit.domain.record import Record, fold
from remit.domain.run import RunKind, RunState
from remit.domain.values import ActionId, JsonValue, fields, parse
from remit.gate.steering import AGENT, STEERS
from remit.ports import Journal

_TASKS: Final = frozenset({RunKind.PLAN, RunKind.AGENT})
_REMIT: Final = frozenset({"remit", AGENT, ""})
_READ: Final = frozenset({Kind.CLOSED, Kind.MESSAGE, *STEERS})


@dataclass(slots=True, kw_only=True)
class Act:
    """One action of a task."""

    tool: str
    changed: bool
    """It was written ahead, as it might change something."""
    alone: bool
    asked: bool
    wrong_word: bool
    """A person denied or changed it."""
    failed: bool
    undone_by_person: bool
    undone_by_itself: bool
    """Its own check did not hold, and it was taken back at once."""


@dataclass(slots=True, kw_only=True)
class Task:
    """One run, as far as it is counted."""

    run: str
    model: str
    level: str
    week: str
    """ISO year and week in which it began, such as 2026-W48."""
    ended: str = ""
    """Its state; empty while it is open."""
    interventions: int = 0
    tokens: int = 0
    money: int = 0
    """Millionths of a US dollar."""
    acts: list[Act] = field(default_factory=list)
    answered_ms: list[int] = field(default_factory=list)
    """From each question to its first answer."""
    retried_ms: list[int] = field(default_factory=list)
    """From each failure to what was tried next."""

    @property
    def wrong(self) -> list[Act]:
        """What was done alone and taken back."""
        return [act for act in self.acts if act.alone and (act.undone_by_person or act.undone_by_itself)]

    @property
    def walked_away(self) -> bool:
        return self.ended == RunState.DONE and not self.interventions


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """All of a period: the tasks, and how people took back what was done."""

    tasks: list[Task]
    undo_ms: list[int]
    """From the beginning to the end of each undo by a person."""
    noticed_ms: list[int]
    """From the end of an action until a person took it back."""


def count(journal: Journal, *, since: int = 0) -> Counted:
    """Every run that began at or after `since` (milliseconds since 1970, UTC). Each of them is read once."""
    opened = list(journal.search(kinds=(Kind.OPENED,), since=since))
    ends: dict[str, int] = {}
    undoing: dict[str, tuple[int, int]] = {}
    tasks: list[Task] = []
    taken_back: dict[str, str] = {}
    for first in opened:
        entries = list(journal.read(first.run))
        body = fields(parse(first.body_json))
        records = list(_records(entries))
        ends |= {str(one.id): at for one, at in _finished(entries, records)}
        if body.get("kind") == RunKind.UNDO:
            closed = next((one.at for one in entries if one.kind == Kind.CLOSED), 0)
            undoing[str(first.run)] = first.at, closed
            taken_back |= {
                str(record.undoes): str(first.run) for record in records if record.undoes and record.outcome and record.outcome.ok
            }
        elif body.get("kind") in _TASKS and not _only_talk(entries, body):
            tasks.append(_task(first, body, entries, records))
    noticed = [max(0, undoing[run][0] - ends[action]) for action, run in taken_back.items() if action in ends]
    return Counted(tasks=tasks, undo_ms=[end - begin for begin, end in undoing.values() if end], noticed_ms=noticed)


def _task(first: Entry, body: Mapping[str, JsonValue], entries: list[Entry], records: list[Record]) -> Task:
    task = Task(
        run=str(first.run),
        model=str(fields(body.get("spec")).get("model", "")) or "plan file",
        level=str(body.get("level", "")),
        week="{}-W{:02}".format(*datetime.fromtimestamp(first.at / 1000, UTC).isocalendar()),
    )
    failures = {str(record.id) for record in records if record.outcome is not None and not record.outcome.ok}
    for entry in entries:
        _count_line(task, entry, fields(parse(entry.body_json)) if entry.kind in _READ else {})
    task.answered_ms = list(_answered(entries))
    task.retried_ms = list(_retried(entries, failures))
    task.acts = [_act(record, first.run) for record in records if record.proposed is not None]
    return task


def _count_line(task: Task, entry: Entry, told: Mapping[str, JsonValue]) -> None:
    match entry.kind:
        case Kind.CLOSED:
            task.ended = str(told.get("state", ""))
        case Kind.MESSAGE:
            usage = fields(told.get("usage"))
            task.tokens += sum(int(str(usage.get(name, 0))) for name in ("in", "out"))
            task.money += int(str(usage.get("usd", 0)))
        case Kind.ANSWERED:
            task.interventions += 1
        case _:
            task.interventions += entry.kind in STEERS and str(told.get("who", told.get("by", ""))) not in _REMIT


def _answered(entries: Iterable[Entry]) -> Iterator[int]:
    asked: dict[str, int] = {}
    for entry in entries:
        question = f"{entry.action}{entry.part.partition('@')[0]}"
        if entry.kind == Kind.ASKED:
            asked[question] = entry.at
        elif entry.kind == Kind.ANSWERED and question in asked:
            yield entry.at - asked.pop(question)


def _retried(entries: Iterable[Entry], failures: Collection[str]) -> Iterator[int]:
    failed_at = 0
    for entry in entries:
        if entry.kind == Kind.FINISHED and entry.id in failures:
            failed_at = entry.at
        elif entry.kind == Kind.PROPOSED and failed_at:
            yield entry.at - failed_at
            failed_at = 0


def _act(record: Record, run: str) -> Act:
    answers = [answer.answer for asked in record.asked for answer in asked.answers]
    approved = [asked for asked in record.asked if asked.question.kind is QuestionKind.APPROVE]
    changed = record.started is not None
    undone = [by.partition("/")[0] for by in (*record.undone_by, record.partly_by) if by]
    return Act(
        tool=record.tool,
        changed=changed,
        alone=changed and not record.people and not record.undoes,
        asked=bool(approved) and any(answer in {Answer.APPROVE, Answer.DENY, Answer.EDIT} for answer in answers),
        wrong_word=Answer.DENY in answers or Answer.EDIT in answers,
        failed=record.outcome is not None and record.outcome.status is Status.FAILED,
        undone_by_person=any(by != run for by in undone),
        undone_by_itself=any(by == run for by in undone),
    )


def _records(entries: Iterable[Entry]) -> Iterator[Record]:
    by_action: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.action:
            by_action.setdefault(entry.id, []).append(entry)
    for name, lines in by_action.items():
        yield fold(ActionId(name), lines)


def _finished(entries: Iterable[Entry], records: Iterable[Record]) -> Iterator[tuple[Record, int]]:
    at = {entry.id: entry.at for entry in entries if entry.kind == Kind.FINISHED}
    yield from ((record, at[str(record.id)]) for record in records if str(record.id) in at)


def _only_talk(entries: Iterable[Entry], body: Mapping[str, JsonValue]) -> bool:
    """A conversation is no task until it is handed over."""
    if not fields(body.get("spec")).get("chat"):
        return False
    return not any(one.kind == Kind.LEVEL and fields(parse(one.body_json)).get("chat") is False for one in entries)
