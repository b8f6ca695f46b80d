"""What a plan would be allowed to do, before any of it is done."""

from __future__ import annotations

from collections.abc import Iterator

from remit.app import App
from remit.cli import show
from remit.domain.action import Action, Level
from remit.domain.plan import Plan, Step, Way
from remit.domain.situation import Situation
from remit.domain.values import RunId, action_id, canonical
from remit.errors import BadInput, ToolFailed
from remit.policy.explaining import spoken
from remit.runs.references import named_in, resolve


def foretold(app: App, plan: Plan, level: Level) -> str:
    """One line for each way of each step: what it would call, and whether that goes alone, asks or is never done.

    Judged on the arguments alone: what a command or a recursive call would really touch is judged once that is known.
    """
    lines = [f"{plan.goal} (level {level})"]
    for step in plan.steps:
        lines += [f"  {line}" for line in _step(app, plan, step, level)]
    return "\n".join(lines)


def _step(app: App, plan: Plan, step: Step, level: Level) -> Iterator[str]:
    after = f" (after {', '.join(step.needs)})" if step.needs else ""
    yield f"{step.id}{after}"
    for label, way in (("", step.way), *(("otherwise: ", other) for other in step.otherwise)):
        yield f"  {label}{_way(app, plan, way, level)}"


def _way(app: App, plan: Plan, way: Way, level: Level) -> str:
    call = f"{way.tool} {show.clean(canonical(way.args), keep='')}"
    waits_for = sorted(named_in(way.args) - {"inputs"})
    if waits_for:
        return f"{call}: known once {', '.join(waits_for)} has passed"
    args = resolve(way.args, {"inputs": dict(plan.inputs)})
    action = Action.wanting(action_id(RunId("plan"), "step"), actor="plan", tool=way.tool, args=args if isinstance(args, dict) else {})
    try:
        _, decision = app.gate.judge(action, Situation(level=level, words=plan.text or plan.goal, planned=True))
    except (BadInput, ToolFailed) as error:
        return f"{call}: refused: {error}"
    return f"{call}: {spoken(decision)} ({decision.explain()})"
