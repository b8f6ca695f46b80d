"""From a decision to an outcome: capture, write ahead, act, look, record — and the same road again after a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from remit.crashpoint import crashpoint
from remit.domain.action import Action, Effect
from remit.domain.entry import Done, Draft, Kind
from remit.domain.outcome import Evidence, Outcome, Status
from remit.domain.record import Record, outcome_body, outcome_from
from remit.domain.values import ActionId, JsonValue, canonical, split_id
from remit.errors import ArgsInvalid, RemitError, ToolFailed, ToolUncertain
from remit.ports import Call, Clock, Happened, Joins, Journal, Tool, Written

if TYPE_CHECKING:
    from concurrent.futures import Future


class Doubt(NamedTuple):
    """Nobody knows whether it happened; what is known, and what the actor is told should a person say that it did."""

    why: str
    result: JsonValue = None


class Execution:
    """The only place that runs a tool. Every effect has one durable STARTED before it; outcomes are written lazily, in order."""

    def __init__(self, journal: Journal, clock: Clock, *, timeout: float) -> None:
        self._journal = journal
        self._clock = clock
        self._timeout = timeout
        self._joins = journal if isinstance(journal, Joins) else None
        self._later: set[Future[None]] = set()
        self._trouble: BaseException | None = None

    async def start(
        self, action: Action, tool: Tool, call: Call, before: Sequence[Draft], people: Sequence[str], permit: Callable[[Call], None]
    ) -> Outcome | Doubt:
        """Run an action that may run now. `before` is written in the transaction that starts it.

        Raises ToolFailed from `capture` and whatever `permit` raises about the captured call (nothing was started and nothing was
        written), and AlreadyRecorded when someone else has started it.
        """
        if tool.effect(call.args) is Effect.PURE and not tool.spec.egress:
            permit(call)
            outcome = await self._act(tool, call)
            if isinstance(outcome, Doubt):
                outcome = failed("uncertain", outcome.why)  # which does not matter, as it changes nothing
            await self.write([*before, self._finished(action, outcome)], durable=False)
            return outcome
        captured = await tool.capture(call)
        call = replace(call, captured=captured.data)
        permit(call)
        body: dict[str, JsonValue] = {"data": captured.data, "touches": list(captured.touches)}
        if people:
            body["people"] = sorted(people)
        await self.write([*before, self._draft(action, Kind.STARTED, body)], durable=True)
        crashpoint("started")
        return await self._done(action, tool, call)

    async def recover(self, action: Action, tool: Tool, record: Record, *, again: bool) -> Outcome | Doubt:
        """Settle a STARTED without FINISHED by looking at the world.

        With `again` what did not happen is run, where that cannot double it; without, only what has begun is finished so.
        """
        call = Call(action=action.id, args=action.args, captured=(record.started or {}).get("data"))
        if recorded := await self._recorded(action.id):
            return recorded
        probed = await tool.probe(call)
        match probed.happened:
            case Happened.YES:
                return self.finish(action, Outcome(status=Status.SUCCEEDED, result=probed.result, evidence=Evidence.PROBE))
            case Happened.NO if probed.again and (again or probed.begun):
                await self.write([self._draft(action, Kind.RESUMED, {}, part=f"+{record.resumed + 1}")], durable=True)
                crashpoint("resumed")
                return await self._done(action, tool, replace(call, again=True))
            case Happened.NO:
                return self.finish(action, _not_happened(probed.detail))
            case Happened.UNKNOWN:
                return Doubt(probed.detail, probed.result)

    async def _done(self, action: Action, tool: Tool, call: Call) -> Outcome | Doubt:
        """Act, and record how it ended, unless that was committed together with the effect."""
        seal = _Seal(self._joins, self._finished, action) if self._joins else None
        outcome = await self._act(tool, replace(call, seal=seal.write) if seal else call)
        crashpoint("acted")
        if (seal and seal.used) or (self._joins and call.again):
            recorded = await self._recorded(action.id)
            if recorded is not None:
                return recorded
        return self.finish(action, outcome)

    async def _recorded(self, action: ActionId) -> Outcome | None:
        """How it ended, if that was committed together with the effect, also by somebody who is not heard of any more."""
        if self._joins is None:
            return None
        await asyncio.to_thread(self._joins.settle)
        run, name = split_id(action)
        found = [entry for entry in self._journal.read(run, action=name, kinds=[Kind.FINISHED]) if not entry.part]
        return outcome_from(json.loads(found[0].body_json)) if found else None

    def finish(self, action: Action, outcome: Outcome | Doubt) -> Outcome | Doubt:
        """Record how it ended, lazily: losing this line only means that the next leg looks at the world again."""
        if isinstance(outcome, Outcome):
            self.later([self._finished(action, outcome)])
        return outcome

    def later(self, drafts: Sequence[Draft]) -> None:
        """Append without waiting for it; what goes wrong is raised by the next `write` or `flush`."""
        call = self._journal.append(drafts, durable=False, hurry=False)
        if isinstance(call, Done):
            self._trouble = call.error or self._trouble
        else:
            self._later.add(call)
            call.add_done_callback(self._landed)

    async def write(self, drafts: Sequence[Draft], *, durable: bool) -> None:
        """Append and wait for it. Raises what an earlier lazy line failed with, so that no loss stays silent."""
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
        await written(self._journal.append(drafts, durable=durable))

    async def flush(self) -> None:
        """Return once every lazy line is written; afterwards kill -9 loses nothing of them."""
        while self._later:
            self._journal.append([], durable=False)
            await asyncio.gather(*(asyncio.wrap_future(f) for f in tuple(self._later)), return_exceptions=True)
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble

    async def _act(self, tool: Tool, call: Call) -> Outcome | Doubt:
        seconds = max(self._timeout, tool.spec.seconds)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                result = await tool.run(call)
            canonical(result)
        except ToolFailed as error:
            return failed(error.code, str(error))
        except TimeoutError as error:
            return await self._look(tool, call, f"no answer within {seconds:g} s" if limit.expired() else f"TimeoutError: {error}")
        except (ToolUncertain, ArgsInvalid) as error:
            return await self._look(tool, call, str(error))
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; whether it acted is then a question to the world
            return await self._look(tool, call, f"{type(error).__name__}: {error}")
        return Outcome(status=Status.SUCCEEDED, result=result)

    async def _look(self, tool: Tool, call: Call, why: str) -> Outcome | Doubt:
        """The tool ended without saying whether it acted."""
        if recorded := await self._recorded(call.action):
            return recorded
        try:
            probed = await tool.probe(call)
        except (RemitError, OSError) as error:
            return Doubt(f"{why}\nlooking failed, too: {error}")
        match probed.happened:
            case Happened.YES:
                return Outcome(status=Status.SUCCEEDED, result=probed.result, evidence=Evidence.PROBE, error=why)
            case Happened.NO if not probed.begun:
                return _not_happened(why)
            case Happened.NO if probed.again and not call.again:
                run, name = split_id(call.action)
                await self.write(
                    [Draft(run=run, action=name, kind=Kind.RESUMED, part="+1", at=self._clock.now(), body={"why": why})], durable=True
                )
                return await self._act(tool, replace(call, again=True))
            case _:
                return Doubt("\n".join(part for part in (why, probed.detail) if part), probed.result)

    def _landed(self, future: Future[None]) -> None:
        self._later.discard(future)
        error = future.exception()
        if error is not None:
            self._trouble = error

    def _finished(self, action: Action, outcome: Outcome) -> Draft:
        return self._draft(action, Kind.FINISHED, outcome_body(outcome))

    def _draft(self, action: Action, kind: Kind, body: dict[str, JsonValue], *, part: str = "") -> Draft:
        return Draft(run=action.run, action=action.name, kind=kind, part=part, at=self._clock.now(), body=body)


class _Seal:
    """Writes the outcome in the transaction of the effect."""

    def __init__(self, journal: Joins, finished: Callable[[Action, Outcome], Draft], action: Action) -> None:
        self._journal = journal
        self._finished = finished
        self._action = action
        self.used = False

    def write(self, connection: Any, result: JsonValue) -> None:
        self.used = True
        self._journal.join(connection, [self._finished(self._action, Outcome(status=Status.SUCCEEDED, result=result))])


async def written(call: Written) -> None:
    """Wait for lines to be written; costs no turn of the event loop when they are already."""
    if isinstance(call, Done):
        call.result()
    else:
        await asyncio.wrap_future(call)


def failed(code: str, why: str) -> Outcome:
    """It surely did not happen."""
    return Outcome(status=Status.FAILED, code=code, error=why)


def _not_happened(why: str) -> Outcome:
    return Outcome(status=Status.FAILED, code="not_happened", error=why, evidence=Evidence.PROBE)
