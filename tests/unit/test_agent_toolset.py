from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from claims import proves
from remit.agent.toolset import Toolbox, function_name
from remit.domain.action import Effect
from remit.ports import ToolSpec


def spec(name: str, description: str = "d") -> ToolSpec:
    return ToolSpec(name=name, description=description, schema={"type": "object", "properties": {"a": {}}}, effect=Effect.PURE)


@given(st.lists(st.text(min_size=1, max_size=90), min_size=1, max_size=20, unique=True))
@proves("agent.names_reversible")
def test_every_tool_name_becomes_a_legal_function_name_and_comes_back(names: list[str]) -> None:
    """Whatever the names are: legal for the strictest endpoint, all different, and each leads back to its own tool."""
    box = Toolbox([spec(name) for name in names])
    shown = [definition.name for definition in box.definitions]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in shown)
    assert len(set(shown)) == len(names)
    assert {box.tool(name) for name in shown} == set(names)
    assert all(function_name(box.tool(name)) == name for name in shown)


@proves("agent.names_readable")
def test_names_that_differ_only_in_illegal_letters_do_not_collide() -> None:
    """`a.b` reads as `a-b`; a tool that is really called `a-b` gets another name; a made-up name stays what it is."""
    box = Toolbox([spec("a.b"), spec("a-b"), spec("a b")])
    assert function_name("a.b") == "a-b"
    assert [box.tool(function_name(name)) for name in ("a.b", "a-b", "a b")] == ["a.b", "a-b", "a b"]
    assert box.tool("files-erase_everything") == "files-erase_everything"


@proves("agent.tools_fingerprint")
def test_the_fingerprint_of_the_tools_changes_with_what_the_model_is_shown() -> None:
    """Order does not matter; a description does; so does a missing tool. The schema goes out as it is."""
    box = Toolbox([spec("a.b"), spec("c.d")])
    assert box.print == Toolbox([spec("c.d"), spec("a.b")]).print
    assert box.print != Toolbox([spec("a.b", "now without limits"), spec("c.d")]).print
    assert box.print != Toolbox([spec("a.b")]).print
    assert box.definitions[0].parameters_json_schema == {"type": "object", "properties": {"a": {}}}
    assert box.definitions[0].strict is False
