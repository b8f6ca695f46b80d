"""Say what a policy means: which single change would need fewer people, and tables for a terminal or JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from remit.domain.action import Effect, Level
from remit.domain.decision import Decision, Facts, Verdict
from remit.domain.values import JsonValue
from remit.policy.judge import Explanation, Match, Policy, Row, ToolShape

_NUMBERS: Final = ("nobody", "one", "two")
_CHANGES: Final[tuple[tuple[Mapping[str, Any], str], ...]] = (
    ({"provenance": 2}, "if a person had approved the same target before"),
    ({"provenance": 3}, "if a person named target and amount in their own words"),
    ({"planned": True}, "if it stood in the plan made before anything untrusted was read"),
    ({"tainted": False}, "in a run that has read nothing untrusted"),
    ({"earned": True}, "once this kind of action has earned it"),
    ({"sandboxed": True}, "inside the sandbox"),
    ({"budget_left": True}, "within the budget"),
    ({"anomaly": 0}, "if it were not unusual"),
    ({"first_seen": False}, "for a target seen before"),
    ({"high_stakes": False}, "with less at stake"),
    ({"effect": Effect.REVERSIBLE}, "by a tool that can be undone exactly"),
)


def instead(decide: Callable[[Facts], Decision], facts: Facts) -> tuple[str, ...]:
    """Every single change of a fact that would need fewer people, and the nearest level that does; fewest people first."""
    now = nearest = _people(decide(facts))
    found: dict[str, int] = {}
    for words, changed in _neighbours(facts):
        people = _people(decision := decide(changed))
        if people < now:
            found[f"{spoken(decision)} {words}"] = people
    for level in _levels_above(facts.level):
        people = _people(decision := decide(replace(facts, level=level)))
        if people < nearest:
            nearest = people
            found[f"{spoken(decision)} at level {level}"] = people
    return tuple(sorted(found, key=found.__getitem__))


def spoken(decision: Decision) -> str:
    """`alone`, `after one person's yes`, `after two people's yes` or `never`."""
    match decision.verdict:
        case Verdict.ALONE:
            return "alone"
        case Verdict.ASK:
            said = "after one person's yes" if decision.people == 1 else f"after {_NUMBERS[decision.people]} people's yes"
            return f"{said} (among them: {', '.join(sorted(decision.roles))})" if decision.roles else said
        case Verdict.NEVER:
            return "never"


def report(policy: Policy) -> list[dict[str, JsonValue]]:
    """Every policy as plain data, for `remit policy check --json`."""
    return [
        {
            "id": row.id,
            "origin": row.origin,
            "effect": row.effect,
            "file": row.file,
            "line": row.line,
            "reason": row.reason,
            "tools": list(row.tools),
        }
        for row in policy.rows()
    ]


def report_text(policy: Policy, tools: int) -> str:
    """Every policy on one line, for `remit policy check`. `tools` is how many tools there are in all."""
    return "\n".join(_row_line(row, tools) for row in policy.rows())


def matrix(policy: Policy, tools: Sequence[ToolShape]) -> list[dict[str, JsonValue]]:
    """What each tool may do at each level on an ordinary day: nothing tainted, unusual or earned, declared effect."""
    return [
        {"tool": tool.name, "effect": str(tool.effect), **{str(level): _usually(policy, tool, level) for level in Level}} for tool in tools
    ]


def _usually(policy: Policy, tool: ToolShape, level: Level) -> str:
    """Without arguments at hand a rule that reads them cannot be evaluated; that is no answer to what a call may do."""
    decision = policy.decide(Facts(tool=tool.name, level=level, effect=tool.effect, provenance=1))
    unknown = decision.verdict is Verdict.NEVER and policy.looks_at_arguments(tool.name)
    return "depends on its arguments" if unknown else spoken(decision)


def explanation(found: Explanation) -> dict[str, JsonValue]:
    """An explanation as plain data, for `remit policy explain --json`."""
    return {
        "tool": found.facts.tool,
        "verdict": str(found.decision.verdict),
        "people": found.decision.people,
        "roles": sorted(found.decision.roles),
        "because": [{"policy": because.policy, "reason": because.reason} for because in found.decision.because],
        "matches": [[_match(match) for match in matches] for matches in found.matches],
        "instead": list(found.instead),
    }


def explanation_text(found: Explanation) -> str:
    """An explanation for a person, for `remit policy explain`."""
    lines = [f"{found.facts.tool} ({found.facts.effect}) at level {found.facts.level}: {spoken(found.decision)}"]
    lines += _listed("because", (f"{because.policy}: {because.reason}" for because in found.decision.because))
    for people, matches in enumerate(found.matches):
        lines += _listed(f"with {_NUMBERS[people]} approving", map(_match_line, matches))
    lines += _listed("instead", found.instead)
    return "\n".join(lines)


def _people(decision: Decision) -> int:
    return len(_NUMBERS) if decision.verdict is Verdict.NEVER else decision.people


def _neighbours(facts: Facts) -> Iterator[tuple[str, Facts]]:
    for change, words in _CHANGES:
        if change.get("provenance", 3) >= facts.provenance:
            yield words, replace(facts, **change)


def _levels_above(level: Level) -> list[Level]:
    levels = list(Level)
    return levels[levels.index(level) + 1 :]


def _row_line(row: Row, tools: int) -> str:
    reach = "every tool" if len(row.tools) == tools else ", ".join(row.tools) or "no tool"
    return f"{row.file}:{row.line}  {row.effect:6}  {row.id}  — {row.reason}  [{row.origin}; {reach}]"


def _match(match: Match) -> JsonValue:
    return {"policy": match.policy, "effect": match.effect, "reason": match.reason, "failed": match.failed}


def _match_line(match: Match) -> str:
    said = f"could not be evaluated: {match.failed}" if match.failed else match.reason
    return f"{match.effect} {match.policy}: {said}"


def _listed(title: str, items: Iterable[str]) -> list[str]:
    listed = [f"    {item}" for item in items]
    return [f"  {title}:", *listed] if listed else []
