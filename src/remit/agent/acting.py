"""One turn's calls: each submitted to the gate, and where it carries out a step of the plan, looked at whether it worked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from remit.agent.counted import AGAIN
from remit.agent.course import Course
from remit.agent.observe import checked, goes_on, not_run, observation
from remit.agent.own import ASK, PLAN, own_words, read_ask_call, read_plan_call
from remit.agent.talk import Talk, Told
from remit.agent.turns import Turn, Wanted
from remit.crashpoint import crashpoint
from remit.domain.action import Action, Effect
from remit.domain.outcome import Status
from remit.domain.plan import Plan, Step
from remit.domain.receipt import Finished, Refused, Waiting
from remit.domain.record import State
from remit.domain.run import Run
from remit.domain.situation import Situation
from remit.domain.steering import ByHand, Hand, Planned
from remit.domain.values import ActionId, JsonValue, QuestionId, action_id, canonical, fields, parse
from remit.errors import BadInput, PlanInvalid
from remit.gate.clarify import clarify
from remit.gate.gate import Gate
from remit.gate.purse import Purse
from remit.gate.steering import Steer
from remit.plans.attempts import Attempts, Fate
from remit.plans.following import fixed
from remit.plans.spec import to_spec
from remit.policy.provenance import UNTRUSTED, provenance
from remit.ports import Clock

LONGEST_REASON: Final = 500
_HEARD_FIRST: Final = "your person said something first: read it, then decide again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """A call about which a person is asked; `step` is what it carries out, '' for none."""

    question: QuestionId
    call: str
    tool: str
    step: str = ""
    counts: str = ""


@dataclass(kw_only=True)
class Acting:
    """Everything here may be said again after a crash: the gate answers what was done, and what was asked is asked once."""

    run: Run
    gate: Gate
    clock: Clock
    talk: Talk
    course: Course
    purse: Purse
    calls: int
    """At most so many in one turn."""
    _used: Counter[str] = field(default_factory=Counter)
    """Steps that calls of this turn use."""
    _done: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def turn(self, turn: Turn) -> tuple[list[Told], list[QuestionId]] | None:
        """What came of the calls, and the questions that are open; None when a pause keeps some from beginning.

        Calls in a row that only look are made together.
        """
        situation = self.course.situation(f"turn {turn.number}")
        self._used.clear()
        self._done.clear()
        told: list[Told] = []
        waiting: list[Waits] = []
        for together in self._batches(turn):
            if (self.course.now.paused_by or self.purse.empty()) and not all(self._begun(call) for _, call in together):
                return None
            for ended in await asyncio.gather(*(self._call(turn, call, index, situation) for index, call in together)):
                if ended is None:
                    return None
                (waiting if isinstance(ended, Waits) else told).append(ended)  # type: ignore[arg-type]
        steps = {one.step for one in waiting} | {one.step for one in self.talk.waiting.values()}
        just = {one.step for one in told if one.step and one.end == "succeeded"}
        denied = {one.step for one in told if one.end == "refused"}
        ready = self.course.ready(steps | denied, just) if waiting and all(steps) else []
        if ready:
            text = goes_on(ready)
            return [
                *told,
                *(Told(end="waiting", text=text, call=one.call, tool=one.tool, step=one.step, counts=one.counts) for one in waiting),
            ], []
        return told, [one.question for one in waiting]

    async def late(self) -> tuple[list[Told], list[QuestionId]]:
        """What came of calls that were left waiting while the work went on, and the questions of those that still do."""
        told: list[Told] = []
        waiting: list[QuestionId] = []
        self._used.clear()
        self._done.clear()
        for left in list(self.talk.waiting.values()):
            self._used[left.counts] -= bool(left.counts)  # its own use does not stand in its way
            turn = Turn(number=self.talk.turns, text="", calls=())
            ended = await self._act(turn, left.call, self.course.situation("what waited"))
            if isinstance(ended, Waits):
                waiting.append(ended.question)
            elif ended is not None:
                told.append(ended)
        return told, waiting

    def _batches(self, turn: Turn) -> Iterator[list[tuple[int, Wanted]]]:
        for looks, group in groupby(enumerate(turn.calls), key=lambda one: self._looks(one[1])):
            calls = list(group)
            yield from [calls] if looks else ([one] for one in calls)

    def _looks(self, call: Wanted) -> bool:
        tool = self.gate.tools.get(call.tool)
        try:
            return tool is not None and not call.wrong and tool.effect(_args(call)) is Effect.PURE
        except BadInput:
            return False

    def _begun(self, call: Wanted) -> bool:
        record = self.gate.record(action_id(self.run.id, call.name))
        return record.proposed is not None or bool(record.asked)

    async def _call(self, turn: Turn, call: Wanted, index: int, situation: Situation) -> Told | Waits | None:
        if call.wrong:
            ended = _skipped(call, f"{call.wrong}. Send one JSON object that fits the tool's schema.", "malformed")
        elif index >= self.calls:
            ended = _skipped(call, f"at most {self.calls} calls in one turn; send it again later", "skipped")
        elif call.tool == PLAN:
            ended = self._plan(call)
        elif self.course.news and not self._begun(call):
            ended = _skipped(call, _HEARD_FIRST, "skipped")
        elif call.tool == ASK:
            return await self._ask(call)
        elif any((call.tool, call.args_json) == (one.call.tool, one.call.args_json) for one in self.talk.waiting.values()):
            ended = _skipped(call, "this very call waits for a person already; you will hear what came of it", "skipped")
        else:
            return await self._act(turn, call, situation)
        crashpoint("agent.submitted")
        return ended

    async def _act(self, turn: Turn, call: Wanted, situation: Situation) -> Told | Waits | None:
        """None when a pause keeps its check from being waited for."""
        args = _args(call)
        step = self.course.step(call.tool, args)
        hand = self.course.by_hand(call.tool, args)
        if hand is not None and await self._theirs(call, hand):
            return _skipped(call, f"{hand.who} {'does' if hand.state is Hand.TAKEN else 'did'} this step by hand", "skipped")
        action = Action(
            id=action_id(self.run.id, call.name),
            actor=self.run.actor,
            tool=call.tool,
            args_json=call.args_json,
            reason=turn.text[:LONGEST_REASON],
        )
        situation = replace(situation, level=self.course.now.level, confidence=call.sure, where=_where(situation.where, step, call.how))
        situation, counts = self._counted(call, args, step, situation)
        receipt = await self.gate.submit(action, situation)
        crashpoint("agent.submitted")
        if isinstance(receipt, Waiting):
            return Waits(question=receipt.question.id, call=call.name, tool=call.tool, step=step.id if step else "", counts=counts)
        end, text = observation(receipt, call.args_json)
        told = Told(end=end, text=text, call=call.name, tool=call.tool, counts=counts)
        plan = self.course.latest
        if step is None or plan is None or not isinstance(receipt, Finished) or not receipt.outcome.ok:
            denied = step is not None and isinstance(receipt, Refused) and receipt.by == "person"
            nothing = isinstance(receipt, Finished) and receipt.outcome.status is Status.FAILED  # then the step is not used up
            return replace(told, step=step.id if step and denied else "", counts="" if nothing else counts)
        looking = replace(situation, planned=self.course.counts(step.id), decided=False, anomaly=0, confidence=-1)
        return await self._looked_at(step, plan, receipt, looking, told)

    async def _looked_at(self, step: Step, plan: Planned, receipt: Finished, situation: Situation, told: Told) -> Told | Waits | None:
        """What the step's own checks say of a call that succeeded; None when a pause keeps them from being waited for."""
        attempts = Attempts(self.gate, self.run.id, self.run.actor, go_on=lambda: not self.course.now.paused_by)
        ended = await attempts.outcome(step, told.call, receipt, self.course.results, situation)
        if ended.fate is Fate.WAITING:
            question = ended.question
            return Waits(question=question, call=told.call, tool=told.tool, step=step.id, counts=told.counts) if question else None
        failed = {} if ended.fate is Fate.PASSED else {"failed": ended.why}
        await self.gate.note(action_id(self.run.id, told.call), {"step": step.id, **failed})
        text = checked(told.text, step.id, ended.why, undone=ended.undone)
        taint = "yes" if ended.tainted else ""
        return replace(told, end="failed" if failed else "succeeded", text=text, step=step.id, plan=str(plan.n), taint=taint)

    async def _theirs(self, call: Wanted, hand: ByHand) -> bool:
        """Whether a person does this instead. While they do, a question about it stays theirs to answer; once they did it, it is none."""
        if hand.state is Hand.TAKEN:
            return not self._begun(call)
        name = action_id(self.run.id, call.name)
        return await self.gate.withdraw(name, why=f"{hand.who} did it by hand") or self._withdrawn(name)

    def _withdrawn(self, name: ActionId) -> bool:
        record = self.gate.record(name)
        return record.state is State.REFUSED and bool(record.asked) and record.asked[-1].settled == "withdrawn"

    def _counted(self, call: Wanted, args: Mapping[str, JsonValue], step: Step | None, situation: Situation) -> tuple[Situation, str]:
        """What the plan says of the call, and its step that the call uses; what cannot be undone and was done so before is unusual."""
        tool = self.gate.tools.get(call.tool)
        try:
            effect = tool.effect(args) if tool is not None else Effect.IRREVERSIBLE
        except BadInput:
            return situation, ""
        must = [name for name in (tool.spec.salient if tool else ()) if name in args and not _known(args[name], situation)]
        counts = self.course.planned(call.tool, args, effect, must, self._used)
        again = effect not in AGAIN and (self.talk.effects[call.tool, call.args_json] or self._done[call.tool, call.args_json])
        situation = replace(
            situation,
            planned=counts is not None,
            decided=self.course.decided(call.tool, args, effect, self._used),
            anomaly=100 if again or (step is not None and step.id in self.talk.denied) else 0,
            high_stakes=any(one.high_stakes for one in (step, counts) if one is not None),
        )
        self._done[call.tool, call.args_json] += 1
        self._used[counts.id if counts else ""] += 1
        return situation, counts.id if counts else ""

    def _plan(self, call: Wanted) -> Told:
        try:
            plan = read_plan_call(_args(call), self.run.goal, self.talk.toolbox)
            self._checkable(plan)
        except BadInput as error:
            return _skipped(call, str(error), "malformed")
        gone = self.course.persons_steps(plan)
        if gone:
            return _skipped(call, f"your person planned {', '.join(gone)}: keep these steps as they are", "malformed")
        Steer(self.gate.journal, self.clock).plan(self.run.id, to_spec(plan), tainted=bool(self.talk.untrusted), once=call.name)
        steps: list[JsonValue] = [step.id for step in plan.steps]
        return Told(end="planned", text=canonical({"status": "planned", "steps": steps}), call=call.name, tool=PLAN)

    def _checkable(self, plan: Plan) -> None:
        """A check that cannot be made is better known before the step is done than after. Raises BadInput."""
        for step in plan.steps:
            for look in (check.look for check in step.checks if check.look is not None and fixed(check.look)):
                self.gate.check(look.tool, look.args)
                if self.gate.tools[look.tool].effect(look.args) is not Effect.PURE:
                    raise PlanInvalid(
                        f"{step.id}: its check would call {look.tool}, which may change something", fix="look with another tool"
                    )

    async def _ask(self, call: Wanted) -> Told | Waits:
        try:
            asking = read_ask_call(_args(call))
        except BadInput as error:
            return _skipped(call, str(error), "malformed")
        if not self._begun(call):
            self.gate.may_ask()
        reply = await clarify(
            self.gate.journal,
            self.clock,
            action_id(self.run.id, call.name),
            asking,
        )
        crashpoint("agent.submitted")
        if isinstance(reply, Waiting):
            return Waits(question=reply.question.id, call=call.name, tool=ASK)
        # An option is in the model's words, and may have come from anywhere: choosing it makes nothing the person's own.
        text = canonical({"status": f"answered by {reply.who}", "answer": reply.text, "own": own_words(reply.text, asking)})
        return Told(end="chosen" if reply.text in asking.options else "answered", text=text, call=call.name, tool=ASK)


def _where(turn: str, step: Step | None, how: str) -> str:
    lines = (f"{turn}, step {step.id}: {step.reason}" if step else turn, f"measured: {how}" if how else "")
    return "\n".join(line for line in lines if line)


def _known(value: JsonValue, situation: Situation) -> bool:
    """Whether all that it names is in the person's words."""
    return provenance((), [value], words=situation.words, owned_roots=(), untrusted=("?",)) > UNTRUSTED


def _args(call: Wanted) -> Mapping[str, JsonValue]:
    return fields(parse(call.args_json))


def _skipped(call: Wanted, why: str, end: str) -> Told:
    end, text = not_run(why, end=end)
    return Told(end=end, text=text, call=call.name, tool=call.tool)
