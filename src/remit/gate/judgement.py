"""What policy says of an action: of its arguments, and of what it turns out to amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from remit.domain.action import Action, Effect
from remit.domain.decision import Decision, Facts, Verdict
from remit.domain.question import Approval
from remit.domain.situation import Situation
from remit.domain.values import Digest, JsonValue, canonical
from remit.errors import ArgsInvalid
from remit.gate.facts import gather
from remit.gate.schema import Shape
from remit.policy.explaining import instead
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

    def __init__(self, what: str, facts: Facts, decision: Decision) -> None:
        super().__init__(what)
        self.what = what
        self.facts = facts
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
        if tool.spec.undoes and not action.undoes:
            raise ArgsInvalid(f"{action.tool} only takes back what remit did", fix="name the action: `remit undo`")
        args = action.args
        self.check(action.tool, args)
        facts = gather(tool, args, tool.targets(args), situation, self._roots)
        return facts, self._policy.decide(facts)

    def covers(self, facts: Facts, given: Given) -> bool:
        """Whether the yes that was given is enough."""
        return not self._with(facts, given).stricter_than(len(given.people))

    def instead(self, facts: Facts) -> str:
        """What would be allowed."""
        return "; ".join(instead(self._policy.decide, facts))

    def permit(self, action: Action, facts: Facts, call: Call, given: Given) -> None:
        """Judge what the captured call amounts to, so that no rule on files is passed by another road. Raises Wider.

        What takes an action back is not judged as what it amounts to: it ends in what was there before anything was asked.
        """
        tool = self._tools[action.tool]
        plain = tool.spec.reads_as and not any(map(self._policy.looks_at_arguments, tool.spec.reads_as))
        amounts = () if action.undoes or plain else tool.amounts_to(call)
        strictest: Wider | None = None
        for name, args in amounts:
            if name in self._tools:
                part = replace(facts, tool=name, effect=self._tools[name].spec.effect, args=args)
                decision = self._with(part, given)
                if decision.stricter_than(len(given.people)) and (strictest is None or _rank(decision) > _rank(strictest.decision)):
                    strictest = Wider(f"{name} {canonical(args)}", part, decision)
        if strictest is not None:
            raise strictest

    def _with(self, facts: Facts, given: Given) -> Decision:
        return self._policy.decide(facts.with_approvals(len(given.people), given.roles))


def _rank(decision: Decision) -> tuple[bool, int]:
    return decision.verdict is Verdict.NEVER, decision.people
