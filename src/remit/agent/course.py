"""Where an agent's run stands: what its person said, which plan it follows, and what of that is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from remit.agent.counted import counting, left, matching, named_by, what, whole
from remit.agent.prompt import with_material
from remit.agent.talk import Talk, Told, tried
from remit.domain.action import Effect
from remit.domain.plan import Plan, Step
from remit.domain.record import State
from remit.domain.run import Run
from remit.domain.situation import Situation
from remit.domain.steering import ByHand, Hand, Planned, Steering
from remit.domain.values import JsonValue, action_id, canonical
from remit.gate.gate import Gate
from remit.gate.steering import AGENT, Steered
from remit.plans.following import steps_of
from remit.plans.spec import from_spec

_ARGS: Final = 200
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
        self.steered = Steered(gate.journal, run)
        self._read: dict[int, Plan] = {}
        self._counted: tuple[int, tuple[Planned, list[Step]] | None] = (0, None)

    @property
    def now(self) -> Steering:
        return self.steered.now()

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
            own=(*talk.own, *([named_by(counts[1])] if (counts := self._counts) else [])),
            tainted=bool(talk.untrusted),
            where=where,
            tried=tried(talk) if talk.failing else "",
        )

    @property
    def dropped(self) -> list[str]:
        """Steps that were planned once, and neither are nor were done."""
        now = {step.id for step in self.plan.steps} if self.plan else set()
        once = dict.fromkeys(step.id for _, plan in self._plans for step in plan.steps)
        return [step for step in once if step not in now and step not in self._talk.passed]

    def persons_steps(self, plan: Plan) -> list[str]:
        """Steps that a person wrote last, and that a model's new plan has not, or not as they are."""
        written = [made for made in self.now.plans if made.by != AGENT]
        kept = {step.id: what(step) for step in plan.steps}
        return [step.id for step in (self._plan(written[-1]).steps if written else ()) if kept.get(step.id) != what(step)]

    def planned(
        self, tool: str, args: Mapping[str, JsonValue], effect: Effect, must: Collection[str], used: Mapping[str, int]
    ) -> Step | None:
        """The step of the plan that counts in which the call stands, neither used up nor denied, if there is one.

        It says something of each of the arguments in `must`; `used` is what this turn has used beside what the model was told.
        """
        counts = self._counts
        found = matching(self._left(counts, effect, used), tool, args, self._known(counts[0]), must) if counts else []
        return found[0] if found else None

    def decided(self, tool: str, args: Mapping[str, JsonValue], effect: Effect, used: Mapping[str, int]) -> bool:
        """Whether it stands there with every argument it has."""
        counts = self._counts
        return counts is not None and whole(self._left(counts, effect, used), self._plan(counts[0]).inputs, tool, args)

    def counts(self, step: str) -> bool:
        """Whether that step of the plan as it stands counts at the gate."""
        counts = self._counts
        return counts is not None and counts[0] == self.latest and step in {one.id for one in counts[1]}

    def _left(self, counts: tuple[Planned, list[Step]], effect: Effect, used: Mapping[str, int]) -> list[Step]:
        talk = self._talk
        return [
            step
            for step in counts[1]
            if step.id not in talk.denied and left(step, effect, lambda name: talk.uses[name] + used.get(name, 0))
        ]

    @property
    def _counts(self) -> tuple[Planned, list[Step]] | None:
        """Plans only come to be, so it changes with their number alone."""
        if len(self.now.plans) != self._counted[0]:
            self._counted = len(self.now.plans), counting(self._plans)
        return self._counted[1]

    @property
    def _plans(self) -> list[tuple[Planned, Plan]]:
        return [(plan, self._plan(plan)) for plan in self.now.plans]

    def step(self, tool: str, args: Mapping[str, JsonValue]) -> Step | None:
        """The step that a call carries out: of several the first that is not done."""
        found = steps_of(self.plan.steps, tool, args, self._known(self.latest)) if self.plan and self.latest else []
        passed = self.passed if len(found) > 1 else {}
        return next((step for step in found if step.id not in passed), found[0] if found else None)

    @property
    def standing(self) -> str:
        """The plan and how far it is, for a conversation in which it was made long ago."""
        plan = self.plan
        if plan is None:
            return ""
        hands = {step: f"{hand.state} by {hand.who}" for step, hand in self.now.by_hand.items() if hand.state is not Hand.BACK}
        waits = {left.step: "waits for your person" for left in self._talk.waiting.values()}
        states = {**dict.fromkeys(self.passed, "done"), **hands, **waits, **dict.fromkeys(self._talk.denied, "refused by your person")}
        lines = [f"- {step.id}: {step.way.tool} {canonical(step.way.args)[:_ARGS]}: {states.get(step.id, 'to do')}" for step in plan.steps]
        return "\n".join(["Your plan as it stands now:", *lines])

    @property
    def passed(self) -> dict[str, str]:
        """The calls by which steps passed; a step that was planned otherwise then has not."""
        return self._passed_in(self.plan) if self.plan else {}

    def _passed_in(self, plan: Plan) -> dict[str, str]:
        """The same for another plan: only what it plans itself."""
        plans = {str(one.n): one for one in self.now.plans}
        now = {step.id: step for step in plan.steps}
        found = {}
        for step, (line, call) in self._talk.passed.items():
            then = {one.id: one for one in self._plan(plans[line]).steps} if line in plans else {}
            undone = self._gate.record(action_id(self._run.id, call)).state is State.UNDONE
            if step in now and step in then and what(now[step]) == what(then[step]) and not undone:
                found[step] = call
        return found

    def ready(self, waiting: Collection[str], just: Collection[str]) -> list[str]:
        """Steps that can be done while those wait: neither done (`just` now or before) nor denied nor a person's; needing only what is."""
        plan = self.plan
        hands = {step: hand.state for step, hand in self.now.by_hand.items()}
        done = {*self.passed, *just, *(step for step, state in hands.items() if state is Hand.DONE)} - {*waiting}
        return [
            step.id
            for step in (plan.steps if plan else ())
            if step.id not in {*done, *waiting, *self._talk.denied} and hands.get(step.id) is not Hand.TAKEN and set(step.needs) <= done
        ]

    @property
    def results(self) -> dict[str, JsonValue]:
        """What came of each step that is done, for those that refer to it."""
        return self._results(self.plan) if self.plan else {}

    def _results(self, plan: Plan) -> dict[str, JsonValue]:
        hands = {step: hand.result for step, hand in self.now.by_hand.items() if hand.state is Hand.DONE}
        outcomes = {step: self._gate.record(action_id(self._run.id, call)).outcome for step, call in self._passed_in(plan).items()}
        known: dict[str, JsonValue] = {"inputs": dict(plan.inputs), **hands}
        return known | {step: outcome.result for step, outcome in outcomes.items() if outcome is not None}

    def by_hand(self, tool: str, args: Mapping[str, JsonValue]) -> ByHand | None:
        """Of a step that this call is, in any plan there was: who does it at the moment, or did it."""
        hands = {step: hand for step, hand in self.now.by_hand.items() if hand.state is not Hand.BACK}
        if not hands:
            return None
        steps = [step.id for plan in self.now.plans for step in steps_of(self._plan(plan).steps, tool, args, self._known(plan))]
        return next((hands[step] for step in steps if step in hands), None)

    @property
    def news(self) -> list[Told]:
        """What people said that the model has not been told, in the order it was said."""
        now = self.now
        found = [(one.n, f"{one.who} says: {with_material(one.text, one.material)}", one.material) for one in now.said]
        found += [(hand.n, _HANDED[hand.state].format(who=hand.who, step=step, note=_note(hand)), "") for step, hand in now.by_hand.items()]
        found += [
            (one.n, f"{one.by} changed the plan. It is now: {canonical(one.spec.get('step'))}", "") for one in now.plans if one.by != AGENT
        ]
        fresh = [one for one in sorted(found) if one[0] > self._talk.heard]
        return [Told(end="said", text=text, line=str(n), taint="yes" if strange else "") for n, text, strange in fresh]

    def _known(self, planned: Planned) -> dict[str, JsonValue]:
        """What references of that plan stand for by now."""
        return self._results(self._plan(planned))

    def _plan(self, planned: Planned) -> Plan:
        if planned.n not in self._read:
            self._read[planned.n] = from_spec(planned.spec)
        return self._read[planned.n]


def _note(hand: ByHand) -> str:
    return " ".join(part for part in (hand.note, f"Result: {canonical(hand.result)}" if hand.result is not None else "") if part)
