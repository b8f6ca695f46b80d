"""What a run may use up, kept: counted from its journal, said when it is nearly gone, and asked about when it is.

A leg asks before each thing it begins, so that no more is used than by the one that is under way. What is used up ends nothing: the run
waits with all its state until a person gives it more.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Final

from remit.domain.budget import Budget, read_budget, told
from remit.domain.entry import Draft, Entry, Kind
from remit.domain.question import QuestionKind
from remit.domain.receipt import Waiting
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.values import JsonValue, action_id, fields, parse
from remit.errors import AlreadyRecorded, BadInput
from remit.gate.clarify import Inquiry, clarify, withdraw
from remit.gate.steering import Steer, Steered
from remit.ports import Clock, Journal

_MORE: Final = "more"
_STOP: Final = "stop"


class Purse:
    """Of one run, in one leg."""

    def __init__(self, journal: Journal, clock: Clock, run: Run, steered: Steered) -> None:
        self._journal = journal
        self._clock = clock
        self._run = run
        self._steered = steered
        self._given = Budget.of(run.spec.get("budget"))
        self._read = 0
        self._spent = Budget()
        self._ms = self._leg_at = self._last_at = 0
        self._unpriced = self._tidied = 0
        self._warned: set[str] = set()

    @property
    def budget(self) -> Budget:
        """By what people have said when the run's steering was last read."""
        return self._given.with_(self._steered.last.budget)

    def spent(self, *, at_work: bool = True) -> Budget:
        """Until now; reads only what is new. `at_work` says that a leg is under way."""
        for entry in self._journal.read(self._run.id, after=self._read):
            self._read = entry.n
            self._count(entry)
        until = self._clock.now() if at_work else self._last_at
        under_way = max(0, until - self._leg_at) if self._leg_at else 0
        return replace(self._spent, seconds=(self._ms + under_way) // 1000)

    def empty(self) -> bool:
        """Whether nothing new may begin. Without any limit nothing is read."""
        budget = self.budget
        return budget != Budget() and bool(self._gone(budget, self.spent()))

    async def held(self) -> LegEnd | None:
        """None while there is some of everything; else the run waits for a person to give more, or ends as they say."""
        while True:
            self._steered.now()
            budget = self.budget
            if budget == Budget():
                return None
            spent = self.spent()
            self._warn(budget, spent)
            gone = self._gone(budget, spent)
            if not gone:
                await self._tidy()
                return None
            number = self._steered.last.budgets + 1
            listed = "; ".join(self._listed(name, budget, spent) for name in gone)
            reply = await clarify(
                self._journal,
                self._clock,
                action_id(self._run.id, f"budget{number}"),
                Inquiry(
                    title=f"the budget is used up: {listed}; go on?",
                    body=f"Nothing new begins. `remit runs {self._run.id} budget tokens=…` gives more, too.",
                    options={_MORE: "twice as much may be used", _STOP: "the run ends; what it did stays, and can be undone"},
                    free=True,
                    kind=QuestionKind.ANOMALY,
                ),
            )
            if isinstance(reply, Waiting):
                return LegEnd(state=RunState.WAITING, waiting=(reply.question.id,), summary=f"the budget is used up: {listed}")
            if reply.text == _STOP:
                return LegEnd(state=RunState.STOPPED, summary=f"the budget is used up: {listed}")
            Steer(self._journal, self._clock).budget(self._run.id, _given(reply.text, budget, gone), who=reply.who, once=f"budget{number}")

    async def _tidy(self) -> None:
        """A question that was answered otherwise, by `remit runs RUN budget`, is none any more."""
        given = self._steered.last.budgets
        if given and given != self._tidied:
            self._tidied = given
            await withdraw(self._journal, self._clock, action_id(self._run.id, f"budget{given}"))

    def _gone(self, budget: Budget, spent: Budget) -> list[str]:
        """What costs nobody knows how much is no less than all that there is."""
        gone = budget.used_up(spent)
        return gone if not (budget.money and self._unpriced) or "money" in gone else ["money", *gone]

    def _listed(self, name: str, budget: Budget, spent: Budget) -> str:
        if name == "money" and self._unpriced:
            return f"what {self._unpriced} tokens cost is not known (say it in remit.toml: [price])"
        return told(name, getattr(spent, name), getattr(budget, name))

    def _count(self, entry: Entry) -> None:
        if entry.kind == Kind.LEG:
            self._ms += max(0, self._last_at - self._leg_at) if self._leg_at else 0
            self._leg_at = entry.at
        self._last_at = entry.at
        if entry.kind == Kind.PROPOSED:
            self._spent = replace(self._spent, steps=self._spent.steps + 1)
        elif entry.kind == Kind.MESSAGE:
            usage = {name: value for name, value in fields(fields(parse(entry.body_json)).get("usage")).items() if isinstance(value, int)}
            tokens, money = usage.get("in", 0) + usage.get("out", 0), usage.get("usd", 0)
            self._spent = replace(self._spent, tokens=self._spent.tokens + tokens, money=self._spent.money + money)
            self._unpriced += usage.get("unpriced", 0)

    def _warn(self, budget: Budget, spent: Budget) -> None:
        """Once for each: in the journal, from where it is shown."""
        for name in budget.nearly(spent):
            if name in self._warned:
                continue
            self._warned.add(name)
            body: dict[str, JsonValue] = {"v": 1, "budget": name, "said": f"{self._listed(name, budget, spent)} are used"}
            note = Draft(run=self._run.id, kind=Kind.NOTE, part=f"budget:{name}:{getattr(budget, name)}", at=self._clock.now(), body=body)
            with suppress(AlreadyRecorded):
                self._journal.append([note], durable=False).result()


def _given(text: str, budget: Budget, gone: list[str]) -> Budget:
    """What an answer gives: the limits that it names, or twice what is used up."""
    with suppress(BadInput):
        return read_budget(text)
    return budget.doubled(gone)
