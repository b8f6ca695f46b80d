"""What a plan would be allowed to do, before any of it is done."""

from __future__ import annotations

from collections.abc import Mapping

from remit.app import App
from remit.cli import show
from remit.domain.action import Action, Level
from remit.domain.decision import Verdict
from remit.domain.plan import Plan, Way
from remit.domain.situation import Situation
from remit.domain.values import JsonValue, RunId, action_id, canonical, fields
from remit.errors import BadInput, ToolFailed
from remit.plans.references import named_in, resolve
from remit.policy.explaining import spoken


def foretold(app: App, plan: Plan, level: Level) -> tuple[str, bool]:
    """One line for each way of each step: what it would call, and whether that goes alone, asks or is never done; whether all could be.

    Judged on the arguments alone: what a command or a recursive call would really touch is judged once that is known.
    """
    lines, possible = [f"{plan.goal} (level {level})"], True
    for step in plan.steps:
        lines.append(f"  {step.id}" + (f" (after {', '.join(step.needs)})" if step.needs else ""))
        for label, way in (("", step.way), *(("otherwise: ", other) for other in step.otherwise)):
            told, can = _way(app, plan, way, level)
            lines.append(f"    {label}{told}")
            possible = possible and can
    return "\n".join(lines), possible


def _way(app: App, plan: Plan, way: Way, level: Level) -> tuple[str, bool]:
    waits_for = sorted(named_in(way.args) - {"inputs"})
    if waits_for:
        return f"{_call(way.tool, way.args)}: known once {', '.join(waits_for)} has passed", True
    args = resolve(way.args, {"inputs": dict(plan.inputs)})
    action = Action.wanting(action_id(RunId("plan"), "step"), actor="plan", tool=way.tool, args=fields(args))
    call = _call(way.tool, action.args)
    try:
        _, decision = app.gate.judge(action, Situation(level=level, words=plan.text or plan.goal, planned=True))
    except (BadInput, ToolFailed) as error:
        return f"{call}: refused: {error}", False
    return f"{call}: {spoken(decision)} ({decision.explain()})", decision.verdict is not Verdict.NEVER


def _call(tool: str, args: Mapping[str, JsonValue]) -> str:
    return f"{tool} {show.clean(canonical(args), keep='')}"
