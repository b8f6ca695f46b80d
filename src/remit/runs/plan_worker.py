"""Advances a run of a plan file by one leg, without any model.

A leg replays the plan from its first step. Whatever was decided, done or answered before is answered by the gate from the
journal under the same ids, so a leg after a crash, an answer or an upgrade simply continues: there is no other saved state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from remit.crashpoint import crashpoint
from remit.domain.action import Action
from remit.domain.plan import Plan, Step, Way
from remit.domain.receipt import Waiting
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.situation import Situation
from remit.domain.values import JsonValue, action_id
from remit.errors import PlanInvalid
from remit.gate.clarify import Reply, clarify
from remit.gate.gate import Gate
from remit.plans.attempts import Attempts, Ended, Fate
from remit.plans.references import resolve
from remit.plans.spec import from_spec
from remit.ports import Clock

_MOST_ROUNDS = 50


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
        return await Attempts(gate, run.id, run.actor).outcome(step, name, receipt, progress.results, situation)

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
