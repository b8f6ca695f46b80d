"""What happened in a run, counted from its journal and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from remit.demo.telling import body_of, trouble
from remit.domain.entry import Entry, Kind
from remit.domain.outcome import Evidence
from remit.domain.question import Answer, QuestionKind
from remit.domain.record import Record, State, fold
from remit.domain.values import ActionId, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Every action ends in exactly one of alone, approved, denied and refused."""

    actions: int
    alone: int
    """Without a question; those that failed count too."""
    looked: int
    """Those of `alone` that only read."""
    approved: int
    denied: int
    refused: int
    """By policy; nobody was asked."""
    failed: int
    retry_ms: tuple[int, ...]
    """From the record of a failure to the judgement of what was tried instead, once for each; a script thinks in no time."""
    in_doubt: int
    """Questions to a person whether something happened."""
    settled: int
    """In flight when the process died, and known by looking: neither repeated nor asked about."""
    legs: int

    @property
    def asked(self) -> int:
        return self.approved + self.denied

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "actions": self.actions,
            "alone": self.alone,
            "looked": self.looked,
            "asked": self.asked,
            "approved": self.approved,
            "denied": self.denied,
            "refused": self.refused,
            "failed": self.failed,
            "retried": len(self.retry_ms),
            "retry_ms": list(self.retry_ms),
            "in_doubt": self.in_doubt,
            "settled": self.settled,
            "legs": self.legs,
        }


def records(entries: Iterable[Entry]) -> list[Record]:
    """The actions of a run, in the order in which they were proposed."""
    by_action: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.action:
            by_action.setdefault(entry.id, []).append(entry)
    return [fold(ActionId(name), lines) for name, lines in by_action.items()]


def count(entries: Iterable[Entry]) -> Numbers:
    """Count one run's entries, which must be all of them, in order."""
    lines = list(entries)
    found = records(lines)
    alone = [r for r in found if not r.asked and r.refused is None]
    asked = [r for r in found if r.asked]
    return Numbers(
        actions=len(found),
        alone=len(alone),
        looked=sum(r.started is None and r.outcome is not None and r.outcome.ok for r in alone),
        approved=sum(any(a.answered(Answer.APPROVE) for a in r.asked) and r.started is not None for r in asked),
        denied=sum(r.state is State.REFUSED for r in asked),
        refused=sum(r.refused is not None and not r.asked for r in found),
        failed=sum(r.outcome is not None and bool(trouble(r.outcome)) for r in found),
        retry_ms=tuple(_retries(lines, found)),
        in_doubt=sum(a.question.kind is QuestionKind.IN_DOUBT for r in found for a in r.asked),
        settled=sum(r.outcome is not None and r.outcome.evidence is Evidence.PROBE for r in found),
        legs=sum(entry.kind == Kind.LEG for entry in lines),
    )


def _retries(lines: list[Entry], found: list[Record]) -> Iterator[int]:
    failures = {r.id for r in found if r.outcome is not None and trouble(r.outcome)}
    failed_at = 0
    for entry in lines:
        if entry.kind == Kind.FINISHED and entry.id in failures:
            failed_at = entry.at
        elif entry.kind == Kind.PROPOSED and failed_at and "tool" in body_of(entry):
            yield entry.at - failed_at
            failed_at = 0
