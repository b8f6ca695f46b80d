"""The agent worker: one leg of a run, driven by a model.

    load the conversation from the journal
    ┌▶ a turn is open?  submit its calls in order; one waits ─▶ the leg ends; else journal what came of them, and what people said
    │  it was the last word, and looking shows no less ─▶ the run ends
    │  it does not get on ─▶ one level down, a person is asked
    └─ ask the model, journal its response

Every arrow is a journalled line before the next step, so a leg killed anywhere goes on exactly there: no response that was
journalled is asked for again, and no call runs twice, because its action's id is its place in the conversation.

This is a loop of our own over Pydantic AI's models and messages, and not its Agent, because its Agent drops calls of unknown
tools before any toolset sees them, ends the run when a provider repeats a call id, lets the last of duplicate keys win before
our reader, counts retries in memory only, and costs several times the CPU a step. A person's own Agent is gated by `gated`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_ai.messages import InstructionPart, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from remit.agent.acting import Acting
from remit.agent.asking import OnText, Patience, Pause, ask
from remit.agent.confidence import Measure, measured, worth_measuring
from remit.agent.costs import Prices, used
from remit.agent.course import Course
from remit.agent.ending import last_word
from remit.agent.own import DEFINITIONS
from remit.agent.prompt import CHAT, SYSTEM, known, opening
from remit.agent.talk import Talk, Told, response_body, seen_body, tried
from remit.agent.toolset import Toolbox
from remit.agent.trouble import STOP, trouble, vague, what_exactly, what_now
from remit.agent.turns import foreign_parts, own_response
from remit.crashpoint import crashpoint
from remit.domain.entry import Draft, Kind
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.values import JsonValue, QuestionId, canonical, digest
from remit.errors import AlreadyRecorded, ContextFull, ModelTrouble
from remit.gate.execution import written
from remit.gate.gate import Gate
from remit.gate.purse import Purse
from remit.plans.rules import rule_plan
from remit.ports import Clock, Journal, ToolSpec

_LIKELIHOODS: Final[Any] = {"openai_logprobs": True, "openai_top_logprobs": 2}
"""Understood by models that speak OpenAI's language, and passed over by others."""
PRINT: Final = 16
"""Hex digits of a fingerprint: it notices change and keeps nobody out."""

_EMPTY: Final = "You gave neither a report nor a call. Go on with a call, or end with a short report in plain text."
_CUT: Final = "Your answer was cut off at the length limit. Say it shorter, or in several turns."


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a run that does not end by itself is ended."""

    turns: int = 50
    calls: int = 16
    """In one turn; what exceeds it is not run, and the model is told so."""
    live: int = 100
    """Turns that the model is shown whole, at most: what is older it is told in short, so that a step costs no more late than early."""
    malformed: int = 3
    """Malformed turns in a row."""
    refusals: int = 3
    """Of exactly the same call."""
    failures: int = 5
    """Calls in a row that fail, before a person is asked what now."""
    same: int = 4
    """Of exactly the same call with exactly the same outcome, likewise."""
    patience: Patience = field(default_factory=Patience)
    prices: Prices = field(default_factory=dict)
    """Of models whose price is not publicly known, or not what is paid."""


class AgentWorker:
    """Advances runs of kind `agent`. Holds no state between legs; the caller holds the run."""

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        model: Model,
        tools: Sequence[ToolSpec],
        limits: Limits | None = None,
        pause: Pause = asyncio.sleep,
        on_text: OnText | None = None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._model = model
        self._toolbox = Toolbox(tools)
        self._limits = limits or Limits()
        self._pause = pause
        self._on_text = on_text
        self._prints: Mapping[str, JsonValue] = {
            "system": digest(SYSTEM, CHAT)[:PRINT],
            "tools": digest(self._toolbox.print, *(canonical(one.parameters_json_schema) for one in DEFINITIONS))[:PRINT],
            "model": model.model_name,
        }

    async def leg(self, run: Run, gate: Gate) -> LegEnd:
        """Go on until the run is final or waits for a person.

        Raises ModelUnavailable or ModelRejected when the model cannot be asked (the run stays open as it is), and whatever
        the gate and the journal raise.
        """
        talk = self._load(run)
        await self._notice(run, talk)
        async with self._model:  # keeps its connections for the leg and closes them with it
            return await self._advance(run, gate, talk)

    async def _advance(self, run: Run, gate: Gate, talk: Talk) -> LegEnd:
        course = Course(run, gate, talk)
        purse = Purse(self._journal, self._clock, run, course.steered)
        if vague(run, talk):
            stopped = LegEnd(state=RunState.STOPPED, summary="stopped before anything was done")
            end = await self._word(run, talk, await what_exactly(run, gate, self._clock), stopped)
            if end is not None:
                return end
        acting = Acting(run=run, gate=gate, clock=self._clock, talk=talk, course=course, purse=purse, calls=self._limits.calls)
        while True:
            end = (
                _paused(course)
                or await purse.held()
                or await self._turn(run, talk, course, acting)
                or await self._trouble(run, gate, talk, course)
            )
            end = end or _paused(course) or await purse.held()
            if end is not None:
                return end
            stop = await self._next(run, talk, course)
            if stop:
                state = RunState.WAITING if course.now.chat else RunState.COULD_NOT
                return LegEnd(state=state, summary=f"{stop}. {tried(talk)}")

    async def _next(self, run: Run, talk: Talk, course: Course) -> str:
        """Ask the model for its next turn, of as much as it takes; why not, where it is not asked any more."""
        if talk.turns - talk.left_out >= self._limits.live:
            await self._shorten(run, talk, course)
        while True:
            try:
                return self._stop(talk) or await self._ask(run, talk, chat=course.now.chat)
            except ContextFull as full:
                if not await self._shorten(run, talk, course):
                    return full.message

    async def _turn(self, run: Run, talk: Talk, course: Course, acting: Acting) -> LegEnd | None:
        """Make of the open turn what it says, and tell the model, also what its person said meanwhile."""
        turn = talk.open
        told, still = await acting.late()
        if turn is not None and turn.final and not course.news and not told:
            if still:
                return LegEnd(state=RunState.WAITING, summary="a person is asked", waiting=tuple(still))
            end = await last_word(run, acting.gate, talk, course)
            if isinstance(end, LegEnd):
                return end
            told = [end]
        elif turn is not None and not turn.final:
            ended = await acting.turn(turn)
            if ended is None:
                return _paused(course) or await acting.purse.held() or LegEnd(state=RunState.WAITING, summary="paused")
            answered, waiting = ended
            if waiting:
                return LegEnd(state=RunState.WAITING, summary="a person is asked", waiting=(*waiting, *still))
            told = [*answered, *told]
            if not turn.calls:
                told = [*told, Told(end="cut" if turn.cut else "empty", text=_CUT if turn.cut else _EMPTY)]
        await self._seen(run, talk, [*told, *course.news])
        return None

    async def _trouble(self, run: Run, gate: Gate, talk: Talk, course: Course) -> LegEnd | None:
        what = trouble(talk, failures=self._limits.failures, same=self._limits.same)
        if not what:
            return None
        stopped = LegEnd(state=RunState.COULD_NOT, summary=f"stopped, as {what}. {tried(talk)}")
        return await self._word(run, talk, await what_now(run, gate, self._clock, talk, course, what), stopped)

    async def _word(self, run: Run, talk: Talk, reply: Told | QuestionId, stopped: LegEnd) -> LegEnd | None:
        """What a person was asked: wait for it, stop at it, or pass it on to the model."""
        if not isinstance(reply, Told):
            return LegEnd(state=RunState.WAITING, summary="a person is asked", waiting=(reply,))
        if reply.end == STOP:
            return stopped
        await self._seen(run, talk, [reply])
        return None

    def _load(self, run: Run) -> Talk:
        talk = Talk.opened(opening(run), self._toolbox, str(run.spec.get("material", "")))
        talk.own += known(run)
        for entry in self._journal.read(run.id, kinds=(Kind.MESSAGE,)):
            talk.read(entry)
        return talk

    async def _notice(self, run: Run, talk: Talk) -> None:
        """A conversation that began under another prompt, tool set or model goes on, and the journal says what changed since when."""
        changed: list[JsonValue] = [key for key, value in self._prints.items() if talk.prints and talk.prints.get(key) != value]
        if changed:
            body: dict[str, JsonValue] = {"v": 1, "changed": changed, "since_turn": talk.turns, "now": dict(self._prints)}
            await self._note(run, f"prompt@{talk.turns}", body)

    async def _seen(self, run: Run, talk: Talk, told: Sequence[Told]) -> None:
        if not told:
            return
        part = f"{talk.turns}.seen" if talk.open is not None else f"{talk.turns}.{talk.words + 1}.seen"
        body = seen_body(talk.turns, told)
        await self._write(Draft(run=run.id, kind=Kind.MESSAGE, at=self._clock.now(), part=part, body=body))
        talk.add_seen(body)
        crashpoint("agent.seen")

    async def _shorten(self, run: Run, talk: Talk, course: Course) -> bool:
        """Leave half of the turns out, and say what stands for them."""
        body = talk.shorter(course.standing)
        if body is None:
            return False
        await self._write(Draft(run=run.id, kind=Kind.MESSAGE, at=self._clock.now(), part=f"{body['turns']}.short", body=body))
        talk.shorten(body)
        crashpoint("agent.shortened")
        return True

    async def _ask(self, run: Run, talk: Talk, *, chat: bool) -> str:
        """Ask and journal; a response with parts that no gate saw ends the run, with the reason returned."""
        number = talk.turns + 1
        parameters = ModelRequestParameters(
            function_tools=[*DEFINITIONS, *self._toolbox.definitions],
            instruction_parts=[InstructionPart(content=CHAT if chat else SYSTEM)],
            allow_text_output=True,
        )
        measure = Measure.of(run.spec)
        extra = _LIKELIHOODS if measure.margin else ModelSettings()
        response = await ask(
            self._model, talk.messages, parameters, patience=self._limits.patience, pause=self._pause, on_text=self._on_text, extra=extra
        )
        crashpoint("agent.responded")
        if stop := _unacceptable(response):
            await self._note(run, f"refused@{number}", {"v": 1, "why": stop})
            return stop
        sure, others = await self._measured(run, talk, parameters, response)
        own, wrong = own_response(response, number)
        tools = [self._toolbox.tool(call.tool_name) for call in own.tool_calls]
        body = response_body(
            own,
            turn=number,
            tools=tools,
            wrong=wrong,
            prints={**self._prints, "history": talk.history[:PRINT]},
            sure=sure,
            usage=used([response, *others], self._limits.prices),
        )
        await self._write(Draft(run=run.id, kind=Kind.MESSAGE, at=self._clock.now(), part=str(number), body=body))
        talk.add_response(body)
        crashpoint("agent.response")
        return ""

    async def _measured(
        self, run: Run, talk: Talk, parameters: ModelRequestParameters, response: ModelResponse
    ) -> tuple[dict[str, JsonValue], list[ModelResponse]]:
        """How sure the model is of what it wants to change, and the answers by which that was found."""
        measure = Measure.of(run.spec)
        if measure == Measure() or not worth_measuring(response, self._toolbox):
            return {}, []
        again = [
            ask(self._model, talk.messages, parameters, patience=self._limits.patience, pause=self._pause)
            for _ in range(measure.samples - 1)
        ]
        others = [one for one in await asyncio.gather(*again, return_exceptions=True) if not isinstance(one, ModelTrouble)]
        for one in others:
            if isinstance(one, BaseException):
                raise one
        answers = [one for one in others if isinstance(one, ModelResponse)]
        return measured(response, answers, self._toolbox, measure, rule_plan(run.goal)), answers

    def _stop(self, talk: Talk) -> str:
        """Why the model is not asked again, or nothing."""
        if talk.malformed >= self._limits.malformed:
            return f"the model sent {talk.malformed} turns in a row that cannot be read"
        same = talk.refusals.most_common(1)
        if same and same[0][1] >= self._limits.refusals:
            return f"the model asked {same[0][1]} times for the same call of {same[0][0][0]} that was refused"
        if talk.since >= self._limits.turns:
            return f"{talk.since} turns are used up"
        return ""

    async def _note(self, run: Run, part: str, body: Mapping[str, JsonValue]) -> None:
        with suppress(AlreadyRecorded):  # a leg that was killed after this line says it again
            await self._write(Draft(run=run.id, kind=Kind.NOTE, at=self._clock.now(), part=part, body=body))

    async def _write(self, draft: Draft) -> None:
        # not durable: it must survive kill -9, which the journal promises for every line; before an effect the gate waits for the disk
        await written(self._journal.append([draft], durable=False))


def _paused(course: Course) -> LegEnd | None:
    by = course.now.paused_by
    return LegEnd(state=RunState.WAITING, summary=f"paused by {by}") if by else None


def _unacceptable(response: ModelResponse) -> str:
    foreign = foreign_parts(response)
    if foreign:
        return f"the endpoint did something on its own that no gate saw ({', '.join(sorted(set(foreign)))})"
    if response.finish_reason == "content_filter":
        return "the endpoint's content filter stopped the answer"
    return ""
