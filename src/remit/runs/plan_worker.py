"""Advances a run of a plan file by one leg, without any model.

A leg replays the plan from its first step. Whatever was decided, done or answered before is answered by the gate from the
journal under the same ids, so a leg after a crash, an answer or an upgrade simply continues: there is no other saved state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, takewhile
from typing import Final

from remit.crashpoint import crashpoint
from remit.domain.action import Action, Effect
from remit.domain.entry import Kind
from remit.domain.plan import Plan, Step, Way
from remit.domain.receipt import Waiting
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.situation import Situation
from remit.domain.steering import Hand
from remit.domain.values import JsonValue, action_id, canonical, fields, parse
from remit.errors import PlanInvalid
from remit.gate.clarify import Inquiry, Reply, clarify
from remit.gate.gate import Gate
from remit.gate.purse import Purse
from remit.gate.steering import Steered
from remit.plans.attempts import Attempts, Ended, Fate
from remit.plans.following import fixed
from remit.plans.references import resolve
from remit.plans.spec import from_spec
from remit.ports import Clock

_MOST_ROUNDS = 50
_AT_ONCE: Final = 8
"""Reads that are made together, at most."""
_NOT_REACHED = Ended(fate=Fate.BLOCKED)
_HOLDING = frozenset({Fate.WAITING, Fate.TAKEN})


@dataclass(slots=True, kw_only=True)
class Progress:
    """What this leg knows so far."""

    run: Run
    plan: Plan
    gate: Gate
    steered: Steered
    purse: Purse
    plans: int
    """How many plans there were when this one was read: with another, the leg starts over."""
    results: dict[str, JsonValue]
    fates: dict[str, Ended] = field(default_factory=dict)
    stopped: bool = False
    paused: str = ""
    """By whom, once that kept anything from beginning."""
    short: bool = False
    """Whether what the run may use up kept anything from beginning."""

    @property
    def attempts(self) -> Attempts:
        return Attempts(self.gate, self.run.id, self.run.actor, go_on=self.goes_on)

    @property
    def changed(self) -> bool:
        return len(self.steered.now().plans) != self.plans

    @property
    def outdated(self) -> bool:
        """People said something since by which what was kept from beginning may begin."""
        return self.changed or bool(self.paused and not self.steered.now().paused_by)

    def kept(self, name: str) -> bool:
        """Whether this attempt may not begin, and has not begun yet."""
        paused, short = self.steered.now().paused_by, self.purse.empty()
        if not (self.stopped or paused or self.changed or short) or self.began(name):
            return False
        self.paused = self.paused or paused
        self.short |= short
        return True

    def goes_on(self) -> bool:
        """Whether what may take its time is still waited for."""
        paused = self.steered.now().paused_by
        self.paused = self.paused or paused
        return not (paused or self.changed)

    def failed(self, name: str) -> str:
        """Why this attempt counts as failed since an earlier leg, '' where it does not: what was taken back does not come to hold."""
        notes = self.gate.journal.read(self.run.id, action=name, kinds=(Kind.NOTE,))
        return next((str(said) for note in notes if (said := fields(parse(note.body_json)).get("failed"))), "")

    def began(self, name: str) -> bool:
        """Whether an earlier leg began this attempt: then its end has to be found out, whatever was said meanwhile."""
        record = self.gate.record(action_id(self.run.id, name))
        return record.started is not None or record.finished is not None

    def situation(self, step: Step) -> Situation:
        """The plan's own words are its person's; what its steps have read from strangers is not, whoever refers to it."""
        read = [self.results[done.id] for done in self.plan.steps if done.id in self.results and self._strange(done)]
        event = self.run.spec.get("event")
        strange = tuple(canonical(one) for one in (*read, *([event] if event is not None else [])))
        return Situation(
            untrusted=strange,
            tainted=bool(strange),
            level=self.steered.now().level,
            words=self.plan.text or self.plan.goal,
            planned=True,
            high_stakes=step.high_stakes,
            where=f"step {step.id} of: {self.plan.goal}",
        )

    def looks(self, step: Step) -> bool:
        """Whether it changes nothing, whatever way it takes."""
        tools = [self.gate.tools.get(way.tool) for way in _ways(step)]
        return all(tool is not None and tool.spec.effect is Effect.PURE for tool in tools)

    def _strange(self, step: Step) -> bool:
        tools = [self.gate.tools.get(way.tool) for way in (step.way, *step.otherwise)]
        return any(tool is None or tool.spec.reads_untrusted for tool in tools)


class PlanWorker:
    """Runs the steps whose needs have passed; a step that waits for a person does not hold up the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def leg(self, run: Run, gate: Gate) -> LegEnd:
        """Go as far as possible. Raises PlanInvalid when the journalled plan cannot be read."""
        steered = Steered(gate.journal, run)
        purse = Purse(gate.journal, self._clock, run, steered)
        while True:
            plans = steered.now().plans
            plan = from_spec(plans[-1].spec if plans else run.spec)
            results: dict[str, JsonValue] = {"inputs": dict(plan.inputs), "event": run.spec.get("event")}
            progress = Progress(run=run, plan=plan, gate=gate, steered=steered, purse=purse, plans=len(plans), results=results)
            await self._steps(progress)
            held = await purse.held() if progress.short and not progress.outdated else None
            if held is not None or not (progress.outdated or progress.short):
                return held or _summary(progress)

    async def _steps(self, progress: Progress) -> None:
        left = list(progress.plan.steps)
        while left:
            together = [left[0], *takewhile(partial(_beside, left[0], progress), left[1:_AT_ONCE])]
            left = left[len(together) :]
            begun = [step for step in together if not progress.kept(f"{step.id}.1")]
            # one that raises waits for the others: nothing goes on behind a leg that has ended
            for step, ended in zip(
                begun, await asyncio.gather(*(self._step(step, progress) for step in begun), return_exceptions=True), strict=True
            ):
                if isinstance(ended, BaseException):
                    raise ended
                progress.fates[step.id] = ended
                if ended.fate is Fate.PASSED:
                    progress.results[step.id] = ended.result
                crashpoint("step")
        if progress.stopped:
            for step in progress.plan.steps:
                waits = step.id in progress.fates and progress.fates[step.id].fate is Fate.WAITING
                if waits and not progress.began(f"{step.id}.1"):
                    progress.fates[step.id] = Ended(fate=Fate.BLOCKED, why="stopped before it was answered")

    async def _step(self, step: Step, progress: Progress) -> Ended:
        missing = [need for need in step.needs if progress.fates.get(need, _NOT_REACHED).fate is not Fate.PASSED]
        if missing:
            waits = any(progress.fates.get(need, _NOT_REACHED).fate in _HOLDING for need in missing)
            return Ended(fate=Fate.WAITING if waits else Fate.BLOCKED, why=f"needs {', '.join(missing)}")
        tried: list[str] = []
        by_hand = await self._by_hand(step, progress)
        ended = _NOT_REACHED
        for number in range(1, _MOST_ROUNDS):
            ended = by_hand if by_hand and number == 1 else await self._round(step, progress, tried)
            if ended.fate is not Fate.FAILED or progress.stopped:
                return ended
            reply = await self._escalate(progress.run, step, number, tried or [f"by hand: {ended.why}"], progress.gate)
            if isinstance(reply, Waiting):
                return Ended(fate=Fate.WAITING, why=ended.why, question=reply.question.id)
            if reply.text != "retry":
                progress.stopped |= reply.text != "skip"
                return Ended(fate=Fate.SKIPPED if reply.text == "skip" else Fate.FAILED, why=ended.why)
        return ended

    async def _round(self, step: Step, progress: Progress, tried: list[str]) -> Ended:
        """Each of its ways in turn, until one works or waits. `tried` grows with what did not work."""
        ended = _NOT_REACHED
        for way in _ways(step):
            name = f"{step.id}.{len(tried) + 1}"
            if progress.kept(name):
                return Ended(fate=Fate.WAITING, why="paused")
            if said := progress.failed(name):
                ended = Ended(fate=Fate.FAILED, why=said)
                tried.append(f"{len(tried) + 1}. {way.tool}: {said}")
                continue
            ended = await self._attempt(
                step, way, name, progress, replace(progress.situation(step), tried="\n".join(tried), decided=fixed(way))
            )
            if ended.fate is not Fate.FAILED:
                return ended
            tried.append(f"{len(tried) + 1}. {way.tool}: {ended.why}")
            await progress.gate.note(action_id(progress.run.id, name), {"failed": ended.why})
            if progress.stopped:
                return ended
        return ended

    async def _by_hand(self, step: Step, progress: Progress) -> Ended | None:
        """How a step stands that a person took over; None when it is remit's. Their word is no proof: the step's checks look."""
        hand = progress.steered.now().by_hand.get(step.id)
        if hand is None or hand.state is Hand.BACK:
            return None
        unknown = await self._unknown(step, progress)
        if unknown is not None:
            return unknown
        if hand.state is Hand.TAKEN:
            return Ended(fate=Fate.TAKEN, why=f"by {hand.who}")
        return await progress.attempts.checked(step, f"{step.id}.by_hand{hand.n}", hand.result, progress.results, progress.situation(step))

    async def _unknown(self, step: Step, progress: Progress) -> Ended | None:
        """An attempt that was begun before the step was taken over, and of which nobody knows yet how it ended."""
        for number in count(1):
            name = action_id(progress.run.id, f"{step.id}.{number}")
            if progress.gate.record(name).proposed is None:
                return None
            receipt = await progress.gate.settle(name)
            if isinstance(receipt, Waiting):
                return Ended(fate=Fate.WAITING, question=receipt.question.id, why="what was begun before is in doubt")
        raise AssertionError("unreachable")

    async def _attempt(self, step: Step, way: Way, name: str, progress: Progress, situation: Situation) -> Ended:
        """One way, once: act, then look whether it worked; what a failed attempt left is taken back where that is exact."""
        run, gate = progress.run, progress.gate
        recorded = gate.record(action_id(run.id, name)) if progress.plans else None
        if recorded is not None and recorded.proposed is not None:  # made under an earlier plan: it is what it was
            action = Action(
                id=recorded.id, actor=recorded.actor, tool=recorded.tool, args_json=canonical(recorded.proposed.get("args", {}))
            )
        else:
            try:
                args = resolve(way.args, progress.results)
            except PlanInvalid as error:
                return Ended(fate=Fate.FAILED, why=str(error))
            if not isinstance(args, dict):
                return Ended(fate=Fate.FAILED, why="arguments are not an object")
            action = Action.wanting(action_id(run.id, name), actor=run.actor, tool=way.tool, args=args, reason=step.reason)
        receipt = await gate.submit(action, situation)
        return await progress.attempts.outcome(step, name, receipt, progress.results, situation)

    async def _escalate(self, run: Run, step: Step, number: int, tried: list[str], gate: Gate) -> Reply | Waiting:
        return await clarify(
            gate.journal,
            self._clock,
            action_id(run.id, f"{step.id}.stuck{number}"),
            Inquiry(
                title=f"step {step.id} did not work; what now?",
                body=f"`remit runs {run.id} plan --edit` changes what the steps do; the plan file counts for a new run",
                tried="\n".join(tried),
                options=_STUCK,
            ),
        )


_STUCK: Final[Mapping[str, str]] = {
    "retry": "it is done again, as the plan says by then",
    "skip": "it is left out, with all that depends on it",
    "stop": "the run ends; what it did stays, and can be undone",
}


def _beside(first: Step, progress: Progress, step: Step) -> bool:
    """Whether a step may be made together with the one that those in a row begin with: all only look, and what it needs is there.

    What was begun before goes alone: a person may have said something to it that counts for those after it.
    """
    fresh = not any(progress.began(f"{one.id}.1") for one in (first, step))
    return fresh and all(map(progress.looks, (first, step))) and progress.fates.keys() >= set(step.needs)


def _ways(step: Step) -> Iterator[Way]:
    yield step.way
    for _ in range(step.retries):
        yield step.way
    yield from step.otherwise


def _summary(progress: Progress) -> LegEnd:
    """Final only when nothing waits; `done` only when every step passed."""
    plan, fates = progress.plan, progress.fates
    waiting = tuple(dict.fromkeys(e.question for e in fates.values() if e.question is not None))
    taken = [f"{i} {e.fate} {e.why}" for i, e in fates.items() if e.fate is Fate.TAKEN]
    holds = [f"paused by {progress.paused}"] * bool(progress.paused and not progress.stopped) + taken
    if waiting or holds:
        asked = [f"{len(waiting)} question(s) wait for a person"] if waiting else []
        return LegEnd(state=RunState.WAITING, waiting=waiting, summary="\n".join([*asked, *holds]))
    passed = [i for i, e in fates.items() if e.fate is Fate.PASSED]
    lines = [f"{len(passed)} of {len(plan.steps)} steps passed"]
    lines += [f"{i} {e.fate}: {e.why}" for i, e in fates.items() if e.fate is not Fate.PASSED]
    lines += [f"{step.id} was not reached" for step in plan.steps if step.id not in fates]
    if len(passed) == len(plan.steps):
        return LegEnd(state=RunState.DONE, summary=lines[0])
    return LegEnd(state=RunState.PARTLY if passed else RunState.COULD_NOT, summary="\n".join(lines))
