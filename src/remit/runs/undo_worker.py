"""Carries out a planned undo, newest action first; after a crash the same leg goes on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from remit.crashpoint import crashpoint
from remit.domain.action import Action
from remit.domain.receipt import Finished, Receipt, Refused, Waiting
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.situation import Situation
from remit.domain.values import ActionId, JsonValue, QuestionId, action_id, canonical, fields, items
from remit.gate.gate import Gate
from remit.gate.undo import conflicts_in, theirs_in


@dataclass(slots=True)
class _Report:
    """What came of the steps so far."""

    lines: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    """What was said before to be left: it makes no less of what was done."""
    restored: int = 0
    kept: int = 0

    def add(self, of: ActionId, receipt: Finished | Refused, spared: Sequence[str], leaves: str) -> None:
        match receipt:
            case Refused():
                self.lines.append(f"{of}: refused: {receipt.reason}")
            case Finished() if not receipt.outcome.ok:
                self.lines.append(f"{of}: {receipt.outcome.error}")
            case Finished():
                places = conflicts_in(receipt) or spared
                self.restored += 1
                self.kept += bool(places)
                self.lines += [f"{of}: kept a later change: {place}" for place in places]
                self.stays += [f"{of}: {leaves}"] * bool(leaves)

    def end(self, steps: int) -> LegEnd:
        state = RunState.DONE if not self.lines else RunState.PARTLY if self.restored else RunState.COULD_NOT
        but = f", {self.kept} of them not where somebody made a later change" if self.kept else ""
        return LegEnd(state=state, summary="\n".join([f"{self.restored} of {steps} actions taken back{but}", *self.lines, *self.stays]))


class UndoWorker:
    """Takes back one action after the other. A conflict spares the foreign change, is reported, and does not stop the rest."""

    async def leg(self, run: Run, gate: Gate) -> LegEnd:
        """`done` only when everything was restored exactly; otherwise `partly` or `could_not`, with every place that was not."""
        waiting: dict[str, QuestionId] = {}
        report = _Report()
        steps = _steps(run.spec)
        done: list[tuple[str, Mapping[str, JsonValue], JsonValue]] = []
        for number, step in enumerate(steps, start=1):
            if str(step["tool"]) in waiting:
                continue  # what it has to do may depend on how the one before it ends
            of = ActionId(str(step["of"]))
            args, spared = _following(step, done, gate)
            action = self._taking_back(run, number, step, args)
            receipt = await self._take_back(run, action, of, gate, partly=bool(spared))
            crashpoint("undone")
            if isinstance(receipt, Waiting):
                waiting[action.tool] = receipt.question.id
                continue
            if isinstance(receipt, Finished) and receipt.outcome.ok:
                done.append((action.tool, action.args, receipt.outcome.result))
            report.add(of, receipt, spared, str(step.get("leaves", "")))
        if waiting:
            summary = f"{len(waiting)} question(s) wait for a person"
            return LegEnd(state=RunState.WAITING, waiting=tuple(waiting.values()), summary=summary)
        return report.end(len(steps))

    def _taking_back(self, run: Run, number: int, step: Mapping[str, JsonValue], args: Mapping[str, JsonValue]) -> Action:
        of = ActionId(str(step["of"]))
        name = action_id(run.id, f"undo.{number}")
        return Action.wanting(name, actor=run.actor, tool=str(step["tool"]), args=args, reason=f"undo {of}", undoes=of)

    async def _take_back(self, run: Run, action: Action, of: ActionId, gate: Gate, *, partly: bool) -> Receipt:
        situation = Situation(
            level=run.level, words=_named(action, gate), planned=True, ordered_by=run.actor.removeprefix("person:"), where=f"undo of {of}"
        )
        receipt = await gate.submit(action, situation)
        if isinstance(receipt, Finished) and receipt.outcome.ok:
            await gate.mark_undone(of, by=action.id, partly=partly or bool(conflicts_in(receipt)))
        return receipt


def _following(
    step: Mapping[str, JsonValue], done: Sequence[tuple[str, Mapping[str, JsonValue], JsonValue]], gate: Gate
) -> tuple[Mapping[str, JsonValue], list[str]]:
    """The step's arguments, now that those before it were made, and the places that it spares as they found somebody else's work there."""
    found, tool = fields(step["args"]), gate.tools.get(str(step["tool"]))
    spared: list[str] = []
    for name, earlier, result in done:
        if tool is None or name != tool.spec.name:
            continue
        then = tool.following(found, earlier, result)
        spared += theirs_in(result) if then is not found and canonical(then) != canonical(found) else []
        found = then
    return found, spared


def _named(action: Action, gate: Gate) -> str:
    """A person who undoes an action by its id has named its targets."""
    tool = gate.tools.get(action.tool)
    return "\n".join(tool.targets(action.args)) if tool is not None else ""


def _steps(spec: Mapping[str, JsonValue]) -> list[Mapping[str, JsonValue]]:
    return [fields(step) for step in items(spec.get("steps"))]
