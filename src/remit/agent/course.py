"""Where an agent's run stands: what its person said, which plan it follows, and what of that is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.agent.talk import Talk, Told, tried
from remit.domain.plan import Plan, Step
from remit.domain.record import State
from remit.domain.run import Run
from remit.domain.situation import Situation
from remit.domain.steering import ByHand, Hand, Planned, Steering
from remit.domain.values import JsonValue, action_id, canonical
from remit.gate.gate import Gate
from remit.gate.steering import AGENT, Steered
from remit.plans.following import fixed_in, steps_of
from remit.plans.spec import from_spec, to_spec

_HANDED: Final = {
    Hand.TAKEN: "{who} takes over the step {step}: leave it to them",
    Hand.DONE: "{who} did the step {step} by hand. {note}",
    Hand.BACK: "the step {step} is yours again",
}


class Course:
    """Read from the journal whenever it is asked, so that what a person says counts at the next decision."""

    def __init__(self, run: Run, gate: Gate, talk: Talk) -> None:
        self._run = run
        self._gate = gate
        self._talk = talk
        self._steered = Steered(gate.journal, run)
        self._read: dict[int, Plan] = {}

    @property
    def now(self) -> Steering:
        return self._steered.now()

    @property
    def latest(self) -> Planned | None:
        return self.now.plans[-1] if self.now.plans else None

    @property
    def plan(self) -> Plan | None:
        """As it stands now; None before the model made one."""
        return self._plan(self.latest) if self.latest else None

    def situation(self, where: str) -> Situation:
        """What holds for every call of a turn: of what the model had read when it made them."""
        talk, now = self._talk, self.now
        return Situation(
            level=now.level,
            words="\n".join([self._run.goal, *(one.text for one in now.said), *talk.answers]),
            untrusted=tuple(talk.untrusted),
            own=(*talk.own, *(canonical(plan.spec.get("step")) for plan in now.plans if not plan.tainted)),
            tainted=bool(talk.untrusted),
            where=where,
            tried=tried(talk) if talk.failing else "",
        )

    @property
    def trusted(self) -> bool:
        """Whether the plan as it stands was made before anything untrusted was read, or by a person."""
        return self.latest is not None and not self.latest.tainted

    @property
    def dropped(self) -> list[str]:
        """Steps that were planned once, and neither are nor were done."""
        now = {step.id for step in self.plan.steps} if self.plan else set()
        once = dict.fromkeys(str(step["id"]) for plan in self.now.plans for step in _steps(self._plan(plan)))
        return [step for step in once if step not in now and step not in self._talk.passed]

    def persons_steps(self, plan: Plan) -> list[str]:
        """Steps that a person wrote last, and that a model's new plan has not, or not as they are."""
        written = [made for made in self.now.plans if made.by != AGENT]
        kept = {str(step["id"]): _what(step) for step in _steps(plan)}
        return [
            str(step["id"]) for step in _steps(self._plan(written[-1]) if written else None) if kept.get(str(step["id"])) != _what(step)
        ]

    def planned(self, tool: str, args: Mapping[str, JsonValue]) -> bool:
        """Whether the call stands in a plan that was made before anything untrusted was read, or that a person wrote."""
        plan = self._last_trusted
        return plan is not None and bool(steps_of(self._plan(plan), tool, args, self._known(plan)))

    def decided(self, tool: str, args: Mapping[str, JsonValue]) -> bool:
        """Whether it stands there with every argument it has."""
        plan = self._last_trusted
        return plan is not None and fixed_in(self._plan(plan), tool, args)

    @property
    def _last_trusted(self) -> Planned | None:
        return next((plan for plan in reversed(self.now.plans) if not plan.tainted), None)

    def step(self, tool: str, args: Mapping[str, JsonValue]) -> Step | None:
        """The step that a call carries out: of several the first that is not done."""
        found = steps_of(self.plan, tool, args, self._known(self.latest)) if self.plan and self.latest else []
        return next((step for step in found if step.id not in self.passed), found[0] if found else None)

    @property
    def passed(self) -> dict[str, str]:
        """The calls by which steps passed; a step that was planned otherwise then has not."""
        plans = {str(plan.n): plan for plan in self.now.plans}
        now = {step["id"]: step for step in _steps(self.plan)}
        found = {}
        for step, (line, call) in self._talk.passed.items():
            then = {one["id"]: one for one in _steps(self._plan(plans[line]))} if line in plans else {}
            undone = self._gate.record(action_id(self._run.id, call)).state is State.UNDONE
            if step in now and step in then and _what(now[step]) == _what(then[step]) and not undone:
                found[step] = call
        return found

    @property
    def results(self) -> dict[str, JsonValue]:
        """What came of each step that is done, for those that refer to it."""
        hands = {step: hand.result for step, hand in self.now.by_hand.items() if hand.state is Hand.DONE}
        outcomes = {step: self._gate.record(action_id(self._run.id, call)).outcome for step, call in self.passed.items()}
        inputs: dict[str, JsonValue] = {"inputs": dict(self.plan.inputs)} if self.plan else {}
        return {**inputs, **hands, **{step: outcome.result for step, outcome in outcomes.items() if outcome is not None}}

    def taken(self, tool: str, args: Mapping[str, JsonValue]) -> ByHand | None:
        """By whom a step that this call is, in any plan there was, is taken over at the moment."""
        hands = {step: hand for step, hand in self.now.by_hand.items() if hand.state is Hand.TAKEN}
        if not hands:
            return None
        steps = [step.id for plan in self.now.plans for step in steps_of(self._plan(plan), tool, args, self._known(plan))]
        return next((hands[step] for step in steps if step in hands), None)

    @property
    def news(self) -> list[Told]:
        """What people said that the model has not been told, in the order it was said."""
        now, found = self.now, []
        found += [(one.n, f"{one.who} says: {one.text}") for one in now.said]
        found += [(hand.n, _HANDED[hand.state].format(who=hand.who, step=step, note=_note(hand))) for step, hand in now.by_hand.items()]
        found += [
            (one.n, f"{one.by} changed the plan. It is now: {canonical(one.spec.get('step'))}") for one in now.plans if one.by != AGENT
        ]
        return [Told(end="said", text=text, line=str(n)) for n, text in sorted(found) if n > self._talk.heard]

    def _known(self, planned: Planned) -> dict[str, JsonValue]:
        """What references of that plan stand for by now."""
        return {**self.results, "inputs": dict(self._plan(planned).inputs)}

    def _plan(self, planned: Planned) -> Plan:
        if planned.n not in self._read:
            self._read[planned.n] = from_spec(planned.spec)
        return self._read[planned.n]


def _steps(plan: Plan | None) -> list[Mapping[str, JsonValue]]:
    steps = to_spec(plan)["step"] if plan else []
    return [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else []


def _what(step: Mapping[str, JsonValue]) -> str:
    """What a step does, and how that is seen; not how it is spoken of."""
    return canonical({key: step[key] for key in ("tool", "args", "check", "otherwise") if key in step})


def _note(hand: ByHand) -> str:
    return " ".join(part for part in (hand.note, f"Result: {canonical(hand.result)}" if hand.result is not None else "") if part)
