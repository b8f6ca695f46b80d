"""Advances a run of a plan file by one leg, without any model.

A leg replays the plan from its first step. Whatever was decided, done or answered before is answered by the gate from the
journal under the same ids, so a leg after a crash, an answer or an upgrade simply continues: there is no other saved state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from remit.crashpoint import crashpoint
from remit.domain.action import Action, Effect
from remit.domain.outcome import Outcome
from remit.domain.plan import Plan, Step, Way
from remit.domain.receipt import Finished, Receipt, Refused, Waiting
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.situation import Situation
from remit.domain.values import JsonValue, QuestionId, action_id
from remit.errors import BadInput, PlanInvalid
from remit.gate.clarify import Reply, clarify
from remit.gate.gate import Gate
from remit.gate.undo import conflicts_in, how_to_undo
from remit.ports import Clock
from remit.runs.checks import exit_code_trouble, trouble
from remit.runs.plan_file import from_spec
from remit.runs.references import resolve

_MOST_ROUNDS = 50


class Fate(StrEnum):
    """How a step stands."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"
    SKIPPED = "skipped"
    WAITING = "waiting"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One attempt or one step, and why it ended that way."""

    fate: Fate
    why: str = ""
    result: JsonValue = None
    question: QuestionId | None = None


@dataclass(slots=True, kw_only=True)
class Progress:
    """What this leg knows so far."""

    results: dict[str, JsonValue]
    fates: dict[str, Ended] = field(default_factory=dict)
    stopped: bool = False


class PlanWorker:
    """Runs the steps whose needs have passed; a step that waits for a person does not hold up the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def leg(self, run: Run, gate: Gate) -> LegEnd:
        """Go as far as possible. Raises PlanInvalid when the journalled plan cannot be read."""
        plan = from_spec(run.spec)
        progress = Progress(results={"inputs": dict(plan.inputs)})
        for step in plan.steps:
            if progress.stopped and not self._began(run, step, gate):
                continue
            ended = await self._step(run, plan, step, progress, gate)
            progress.fates[step.id] = ended
            if ended.fate is Fate.PASSED:
                progress.results[step.id] = ended.result
            crashpoint("step")
        if progress.stopped:
            for step in plan.steps:
                if step.id in progress.fates and progress.fates[step.id].fate is Fate.WAITING and not self._began(run, step, gate):
                    progress.fates[step.id] = Ended(fate=Fate.BLOCKED, why="stopped before it was answered")
        return _summary(plan, progress)

    def _began(self, run: Run, step: Step, gate: Gate) -> bool:
        """Whether an earlier leg began it: then its end has to be found out. After a stop nothing new begins."""
        record = gate.record(action_id(run.id, f"{step.id}.1"))
        return record.started is not None or record.finished is not None

    async def _step(self, run: Run, plan: Plan, step: Step, progress: Progress, gate: Gate) -> Ended:
        missing = [need for need in step.needs if progress.fates[need].fate is not Fate.PASSED]
        if missing:
            waits = any(progress.fates[need].fate is Fate.WAITING for need in missing)
            return Ended(fate=Fate.WAITING if waits else Fate.BLOCKED, why=f"needs {', '.join(missing)}")
        tried: list[str] = []
        attempt = 0
        for number in range(1, _MOST_ROUNDS):
            for way in _ways(step):
                attempt += 1
                ended = await self._attempt(run, plan, step, way, f"{step.id}.{attempt}", progress, gate)
                if ended.fate is not Fate.FAILED:
                    return ended
                tried.append(f"{attempt}. {way.tool}: {ended.why}")
                await gate.note(action_id(run.id, f"{step.id}.{attempt}"), {"failed": ended.why})
                if progress.stopped:
                    return ended
            reply = await self._escalate(run, step, number, tried, gate)
            if isinstance(reply, Waiting):
                return Ended(fate=Fate.WAITING, why=tried[-1], question=reply.question.id)
            if reply.text != "retry":
                progress.stopped |= reply.text != "skip"
                return Ended(fate=Fate.SKIPPED if reply.text == "skip" else Fate.FAILED, why=tried[-1])
        return Ended(fate=Fate.FAILED, why=tried[-1])

    async def _attempt(self, run: Run, plan: Plan, step: Step, way: Way, name: str, progress: Progress, gate: Gate) -> Ended:
        """One way, once: act, then look whether it worked; what a failed attempt left is taken back where that is exact."""
        situation = Situation(
            level=run.level,
            words=plan.text or plan.goal,
            planned=True,
            high_stakes=step.high_stakes,
            where=f"step {step.id} of: {plan.goal}",
        )
        try:
            args = resolve(way.args, progress.results)
        except PlanInvalid as error:
            return Ended(fate=Fate.FAILED, why=str(error))
        if not isinstance(args, dict):
            return Ended(fate=Fate.FAILED, why="arguments are not an object")
        action = Action.wanting(action_id(run.id, name), actor=run.actor, tool=way.tool, args=args, reason=step.reason)
        receipt = await gate.submit(action, situation)
        if not isinstance(receipt, Finished):
            return _not_run(receipt)
        why = "" if receipt.outcome.ok else f"{receipt.outcome.code or 'failed'}: {receipt.outcome.error}"
        why = why or exit_code_trouble(step, receipt.outcome.result)
        if not why:
            checked = await self._check(run, step, name, receipt, progress, gate, situation)
            if checked.fate is not Fate.FAILED:
                return checked
            why = checked.why
        if step.keep or not receipt.outcome.ok:
            return Ended(fate=Fate.FAILED, why=why)
        return await self._taken_back(run, name, why, gate, situation)

    async def _check(
        self, run: Run, step: Step, name: str, receipt: Finished, progress: Progress, gate: Gate, situation: Situation
    ) -> Ended:
        """The step's own criteria, in order; the first that does not hold says why."""
        result = receipt.outcome.result
        for number, check in enumerate(step.checks, start=1):
            try:
                seen = result
                if check.look is not None:
                    looked = await self._look(
                        run, check.look, f"{name}.check{number}", {**progress.results, step.id: result}, gate, situation
                    )
                    if isinstance(looked, Ended):
                        return looked
                    seen = looked.result
                why = await trouble(check, seen)
            except PlanInvalid as error:
                why = str(error)
            if why:
                return Ended(fate=Fate.FAILED, why=why)
        return Ended(fate=Fate.PASSED, result=result)

    async def _look(
        self, run: Run, look: Way, name: str, results: dict[str, JsonValue], gate: Gate, situation: Situation
    ) -> Outcome | Ended:
        tool = gate.tools.get(look.tool)
        args = resolve(look.args, results)
        if tool is None or not isinstance(args, dict):
            raise PlanInvalid(f"the check's tool {look.tool!r} cannot be called", fix="use a tool of `remit tools`")
        if tool.effect(args) is not Effect.PURE:
            raise PlanInvalid(f"a check must not change anything, and {look.tool} may", fix="look with a pure tool, such as files.read")
        receipt = await gate.submit(
            Action.wanting(action_id(run.id, name), actor=run.actor, tool=look.tool, args=args, reason="check"), situation
        )
        if isinstance(receipt, Finished):
            return receipt.outcome if receipt.outcome.ok else Ended(fate=Fate.FAILED, why=receipt.outcome.error)
        return _not_run(receipt)

    async def _taken_back(self, run: Run, name: str, why: str, gate: Gate, situation: Situation) -> Ended:
        """Undo what a failed attempt did, so that the next one starts from the same place; when that waits for a person, so does the step.

        Whoever said yes to the attempt is not asked again: taking it back exactly ends where they were before they said it.
        """
        await gate.flush()
        record = gate.record(action_id(run.id, name))
        if record.started is None or not record.touches:
            return Ended(fate=Fate.FAILED, why=why)
        how, trouble_with_it = how_to_undo(gate.tools, record)
        if how is None:
            return Ended(fate=Fate.FAILED, why=f"{why} (what it did stays: {trouble_with_it})")
        action = Action.wanting(
            action_id(run.id, f"{name}.undo"),
            actor=run.actor,
            tool=how.tool,
            args=how.args,
            reason=f"undo {record.id}, which did not work: {why}",
            undoes=record.id,
        )
        undone = await gate.submit(action, replace(situation, ordered_by=next(iter(record.people), "")))
        match undone:
            case Waiting():
                return Ended(fate=Fate.WAITING, why=why, question=undone.question.id)
            case Finished() if undone.outcome.ok:
                conflicts = conflicts_in(undone)
                await gate.mark_undone(record.id, by=action.id, partly=bool(conflicts))
                return Ended(
                    fate=Fate.FAILED, why=f"{why} ({'taken back in part: ' + '; '.join(conflicts) if conflicts else 'taken back'})"
                )
            case _:
                reason = undone.outcome.error if isinstance(undone, Finished) else undone.reason
                return Ended(fate=Fate.FAILED, why=f"{why} (could not be taken back: {reason})")

    async def _escalate(self, run: Run, step: Step, number: int, tried: list[str], gate: Gate) -> Reply | Waiting:
        return await clarify(
            gate.journal,
            self._clock,
            action_id(run.id, f"{step.id}.stuck{number}"),
            title=f"step {step.id} did not work; what now?",
            body="\n".join(["tried:", *tried, "retry does the same again: what you mend in the plan file counts for a new run"]),
            options=("retry", "skip", "stop"),
        )


def _ways(step: Step) -> Iterator[Way]:
    yield step.way
    for _ in range(step.retries):
        yield step.way
    yield from step.otherwise


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


def _summary(plan: Plan, progress: Progress) -> LegEnd:
    """Final only when nothing waits; `done` only when every step passed."""
    fates = progress.fates
    waiting = tuple(dict.fromkeys(e.question for e in fates.values() if e.question is not None))
    if waiting:
        return LegEnd(state=RunState.WAITING, waiting=waiting, summary=f"{len(waiting)} question(s) wait for a person")
    passed = [i for i, e in fates.items() if e.fate is Fate.PASSED]
    lines = [f"{len(passed)} of {len(plan.steps)} steps passed"]
    lines += [f"{i} {e.fate}: {e.why}" for i, e in fates.items() if e.fate is not Fate.PASSED]
    lines += [f"{step.id} was not reached" for step in plan.steps if step.id not in fates]
    if len(passed) == len(plan.steps):
        return LegEnd(state=RunState.DONE, summary=lines[0])
    return LegEnd(state=RunState.PARTLY if passed else RunState.COULD_NOT, summary="\n".join(lines))
