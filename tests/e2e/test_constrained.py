"""Models that are asked for JSON instead of tool calls, through the whole program against an endpoint on loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claims import proves
from loopback_openai import Loopback, Reply
from remit_program import Program, program

NAME = "json+openai-compatible:tiny"


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def said(say: str, *calls: tuple[str, object]) -> Reply:
    return Reply(text=json.dumps({"say": say, "calls": [{"tool": tool, "args": args} for tool, args in calls]}))


@proves("agent.json_instead_of_tools")
def test_a_goal_is_reached_by_an_endpoint_that_knows_no_tools(remit: Program) -> None:
    """It is sent a schema and no tools; its calls pass the gate; what came of them is the next message; the report is its text."""
    script = [
        said("first I look", ("files-list", {"path": "."})),
        said("", ("files-write", {"path": "a.txt", "text": "hello"})),
        said("it is written"),
    ]
    with Loopback(script) as server:
        done = remit("run", "write hello into a.txt", "--model", NAME, REMIT_BASE_URL=server.address)
        first, last = server.asked[0], server.asked[-1]
    assert done.code == 0, done.out + done.err
    assert "it is written" in done.out
    assert (remit.folder / "a.txt").read_text(encoding="utf-8") == "hello"
    assert "tools" not in first
    assert first["response_format"]["type"] == "json_schema"
    calls = first["response_format"]["json_schema"]["schema"]["properties"]["calls"]
    assert "files-write" in calls["items"]["properties"]["tool"]["enum"]
    assert calls["items"]["properties"]["args"]["additionalProperties"], "llama.cpp takes an object of nothing else for an empty one"
    assert "files-write answered" in str(last["messages"][-1]["content"])
    assert not any(message.get("tool_calls") for message in last["messages"])


@proves("agent.json_instead_of_tools")
@pytest.mark.parametrize(
    "answer",
    [
        "hello, I am a model",
        '{"say": "x", "calls": [{"tool": "files-write", "args": "no object"}]}',
        '{"say": "x", "calls": ["files-write"]}',
        '{"calls": [{"tool": "rm -rf", "args": {}}]}',
        '{"say": 5, "calls": 7}',
        '{"say": "x", "calls": [{"tool": "files-write", "args": {"path": "a.txt", "path": "b.txt", "text": "x"}}]}',
        '{"say": "x", "calls": {"tool": "files-wriet", "args": {}}}',
        "{" * 5000,
    ],
)
def test_rubbish_changes_nothing_and_is_told_of(remit: Program, answer: str) -> None:
    """Plain text is a report; a call that cannot be read or is no tool is refused, and the model hears it; no traceback."""
    with Loopback([Reply(text=answer), said("COULD NOT: so"), said("COULD NOT: so")]) as server:
        done = remit("run", "write hello into a.txt", "--model", NAME, REMIT_BASE_URL=server.address)
    assert done.code in {1, 5}, done.out + done.err
    assert list(remit.folder.iterdir()) == []


@proves("agent.json_instead_of_tools")
def test_a_fence_around_it_is_no_matter_and_a_conversation_shows_only_what_it_says(remit: Program) -> None:
    """Half a JSON object is nothing to show: the answer comes whole."""
    with Loopback([Reply(text='```json\n{"say": "hello there", "calls": []}\n```')]) as server:
        talk = remit("chat", "hello", REMIT_MODEL=NAME, REMIT_BASE_URL=server.address)
        assert not server.asked[0].get("stream")
    assert (talk.code, talk.out.splitlines()[0]) == (0, "hello there")


@proves("agent.json_instead_of_tools")
def test_trying_a_model_says_when_this_may_help(remit: Program) -> None:
    """One that answers in words where it should call."""
    with Loopback([Reply(text="yes"), Reply(text="1 2 3"), Reply(text="that is 42"), Reply(text="3 and 7")]) as server:
        tried = remit("model", "check", "openai-compatible:tiny", REMIT_BASE_URL=server.address)
    assert tried.code == 1
    assert "remit model check json+openai-compatible:tiny" in tried.out
    answers = [
        said("yes"),
        said("1"),
        said("", ("add", {"a": 19, "b": 23})),
        said("42"),
        said("", ("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})),
    ]
    with Loopback(answers) as server:
        tried = remit("model", "check", NAME, REMIT_BASE_URL=server.address)
    assert tried.code == 0, tried.out
