"""The gate: every action of every actor passes here, and nothing else runs tools.

The road of one action: facts, decision, question and approval where policy wants them, then `execution`. Submitting the
same action again is always safe: it answers from the journal, goes on where it stopped, or settles what a crash left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakValueDictionary

from remit.domain.action import Action
from remit.domain.decision import Decision, Facts, Verdict
from remit.domain.entry import Draft, Kind
from remit.domain.outcome import Outcome
from remit.domain.question import Answer, Approval, QuestionKind
from remit.domain.receipt import Finished, Receipt, Refused, Waiting
from remit.domain.record import Asked, Record, State, fold
from remit.domain.situation import Situation
from remit.domain.values import ActionId, Digest, JsonValue, RunId, canonical, split_id
from remit.errors import AlreadyRecorded, ArgsInvalid, BadInput, Conflict, OutsideRoots, ToolFailed
from remit.gate.asking import Asking, answered_no
from remit.gate.ending import Ending
from remit.gate.execution import Doubt, Execution, failed
from remit.gate.holding import Holding
from remit.gate.judgement import Given, Judgement, Wider
from remit.policy.judge import Policy
from remit.ports import Call, Clock, Journal, Preview, Tool

_UNFIT: Final = (BadInput, OutsideRoots, ToolFailed)
"""The action cannot be judged as it is: its arguments name nothing that is there."""
_CANNOT: Final = (BadInput, ToolFailed)
"""The tool says before the start that it cannot: bad input, too, may show only once the tool looks."""
_ROUNDS: Final = 4
"""How often one action may be asked about before it fails: a world that changes under every question needs another plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the gate waits for, at most."""

    tool_seconds: float = 600.0
    question_ms: int = 7 * 24 * 3600 * 1000
    asks: int = 0
    """Questions that people may be asked within an hour; 0 is no limit. What is in doubt is asked about all the same."""


class Gate:
    """One per process. Safe for concurrent use by many runs on one event loop, and beside other processes on the same journal."""

    def __init__(
        self,
        *,
        journal: Journal,
        tools: Mapping[str, Tool],
        policy: Policy,
        clock: Clock,
        roots: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self.journal = journal
        self.tools = dict(tools)
        self.policy = policy
        self.limits = limits or Limits()
        self._clock = clock
        self._judgement = Judgement(self.tools, policy, roots)
        self._execution = Execution(journal, clock, timeout=self.limits.tool_seconds)
        self._ending = Ending(self._execution, self._judgement, clock)
        self._asking = Asking(journal, clock, question_ms=self.limits.question_ms)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._holding = Holding(journal)

    def hold(self, run: RunId) -> AbstractContextManager[None]:
        """Advance `run` from here only; many tasks of this gate may hold it together. Raises RunBusy when another process does."""
        return self._holding.hold(run)

    async def submit(self, action: Action, situation: Situation) -> Receipt:
        """Judge the action and carry it as far as it may go. Idempotent per action id.

        Raises RunBusy when another process advances the run, JournalTrouble when nothing can be recorded (then nothing was started).
        """
        turn = self._turns.setdefault(action.id, asyncio.Lock())
        with self.hold(action.run):
            async with turn:
                for _ in range(_ROUNDS):
                    record = Record(id=action.id) if self._holding.never_seen(action) else self.record(action.id)
                    if record.state is State.STARTED:
                        await self.flush()  # its end may be on its way into the journal, from this very process
                        record = self.record(action.id)
                    try:
                        return await self._go_on(action, record, situation)
                    except AlreadyRecorded:
                        continue  # another process was faster with this very line: its record tells what to do now
        raise ArgsInvalid(f"{action.id} keeps changing under us", fix="look at `remit log` for who else works on this run")

    def record(self, action: ActionId) -> Record:
        """What the journal knows about the action now."""
        run, name = split_id(action)
        return fold(action, self.journal.read(run, action=name))

    async def shown(self, action: Action) -> tuple[Preview, Digest]:
        """What the action would do now, and the digest that an approval of exactly that carries. Raises BadInput, ToolFailed."""
        self._judgement.check(action.tool, action.args)
        preview = await self.tools[action.tool].preview(Call(action=action.id, args=action.args))
        return preview, action.digest(definition=self._judgement.definition(action.tool), binding=preview.binding)

    async def settle(self, action: ActionId) -> Receipt | None:
        """Find out how an action that was started ended, or ask; nothing is begun again. None when it was not started, or has an end."""
        record = self.record(action)
        if record.state is not State.STARTED:
            return None
        return await self._settle(record.action, record, again=False)

    async def withdraw(self, action: ActionId, *, why: str) -> bool:
        """Nobody has to answer any more whether this is done: it is not. False where no question is open, or it was begun."""
        record = self.record(action)
        asked = record.open_question
        if asked is None or record.started is not None:
            return False
        await self._ending.refuse(record.action, [self._asking.settled(asked, "withdrawn")], by="person", reason=why)
        return True

    async def flush(self) -> None:
        """Wait until every outcome reported so far is written."""
        await self._execution.flush()

    async def note(self, action: ActionId, body: Mapping[str, JsonValue]) -> None:
        """Keep a remark on an action, such as why it counts as failed. Writing it twice is the same as once."""
        run, name = split_id(action)
        with suppress(AlreadyRecorded):
            await self._execution.write([Draft(run=run, action=name, kind=Kind.NOTE, at=self._clock.now(), body=body)], durable=False)

    async def mark_undone(self, action: ActionId, *, by: ActionId, partly: bool = False) -> None:
        """Note on an action that another one has taken it back. Writing it twice is the same as once."""
        run, name = split_id(action)
        body: dict[str, JsonValue] = {"by": by}
        if partly:
            body["partly"] = True
        draft = Draft(run=run, action=name, part=f"!{by}", kind=Kind.UNDONE, at=self._clock.now(), body=body)
        with suppress(AlreadyRecorded):
            await self._execution.write([draft], durable=False)

    def check(self, tool: str, args: Mapping[str, JsonValue]) -> None:
        """Raise ArgsInvalid when the arguments do not fit the tool's schema."""
        self._judgement.check(tool, args)

    def judge(self, action: Action, situation: Situation) -> tuple[Facts, Decision]:
        """The decision on an action with nobody's approval yet. Raises BadInput or OutsideRoots where it cannot be judged."""
        return self._judgement.of(action, situation)

    async def foresee(self, action: Action, situation: Situation) -> tuple[Decision, str]:
        """The decision on an action with all that its preview shows it to be, and what of that decided it; nothing is done.

        Raises BadInput, ToolFailed, or OutsideRoots where it cannot be judged or previewed.
        """
        facts, decision = self.judge(action, situation)
        if decision.verdict is Verdict.NEVER:
            return decision, ""
        call = Call(action=action.id, args=action.args)
        preview = await self.tools[action.tool].preview(call)
        try:
            self._judgement.permit(action, facts, replace(call, captured=preview.staged), Given())
        except Wider as wider:
            return wider.decision, wider.what
        return decision, ""

    async def _go_on(self, action: Action, record: Record, situation: Situation) -> Receipt:
        if record.proposed is not None and canonical(record.proposed.get("args", {})) != action.args_json:
            return Refused(
                action=action.id, by="input", reason="this id was proposed before with other arguments", instead="propose it under a new id"
            )
        action = replace(action, args_json=record.args_json) if record.proposed is not None else action
        match record.state:
            case State.FINISHED | State.UNDONE:
                return _done(record, record.outcome)
            case State.REFUSED | State.EXPIRED:
                return _refused(action, record.refused or {})
            case State.STARTED:
                return await self._settle(action, record)
            case State.WAITING | State.APPROVED:
                return await self._after_question(action, record, situation)
            case State.PROPOSED:
                return await self._first(action, record, situation)

    async def _first(self, action: Action, record: Record, situation: Situation) -> Receipt:
        """Never seen before, or its last question was settled without an end."""
        try:
            facts, decision = self.judge(action, situation)
        except _UNFIT as error:
            return await self._ending.refuse(action, self._ending.proposal(action, record, None, None), by="input", reason=str(error))
        before = self._ending.proposal(action, record, facts, decision)
        given = Given.ordered(situation)
        match decision.verdict:
            case Verdict.NEVER:
                return await self._ending.forbid(action, before, facts, decision)
            case Verdict.ASK if not self._judgement.covers(facts, given):
                return await self._ask(action, record, decision, before, situation)
            case Verdict.ASK | Verdict.ALONE:
                call = Call(action=action.id, args=action.args)
                if self.tools[action.tool].spec.slow and before:
                    self._execution.later(before)
                    before = []
                try:
                    return await self._run(action, record, call, before, facts, given)
                except Wider as wider:
                    return await self._widened(action, record, wider, before, situation)
                except _CANNOT as error:
                    return await self._ending.fail(action, before, error)

    async def _ask(
        self,
        action: Action,
        record: Record,
        decision: Decision,
        before: list[Draft],
        situation: Situation,
        *,
        people: int = 0,
        also: str = "",
    ) -> Receipt:
        """Show a person exactly what would happen; nothing happens. `also` says what brought this question about.

        Raises AsksUsedUp when people were asked enough for this hour.
        """
        self.may_ask()
        tool = self.tools[action.tool]
        try:
            if len(record.asked) >= _ROUNDS:
                raise Conflict(f"asked {_ROUNDS} times and the world changed each time", fix="look at who else works there, then try again")
            preview, digest = await self.shown(action)
            title = tool.title(action.args)
        except _CANNOT as error:
            return await self._ending.fail(action, before, error)
        twin = None if record.asked else self._asking.twin(action, digest)
        if twin is not None:
            return Waiting(action=action.id, question=twin)
        question = self._asking.question(
            action,
            record,
            title,
            (preview, digest),
            decision=replace(decision, people=max(decision.people, people)),
            why="\n".join(part for part in (also, _why(decision, action, situation)) if part),
            tried=situation.tried,
        )
        await self._asking.ask(question, preview, before)
        return Waiting(action=action.id, question=question)

    def may_ask(self) -> None:
        """Raises AsksUsedUp when people were asked enough for this hour: the run waits, and asks then."""
        self._asking.check(self.limits.asks)

    async def _after_question(self, action: Action, record: Record, situation: Situation) -> Receipt:
        """Somebody may have answered. Judged again now; a policy that changed meanwhile can only make it stricter."""
        asked = record.open_question
        if asked is None:
            return await self._first(action, record, situation)
        no = answered_no(asked, self._clock.now())
        if no is not None:
            settled = self._asking.settled(asked, no.by)
            return await self._ending.refuse(action, [settled], by=no.by, reason=no.reason)
        edit = asked.answered(Answer.EDIT)
        if edit is not None:
            return await self._edited(action, record, asked, edit, situation)
        try:
            facts, decision = self.judge(action, situation)
        except _UNFIT as error:
            return await self._ending.refuse(action, [self._asking.settled(asked, "input")], by="input", reason=str(error))
        if decision.verdict is Verdict.NEVER:
            return await self._ending.forbid(action, [self._asking.settled(asked, "policy")], facts, decision)
        if decision.people > asked.question.people:
            return await self._ask(action, record, decision, [self._asking.settled(asked, "stricter policy")], situation)
        return await self._count(action, record, asked, facts, decision, situation)

    async def _count(self, action: Action, record: Record, asked: Asked, facts: Facts, decision: Decision, situation: Situation) -> Receipt:
        """Enough people, in the roles that policy wants, and recently enough?"""
        yes = asked.approvers(self._clock.now())
        given = Given.by(yes)
        if len(yes) < asked.question.people and asked.lapsed(self._clock.now()):
            lapsed = self._asking.settled(asked, "an approval lapsed")
            also = "asked again: a yes was given too long ago to count"
            return await self._ask(action, record, decision, [lapsed], situation, people=asked.question.people, also=also)
        if len(yes) < asked.question.people or not self._judgement.covers(facts, given):
            return Waiting(action=action.id, question=asked.question)  # more people, or people in other roles, have to answer
        try:
            return await self._approved(action, record, asked, facts, given)
        except Wider as wider:
            return await self._widened(action, record, wider, [self._asking.settled(asked, "it turned out to be more")], situation)
        except (Conflict, OutsideRoots) as moved:
            stale = [self._asking.settled(asked, f"stale: {moved}")]
            return await self._ask(
                action, record, decision, stale, situation, people=asked.question.people, also=f"asked again: {moved.message}"
            )
        except _CANNOT as error:
            return await self._ending.fail(action, [self._asking.settled(asked, "approved")], error)

    async def _approved(self, action: Action, record: Record, asked: Asked, facts: Facts, given: Given) -> Receipt:
        """Run what was approved, and only that. Raises Conflict when the world moved since the preview, and what `_run` raises."""
        digest = action.digest(definition=self._judgement.definition(action.tool), binding=asked.binding)
        if asked.binding and asked.staged is None:
            _, digest = await self.shown(action)
        if digest != asked.question.digest:
            raise Conflict("what would run now is not what was shown")
        call = Call(action=action.id, args=action.args, staged=asked.staged)
        return await self._run(action, record, call, [self._asking.settled(asked, "approved")], facts, given)

    async def _edited(self, action: Action, record: Record, asked: Asked, edit: Approval, situation: Situation) -> Receipt:
        """A person rewrote the arguments: judged again, shown again; the editor's word is one approval of exactly what they were shown."""
        settled = self._asking.settled(asked, "edited")
        try:
            facts, decision = self.judge(action, replace(situation, words=f"{situation.words}\n{action.args_json}"))
        except _UNFIT as error:
            return await self._ending.refuse(action, [settled], by="input", reason=str(error))
        if decision.verdict is Verdict.NEVER:
            return await self._ending.forbid(action, [settled], facts, decision)
        also = f"edited by {edit.who}"
        waiting = await self._ask(action, record, decision, [settled], situation, people=1, also=also)
        if isinstance(waiting, Waiting) and waiting.question.digest == edit.digest:
            await self._asking.endorse(waiting.question, edit)
            return await self._after_question(action, self.record(action.id), situation)
        return waiting

    async def _run(self, action: Action, record: Record, call: Call, before: list[Draft], facts: Facts, given: Given) -> Receipt:
        """Execute. Raises what the tool cannot do, and Wider when it is more than it was judged for; nothing is written then."""
        record.args_json = action.args_json
        outcome = await self._execution.start(
            action,
            self.tools[action.tool],
            call,
            before,
            given.people,
            lambda captured: self._judgement.permit(action, facts, captured, given),
        )
        return await self._doubt(action, record, outcome) if isinstance(outcome, Doubt) else _done(record, outcome)

    async def _widened(self, action: Action, record: Record, wider: Wider, before: list[Draft], situation: Situation) -> Receipt:
        """What it amounts to is refused, or shown to a person."""
        if wider.decision.verdict is Verdict.NEVER:
            return await self._ending.forbid(action, before, wider.facts, wider.decision, what=f"it would be {wider.what}")
        return await self._ask(action, record, wider.decision, before, situation, also=f"it would be {wider.what}")

    async def _settle(self, action: Action, record: Record, *, again: bool = True) -> Receipt:
        """Started, and no end is known: a crash, or a person is asked already."""
        asked = record.open_question
        if asked is not None and asked.question.kind is QuestionKind.IN_DOUBT:
            outcome = self._asking.verdict_of(asked)
            if outcome is None:
                return Waiting(action=action.id, question=asked.question)
            await self._execution.write([self._asking.settled(asked, "answered"), self._ending.finished(action, outcome)], durable=False)
            return _done(record, outcome)
        tool = self.tools.get(action.tool)
        if tool is None:
            return await self._doubt(action, record, Doubt(f"the tool {action.tool} is not here any more"))
        found = await self._execution.recover(action, tool, record, again=again)
        return await self._doubt(action, record, found) if isinstance(found, Doubt) else _done(record, found)

    async def _doubt(self, action: Action, record: Record, doubt: Doubt) -> Receipt:
        """Nobody can tell whether it happened: a person is asked, never a coin."""
        tool = self.tools.get(action.tool)
        title = tool.title(action.args) if tool is not None else f"{action.tool} {action.args_json}"
        question = self._asking.doubt(action, record, title, doubt.why)
        await self._asking.ask(question, Preview(text=question.body, staged=doubt.result), [])
        return Waiting(action=action.id, question=question)


def _done(record: Record, outcome: Outcome | None) -> Finished:
    return Finished(
        action=record.id,
        outcome=outcome or failed("unreadable", "the outcome cannot be read"),
        args_json=record.args_json,
        edited_by=record.edited_by,
    )


def _refused(action: Action, body: Mapping[str, JsonValue]) -> Refused:
    return Refused(action=action.id, by=str(body.get("by", "")), reason=str(body.get("reason", "")), instead=str(body.get("instead", "")))


def _why(decision: Decision, action: Action, situation: Situation) -> str:
    said = f"the actor's own reason: {action.reason}" if action.reason else ""
    return "\n".join(part for part in (decision.explain(), situation.where, said) if part)
