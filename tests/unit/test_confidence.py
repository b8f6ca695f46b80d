"""How sure a model is: counted over its answers, and read from the likelihood of its words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, ToolCallPart

from claims import proves
from remit.agent.confidence import Measure, measured
from remit.agent.toolset import Toolbox
from remit.domain.action import Effect
from remit.domain.values import JsonValue, canonical
from remit.plans.rules import rule_plan
from remit.ports import ToolSpec

_ANY: dict[str, JsonValue] = {"type": "object"}
TOOLBOX = Toolbox(
    [
        ToolSpec(name="mail.send", description="", schema=_ANY, effect=Effect.DEFERRABLE, salient=("to",)),
        ToolSpec(name="files.read", description="", schema=_ANY, effect=Effect.PURE),
        ToolSpec(name="http.send", description="", schema=_ANY, effect=Effect.IRREVERSIBLE),
    ]
)
LONG = "a text that is longer than anything that only says where or how much would be"


def says(*calls: tuple[str, dict[str, JsonValue]], **details: Any) -> ModelResponse:
    return ModelResponse(parts=[ToolCallPart(tool, canonical(args)) for tool, args in calls], provider_details=details or None)


def letter(to: str, text: str = "x") -> tuple[str, dict[str, JsonValue]]:
    return "mail-send", {"to": to, "text": text}


def sure(response: ModelResponse, *others: ModelResponse, margin: bool = False) -> dict[str, Any]:
    return measured(response, others, TOOLBOX, Measure(samples=1 + len(others), margin=margin))


@proves("agent.confidence")
def test_agreement_is_of_places_and_not_of_words() -> None:
    """The same letter in other words agrees; another address, another tool and no call do not; looks are not measured."""
    others = [says(letter("a@x", "other words")), says(letter("b@x")), says(), says(("files-read", {}), letter("a@x"))]
    assert sure(says(letter("a@x")), *others)["0"]["percent"] == 60
    assert sure(says(("files-read", {}), letter("a@x")), says(letter("a@x"))) == {"1": {"percent": 100, "how": "2 of 2 answers want this"}}
    assert sure(says(("files-read", {})), says()) == {}


@proves("agent.confidence")
@pytest.mark.parametrize(
    ("other", "percent"), [({"n": 1, "text": LONG + "!"}, 100), ({"n": 2, "text": LONG}, 50), ({"n": 1, "text": "no"}, 50)]
)
def test_where_a_tool_names_no_places_all_counts_but_long_wording(other: dict[str, JsonValue], percent: int) -> None:
    """No two answers have the same long text; a short one may be the whole point."""
    assert sure(says(("http-send", {"n": 1, "text": LONG})), says(("http-send", other)))["0"]["percent"] == percent


def _tokens(*tokens: tuple[str, float, float]) -> list[dict[str, Any]]:
    return [
        {
            "token": text,
            "logprob": math.log(own),
            "top_logprobs": [{"token": text, "logprob": math.log(own)}, {"token": "?", "logprob": math.log(next_)}],
        }
        for text, own, next_ in tokens
    ]


@proves("agent.confidence")
@pytest.mark.parametrize(
    ("tokens", "percent"),
    [
        (_tokens(("send to ", 0.3, 0.29), ("a", 0.9, 0.05), ("@x", 0.765, 0.2), (" now", 0.5, 0.4)), 56),
        (_tokens(("a@", 0.5, 0.5), ("x", 0.9, 0.05)), 0),
        (_tokens(("a@x", 0.5, 0.49), ('"to":"data@x", "cc":"a@x.y"', 0.99, 0.01)), 1),
        (_tokens(("nothing of it", 0.9, 0.05)), 0),
        ([], 0),
        ([{"token": "a@x", "logprob": 1000}], 0),
        ([{"token": "a@x", "logprob": math.nan, "top_logprobs": [1, {"token": 2}]}], 0),
    ],
)
def test_the_margin_is_that_of_the_least_sure_token_of_a_place(tokens: list[dict[str, Any]], percent: int) -> None:
    """Other words may be as unsure as they like, and the place may stand again; where no token holds it, it is not sure."""
    found = sure(says(letter("a@x"), logprobs=tokens), margin=True)
    assert found["0"]["percent"] == percent


@proves("agent.confidence")
def test_of_two_measurements_the_least_counts() -> None:
    """Both are said."""
    one = says(letter("a@x"), logprobs=_tokens(("a@x", 0.605, 0.3)))
    assert sure(one, says(letter("a@x")), margin=True)["0"] == {
        "percent": 30,
        "how": "2 of 2 answers want this; 30 points between this and the next likeliest",
    }


@proves("agent.confidence")
@pytest.mark.parametrize(("path", "percent"), [("a.txt", 100), ("b.txt", 0)])
def test_where_rules_know_the_goal_they_are_asked_too(path: str, percent: int) -> None:
    """The same tool at the same place agrees, with whatever text; a goal that they do not know measures nothing."""
    toolbox = Toolbox([ToolSpec(name="files.write", description="", schema=_ANY, effect=Effect.REVERSIBLE, salient=("path",))])
    said = says(("files-write", {"path": path, "text": "x"}))
    found: Any = measured(said, [], toolbox, Measure(), rule_plan('write "y" to a.txt'))
    assert found["0"]["percent"] == percent
    assert measured(said, [], toolbox, Measure(), rule_plan("do what is right")) == {}


@proves("agent.confidence")
def test_a_long_place_is_a_place_all_the_same() -> None:
    """Two commands that differ in one word."""
    toolbox = Toolbox([ToolSpec(name="shell.run", description="", schema=_ANY, effect=Effect.REVERSIBLE, salient=("command", "cwd"))])
    first, other = (says(("shell-run", {"command": f"{word} {'x' * 80}"})) for word in ("ls", "rm"))
    found: Any = measured(first, [other], toolbox, Measure(samples=2))
    assert found["0"]["percent"] == 50
