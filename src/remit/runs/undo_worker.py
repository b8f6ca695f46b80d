"""Carries out a planned undo, newest action first; after a crash the same leg goes on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from remit.crashpoint import crashpoint
from remit.domain.action import Action
from remit.domain.receipt import Finished, Receipt, Refused, Waiting
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.situation import Situation
from remit.domain.values import ActionId, JsonValue, action_id
from remit.gate.gate import Gate
from remit.gate.undo import conflicts_in


class UndoWorker:
    """Takes back one action after the other. A conflict spares the foreign change, is reported, and does not stop the rest."""

    async def leg(self, run: Run, gate: Gate) -> LegEnd:
        """`done` only when everything was restored exactly; otherwise `partly` or `could_not`, with every place that was not."""
        waiting = []
        lines: list[str] = []
        restored = kept = 0
        steps = _steps(run.spec)
        for number, step in enumerate(steps, start=1):
            of = ActionId(str(step["of"]))
            receipt = await self._take_back(run, number, step, of, gate)
            crashpoint("undone")
            match receipt:
                case Waiting():
                    waiting.append(receipt.question.id)
                case Refused():
                    lines.append(f"{of}: refused: {receipt.reason}")
                case Finished() if not receipt.outcome.ok:
                    lines.append(f"{of}: {receipt.outcome.error}")
                case Finished():
                    restored += 1
                    kept += bool(conflicts_in(receipt))
                    lines += [f"{of}: kept a later change: {place}" for place in conflicts_in(receipt)]
        if waiting:
            return LegEnd(state=RunState.WAITING, waiting=tuple(waiting), summary=f"{len(waiting)} question(s) wait for a person")
        state = RunState.DONE if not lines else RunState.PARTLY if restored else RunState.COULD_NOT
        spared = f", {kept} of them not where somebody made a later change" if kept else ""
        return LegEnd(state=state, summary="\n".join([f"{restored} of {len(steps)} actions taken back{spared}", *lines]))

    async def _take_back(self, run: Run, number: int, step: Mapping[str, JsonValue], of: ActionId, gate: Gate) -> Receipt:
        args = step["args"]
        action = Action.wanting(
            action_id(run.id, f"undo.{number}"),
            actor=run.actor,
            tool=str(step["tool"]),
            args=args if isinstance(args, Mapping) else {},
            reason=f"undo {of}",
            undoes=of,
        )
        situation = Situation(
            level=run.level, words=_named(action, gate), planned=True, ordered_by=run.actor.removeprefix("person:"), where=f"undo of {of}"
        )
        receipt = await gate.submit(action, situation)
        if isinstance(receipt, Finished) and receipt.outcome.ok:
            await gate.mark_undone(of, by=action.id, partly=bool(conflicts_in(receipt)))
        return receipt


def _named(action: Action, gate: Gate) -> str:
    """A person who undoes an action by its id has named its targets."""
    tool = gate.tools.get(action.tool)
    return "\n".join(tool.targets(action.args)) if tool is not None else ""


def _steps(spec: Mapping[str, JsonValue]) -> list[Mapping[str, JsonValue]]:
    listed = spec.get("steps", ())
    return [step for step in listed if isinstance(step, Mapping)] if isinstance(listed, Sequence) and not isinstance(listed, str) else []
