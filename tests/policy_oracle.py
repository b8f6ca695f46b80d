"""The default policy once more, in plain Python and written from the table of the design, not from the Cedar text."""

from __future__ import annotations

from importlib.resources import files

from remit.domain.action import Effect, Level
from remit.domain.decision import Facts
from remit.policy.cedar import CedarPolicy, load
from remit.policy.judge import ArgShape, Origin, PolicySource, ToolShape

NEVER = 3

READ = ToolShape(name="files.read", effect=Effect.PURE, args=(ArgShape(name="path", type="string"),))
WRITE = ToolShape(
    name="files.write",
    effect=Effect.REVERSIBLE,
    args=(
        ArgShape(name="path", type="string"),
        ArgShape(name="mode", type="integer", required=False),
        ArgShape(name="force", type="boolean", required=False),
    ),
)
SEND = ToolShape(
    name="mail.send",
    effect=Effect.DEFERRABLE,
    args=(
        ArgShape(name="subject", type="string"),
        ArgShape(name="to", type="strings"),
        ArgShape(name="amount", type="integer", required=False),
    ),
)
TOOLS = (READ, WRITE, SEND)


def source(text: str, *, origin: Origin = "user", name: str = "mine.cedar") -> PolicySource:
    return PolicySource(origin=origin, name=name, text=text)


def default_source() -> PolicySource:
    text = files("remit.policy").joinpath("default.cedar").read_text(encoding="utf-8")
    return PolicySource(origin="default", name="default.cedar", text=text)


def default_policy(*more: PolicySource) -> CedarPolicy:
    return load([default_source(), *more], TOOLS)


def people(facts: Facts) -> int:
    """How many people the table asks for; it never says never."""
    asks = _row(facts)
    changes_something = facts.effect is not Effect.PURE or facts.egress
    if facts.tainted and changes_something and (not facts.planned or facts.first_seen):
        asks = max(asks, 1)
    if 0 <= facts.confidence < 67 and changes_something:
        asks = max(asks, 1)
    if facts.anomaly >= 80 or not facts.budget_left or not facts.sandboxed:
        asks = max(asks, 1)
    return asks


def _row(facts: Facts) -> int:
    if facts.effect is Effect.IRREVERSIBLE:
        return _irreversible(facts)
    if facts.effect in (Effect.COMPENSABLE, Effect.DEFERRABLE) or facts.egress:
        return _traces(facts)
    if facts.effect is Effect.PURE:
        return 0
    match facts.level:
        case Level.OPERATOR:
            return 1
        case Level.COLLABORATOR:
            return 0 if facts.provenance >= 1 else 1
        case _:
            return 0


def _traces(facts: Facts) -> int:
    alone = {
        Level.OPERATOR: False,
        Level.COLLABORATOR: False,
        Level.CONSULTANT: facts.provenance >= 2 or (facts.provenance == 1 and facts.earned),
        Level.APPROVER: facts.provenance >= 1 or (facts.earned and not facts.tainted),
        Level.OBSERVER: facts.provenance >= 1 or facts.earned,
    }
    return 0 if alone[facts.level] else 1


def _irreversible(facts: Facts) -> int:
    if facts.level is Level.APPROVER and facts.high_stakes:
        return 1 if facts.earned else 2
    if facts.level in (Level.APPROVER, Level.OBSERVER) and facts.provenance == 3 and not facts.high_stakes:
        return 0
    return 1
