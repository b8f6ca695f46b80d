# ruff: noqa: ARG002 - the library names the parameters of its seams
"""The gate as a Pydantic AI capability, for a person's own agent: `Agent(model, capabilities=[gated(gate, ...)])`.

Every tool call of that agent becomes an action, and nothing but the gate runs it: tools the gate does not know are refused.
The agent's output must allow `DeferredToolRequests`; when it comes back with one, a person is asked. Answer in the inbox, then run
the agent again with the whole history and `DeferredToolResults(approvals={id: True})`. That `True` is no approval: it only
makes the library call again, and the gate answers from its own journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pydantic_ai import ApprovalRequired, ModelRetry, RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.toolsets import AbstractToolset, ExternalToolset, ToolsetTool, WrapperToolset

from remit.agent.observe import observation
from remit.agent.toolset import Toolbox
from remit.agent.turns import foreign_parts, strict_args
from remit.domain.action import Action
from remit.domain.receipt import Receipt, Waiting
from remit.domain.situation import Situation
from remit.domain.values import RunId, action_id
from remit.errors import BadInput
from remit.ports import ToolSpec


class Submits(Protocol):
    """The gate, as far as a worker needs it."""

    async def submit(self, action: Action, situation: Situation) -> Receipt: ...


@dataclass
class Gated(AbstractCapability[Any]):
    """Offers the given tools and sends every call of any tool through the gate. One instance per conversation: `run` names its actions."""

    gate: Submits
    run: RunId
    actor: str
    situation: Situation
    toolbox: Toolbox

    def get_toolset(self) -> AbstractToolset[Any]:
        return ExternalToolset(self.toolbox.definitions, id="remit")

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        return _GateToolset(wrapped=toolset, door=self)

    async def before_model_request(self, ctx: RunContext[Any], request_context: ModelRequestContext) -> ModelRequestContext:
        """Raises BadInput when the agent has provider-native tools: they run at the provider, where no gate sees them."""
        if request_context.model_request_parameters.native_tools:
            raise BadInput("this agent has provider-native tools", fix="remove them: no gate sees what they do")
        return request_context

    async def after_model_request(
        self, ctx: RunContext[Any], *, request_context: ModelRequestContext, response: ModelResponse
    ) -> ModelResponse:
        if foreign := foreign_parts(response):
            raise BadInput(f"the provider did something on its own: {', '.join(foreign)}", fix="no gate saw it; switch it off there")
        return response


def gated(gate: Submits, *, run: RunId, situation: Situation, tools: Sequence[ToolSpec], actor: str = "agent") -> Gated:
    """The capability. `run` must be new for each conversation: an action's id is its place in it."""
    return Gated(gate=gate, run=run, actor=actor, situation=situation, toolbox=Toolbox(tools))


@dataclass
class _GateToolset(WrapperToolset[Any]):
    door: Gated = field(kw_only=True)

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        # as functions, so that each call reaches call_tool below instead of being handed out of the run; one after the other, in order
        tools = await super().get_tools(ctx)
        return {
            name: replace(tool, tool_def=replace(tool.tool_def, kind="function", sequential=True), max_retries=3)
            for name, tool in tools.items()
        }

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]) -> Any:
        """Neither `tool_args` nor `ctx.tool_call_approved` counts: the library lets duplicate keys pass, anyone can say yes there."""
        place, part = _place(ctx)
        args_json, wrong = strict_args(part.args)
        if wrong:
            raise ModelRetry(wrong)
        door = self.door
        action = Action(id=action_id(door.run, place), actor=door.actor, tool=door.toolbox.tool(name), args_json=args_json)
        receipt = await door.gate.submit(action, door.situation)
        if isinstance(receipt, Waiting):
            raise ApprovalRequired(metadata={"question": receipt.question.id})
        return observation(receipt, args_json)[1]


def _place(ctx: RunContext[Any]) -> tuple[str, ToolCallPart]:
    """The call's place in the conversation, and the call as the model sent it."""
    responses = [message for message in ctx.messages if isinstance(message, ModelResponse)]
    calls = [part for part in responses[-1].parts if isinstance(part, ToolCallPart)] if responses else []
    for index, part in enumerate(calls):
        if part.tool_call_id == ctx.tool_call_id:
            return f"c{len(responses)}.{index}", part
    raise BadInput(f"the call {ctx.tool_call_id!r} stands nowhere in the conversation", fix="hand in the whole message history")
