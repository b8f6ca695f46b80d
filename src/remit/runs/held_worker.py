"""Makes one call when its time has come, and again while it surely did not happen for want of somebody to take it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Final

from remit.domain.action import Action
from remit.domain.entry import Kind
from remit.domain.receipt import Finished, Receipt, Refused, Waiting
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.situation import Situation
from remit.domain.values import JsonValue, action_id
from remit.gate.gate import Gate
from remit.ports import Clock

_MINUTES: Final = (1, 5, 15, 30, 60, 120, 240)
"""Between one attempt that reached nobody and the next."""
_AGAIN: Final = "unavailable"
_NOT_HAPPENED: Final = "not_happened"


class HeldWorker:
    """The call was judged when it was held, and whoever allowed it then allowed this; it is judged again all the same."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def leg(self, run: Run, gate: Gate) -> LegEnd:
        """`waiting` until the time; `done` when it happened; `could_not` when it was refused, called back, or never reached anybody."""
        at = int(str(run.spec.get("at", 0)))
        if run.spec.get("tool") not in gate.tools:
            return LegEnd(state=RunState.WAITING, summary=f"{run.spec.get('tool')} is not configured here")
        for attempt in count(1):
            if self._clock.now() < at:
                return LegEnd(state=RunState.WAITING, summary=f"held until {_time(at)}")
            receipt = await self._call(run, attempt, gate)
            if not isinstance(receipt, Finished) or receipt.outcome.ok:
                return _end(receipt)
            code = receipt.outcome.code
            if code not in {_AGAIN, _NOT_HAPPENED} or attempt > len(_MINUTES):
                return LegEnd(state=RunState.COULD_NOT, summary=receipt.outcome.error)
            if code == _AGAIN:
                await gate.flush()
                at = self._ended(run, attempt, gate) + _MINUTES[attempt - 1] * 60_000
        raise AssertionError("unreachable")

    async def _call(self, run: Run, attempt: int, gate: Gate) -> Receipt:
        args = run.spec.get("args")
        whole: dict[str, JsonValue] = {**(args if isinstance(args, Mapping) else {}), "attempt": attempt}
        action = Action.wanting(action_id(run.id, f"release.{attempt}"), actor=run.actor, tool=str(run.spec.get("tool", "")), args=whole)
        tool = gate.tools.get(action.tool)
        situation = Situation(
            level=run.level,
            words="\n".join([*tool.targets(action.args), *map(str, whole.values())]) if tool is not None else "",
            planned=True,
            ordered_by=str(run.spec.get("who", "")),
            where=f"held since {run.spec.get('of', '')}",
        )
        return await gate.submit(action, situation)

    def _ended(self, run: Run, attempt: int, gate: Gate) -> int:
        """When an attempt ended, so that every leg counts from the same moment."""
        ends = [entry.at for entry in gate.journal.read(run.id, action=f"release.{attempt}", kinds=(Kind.FINISHED,))]
        return ends[-1] if ends else self._clock.now()


def _end(receipt: Receipt) -> LegEnd:
    match receipt:
        case Waiting():
            return LegEnd(state=RunState.WAITING, waiting=(receipt.question.id,), summary="a question waits for a person")
        case Refused():
            return LegEnd(state=RunState.COULD_NOT, summary=f"refused: {receipt.reason}")
        case Finished():
            return LegEnd(state=RunState.DONE, summary="it is done")


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, tz=UTC).isoformat(timespec="seconds")
