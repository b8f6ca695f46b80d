"""What the journal knows of runs: reading them needs neither tools nor policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from remit.domain.action import Level
from remit.domain.entry import Entry, Kind
from remit.domain.run import LegEnd, Run, RunKind, RunState
from remit.domain.values import JsonValue, QuestionId, RunId, fields, items, parse
from remit.errors import NotFound
from remit.ports import Journal


class Runs:
    """Looks runs up; changes nothing."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def load(self, run: RunId) -> Run:
        """The run as the journal has it now. Raises NotFound."""
        opened: Entry | None = None
        level = ""
        legs = 0
        for entry in self._journal.read(run, kinds=(Kind.OPENED, Kind.LEVEL, Kind.LEG)):
            match entry.kind:
                case Kind.OPENED:
                    opened = entry
                case Kind.LEVEL:
                    level = str(_body(entry).get("level", level))
                case _:
                    legs += 1
        if opened is None:
            return self._own(run)
        body = _body(opened)
        spec = body.get("spec", {})
        return Run(
            id=run,
            kind=RunKind(str(body.get("kind", ""))),
            goal=str(body.get("goal", "")),
            level=Level(level or str(body.get("level", ""))),
            actor=str(body.get("actor", "")),
            opened_at=opened.at,
            spec=spec if isinstance(spec, Mapping) else {},
            roots=_roots_in(body),
            leg=legs,
        )

    def ended(self, run: RunId) -> LegEnd | None:
        """How a closed run ended; None while it is open."""
        last = None
        for entry in self._journal.read(run, kinds=(Kind.CLOSED, Kind.REOPENED)):
            last = entry
        if last is None or last.kind != Kind.CLOSED:
            return None
        body = _body(last)
        return LegEnd(state=RunState(str(body.get("state", "stopped"))), summary=str(body.get("summary", "")))

    def unfinished(self) -> Iterator[Run]:
        """Runs that are open, oldest first; undo runs that a crash left open are among them."""
        for entry in self._journal.pending(Kind.OPENED):
            yield self.load(entry.run)

    def waiting_for(self, run: RunId) -> list[QuestionId]:
        """Ids of the open questions of one run."""
        return [QuestionId(f"{e.id}{e.part}") for e in self._journal.pending(Kind.ASKED) if e.run == run]

    def _own(self, run: RunId) -> Run:
        """One that was never opened here: a person's own agent advances it, and only its actions pass the gate."""
        first = next(self._journal.read(run, limit=1), None)
        if first is None:
            raise NotFound(f"there is no run {run!r}", fix="`remit runs --all` lists them")
        return Run(id=run, kind=RunKind.OWN, goal="", level=Level.OPERATOR, actor="", opened_at=first.at)


def _roots_in(body: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """The folders named in an OPENED body."""
    return tuple(map(str, items(body.get("roots"))))


def _body(entry: Entry) -> Mapping[str, JsonValue]:
    return fields(parse(entry.body_json))
