"""Opens runs and advances them leg by leg; any at-least-once driver may call `advance`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from remit import __version__
from remit.domain.action import Level
from remit.domain.entry import Draft, Kind
from remit.domain.question import QuestionKind
from remit.domain.receipt import Waiting
from remit.domain.record import question_from
from remit.domain.run import LegEnd, Run, RunKind, RunState
from remit.domain.values import JsonValue, RunId, action_id, split_id
from remit.errors import AlreadyRecorded, AsksUsedUp, BadInput
from remit.gate.gate import Gate
from remit.ports import Clock, Ids, Journal
from remit.runs.runs import Runs


class Worker(Protocol):
    """Advances one kind of run by one leg."""

    async def leg(self, run: Run, gate: Gate) -> LegEnd: ...


class Engine:
    """Holds nothing of a run between legs: a waiting run is rows."""

    def __init__(self, *, journal: Journal, gate: Gate, workers: Mapping[RunKind, Worker], clock: Clock, ids: Ids) -> None:
        self._journal = journal
        self._runs = Runs(journal)
        self._gate = gate
        self._workers = dict(workers)
        self._clock = clock
        self._ids = ids

    def open(
        self,
        *,
        kind: RunKind,
        goal: str,
        level: Level,
        actor: str,
        spec: Mapping[str, JsonValue],
        roots: Sequence[str] = (),
        run: RunId | None = None,
    ) -> Run:
        """Write the run down; nothing else happens until `advance`. Durable, so that a run that was promised exists.

        With an id of its own it is opened once, whoever else does the same.
        """
        once = run is not None
        run = run or RunId(self._ids.new())
        body: dict[str, JsonValue] = {
            "v": 1,
            "kind": str(kind),
            "goal": goal,
            "level": str(level),
            "actor": actor,
            "spec": dict(spec),
            "roots": list(roots),
        }
        try:
            self._journal.append([self._draft(run, Kind.OPENED, body)], durable=True).result()
        except AlreadyRecorded:
            if not once:
                raise
        return self._runs.load(run)

    async def advance(self, run: RunId) -> LegEnd:
        """One leg: load, go as far as possible, write the end down, let go. Idempotent.

        Raises RunBusy when another process advances this run, NotFound, and what stops the journal from working.
        """
        with self._gate.hold(run):
            already = self._runs.ended(run)
            if already is not None:
                await self._look_after(run)
                return already
            loaded = self._runs.load(run)
            worker = self._workers.get(loaded.kind)
            if worker is None:
                raise BadInput(
                    f"runs of kind {loaded.kind} cannot be continued", fix="`remit log` shows what it did; `remit undo` takes it back"
                )
            number = loaded.leg + 1
            self._journal.append([self._draft(run, Kind.LEG, {"remit": __version__}, part=f"{number}")], durable=False).result()
            try:
                end = await worker.leg(loaded, self._gate)
            except AsksUsedUp as enough:  # all that was done is recorded: the next leg goes on where this one wanted to ask
                end = LegEnd(state=RunState.WAITING, summary=enough.message, until=enough.until)
            await self._gate.flush()
            if end.state.final:
                unknown = await self._look_after(run)
                if unknown:
                    waiting = tuple(one.question.id for one in unknown)
                    return LegEnd(state=RunState.WAITING, waiting=waiting, summary=f"it is not known how all of it ended\n{end.summary}")
                self._close(run, end)
            return end

    async def stop(self, run: RunId, *, why: str) -> LegEnd:
        """Close an open run at a person's word. What was done stays until it is undone.

        What was in flight is looked for: nothing is begun again, and what nobody can tell stays in the inbox as in doubt.
        """
        with self._gate.hold(run):
            end = self._runs.ended(run)
            doubts = [one.action for one in await self._look_after(run)]
            if end is None:
                listed = "".join(f"\nin doubt: {action}" for action in doubts)
                end = LegEnd(state=RunState.STOPPED, summary=f"{why}{listed}")
                self._close(run, end)
            return end

    async def _look_after(self, run: RunId) -> list[Waiting]:
        """Settle what was started and has no end; what stays in doubt."""
        ends = {entry.action for entry in self._journal.read(run, kinds=(Kind.FINISHED,))}
        started = dict.fromkeys(entry.action for entry in self._journal.read(run, kinds=(Kind.STARTED,)))
        receipts = [await self._gate.settle(action_id(run, name)) for name in started if name not in ends]
        await self._gate.flush()
        return [receipt for receipt in receipts if isinstance(receipt, Waiting)]

    def _close(self, run: RunId, end: LegEnd) -> None:
        """Nobody need answer what a closed run asked; only what is in doubt stays open, as it is about the world."""
        asked = [question_from(entry).question for entry in self._journal.pending(Kind.ASKED) if entry.run == run]
        lines = [
            self._draft(run, Kind.SETTLED, {"why": str(end.state)}, action=split_id(one.action)[1], part=f":{one.id.rpartition(':')[2]}")
            for one in asked
            if one.kind is not QuestionKind.IN_DOUBT
        ]
        body: dict[str, JsonValue] = {"state": str(end.state), "summary": end.summary}
        self._journal.append([*lines, self._draft(run, Kind.CLOSED, body)], durable=True).result()

    def _draft(self, run: RunId, kind: Kind, body: Mapping[str, JsonValue], *, action: str = "", part: str = "") -> Draft:
        return Draft(run=run, kind=kind, action=action, part=part, at=self._clock.now(), body=body)
