"""What a model may do beside actions: make a plan, and ask its person. Neither touches the world, so neither passes the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_ai.tools import ToolDefinition

from remit.agent.toolset import Toolbox
from remit.domain.plan import Plan
from remit.domain.question import plain
from remit.domain.values import JsonValue
from remit.errors import BadInput, PlanInvalid
from remit.gate.clarify import Inquiry
from remit.plans.spec import plan_from
from remit.policy.provenance import refuses

PLAN: Final = "plan"
ASK: Final = "ask_person"
_MOST_OPTIONS: Final = 10
_MOST_STEPS: Final = 100
_LONGEST: Final = 4000

_WAY: Final[dict[str, JsonValue]] = {
    "tool": {"type": "string", "description": "One of your tools."},
    "args": {
        "type": "object",
        "description": "Its arguments; ${step.path} stands for what an earlier step finds. A call with one more may ask.",
    },
}
_CHECK: Final[dict[str, JsonValue]] = {
    "type": "object",
    "description": "One test: of the step's result; with tool and args of what that tool, which must change nothing, sees.",
    "properties": {
        **_WAY,
        "at": {"type": "string", "description": "Dotted place in what is seen; empty is all of it."},
        **{name: {} for name in ("equals", "differs", "contains", "lacks", "at_least", "at_most")},
        "matches": {"type": "string", "description": "A regular expression."},
        "within": {"type": "integer", "minimum": 0, "description": "With tool: seconds that it may take until it holds."},
    },
}
_STEP: Final[dict[str, JsonValue]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Letters, digits, - and _."},
        **_WAY,
        "reason": {"type": "string"},
        "needs": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Ids of steps that have to be done before; left out: the one above.",
        },
        "times": {"type": "integer", "minimum": 1, "description": "How often you will do it, where it cannot be undone; 1 if left out."},
        "expect": {"type": "string", "description": "What it should come to."},
        "check": {"type": "array", "items": _CHECK, "description": "How its success is seen. Without any: the tool succeeds."},
        "confidence": {"type": "integer", "minimum": 0, "maximum": 100, "description": "Per cent."},
        "otherwise": {"type": "array", "items": {"type": "object", "properties": _WAY, "required": ["tool"]}, "description": "Other ways."},
        "keep": {"type": "boolean", "description": "Keep what it did where its check fails; else that is taken back if it exactly can be."},
    },
    "required": ["id", "tool", "reason"],
}
DEFINITIONS: Final = (
    ToolDefinition(
        name=PLAN,
        description="Say what you are going to do, step by step, before you read anything that strangers wrote; again when it changes.",
        parameters_json_schema={
            "type": "object",
            "properties": {"steps": {"type": "array", "items": _STEP, "minItems": 1}},
            "required": ["steps"],
            "additionalProperties": False,
        },
        strict=False,
    ),
    ToolDefinition(
        name=ASK,
        description="Ask the person you work for, when only they can know or decide. They may answer late.",
        parameters_json_schema={
            "type": "object",
            "properties": {
                "question": {"type": "string"},
                "why": {"type": "string", "description": "Why you ask, and why now."},
                "tried": {"type": "string", "description": "What you tried to find it out by yourself."},
                "options": {
                    "type": "array",
                    "maxItems": _MOST_OPTIONS,
                    "items": {
                        "type": "object",
                        "properties": {
                            "answer": {"type": "string"},
                            "leads_to": {"type": "string", "description": "What you will do then."},
                        },
                        "required": ["answer"],
                    },
                    "description": "The possible answers; none for an answer in their own words.",
                },
            },
            "required": ["question"],
            "additionalProperties": False,
        },
        strict=False,
    ),
)


def read_plan_call(args: Mapping[str, JsonValue], goal: str, toolbox: Toolbox) -> Plan:
    """The plan in a call of `plan`. Raises PlanInvalid, in words that a model can mend it by."""
    steps = args.get("steps")
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        raise PlanInvalid("steps is not a list", fix="send a list of steps, each with id, tool and reason")
    if len(steps) > _MOST_STEPS:
        raise PlanInvalid(f"{len(steps)} steps are too many", fix=f"plan at most {_MOST_STEPS}, and again when they are done")
    named = [_named(step, toolbox) for step in steps]
    try:
        plan = plan_from({"goal": goal, "step": _in_order(named)}, name="the plan")
    except PlanInvalid:  # what is wrong is said of what the model wrote
        plan = plan_from({"goal": goal, "step": named}, name="the plan")
    ways = [way for step in plan.steps for way in (step.way, *step.otherwise, *(check.look for check in step.checks if check.look))]
    unknown = next((way.tool for way in ways if way.tool not in toolbox.specs), None)
    if unknown is not None:
        raise PlanInvalid(f"{unknown!r} is not one of your tools", fix="use the names of your tools as they are")
    return plan


def _in_order(steps: Sequence[JsonValue]) -> list[JsonValue]:
    """Each step needs the one above it, unless it says what it needs."""
    found: list[JsonValue] = []
    above: JsonValue = None
    for step in steps:
        if isinstance(step, Mapping) and "needs" not in step and above is not None:
            found.append({**step, "needs": [above]})
        else:
            found.append(step)
        above = step.get("id") if isinstance(step, Mapping) else None
    return found


def read_ask_call(args: Mapping[str, JsonValue]) -> Inquiry:
    """What a model wants to know. Raises BadInput."""
    question, options = args.get("question"), args.get("options", [])
    if not isinstance(question, str) or not question.strip():
        raise BadInput("question is missing", fix="say what you want to know")
    if not isinstance(options, Sequence) or isinstance(options, str) or len(options) > _MOST_OPTIONS:
        raise BadInput("options is no short list of texts", fix=f"send at most {_MOST_OPTIONS}, or none")
    return Inquiry(
        title=question[:_LONGEST],
        body=str(args.get("why") or "")[:_LONGEST],
        tried=str(args.get("tried") or "")[:_LONGEST],
        options=dict(map(_option, options)),
        free=True,
    )


def own_words(answer: str, asked: Inquiry) -> str:
    """What of an answer the person did not find in the question: the rest are the words of whoever asked."""
    there = plain(" ".join((asked.title, asked.body, asked.tried, *asked.options, *asked.options.values())))
    return " ".join(word for word in answer.split() if refuses(word) or plain(word) not in there)


def _option(value: JsonValue) -> tuple[str, str]:
    """A plain text is an answer, too."""
    if isinstance(value, Mapping) and value.get("answer"):
        return str(value["answer"])[:_LONGEST], str(value.get("leads_to") or "")[:_LONGEST]
    if isinstance(value, str) and value:
        return value[:_LONGEST], ""
    raise BadInput("an option has no answer", fix='send options like {"answer": …, "leads_to": …}')


def _named(value: JsonValue, toolbox: Toolbox) -> JsonValue:
    """The same step with our names of tools in the place of the model's."""
    if not isinstance(value, Mapping):
        return value
    found = {key: item for key, item in value.items() if item is not None}
    if isinstance(found.get("tool"), str):
        found["tool"] = toolbox.tool(str(found["tool"]))
    for key in ("check", "otherwise"):
        items = found.get(key)
        if isinstance(items, Sequence) and not isinstance(items, str):
            found[key] = [_named(item, toolbox) for item in items]
    return found
