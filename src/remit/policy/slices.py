"""The policies that can speak of one tool, and how their answers become a decision. Knows no engine, only what one answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Final, Protocol

from remit.domain.decision import Because, Decision, Facts
from remit.policy.judge import PEOPLE, Match, ToolShape, nobody_permits
from remit.policy.rules import Rule
from remit.policy.syntax import APPROVALS, ROLES
from remit.policy.vocabulary import CONTEXT

CACHED: Final = 4096
"""Decisions remembered per tool."""
_LONGEST: Final = 4096
"""Arguments whose text is longer are judged anew each time: a cache must not keep megabytes alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What an engine answers. `failed` names policies that could not be evaluated, '' when the question itself was refused."""

    allowed: bool
    matched: frozenset[str] = frozenset()
    """The permits that allowed, or the forbids that did not."""
    failed: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    def ask(self, context: Mapping[str, Any]) -> Verdicts: ...


class Slice:
    """Judges the calls of one tool. What its policies do not read is neither shown to the engine nor part of the cache key."""

    def __init__(self, tool: ToolShape, rules: Sequence[Rule], engine: Callable[[Sequence[Rule], Collection[str]], Engine]) -> None:
        """`engine` makes one of some rules, to be asked with exactly the facts named beside them."""
        self._rules = {one.id: one for one in rules}
        reads = {read for one in rules for read in one.reads}
        self._engine = engine(rules, reads)
        self._make = engine
        self._reads = reads
        self._singles: dict[str, Engine] = {}
        self._facts = tuple(sorted((reads & CONTEXT.keys()) - {APPROVALS, ROLES}))
        self._args = tuple(arg.name for arg in tool.args if f"args.{arg.name}" in reads)
        self.looks_at_arguments = any(read == "args" or read.startswith("args.") for read in reads)
        self._has_approvals = APPROVALS in reads
        self._has_roles = ROLES in reads
        self._roles = frozenset(role for one in rules for role in one.roles)
        keyed = (*self._facts, *((APPROVALS, ROLES) if self._has_roles else ()))
        self._key = attrgetter(*keyed) if keyed else _nothing
        self._cache: OrderedDict[object, Decision] = OrderedDict()

    def decide(self, facts: Facts) -> Decision:
        """`judge`, remembered by everything that the policies can read."""
        key: object = self._key(facts)
        if self._args:
            shown = repr([facts.args.get(name) for name in self._args])
            if len(shown) > _LONGEST:
                return self.judge(facts)
            key = (key, shown)
        try:
            self._cache.move_to_end(key)
            return self._cache[key]
        except KeyError:
            decision = self._cache[key] = self.judge(facts)
        while len(self._cache) > CACHED:
            self._cache.popitem(last=False)
        return decision

    def judge(self, facts: Facts) -> Decision:
        """The first number of people under which the answer is a clean yes, and what spoke against fewer."""
        against: dict[Because, None] = {}
        said: tuple[Because, ...] = ()
        for people in PEOPLE:
            roles = self._approvers(facts, people)
            verdicts = self._engine.ask(self._context(facts, people, roles))
            said = self._because(verdicts)
            if verdicts.allowed:
                decision = Decision.after(people, tuple(against) or said)
                return replace(decision, roles=self._needed(facts, people, roles)) if people and self._has_roles else decision
            against.update(dict.fromkeys(said))
        return Decision.never(said or (nobody_permits(facts),))

    def matches(self, facts: Facts) -> tuple[tuple[Match, ...], ...]:
        """Every policy asked alone, at each number of people: Cedar's own answer leaves out permits that a forbid overruled."""
        found = []
        for people in PEOPLE:
            context = self._context(facts, people, self._approvers(facts, people))
            found.append(tuple(match for one in self._rules.values() if (match := self._match(one, context))))
        return tuple(found)

    def _match(self, one: Rule, context: Mapping[str, Any]) -> Match | None:
        if one.id not in self._singles:
            self._singles[one.id] = self._make((one,), self._reads)
        verdicts = self._singles[one.id].ask(context)
        failed = "; ".join(verdicts.failed.values())
        if not failed and one.id not in verdicts.matched:
            return None
        return Match(policy=one.id, effect=one.effect, reason=one.reason, failed=failed)

    def _approvers(self, facts: Facts, people: int) -> frozenset[str]:
        """The roles that count: nobody's, those who did approve, or whoever might still be asked."""
        if people == 0:
            return frozenset()
        return facts.approver_roles if people <= facts.approvals else self._roles | facts.approver_roles

    def _needed(self, facts: Facts, people: int, roles: frozenset[str]) -> frozenset[str]:
        """A smallest set of roles that is enough: each one is dropped if the yes stands without it."""
        for role in sorted(roles):
            fewer = roles - {role}
            if self._engine.ask(self._context(facts, people, fewer)).allowed:
                roles = fewer
        return roles

    def _context(self, facts: Facts, people: int, roles: frozenset[str]) -> dict[str, Any]:
        context: dict[str, Any] = {name: getattr(facts, name) for name in self._facts}
        if self._has_approvals:
            context[APPROVALS] = people
        if self._has_roles:
            context[ROLES] = sorted(roles)
        if self.looks_at_arguments:
            context["args"] = {name: value for name in self._args if (value := facts.args.get(name)) is not None}
        return context

    def _because(self, verdicts: Verdicts) -> tuple[Because, ...]:
        if verdicts.failed:
            return tuple(
                Because(policy=name or "judgement-failed", reason=f"could not be judged, so it counts as a no: {why}")
                for name, why in verdicts.failed.items()
            )
        return tuple(Because(policy=name, reason=one.reason) for name, one in self._rules.items() if name in verdicts.matched)


def _nothing(facts: Facts) -> None:
    """The key of a slice that reads no facts at all."""
