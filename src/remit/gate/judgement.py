"""What policy says of an action: of its arguments, and of what it turns out to amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from remit.domain.action import Action, Effect
from remit.domain.decision import Decision, Facts, Verdict
from remit.domain.question import Approval
from remit.domain.situation import Situation
from remit.domain.values import Digest, JsonValue
from remit.gate.facts import gather
from remit.gate.schema import Shape
from remit.policy.judge import Policy
from remit.ports import Call, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Whose yes an action has, and in which roles."""

    people: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()

    @classmethod
    def by(cls, approvals: Sequence[Approval]) -> Given:
        return cls(people=tuple(a.who for a in approvals), roles=frozenset().union(*(a.roles for a in approvals)))

    @classmethod
    def ordered(cls, situation: Situation) -> Given:
        """A person who ordered this very call after seeing it has said yes to it."""
        return cls(people=(situation.ordered_by,)) if situation.ordered_by else cls()


class Wider(Exception):
    """Captured, the action amounts to something that needs more than the yes it has. Nothing was started."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.explain())
        self.decision = decision


class Judgement:
    """Facts and decisions for the tools of one gate."""

    def __init__(self, tools: Mapping[str, Tool], policy: Policy, roots: Sequence[str]) -> None:
        self._tools = tools
        self._policy = policy
        self._roots = tuple(roots)
        self._shapes = {name: Shape(tool) for name, tool in tools.items()}

    def check(self, tool: str, args: Mapping[str, JsonValue]) -> None:
        """Raise ArgsInvalid when the arguments do not fit the tool's schema."""
        self._shapes[tool].check(args)

    def definition(self, tool: str) -> Digest:
        return self._shapes[tool].definition

    def of(self, action: Action, situation: Situation) -> tuple[Facts, Decision]:
        """The decision with nobody's approval yet. Raises BadInput or OutsideRoots where the action cannot be judged."""
        tool = self._tools.get(action.tool)
        if tool is None:
            facts = Facts(tool=action.tool, level=situation.level, effect=Effect.IRREVERSIBLE)
            return facts, self._policy.decide(facts)
        args = action.args
        self.check(action.tool, args)
        facts = gather(tool, args, tool.targets(args), situation, self._roots)
        return facts, self._policy.decide(facts)

    def covers(self, facts: Facts, given: Given) -> bool:
        """Whether the yes that was given is enough."""
        return not self._with(facts, given).stricter_than(len(given.people))

    def instead(self, facts: Facts) -> str:
        """What would be allowed."""
        return "; ".join(self._policy.explain(facts).instead)

    def permit(self, action: Action, call: Call, situation: Situation, given: Given) -> None:
        """Judge what the captured call amounts to, so that no rule on files is passed by another road. Raises Wider."""
        amounts = [(name, args) for name, args in self._tools[action.tool].amounts_to(call) if name in self._tools]
        if not amounts:
            return
        facts, _ = self.of(action, situation)
        found = [self._with(replace(facts, tool=n, effect=self._tools[n].spec.effect, args=args), given) for n, args in amounts]
        strictest = max(found, key=lambda decision: (decision.verdict is Verdict.NEVER, decision.people))
        if strictest.stricter_than(len(given.people)):
            raise Wider(strictest)

    def _with(self, facts: Facts, given: Given) -> Decision:
        return self._policy.decide(facts.with_approvals(len(given.people), given.roles))
