"""The plan of a run as a plan file for the next time: what was really done, with what may be another value then as an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from remit.domain.plan import Plan, Step, Way
from remit.domain.values import JsonValue
from remit.errors import BadInput
from remit.plans.references import named_in
from remit.plans.spec import ordered

_SHORTEST: Final = 2


def as_done(plan: Plan, done: Mapping[str, Way]) -> Plan:
    """Each step by the call that passed; an argument that was planned to come from an earlier result still does.

    Steps that were done by hand, or not at all, are left out, and so is what needs them. Raises BadInput when nothing is left.
    """
    steps: list[Step] = []
    for step in plan.steps:
        needs = {need for need in step.needs if need != "inputs"}
        if step.id in done and needs <= {one.id for one in steps}:
            steps.append(replace(step, way=_way(step.way, done[step.id]), otherwise=(), confidence=-1))
    if not steps:
        raise BadInput("no step of this plan was done by a call", fix="`remit runs RUN plan` shows how it stands")
    return ordered(replace(plan, steps=tuple(steps), text=""), "the plan")


def with_inputs(plan: Plan, inputs: Mapping[str, str]) -> Plan:
    """Wherever one of these texts stands, the input of its name stands. Raises BadInput for one that stands nowhere."""
    for name, text in inputs.items():
        if len(text) < _SHORTEST or not name.isidentifier():
            raise BadInput(f"{name}={text!r} is no input", fix=f"give a name of letters and a text of at least {_SHORTEST} characters")
        steps = tuple(_with_input(step, name, text) for step in plan.steps)
        if steps == plan.steps:
            raise BadInput(f"{text!r} stands nowhere in the plan", fix="give a text as it stands there")
        plan = replace(plan, steps=steps, inputs={**plan.inputs, name: text})
    return plan


def _way(planned: Way, ran: Way) -> Way:
    """What ran, with the references of the plan."""
    if planned.tool != ran.tool:
        return ran
    return Way(
        tool=ran.tool,
        args={name: planned.args[name] if named_in(planned.args.get(name)) else _plain(value) for name, value in ran.args.items()},
    )


def _plain(value: JsonValue) -> JsonValue:
    """The same where `${` in it is nothing but text."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _with_input(step: Step, name: str, text: str) -> Step:
    def put(way: Way) -> Way:
        return Way(tool=way.tool, args={key: _put(value, name, text) for key, value in way.args.items()})

    checks = tuple(
        replace(check, value=_put(check.value, name, text), look=put(check.look) if check.look else None) for check in step.checks
    )
    return replace(step, way=put(step.way), checks=checks)


def _put(value: JsonValue, name: str, text: str) -> JsonValue:
    if isinstance(value, str):
        return value.replace(text, f"${{inputs.{name}}}")
    if isinstance(value, Mapping):
        return {key: _put(item, name, text) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_put(item, name, text) for item in value]
    return value
