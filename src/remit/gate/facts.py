"""What is known of an action at the moment of judgement, gathered from tool, arguments and situation."""

from __future__ import annotations

from collections.abc import Mapping

from remit.domain.action import Effect, Level
from remit.domain.decision import Facts
from remit.domain.situation import Situation
from remit.domain.values import JsonValue
from remit.policy.provenance import OWNED, provenance
from remit.ports import Tool


def gather(tool: Tool, args: Mapping[str, JsonValue], targets: tuple[str, ...], situation: Situation, roots: tuple[str, ...]) -> Facts:
    """Facts for one call. `targets` are the tool's own reading of the arguments; `roots` are the folders the person owns."""
    spec = tool.spec
    salient = [args[name] for name in spec.salient if name in args]
    origin = provenance(
        targets,
        salient,
        words=situation.words,
        owned_roots=(*roots, *(target for target in targets if tool.owns(target))),
        untrusted=situation.untrusted,
        owned=situation.own,
    )
    return Facts(
        tool=spec.name,
        level=situation.level,
        effect=tool.effect(args),
        egress=spec.egress,
        sandboxed=spec.sandboxed,
        provenance=max(origin, OWNED) if situation.decided else origin,
        tainted=situation.tainted,
        planned=situation.planned,
        confidence=situation.confidence,
        anomaly=situation.anomaly,
        budget_left=situation.budget_left,
        high_stakes=situation.high_stakes,
        args=tool.visible(args),
    )


def to_body(facts: Facts) -> dict[str, JsonValue]:
    """The facts as they go into the journal, so that a decision can be replayed: only what differs from the default."""
    body: dict[str, JsonValue] = {"level": str(facts.level), "effect": str(facts.effect)}
    for name, default in _PLAIN.items():
        value = getattr(facts, name)
        if value != default:
            body[name] = value
    return body


_DEFAULT = Facts(tool="", level=Level.OPERATOR, effect=Effect.PURE)
_PLAIN = {
    name: getattr(_DEFAULT, name)
    for name in (
        "egress",
        "sandboxed",
        "provenance",
        "tainted",
        "planned",
        "first_seen",
        "earned",
        "high_stakes",
        "confidence",
        "anomaly",
        "budget_left",
    )
}
