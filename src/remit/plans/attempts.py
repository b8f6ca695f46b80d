"""What comes of one attempt at a step: whether it worked, by looking; and what a failed one did is taken back where that is exact."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from typing import Final

from remit.crashpoint import crashpoint
from remit.domain.action import Action, Effect
from remit.domain.decision import Verdict
from remit.domain.outcome import Outcome
from remit.domain.plan import Check, Step, Way
from remit.domain.receipt import Finished, Receipt, Refused, Waiting
from remit.domain.record import Record
from remit.domain.situation import Situation
from remit.domain.values import ActionId, JsonValue, QuestionId, RunId, action_id, canonical, digest, fields
from remit.errors import BadInput, PlanInvalid, ToolFailed
from remit.gate.gate import Gate
from remit.gate.undo import conflicts_in, how_to_undo
from remit.plans.checks import exit_code_trouble, trouble
from remit.plans.following import fixed
from remit.plans.references import resolve

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
"""Seconds between two looks at what may take its time."""
_EXACT: Final = frozenset({Effect.REVERSIBLE, Effect.TRANSACTIONAL, Effect.DEFERRABLE})


class Fate(StrEnum):
    """How a step stands."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"
    SKIPPED = "skipped"
    WAITING = "waiting"
    TAKEN = "taken over"
    """By a person, who has not handed it back."""
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One attempt or one step, and why it ended that way."""

    fate: Fate
    why: str = ""
    result: JsonValue = None
    question: QuestionId | None = None
    tainted: bool = False
    """`why` may hold what strangers wrote."""
    undone: bool = False
    """What the attempt did was taken back, all of it."""


class Attempts:
    """At the steps of one run. Everything it does passes the gate under a name of its own, so that it can be asked for again."""

    def __init__(self, gate: Gate, run: RunId, actor: str, *, asks: bool = True, go_on: Callable[[], bool] = lambda: True) -> None:
        self._gate = gate
        self._run = run
        self._actor = actor
        self._asks = asks
        """Whether a look may put a question to a person; else such a one is left out."""
        self._go_on = go_on
        """Asked between looks at what may take its time."""

    async def outcome(self, step: Step, name: str, receipt: Receipt, results: Mapping[str, JsonValue], situation: Situation) -> Ended:
        """Whether the attempt `name` did what the step is for; if not, what it did is taken back unless the step says to keep it."""
        if not isinstance(receipt, Finished):
            return _not_run(receipt)
        if not receipt.outcome.ok:
            return Ended(fate=Fate.FAILED, why=f"{receipt.outcome.code or 'failed'}: {receipt.outcome.error}")
        result = receipt.outcome.result
        why = exit_code_trouble(step, result)
        ended = Ended(fate=Fate.FAILED, why=why) if why else await self.checked(step, name, result, results, situation)
        if ended.fate is not Fate.FAILED or step.keep:
            return ended
        return replace(await self._taken_back(name, ended.why, situation), tainted=ended.tainted)

    async def checked(self, step: Step, name: str, result: JsonValue, results: Mapping[str, JsonValue], situation: Situation) -> Ended:
        """The step's own criteria, in order; the first that does not hold says why."""
        passed = Ended(fate=Fate.PASSED, result=result)
        known = {**results, step.id: result}
        for number, check in enumerate(step.checks, start=1):
            ended = await self._in_time(check, f"{name}.check{number}", passed, known, situation)
            if ended.fate is not Fate.PASSED:
                return ended
        return passed

    async def _in_time(self, check: Check, name: str, passed: Ended, known: Mapping[str, JsonValue], situation: Situation) -> Ended:
        """Looked at again, less and less often, for as long as it may take. What was seen before a crash is not waited for again."""
        until, pause = time.monotonic() + check.within, _FIRST_PAUSE
        ended, again = await self._once(check, name, passed, known, situation)
        for number in count(2):
            left = until - time.monotonic()
            if ended.fate is not Fate.FAILED or not again or left <= 0:
                break
            crashpoint("looked")
            if not self._go_on():
                return Ended(fate=Fate.WAITING, why="paused")
            if not self._seen(check, f"{name}x{number}", known):
                await asyncio.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE)
            ended, again = await self._once(check, f"{name}x{number}", passed, known, situation)
        return ended

    async def _once(
        self, check: Check, name: str, passed: Ended, known: Mapping[str, JsonValue], situation: Situation
    ) -> tuple[Ended, bool]:
        """How it stands, and whether that may be otherwise in a while."""
        tainted = again = False
        try:
            wanted = check if check.test == "matches" else replace(check, value=resolve(check.value, known))
            seen = passed.result
            if check.look is not None:
                tainted = self._strange(check.look)
                looked = await self._look(check.look, name, known, situation)
                if isinstance(looked, Ended):
                    return replace(looked, tainted=tainted), False
                again = True
                if not looked.ok:
                    return Ended(fate=Fate.FAILED, why=looked.error, tainted=tainted), True
                seen = looked.result
            why = await trouble(wanted, seen)
        except BadInput as error:
            why = str(error)
        return (Ended(fate=Fate.FAILED, why=why, tainted=tainted) if why else passed), again

    def _seen(self, check: Check, name: str, known: Mapping[str, JsonValue]) -> bool:
        """Whether an earlier leg has made this look."""
        if check.look is None:
            return True
        args = fields(resolve(check.look.args, known))
        return self._gate.record(self._unused(name, check.look.tool, args)).proposed is not None

    async def _look(self, look: Way, name: str, results: Mapping[str, JsonValue], situation: Situation) -> Outcome | Ended:
        tool = self._gate.tools.get(look.tool)
        args = resolve(look.args, results)
        if tool is None or not isinstance(args, dict):
            raise PlanInvalid(f"the check's tool {look.tool!r} cannot be called", fix="use a tool of `remit tools`")
        if tool.effect(args) is not Effect.PURE:
            raise PlanInvalid(f"a check must not change anything, and {look.tool} may", fix="look with a pure tool, such as files.read")
        action = Action.wanting(self._unused(name, look.tool, args), actor=self._actor, tool=look.tool, args=args, reason="check")
        situation = replace(situation, decided=situation.planned and fixed(look))
        if not self._asks and self._would_ask(action, situation):
            return Ended(fate=Fate.BLOCKED, why="not looked at, as that would need a yes")
        receipt = await self._gate.submit(action, situation)
        return receipt.outcome if isinstance(receipt, Finished) else _not_run(receipt)

    def _would_ask(self, action: Action, situation: Situation) -> bool:
        try:
            return self._gate.judge(action, situation)[1].verdict is Verdict.ASK
        except (BadInput, ToolFailed):
            return False  # it fails when it is made, and says why

    def _strange(self, look: Way) -> bool:
        tool = self._gate.tools.get(look.tool)
        return tool is None or tool.spec.reads_untrusted

    def _unused(self, name: str, tool: str, args: Mapping[str, JsonValue]) -> ActionId:
        """The look's own name; one that looked at something else, before the plan was changed, keeps it."""
        plain = action_id(self._run, name)
        proposed = self._gate.record(plain).proposed
        same = proposed is None or (proposed.get("tool") == tool and canonical(proposed.get("args", {})) == canonical(args))
        return plain if same else action_id(self._run, f"{name}-{digest(tool, canonical(args))[:8]}")

    async def _taken_back(self, name: str, why: str, situation: Situation) -> Ended:
        """So that the next attempt starts from the same place; when that waits for a person, so does the step.

        Whoever said yes to the attempt is not asked again: taking it back exactly ends where they were before they said it.
        """
        await self._gate.flush()
        record = self._gate.record(action_id(self._run, name))
        if record.started is None or not record.touches:
            return Ended(fate=Fate.FAILED, why=why)
        if not self._exact(record):
            return Ended(fate=Fate.FAILED, why=f"{why} (what it did stays, as it cannot be taken back exactly)")
        how, trouble_with_it = how_to_undo(self._gate.tools, record)
        if how is None:
            return Ended(fate=Fate.FAILED, why=f"{why} (what it did stays: {trouble_with_it})")
        action = Action.wanting(
            action_id(self._run, f"{name}.undo"),
            actor=self._actor,
            tool=how.tool,
            args=how.args,
            reason=f"undo {record.id}, which did not work: {why}",
            undoes=record.id,
        )
        undone = await self._gate.submit(action, replace(situation, decided=False, ordered_by=next(iter(record.people), "")))
        return await self._told(undone, record.id, action.id, why)

    def _exact(self, record: Record) -> bool:
        """A compensation is an act of its own, and nobody said yes to it."""
        tool = self._gate.tools.get(record.tool)
        try:
            return tool is not None and tool.effect(record.args) in _EXACT
        except BadInput:
            return False

    async def _told(self, undone: Receipt, what: ActionId, by: ActionId, why: str) -> Ended:
        match undone:
            case Waiting():
                return Ended(fate=Fate.WAITING, why=why, question=undone.question.id)
            case Finished() if undone.outcome.ok:
                conflicts = conflicts_in(undone)
                await self._gate.mark_undone(what, by=by, partly=bool(conflicts))
                how = f"taken back in part: {'; '.join(conflicts)}" if conflicts else "taken back"
                return Ended(fate=Fate.FAILED, why=f"{why} ({how})", undone=not conflicts)
            case _:
                reason = undone.outcome.error if isinstance(undone, Finished) else undone.reason
                return Ended(fate=Fate.FAILED, why=f"{why} (could not be taken back: {reason})")


def _not_run(receipt: Receipt) -> Ended:
    match receipt:
        case Waiting():
            return Ended(fate=Fate.WAITING, question=receipt.question.id)
        case Refused(by="policy" | "input"):
            return Ended(fate=Fate.FAILED, why=f"refused by {receipt.by}: {receipt.reason}")
        case Refused():
            return Ended(fate=Fate.REFUSED, why=receipt.reason)
        case _:
            raise BadInput(f"{receipt} was run", fix="report this")
