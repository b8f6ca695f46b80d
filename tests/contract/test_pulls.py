"""Pull requests at a forge on loopback: opened once, found again, closed when taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from claims import proves
from forge_world import PULLS, Forge, forge
from remit.config import Service
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, RemitError, ToolFailed, ToolUncertain
from remit.ports import Happened, Tool
from remit.testing import MemoryStore, Scenario, check_tool
from remit.tools.http.tools import http_tools
from tool_calls import begun, done

ARGS: dict[str, JsonValue] = {"service": "forge", "title": "Mend it", "head": "side", "base": "main", "body": "as said\nin the call"}


@pytest.fixture
def there() -> Iterator[Forge]:
    with forge() as found:
        yield found


@pytest.fixture
def tools(there: Forge) -> dict[str, Tool]:
    configured = {"forge": Service(base=there.base, private=True, pulls=PULLS), "plain": Service(base=there.base, private=True)}
    return {tool.spec.name: tool for tool in http_tools(configured, MemoryStore())}


@proves("git.pull_request")
def test_a_pull_request_keeps_its_promises(there: Forge, tools: dict[str, Tool]) -> None:
    """Looking opens none, undo closes it, kills at every point are settled, and one that was merged stays merged."""

    def meddle() -> Callable[[], bool]:
        there.pulls[-1] |= {"state": "closed", "merged_at": "2026-01-01T00:00:00Z"}
        return lambda: bool(there.pulls[-1]["merged_at"])

    def look() -> object:
        return [(one["title"], one["head"], one["base"]) for one in there.pulls if one["state"] == "open"]

    scenario = Scenario(tools=tools, tool="git.pull_request", args=ARGS, reset=there.pulls.clear, look=look, meddle=meddle)
    assert check_tool(scenario) == []


@proves("git.pull_request")
@pytest.mark.parametrize("trouble", ["close", "500", "rubbish"])
def test_a_lost_answer_is_in_doubt_and_looking_tells(there: Forge, tools: dict[str, Tool], trouble: str) -> None:
    """It is found by its mark, and another one by somebody else for the same branches is not taken for it."""
    tool = tools["git.pull_request"]
    call = begun(tool, ARGS)
    there.trouble = [trouble]
    with pytest.raises(ToolUncertain):
        asyncio.run(tool.run(call))
    assert asyncio.run(tool.probe(call)).happened is Happened.YES
    there.pulls[-1]["body"] = "somebody else's"
    assert asyncio.run(tool.probe(call)).happened is Happened.NO


@proves("git.pull_request")
def test_one_that_came_through_late_is_known_again(there: Forge, tools: dict[str, Tool]) -> None:
    """Sent again after a crash the forge refuses a second one, and the first is told of; somebody else's is not."""
    tool = tools["git.pull_request"]
    call = begun(tool, ARGS)
    asyncio.run(tool.run(call))
    assert asyncio.run(tool.run(replace(call, again=True))) == asyncio.run(tool.probe(call)).result
    there.pulls[-1]["body"] = "somebody else's"
    with pytest.raises(ToolFailed, match="already exists"):
        asyncio.run(tool.run(replace(call, again=True)))
    assert len(there.pulls) == 1


def test_many_others_do_not_hide_it(there: Forge, tools: dict[str, Tool]) -> None:
    """Pages are read up to where it must be, and no further than can be borne."""
    tool = tools["git.pull_request"]
    call, _ = done(tool, ARGS)
    for count in range(120):
        there.opened({"title": "x", "body": "", "head": f"b{count}", "base": "main"})
    assert asyncio.run(tool.probe(call)).happened is Happened.YES
    for count in range(400):
        there.opened({"title": "x", "body": "", "head": f"c{count}", "base": "main"})
    with pytest.raises(ToolFailed, match="more than 500"):
        asyncio.run(tool.probe(call))


def test_what_cannot_be_opened_is_said(there: Forge, tools: dict[str, Tool]) -> None:
    """One that is there, a forge that refuses, a service without any, an API that is another one."""
    done(tools["git.pull_request"], ARGS)
    with pytest.raises(ToolFailed, match="one already"):
        begun(tools["git.pull_request"], ARGS)
    there.trouble = ["refuse"]
    with pytest.raises(ToolFailed, match="no such branch"):
        done(tools["git.pull_request"], {**ARGS, "head": "other"})
    with pytest.raises(ArgsInvalid, match="no pull requests"):
        begun(tools["git.pull_request"], {**ARGS, "service": "plain"})
    there.pulls[-1] = {"id": 1}
    with pytest.raises(ToolFailed, match="does not tell"):
        begun(tools["git.pull_request"], ARGS)
    assert len(there.pulls) == 1


def test_closing_spares_what_others_did(there: Forge, tools: dict[str, Tool]) -> None:
    """One with another title, or merged, is a conflict; one that somebody closed is closed."""
    tool, back = tools["git.pull_request"], tools["git.pull_close"]
    call, result = done(tool, ARGS)
    undo = tool.undo(call, result)
    assert undo is not None
    there.pulls[-1]["title"] = "Another"
    assert done(back, {**undo.args})[1]["conflicts"][0]["detail"] == "somebody gave it another title"
    there.pulls[-1]["title"] = "Mend it"
    done(back, {**undo.args})
    assert there.pulls[-1]["state"] == "closed"
    assert done(back, {**undo.args})[1] == {"number": 1, "state": "closed"}
    there.pulls.clear()
    with pytest.raises(RemitError):
        done(back, {**undo.args})
