"""How sure a model is of a call: measured, and never asked, as what a model says of itself is no measurement.

Agreement: asked the same again, how many of its answers want the same call, to the same places. Margin: by how much, at the tokens
that name these places, the likeliest was likelier than the next. Rules: whether the rule planner, where it knows the goal, would do the
same. Of all the least counts. It can only raise scrutiny.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_ai.messages import ModelResponse, ToolCallPart

from remit.agent.toolset import Toolbox, function_name
from remit.agent.turns import strict_args
from remit.domain.plan import Plan, Way
from remit.domain.values import JsonValue, canonical, fields, parse
from remit.errors import BadInput

MOST: Final = 15
_PLACES: Final = frozenset({"path", "to", "cc", "bcc", "url", "command", "cwd", "repo", "branch", "event", "id"})
"""Arguments that say where, however long they are."""
_WORDING: Final = 60
"""A text that is longer says something, and does not say where or how much; no two answers have the same words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is measured of calls that may change something."""

    samples: int = 1
    """How often the model is asked altogether; 1 measures no agreement."""
    margin: bool = False
    """Whether the endpoint is asked for the likelihoods of its tokens."""

    @classmethod
    def of(cls, spec: Mapping[str, JsonValue]) -> Measure:
        samples = spec.get("samples", 1)
        return cls(samples=samples if isinstance(samples, int) else 1, margin=bool(spec.get("margin")))

    def checked(self) -> Measure:
        """Raises BadInput for what cannot be measured."""
        if not 1 <= self.samples <= MOST:
            raise BadInput(f"{self.samples} samples cannot be taken", fix=f"ask from 1 to {MOST} times; 3 or 5 tell most")
        return self

    def to_spec(self) -> dict[str, JsonValue]:
        return {**({"samples": self.samples} if self.samples > 1 else {}), **({"margin": True} if self.margin else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sure:
    """Of one call."""

    percent: int
    how: str


def worth_measuring(response: ModelResponse, toolbox: Toolbox) -> bool:
    """Looks need no second opinion."""
    return any(toolbox.changes(toolbox.tool(call.tool_name)) for call in response.tool_calls)


def measured(
    response: ModelResponse, others: Sequence[ModelResponse], toolbox: Toolbox, measure: Measure, rules: Plan | None = None
) -> dict[str, JsonValue]:
    """By the index of each call that may change something: how sure it is, in per cent, and by what that was found.

    What was to be measured and could not be had counts as not sure. `rules` is what the rule planner would do, where it knows the goal.
    """
    lost = measure.samples - 1 - len(others)
    ruled = {_essence(_call_of(step.way), toolbox) for step in rules.steps} if rules else set()
    logprobs = (response.provider_details or {}).get("logprobs")
    wanted = [{_essence(call, toolbox) for call in other.tool_calls} for other in others]
    found: dict[str, JsonValue] = {}
    for index, call in enumerate(response.tool_calls):
        if not toolbox.changes(toolbox.tool(call.tool_name)):
            continue
        sures = []
        if measure.samples > 1:
            same = 1 + sum(_essence(call, toolbox) in one for one in wanted)
            missing = f" ({lost} could not be had)" if lost else ""
            sures.append(Sure(percent=100 * same // measure.samples, how=f"{same} of {measure.samples} answers want this{missing}"))
        if measure.margin and (places := _places(call, toolbox)):
            sures.append(_by_margin(logprobs, places))
        if rules:
            agrees = _essence(call, toolbox) in ruled
            sures.append(Sure(percent=100 * agrees, how=f"{'' if agrees else 'not '}what the rule planner would do"))
        if sures:
            low = min(sures, key=lambda one: one.percent)
            found[str(index)] = {"percent": low.percent, "how": "; ".join(one.how for one in sures)}
    return found


def _essence(call: ToolCallPart, toolbox: Toolbox) -> str:
    """Tool and places, as far as it names any: two letters to one person in other words are the same act, and so are two longer texts."""
    tool = toolbox.tool(call.tool_name)
    args = _args(call)
    spec = toolbox.specs.get(tool)
    named = {name: args[name] for name in (spec.salient if spec else ()) if name in args}
    return canonical([tool, {name: value if name in _PLACES else _outline(value) for name, value in (named or args).items()}])


def _call_of(way: Way) -> ToolCallPart:
    return ToolCallPart(function_name(way.tool), canonical(way.args))


def _outline(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value if len(value) <= _WORDING else "…"
    if isinstance(value, Mapping):
        return {name: _outline(item) for name, item in value.items()}
    return [_outline(item) for item in value] if isinstance(value, Sequence) else value


def _places(call: ToolCallPart, toolbox: Toolbox) -> list[str]:
    spec = toolbox.specs.get(toolbox.tool(call.tool_name))
    args = _args(call)
    values = [args[name] for name in (spec.salient if spec else ()) if name in args]
    return [value if isinstance(value, str) else canonical(value) for value in values]


def _args(call: ToolCallPart) -> Mapping[str, JsonValue]:
    return fields(parse(strict_args(call.args)[0]))


def _by_margin(logprobs: object, places: Sequence[str]) -> Sure:
    least = _margin(logprobs, places) if isinstance(logprobs, list) else None
    if least is None:
        return Sure(percent=0, how="the endpoint does not say how likely these words were")
    return Sure(percent=least, how=f"{least} points between this and the next likeliest")


def _margin(logprobs: Sequence[Any], places: Sequence[str]) -> int | None:
    """The smallest distance at the tokens that write the places, wherever they stand; None where the endpoint's tokens do not hold them."""
    tokens = [one for one in logprobs if isinstance(one, Mapping) and isinstance(one.get("token"), str)]
    whole = "".join(one["token"] for one in tokens)
    least: float | None = None
    for place in places:
        begins = _where(whole, place)
        if not begins:
            return None
        at = 0
        for one in tokens:
            if any(begin < at + len(one["token"]) and at < begin + len(place) for begin in begins):
                least = min(_distance(one), 1.0 if least is None else least)
            at += len(one["token"])
    return None if least is None else max(0, math.floor(100 * least))


def _where(whole: str, place: str) -> list[int]:
    """Each time that it is written: as a whole text of its own, or, where it never is, anywhere."""
    quoted = [found.start() + 1 for found in re.finditer(re.escape(f'"{place}"'), whole)]
    return quoted or [found.start() for found in re.finditer(re.escape(place), whole)]


def _distance(token: Mapping[str, Any]) -> float:
    likely = [one for one in token.get("top_logprobs") or () if isinstance(one, Mapping) and one.get("token") != token["token"]]
    return _likelihood(token) - max(map(_likelihood, likely), default=0.0)


def _likelihood(token: Mapping[str, Any]) -> float:
    """What is no likelihood is none."""
    value = token.get("logprob")
    return math.exp(value) if isinstance(value, int | float) and value <= 0 else 0.0
