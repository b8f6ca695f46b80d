"""Canonical JSON and digests: one text per value, and nothing that two readers could read differently."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims import proves
from remit.domain.action import Action
from remit.domain.values import JsonValue, RunId, action_id, canonical, digest, parse, split_id
from remit.errors import ArgsInvalid

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@proves("values.one_text_per_value")
@given(JSON)
def test_equal_values_have_one_text_and_it_reads_back(value: JsonValue) -> None:
    """Canonical text is stable under reading and writing, whatever the order of keys (hazard 6)."""
    text = canonical(value)
    assert canonical(parse(text)) == text
    assert canonical(json.loads(json.dumps(value))) == text


@proves("values.strict_json")
@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', "NaN", '{"a":-Infinity}', "[1", '"\\ud800"', "", "{'a':1}", "[" * 100_000]
)
def test_what_other_readers_read_differently_is_refused(text: str) -> None:
    """Duplicate keys, NaN, lone surrogates, endless nesting and half objects never get in (hazard 6)."""
    with pytest.raises(ArgsInvalid):
        parse(text)


@proves("values.strict_json")
@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"x", object()])
def test_what_is_not_json_is_refused(value: object) -> None:
    """Only plain JSON becomes arguments."""
    with pytest.raises(ArgsInvalid):
        canonical(value)  # type: ignore[arg-type]


@proves("values.digests_do_not_collide_by_shifting")
def test_digests_of_shifted_parts_differ() -> None:
    """`ab`+`c` and `a`+`bc` are different lists of parts."""
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") != digest("a", "")


@proves("values.actions_are_frozen")
def test_changing_the_arguments_afterwards_changes_nothing() -> None:
    """An action keeps the arguments it was proposed with, however the caller's objects change."""
    args: dict[str, JsonValue] = {"list": [1]}
    action = Action.wanting(action_id(RunId("r"), "a"), actor="x", tool="t", args=args)
    args["list"] = [2]
    action.args["list"] = [3]
    assert action.args == {"list": [1]}


@proves("values.actions_are_frozen")
@pytest.mark.parametrize("text", ["", "run", "/name", "run/"])
def test_what_is_no_action_id_is_refused(text: str) -> None:
    """An id names a run and a place in it."""
    with pytest.raises(ArgsInvalid):
        split_id(text)
