"""What is known when an action is judged, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from remit.domain.action import Effect, Level
from remit.domain.values import JsonValue


class Verdict(StrEnum):
    """`alone < ask < never`."""

    ALONE = "alone"
    ASK = "ask"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything policy may use about one action; whole numbers and words only, as Cedar has no floats."""

    tool: str
    level: Level
    effect: Effect
    egress: bool = False
    """The call leaves the machine or changes state elsewhere, even if it only reads."""
    sandboxed: bool = True
    """False where the tool runs without the isolation it is meant to have: then everything asks."""
    provenance: int = 1
    """3 the person's own words, 2 approved before, 1 owned data, 0 untrusted content only; the least over targets and salient arguments."""
    tainted: bool = False
    planned: bool = False
    first_seen: bool = False
    earned: bool = False
    high_stakes: bool = False
    confidence: int = -1
    """Per cent; -1 is unknown."""
    anomaly: int = 0
    """0 to 100; the default policy asks from 80."""
    budget_left: bool = True
    approvals: int = 0
    approver_roles: frozenset[str] = frozenset()
    args: Mapping[str, JsonValue] = field(default_factory=dict)
    """The arguments that the tool declares visible to policy."""

    def with_approvals(self, people: int, roles: frozenset[str] | None = None) -> Facts:
        """The same facts once `people` distinct people have approved."""
        return replace(self, approvals=people, approver_roles=self.approver_roles if roles is None else roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """One policy that decided: its stable id and its reason in plain words."""

    policy: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The least human involvement under which the policy says yes."""

    verdict: Verdict
    people: int
    because: tuple[Because, ...] = ()
    roles: frozenset[str] = frozenset()
    """Roles that are enough among the people to ask; which ones really count is judged again with their answers."""

    @classmethod
    def after(cls, people: int, because: tuple[Because, ...]) -> Decision:
        return cls(verdict=Verdict.ASK if people else Verdict.ALONE, people=people, because=because)

    @classmethod
    def never(cls, because: tuple[Because, ...]) -> Decision:
        return cls(verdict=Verdict.NEVER, people=0, because=because)

    def stricter_than(self, people: int) -> bool:
        """Whether `people` approvals are not enough for it."""
        return self.verdict is Verdict.NEVER or self.people > people

    def explain(self) -> str:
        return "; ".join(f"{b.policy}: {b.reason}" if b.reason else b.policy for b in self.because)
