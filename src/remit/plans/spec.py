"""A plan as JSON: strictly read, put in order, checked against the tools there are, and written back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter

from remit.domain.action import Effect, Level
from remit.domain.plan import Check, Plan, Step, Way
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, PlanInvalid
from remit.gate.gate import Gate
from remit.plans.references import named_in, places_in

_TESTS = ("equals", "differs", "contains", "lacks", "matches", "at_least", "at_most")
_PLAN_KEYS = {"goal", "level", "inputs", "step"}
_STEP_KEYS = {
    "id",
    "tool",
    "args",
    "reason",
    "needs",
    "check",
    "retries",
    "otherwise",
    "keep",
    "high_stakes",
    "expect",
    "confidence",
    "times",
}
_MOST_RETRIES = 20
GIVEN = {"inputs", "event"}
"""What references may name beside steps: what the person gave, and what a trigger brought (unless a step has that name)."""
_MOST_TIMES = 1000
_LONGEST_WAIT = 600
"""Seconds in which a check may come to hold."""


def plan_from(top: Mapping[str, JsonValue], *, name: str, text: str = "", inputs: Mapping[str, JsonValue] | None = None) -> Plan:
    """The plan that `top` describes, in order; `inputs` fill those it has. Raises PlanInvalid, saying where in `name`."""
    top = _only(top, _PLAN_KEYS, name)
    goal = _word(top, "goal", name)
    given = dict(_table(top.get("inputs", {}), f"{name}: inputs")) | dict(inputs or {})
    unknown = set(inputs or {}) - set(_table(top.get("inputs", {}), name))
    if unknown:
        raise PlanInvalid(
            f"{name} has no input {min(unknown)!r}", fix=f"its inputs are: {', '.join(sorted(given.keys() - unknown)) or 'none'}"
        )
    steps = _list(top.get("step", []), f"{name}: step")
    if not steps:
        raise PlanInvalid(f"{name} has no steps", fix="add a [[step]] with id, tool and args")
    return ordered(
        Plan(goal=goal, level=_level(top, name), inputs=given, text=text, steps=tuple(_step(item, name) for item in steps)), name
    )


def ordered(plan: Plan, name: str) -> Plan:
    """The same plan with its steps in an order that satisfies every need. Raises PlanInvalid for cycles and unknown references."""
    steps = {step.id: step for step in plan.steps}
    if len(steps) < len(plan.steps):
        twice = next(i for i in steps if sum(step.id == i for step in plan.steps) > 1)
        raise PlanInvalid(f"{name}: two steps have the same id {twice!r}", fix="give each step an id of its own")
    graph: dict[str, set[str]] = {}
    for step in plan.steps:
        used = set(step.needs) | _references(step)
        _check_inputs(plan, step, name)
        for wanted in sorted(used):
            if wanted not in steps and wanted not in GIVEN:
                raise PlanInvalid(
                    f"{name}: step {step.id!r} refers to {wanted!r}, which is not a step",
                    fix=f"steps are: {', '.join(steps)}; for a variable of the shell write $${{{wanted}}}",
                )
        graph[step.id] = used - (GIVEN - steps.keys())
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed([str(i) for i in error.args[1]]))
        raise PlanInvalid(f"{name}: steps wait for each other: {circle}", fix="remove one of these needs or references") from None
    order: list[str] = []
    while len(order) < len(steps):  # the written order, as far as the needs allow; it ends as there is no cycle
        order.append(next(i for i in steps if i not in order and graph[i] <= set(order)))
    return replace(plan, steps=tuple(replace(steps[i], needs=tuple(n for n in steps if n in graph[i])) for i in order))


def check_tools(plan: Plan, gate: Gate) -> None:
    """Every tool of the plan exists, and arguments without references fit its schema. Raises PlanInvalid."""
    for step in plan.steps:
        for way in _all_ways(step):
            if way.tool not in gate.tools:
                near = get_close_matches(way.tool, gate.tools, n=1)
                raise PlanInvalid(
                    f"step {step.id!r} uses {way.tool!r}, which is not a tool",
                    fix=f"did you mean {near[0]}?" if near else "`remit tools` lists them",
                )
            if not named_in(way.args):
                try:
                    gate.check(way.tool, way.args)
                except ArgsInvalid as error:
                    raise PlanInvalid(f"step {step.id!r}: {error.message}", fix=error.fix) from None
        _check_looks(step, gate)


def _check_looks(step: Step, gate: Gate) -> None:
    """A check that may change something is better known before the step is done than after."""
    for look in (check.look for check in step.checks if check.look is not None and not named_in(check.look.args)):
        if gate.tools[look.tool].effect(look.args) is not Effect.PURE:
            raise PlanInvalid(
                f"step {step.id!r}: its check would call {look.tool}, which may change something", fix="look with another tool"
            )


def to_spec(plan: Plan) -> dict[str, JsonValue]:
    """A plan as JSON, version 1, as it is kept in the journal."""
    value: dict[str, JsonValue] = {
        "v": 1,
        "goal": plan.goal,
        "inputs": dict(plan.inputs),
        "text": plan.text,
        "step": [step_spec(step) for step in plan.steps],
    }
    return value if plan.level is None else value | {"level": str(plan.level)}


def from_spec(spec: Mapping[str, JsonValue]) -> Plan:
    """Read `to_spec` back. Raises PlanInvalid."""
    steps = tuple(_step(item, "plan") for item in _list(spec.get("step"), "plan"))
    inputs = _table(spec.get("inputs", {}), "plan")
    return Plan(
        goal=str(spec.get("goal", "")), steps=steps, level=_level(spec, "plan"), inputs=dict(inputs), text=str(spec.get("text", ""))
    )


def step_spec(step: Step) -> dict[str, JsonValue]:
    """One step as it is journalled."""
    checks: list[JsonValue] = []
    for check in step.checks:
        item: dict[str, JsonValue] = {check.test: check.value}
        if check.at:
            item["at"] = check.at
        if check.look:
            item["tool"], item["args"] = check.look.tool, dict(check.look.args)
        if check.within:
            item["within"] = check.within
        checks.append(item)
    value: dict[str, JsonValue] = {"id": step.id, "tool": step.way.tool, "args": dict(step.way.args)}
    rest: dict[str, JsonValue] = {
        "reason": step.reason,
        "needs": list(step.needs),
        "check": checks,
        "retries": step.retries,
        "otherwise": [{"tool": way.tool, "args": dict(way.args)} for way in step.otherwise],
        "keep": step.keep,
        "high_stakes": step.high_stakes,
        "expect": step.expect,
        "times": step.times if step.times > 1 else 0,
    }
    kept = value | {key: item for key, item in rest.items() if item}
    return kept if step.confidence < 0 else kept | {"confidence": step.confidence}


def _step(item: JsonValue, name: str) -> Step:
    body = _table(item, f"{name}: a step")
    where = f"{name}: step {body.get('id', '?')!r}"
    _only(body, _STEP_KEYS, where)
    step_id = _word(body, "id", where)
    if not step_id.replace("_", "").replace("-", "").isalnum() or not step_id.isascii() or step_id == "inputs":
        raise PlanInvalid(f"{where}: this id cannot be used", fix="use letters, digits, - and _; `inputs` is taken")
    return Step(
        id=step_id,
        way=_way(body, where),
        reason=str(body.get("reason", "")),
        needs=tuple(str(n) for n in _list(body.get("needs", []), f"{where}: needs")),
        checks=tuple(_check(c, where) for c in _list(body.get("check", []), f"{where}: check")),
        retries=_number(body, "retries", where, 0, _MOST_RETRIES),
        otherwise=tuple(
            _way(_only(_table(w, where), {"tool", "args"}, f"{where}: otherwise"), where) for w in _list(body.get("otherwise", []), where)
        ),
        keep=bool(body.get("keep", False)),
        high_stakes=bool(body.get("high_stakes", False)),
        expect=str(body.get("expect", "")),
        confidence=_number(body, "confidence", where, -1, 100),
        times=_number(body, "times", where, 1, _MOST_TIMES),
    )


def _number(body: Mapping[str, JsonValue], key: str, where: str, least: int, most: int) -> int:
    value = body.get(key, least)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise PlanInvalid(f"{where}: {key} must be a whole number from {least} to {most}", fix="leave it out for none")
    return value


def _check(item: JsonValue, where: str) -> Check:
    body = _only(_table(item, f"{where}: check"), {*_TESTS, "at", "tool", "args", "within"}, f"{where}: check")
    tests = [key for key in _TESTS if key in body]
    if len(tests) != 1:
        raise PlanInvalid(
            f"{where}: a check needs exactly one test", fix=f"one of {', '.join(_TESTS)}, e.g. {{ at = 'exit_code', equals = 0 }}"
        )
    within = _number(body, "within", f"{where}: check", 0, _LONGEST_WAIT)
    if within and "tool" not in body:
        raise PlanInvalid(
            f"{where}: a result does not change by waiting", fix="give the check a tool that looks again, or leave out within"
        )
    look = _way(body, where) if "tool" in body else None
    return Check(test=tests[0], value=body[tests[0]], at=str(body.get("at", "")), look=look, within=within)


def _way(body: Mapping[str, JsonValue], where: str) -> Way:
    return Way(tool=_word(body, "tool", where), args=dict(_table(body.get("args", {}), f"{where}: args")))


def _check_inputs(plan: Plan, step: Step, name: str) -> None:
    """What can be known to be wrong before anything runs: inputs that are not there, expressions that cannot be read."""
    for place in sorted(places_in([*(dict(way.args) for way in _all_ways(step)), *_wanted(step)], "inputs")):
        if place.split(".")[0] not in plan.inputs:
            known = ", ".join(plan.inputs) or "none"
            raise PlanInvalid(f"{name}: step {step.id!r} uses the input {place!r}, which is not there", fix=f"inputs are: {known}")
    for check in step.checks:
        if check.test == "matches":
            try:
                re.compile(str(check.value))
            except (re.error, OverflowError, RecursionError) as error:
                raise PlanInvalid(
                    f"{name}: step {step.id!r}: {check.value!r} is not a regular expression: {error}", fix="mend it"
                ) from None


def _all_ways(step: Step) -> tuple[Way, ...]:
    return (step.way, *step.otherwise, *(c.look for c in step.checks if c.look))


def _references(step: Step) -> set[str]:
    """What its ways and checks need; a check may refer to what its own step came to."""
    checks = named_in([dict(c.look.args) for c in step.checks if c.look]) | named_in(_wanted(step))
    return named_in([dict(way.args) for way in (step.way, *step.otherwise)]) | (checks - {step.id})


def _wanted(step: Step) -> list[JsonValue]:
    """What the checks compare with; a regular expression stands as it is."""
    return [check.value for check in step.checks if check.test != "matches"]


def _level(top: Mapping[str, JsonValue], name: str) -> Level | None:
    if "level" not in top:
        return None
    try:
        return Level(str(top["level"]))
    except ValueError:
        raise PlanInvalid(f"{name}: {top['level']!r} is not a level", fix=f"levels are {', '.join(Level)}") from None


def _only(body: Mapping[str, JsonValue], keys: set[str], where: str) -> Mapping[str, JsonValue]:
    unknown = sorted(set(body) - keys)
    if unknown:
        raise PlanInvalid(f"{where}: {unknown[0]!r} is not known here", fix=f"known are {', '.join(sorted(keys))}")
    return body


def _word(body: Mapping[str, JsonValue], key: str, where: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise PlanInvalid(f"{where}: {key} is missing or not a text", fix=f'add {key} = "…"')
    return value


def _table(value: JsonValue, where: str) -> Mapping[str, JsonValue]:
    if not isinstance(value, Mapping):
        raise PlanInvalid(f"{where} is not a table", fix="write key = value pairs")
    return value


def _list(value: JsonValue, where: str) -> Sequence[JsonValue]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise PlanInvalid(f"{where} is not a list", fix="write it in [ ]")
    return value
