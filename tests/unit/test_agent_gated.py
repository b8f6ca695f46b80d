from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.messages import ModelMessage, ModelResponse, NativeToolCallPart, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.run import AgentRunResult

from agent_world import Words, World, world
from claims import proves
from remit.agent.gated import gated
from remit.domain.action import Level
from remit.domain.question import Answer
from remit.domain.situation import Situation
from remit.errors import BadInput

Result = AgentRunResult[str | DeferredToolRequests]


def agent(w: World, *answers: ModelResponse) -> Agent[None, str | DeferredToolRequests]:
    script = list(answers)

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return script.pop(0)

    door = gated(w.gate, run=w.run.id, situation=Situation(level=Level.CONSULTANT, words="count"), tools=w.specs)
    made = Agent(FunctionModel(answer), output_type=[str, DeferredToolRequests], capabilities=[door])

    @made.tool_plain
    def erase_everything() -> str:
        """A tool of the agent's own, unknown to the gate."""
        w.count.file.write_text("erased\n", encoding="utf-8")
        return "erased"

    return made


def says(*calls: tuple[str, str]) -> ModelResponse:
    return ModelResponse(parts=[ToolCallPart(name, args, tool_call_id=f"p{i}") for i, (name, args) in enumerate(calls)])


DONE = ModelResponse(parts=[TextPart("done")])


@proves("agent.gated_door")
def test_every_call_of_a_persons_own_agent_goes_through_the_gate(tmp_path: Path) -> None:
    """The gate's tools run there; the agent's own function, which the gate does not know, does not run at all."""
    with world(tmp_path) as w:
        result: Result = asyncio.run(agent(w, says(("count-up", '{"by":1}'), ("erase_everything", "{}")), DONE).run("go"))
        assert result.output == "done"
        assert w.count.lines() == ["r1/c1.0 1"]
        texts = [str(part.content) for part in result.all_messages()[2].parts if part.part_kind == "tool-return"]
    assert '"status":"succeeded"' in texts[0]
    assert '"status":"refused by policy"' in texts[1]


@proves("agent.gated_yes_is_no_approval")
def test_a_yes_in_the_librarys_own_results_approves_nothing(tmp_path: Path) -> None:
    """Only an answer in the inbox does; after it the same call runs, once, however often it is resumed."""
    with world(tmp_path, Words(ask=frozenset({"count.up"}))) as w:
        first: Result = asyncio.run(agent(w, says(("count-up", '{"by":1}'))).run("go"))
        assert isinstance(first.output, DeferredToolRequests)
        yes = DeferredToolResults(approvals={"p0": True})
        again: Result = asyncio.run(agent(w).run(message_history=first.all_messages(), deferred_tool_results=yes))
        assert isinstance(again.output, DeferredToolRequests)
        assert w.count.lines() == []
        (question,) = w.inbox.pending()
        w.inbox.answer(question, Answer.APPROVE, who="ann")
        for _ in range(2):
            end: Result = asyncio.run(agent(w, DONE).run(message_history=first.all_messages(), deferred_tool_results=yes))
            assert end.output == "done"
        assert w.count.lines() == ["r1/c1.0 1"]


@proves("agent.gated_strict")
def test_what_the_library_would_read_differently_reaches_no_tool(tmp_path: Path) -> None:
    """Duplicate keys: the library takes the last one; the gate's door tells the model to send it again."""
    with world(tmp_path) as w:
        result: Result = asyncio.run(agent(w, says(("count-up", '{"by":1,"by":5000}')), says(("count-up", '{"by":1}')), DONE).run("go"))
        assert result.output == "done"
        assert w.count.lines() == ["r1/c2.0 1"]


@proves("agent.gated_no_native")
def test_provider_native_tools_are_forbidden(tmp_path: Path) -> None:
    """Neither offered to the provider nor accepted from it."""
    with world(tmp_path) as w:
        with pytest.raises(BadInput, match="no gate saw"):
            asyncio.run(agent(w, ModelResponse(parts=[NativeToolCallPart("web_search", {}, tool_call_id="n"), TextPart("x")])).run("go"))
        with pytest.raises(BadInput, match="native"):
            asyncio.run(agent(w, DONE).run("go", capabilities=[NativeTool(WebSearchTool())]))
