"""The road of one call without a gate: previewed, captured, run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from remit.domain.values import ActionId, JsonValue
from remit.ports import Call, Tool


def begun(tool: Tool, args: Mapping[str, JsonValue], name: str = "r/a") -> Call:
    """Previewed and captured, as the gate does before it starts an action."""
    call = Call(action=ActionId(name), args=args)
    call = replace(call, staged=asyncio.run(tool.preview(call)).staged)
    return replace(call, captured=asyncio.run(tool.capture(call)).data)


def done(tool: Tool, args: Mapping[str, JsonValue], name: str = "r/a") -> tuple[Call, Any]:
    """The whole road of one call, and what it returned."""
    call = begun(tool, args, name)
    return call, asyncio.run(tool.run(call))


def read(tool: Tool, args: Mapping[str, JsonValue]) -> Any:
    """What a tool that only looks returns."""
    return asyncio.run(tool.run(Call(action=ActionId("r/read"), args=args)))
