"""Taking effects back: what can be undone, what stands in the way, and doing it through the gate like any other action."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from remit.domain.action import Action, Effect, Level
from remit.domain.decision import Verdict
from remit.domain.entry import Kind
from remit.domain.outcome import Evidence
from remit.domain.receipt import Finished
from remit.domain.record import Record, fold
from remit.domain.situation import Situation
from remit.domain.values import ActionId, JsonValue, RunId, action_id, split_id
from remit.errors import BadInput, NotFound, ToolFailed
from remit.gate.gate import Gate
from remit.ports import Call, Tool, Undo

_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action to take back, and how."""

    of: ActionId
    title: str
    how: Undo


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPlan:
    """What an undo would do, newest action first. Nothing has happened yet."""

    steps: tuple[Step, ...]
    cannot: tuple[tuple[ActionId, str], ...] = ()
    """Actions with an effect that cannot be taken back, and why."""
    blocked_by: tuple[ActionId, ...] = ()
    """Later actions outside the selection that touched the same targets: take them back first, or along."""

    def to_spec(self) -> dict[str, JsonValue]:
        """The steps as JSON, version 1, as an undo run keeps them in the journal."""
        return {"v": 1, "steps": [_spec(step) for step in self.steps]}


class Undoing:
    """Plans undos; the runs' undo worker carries them out as actions of the person who asked: judged, written ahead, undoable."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._journal = gate.journal

    def of_action(self, action: ActionId) -> UndoPlan:
        """Take back one action. Raises NotFound."""
        run, name = split_id(action)
        record = fold(action, self._journal.read(run, action=name))
        if record.proposed is None:
            raise NotFound(f"there is no action {action!r}", fix="`remit log` lists actions")
        return self._plan([record])

    def of_run(self, run: RunId) -> UndoPlan:
        """Take back everything a run did."""
        return self._plan(self._records((run, e.action) for e in self._journal.read(run, kinds=(Kind.STARTED,))))

    def since(self, at: int, *, runs: Container[RunId] | None = None) -> UndoPlan:
        """Take back what was started at or after `at` (milliseconds since 1970, UTC), in all runs or those; undos stay undone."""
        started = self._journal.search(kinds=(Kind.STARTED,), since=at)
        found = self._records((e.run, e.action) for e in started if runs is None or e.run in runs)
        return self._plan([record for record in found if not record.undoes])

    def with_dependants(self, plan: UndoPlan) -> UndoPlan:
        """The same undo with everything that stands in its way taken back too, as far as that can be."""
        ids = [step.of for step in plan.steps] + [action for action, _ in plan.cannot]
        while plan.blocked_by:
            ids += plan.blocked_by
            plan = self._plan(self._records(split_id(action) for action in ids))
        return plan

    async def preview(self, plan: UndoPlan) -> list[str]:
        """What the whole plan would change now, conflicts included: where steps follow on one another, only what is left in the end."""
        told = [said for step in plan.steps if (said := self._refusal(step))]
        told += [f"{step.of}: {step.how.leaves}" for step in plan.steps if step.how.leaves]
        for name in dict.fromkeys(step.how.tool for step in plan.steps):
            tool = self._gate.tools[name]
            steps = [step for step in plan.steps if step.how.tool == name]
            for args in tool.joined([step.how.args for step in steps]):
                try:
                    told.append((await tool.preview(Call(action=steps[0].of, args=args))).text)
                except (BadInput, ToolFailed) as error:
                    told.append(f"would be refused now: {error}")
        return told

    def _refusal(self, step: Step) -> str:
        """What policy has against it; an order by a person is one yes."""
        action = Action.wanting(action_id(RunId("undo"), "step"), actor="", tool=step.how.tool, args=step.how.args, undoes=step.of)
        try:
            _, decision = self._gate.judge(action, Situation(level=Level.APPROVER, planned=True))
        except (BadInput, ToolFailed) as error:
            return f"{step.of} would be refused: {error}"
        if decision.verdict is Verdict.NEVER:
            return f"{step.of} would be refused by policy: {decision.explain()}"
        return f"{step.of} would need {decision.people} people: {decision.explain()}" if decision.people > 1 else ""

    def _plan(self, records: Iterable[Record]) -> UndoPlan:
        found = list(records)
        inside = {r.id for r in found}  # an effect and its undo inside the selection together changed nothing
        chosen = [r for r in found if r.started is not None and not self.is_undone(r) and r.undoes not in inside and not self._looked(r)]
        chosen.sort(key=lambda r: r.started_seq, reverse=True)
        steps: list[Step] = []
        cannot: list[tuple[ActionId, str]] = []
        for record in chosen:
            if record.outcome is not None and not record.outcome.ok and record.outcome.evidence is not Evidence.PERSON:
                continue  # it failed: there is nothing to take back; but what only a person says, may have left something
            how, why = how_to_undo(self._gate.tools, record)
            if how is None:
                cannot.append((record.id, why))
            else:
                steps.append(Step(of=record.id, title=_title(record), how=self._rest(record, how)))
        return UndoPlan(steps=tuple(steps), cannot=tuple(cannot), blocked_by=tuple(self._blocking(chosen)))

    def _rest(self, record: Record, how: Undo) -> Undo:
        """Without what an earlier undo has taken back already, unless that was taken back itself."""
        if not record.partly_by:
            return how
        run, name = split_id(record.partly_by)
        earlier = fold(ActionId(record.partly_by), self._journal.read(run, action=name))
        if earlier.outcome is None or self.is_undone(earlier):
            return how
        return replace(how, args=self._gate.tools[how.tool].left(earlier.args, earlier.outcome.result))

    def _blocking(self, chosen: Sequence[Record]) -> list[ActionId]:
        """Later, still standing actions outside the selection that touched the same places."""
        if not chosen:
            return []
        inside = {r.id for r in chosen}
        found = []
        for entry in self._journal.search(kinds=(Kind.STARTED,), after=chosen[-1].started_seq):
            later = ActionId(entry.id)
            if later in inside:
                continue
            record = fold(later, self._journal.read(entry.run, action=entry.action))
            touched = record.touches
            earlier = [r for r in chosen if r.started_seq < entry.seq and _overlap(r.touches, touched)]
            stands = not self.is_undone(record) and not record.undoes and (record.outcome is None or record.outcome.ok)
            if earlier and stands and not self._looked(record):
                found.append(later)
        return found

    def _looked(self, record: Record) -> bool:
        """A read that left the machine was written ahead like an effect, and left nothing to take back."""
        tool = self._gate.tools.get(record.tool)
        try:
            return tool is not None and tool.effect(record.args) is Effect.PURE
        except BadInput:
            return False

    def is_undone(self, record: Record) -> bool:
        """Taken back, and the taking back has not been taken back itself."""
        if not record.undone_by:
            return False
        run, name = split_id(record.undone_by[-1])
        return not self.is_undone(fold(ActionId(record.undone_by[-1]), self._journal.read(run, action=name)))

    def _records(self, ids: Iterable[tuple[RunId, str]]) -> list[Record]:
        return [fold(action_id(run, name), self._journal.read(run, action=name)) for run, name in ids]


def _spec(step: Step) -> dict[str, JsonValue]:
    spec: dict[str, JsonValue] = {"of": step.of, "tool": step.how.tool, "args": dict(step.how.args)}
    return spec | {"leaves": step.how.leaves} if step.how.leaves else spec


def how_to_undo(tools: Mapping[str, Tool], record: Record) -> tuple[Undo | None, str]:
    """The call that takes a finished action back; without one, why there is none."""
    outcome = record.outcome
    if outcome is None:
        return None, "it is in flight or in doubt; settle that first"
    tool = tools.get(record.tool)
    if tool is None:
        return None, f"the tool {record.tool} is not here any more"
    try:
        how = tool.undo(Call(action=record.id, args=record.args, captured=(record.started or {}).get("data")), outcome.result)
    except (BadInput, ToolFailed) as error:
        return None, str(error)
    return how, "" if how else f"{record.tool} cannot be undone"


def conflicts_in(receipt: Finished) -> list[str]:
    """The places an undo spared because someone else has changed them since."""
    return _listed(receipt.outcome.result, "conflicts")


def theirs_in(result: JsonValue) -> list[str]:
    """The same, and the places that were found as they were to become: whoever did that wants it so."""
    return [*_listed(result, "conflicts"), *_listed(result, "already")]


def _listed(result: JsonValue, key: str) -> list[str]:
    listed = result.get(key, ()) if isinstance(result, Mapping) else ()
    return [_place(item) for item in listed] if isinstance(listed, list | tuple) else []


def _place(item: JsonValue) -> str:
    return f"{item.get('path')}: {item.get('detail')}" if isinstance(item, Mapping) else str(item)


def _title(record: Record) -> str:
    """The tool and what it really touched: its arguments may be relative to a folder that is not at hand now."""
    places = [unquote(uri.removeprefix("file://")) for uri in record.touches]
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return f"{record.tool} {', '.join(places[:_NAMED])}{more}" if places else f"{record.tool}: changed nothing"


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Equal, or one inside the other."""
    return any(a == b or a.startswith(b.rstrip("/") + "/") or b.startswith(a.rstrip("/") + "/") for a in one for b in other)
