"""Opens runs and advances them leg by leg; any at-least-once driver may call `advance`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from remit import __version__
from remit.domain.action import Level
from remit.domain.entry import Draft, Entry, Kind
from remit.domain.run import LegEnd, Run, RunKind, RunState
from remit.domain.values import JsonValue, QuestionId, RunId, parse
from remit.errors import BadInput, NotFound
from remit.gate.gate import Gate
from remit.ports import Clock, Ids, Journal


class Worker(Protocol):
    """Advances one kind of run by one leg."""

    async def leg(self, run: Run, gate: Gate) -> LegEnd: ...


class Engine:
    """Holds nothing of a run between legs: a waiting run is rows."""

    def __init__(self, *, journal: Journal, gate: Gate, workers: Mapping[RunKind, Worker], clock: Clock, ids: Ids) -> None:
        self._journal = journal
        self._gate = gate
        self._workers = dict(workers)
        self._clock = clock
        self._ids = ids

    def open(self, *, kind: RunKind, goal: str, level: Level, actor: str, spec: Mapping[str, JsonValue], roots: Sequence[str] = ()) -> Run:
        """Write the run down; nothing else happens until `advance`. Durable, so that a run that was promised exists."""
        run = RunId(self._ids.new())
        body: dict[str, JsonValue] = {
            "v": 1,
            "kind": str(kind),
            "goal": goal,
            "level": str(level),
            "actor": actor,
            "spec": dict(spec),
            "roots": list(roots),
        }
        self._journal.append([self._draft(run, Kind.OPENED, body)], durable=True).result()
        return self.load(run)

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
            raise NotFound(f"there is no run {run!r}", fix="`remit runs` lists them")
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
            roots=roots_in(body),
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

    async def advance(self, run: RunId) -> LegEnd:
        """One leg: load, go as far as possible, write the end down, let go. Idempotent.

        Raises RunBusy when another process advances this run, NotFound, and what stops the journal from working.
        """
        with self._gate.hold(run):
            already = self.ended(run)
            if already is not None:
                return already
            loaded = self.load(run)
            worker = self._workers.get(loaded.kind)
            if worker is None:
                raise BadInput(
                    f"runs of kind {loaded.kind} cannot be continued", fix="`remit log` shows what it did; `remit undo` takes it back"
                )
            number = loaded.leg + 1
            self._journal.append([self._draft(run, Kind.LEG, {"remit": __version__}, part=f"{number}")], durable=False).result()
            end = await worker.leg(loaded, self._gate)
            await self._gate.flush()
            if end.state.final:
                self._close(run, end)
            return end

    async def stop(self, run: RunId, *, why: str) -> LegEnd:
        """Close an open run at a person's word. Its open questions are settled; what was done stays until it is undone."""
        with self._gate.hold(run):
            end = self.ended(run) or LegEnd(state=RunState.STOPPED, summary=why)
            for entry in list(self._journal.pending(Kind.ASKED)):
                if entry.run == run:
                    settled = Draft(
                        run=run, action=entry.action, part=entry.part, kind=Kind.SETTLED, at=self._clock.now(), body={"why": "stopped"}
                    )
                    self._journal.append([settled], durable=False).result()
            if self.ended(run) is None:
                self._close(run, end)
            return end

    def unfinished(self) -> Iterator[Run]:
        """Runs that are open, oldest first; undo runs that a crash left open are among them."""
        for entry in self._journal.pending(Kind.OPENED):
            yield self.load(entry.run)

    def waiting_for(self, run: RunId) -> list[QuestionId]:
        """Ids of the open questions of one run."""
        return [QuestionId(f"{e.id}{e.part}") for e in self._journal.pending(Kind.ASKED) if e.run == run]

    def _close(self, run: RunId, end: LegEnd) -> None:
        body: dict[str, JsonValue] = {"state": str(end.state), "summary": end.summary}
        self._journal.append([self._draft(run, Kind.CLOSED, body)], durable=True).result()

    def _draft(self, run: RunId, kind: Kind, body: Mapping[str, JsonValue], *, part: str = "") -> Draft:
        return Draft(run=run, kind=kind, part=part, at=self._clock.now(), body=body)


def roots_in(body: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """The folders named in an OPENED body."""
    listed = body.get("roots", ())
    return tuple(str(root) for root in listed) if isinstance(listed, Sequence) and not isinstance(listed, str) else ()


def _body(entry: Entry) -> Mapping[str, JsonValue]:
    value = parse(entry.body_json)
    return value if isinstance(value, Mapping) else {}
