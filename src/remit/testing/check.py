"""A check of a tool against everything the gate relies on: on its real world, with real kills.

    problems = check_tool(Scenario(tools=…, tool="files.write", args={…}, reset=…, look=…, meddle=…))
    assert problems == []

Every sentence that comes back is a promise that the tool breaks: an undo that restores nothing or overwrites somebody, a probe that
guesses, a preview that acts, an effect class that is too good.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from remit import crashpoint
from remit.domain.action import Effect
from remit.domain.values import ActionId, JsonValue, canonical
from remit.errors import Conflict, RemitError, ToolFailed
from remit.ports import Call, Happened, Probed, Tool

_EXACT = (Effect.REVERSIBLE, Effect.TRANSACTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One call that succeeds in a world of its own."""

    tools: Mapping[str, Tool]
    """The tool, and those that its undo names."""
    tool: str
    args: Mapping[str, JsonValue] | Callable[[], Mapping[str, JsonValue]]
    """Called after each reset, for a call about what an earlier one left."""
    reset: Callable[[], object]
    """Bring the world to where the call begins, whatever stood there."""
    look: Callable[[], object]
    """A picture of all that the call can change, compared with ==."""
    meddle: Callable[[], Callable[[], bool]] | None = None
    """Change what the call has changed, as somebody else would; returns whether that change still stands. None where nobody could."""


def check_tool(scenario: Scenario) -> list[str]:
    """What the tool promises and does not keep, as sentences; none is a pass. Forks, so call it where no threads are at work."""
    return [f"{scenario.tool}: {problem}" for problem in _Check(scenario).problems()]


class _Check:
    def __init__(self, scenario: Scenario) -> None:
        self._of = scenario
        self._tool = scenario.tools[scenario.tool]
        self._effect = self._tool.spec.effect
        self._count = 0

    def problems(self) -> Iterator[str]:
        before, after = self._pictures()
        if self._effect is Effect.PURE:
            yield from ["it is declared pure, and changes something"] if before != after else []
            return
        if before == after:
            yield "the call of the scenario changes nothing, so nothing can be checked"
            return
        yield from self._looking(before, after)
        yield from self._undoing(before)
        yield from self._sparing()
        for point in ("", *self._points()):
            yield from self._killed(point, before, after)

    def _pictures(self) -> tuple[object, object]:
        """The world before and after the call."""
        self._of.reset()
        before = self._of.look()
        call = self._begun()
        self._effect = self._tool.effect(call.args)
        self._run(call)
        return before, self._of.look()

    def _looking(self, before: object, after: object) -> Iterator[str]:
        """Preview, capture and probe only look; a probe before the run never says that it happened, one after never that it did not."""
        self._of.reset()
        call = self._begun()
        found = self._probe(call)
        if self._of.look() != before:
            yield "preview, capture or probe changes something"
        if found.happened is Happened.YES:
            yield "its probe says that it happened before it was run"
        result = self._run(call)
        found = self._probe(call)
        if found.happened is Happened.NO and not (found.again and found.begun):
            yield "its probe says that it did not happen after it was run"
        elif found.happened is Happened.NO:
            self._run(replace(call, again=True))
            if self._of.look() != after:
                yield "its probe says that it may be finished after it was run, and that does more than once"
        try:
            canonical(result)
        except RemitError as error:
            yield f"its result is no JSON: {error}"

    def _undoing(self, before: object) -> Iterator[str]:
        self._of.reset()
        call = self._begun()
        result = self._run(call)
        how = self._tool.undo(call, result)
        if how is None:
            if self._effect in _EXACT:
                yield f"it is declared {self._effect}, and has no undo"
            return
        try:
            self._take_back(call, result)
        except RemitError as error:
            yield f"its undo fails: {error}"
        if self._effect in _EXACT and self._of.look() != before:
            yield "its undo does not bring back what was there"

    def _sparing(self) -> Iterator[str]:
        """An undo after somebody else's change must leave that change, and say that it did."""
        if self._of.meddle is None:
            return
        self._of.reset()
        call = self._begun()
        result = self._run(call)
        if self._tool.undo(call, result) is None:
            return
        stands = self._of.meddle()
        told: JsonValue = None
        try:
            told = self._take_back(call, result)
        except Conflict:
            told = {"conflicts": ["raised"]}
        except ToolFailed as error:
            yield f"its undo of what somebody changed is no conflict, but: {error}"
        if not stands():
            yield "its undo overwrites what somebody else changed since"
        elif not (isinstance(told, Mapping) and told.get("conflicts")):
            yield "its undo does not say that somebody's change was in its way"

    def _points(self) -> list[str]:
        """The crash points that a run passes."""
        self._of.reset()
        call = self._begun()
        with crashpoint.recorded() as passed:
            self._run(call)
        return [f"{name}:{passed[: at + 1].count(name)}" for at, name in enumerate(passed)]

    def _killed(self, point: str, before: object, after: object) -> Iterator[str]:
        """Kill a run (at a point, or right before it) and settle it as recovery does."""
        self._of.reset()
        call = self._begun()
        where = f"killed at {point}" if point else "killed before it ran"
        if point and not _killed_in_child(lambda: self._run(call), point):
            return
        found = self._probe(call)
        if found.happened is Happened.NO and found.again:
            self._run(replace(call, again=True))
            if self._of.look() != after:
                yield f"{where}: running it again does not end as it should"
        elif found.happened is Happened.YES and self._of.look() != after:
            yield f"{where}: its probe says that it happened, and the world says no"
        elif found.happened is Happened.NO and self._of.look() != before:
            yield f"{where}: its probe says that nothing happened, and the world says no"

    def _begun(self) -> Call:
        """Preview and capture, as the gate does before it starts an action."""
        self._count += 1
        args = self._of.args() if callable(self._of.args) else self._of.args
        call = Call(action=ActionId(f"check/{os.getpid()}.{self._count}"), args=args)
        return _captured(self._tool, call)

    def _run(self, call: Call) -> JsonValue:
        return asyncio.run(_awaited(self._tool, call))

    def _probe(self, call: Call) -> Probed:
        return asyncio.run(_probed(self._tool, call))

    def _take_back(self, call: Call, result: JsonValue) -> JsonValue:
        how = self._tool.undo(call, result)
        if how is None:
            return None
        tool = self._of.tools[how.tool]
        self._count += 1
        return asyncio.run(_awaited(tool, _captured(tool, Call(action=ActionId(f"check/undo.{self._count}"), args=how.args))))


def _captured(tool: Tool, call: Call) -> Call:
    async def work() -> Call:
        preview = await tool.preview(call)
        captured = await tool.capture(replace(call, staged=preview.staged))
        return replace(call, staged=preview.staged, captured=captured.data)

    return asyncio.run(work())


async def _awaited(tool: Tool, call: Call) -> JsonValue:
    return await tool.run(call)


async def _probed(tool: Tool, call: Call) -> Probed:
    return await tool.probe(call)


def _killed_in_child(work: Callable[[], object], point: str) -> bool:
    """Do the work in a child that dies at the point; whether it died there."""
    child = os.fork()
    if child == 0:
        try:
            crashpoint.arm(point)
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
