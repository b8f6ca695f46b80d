"""Triage over this process's parts: what is known of a task, and what of it is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from remit.policy.triage import Stakes, Task, Triage
from remit.runs.triaging import acts_of, past_choices, record_of, remember

if TYPE_CHECKING:
    from collections.abc import Callable

    from remit.domain.action import Level
    from remit.domain.plan import Plan
    from remit.domain.run import Run
    from remit.gate.gate import Gate
    from remit.ports import Clock, Journal


class Triaging:
    """Gathers, and remembers."""

    def __init__(self, journal: Journal, clock: Clock, gate: Callable[[], Gate]) -> None:
        self._journal = journal
        self._clock = clock
        self._gate = gate
        """Made only where a plan is known: it loads every tool."""

    def task(self, words: str, plan: Plan | None, *, stakes: Stakes | None = None, judgement: int | None = None) -> Task:
        """What is known of a task: of a plan what each step would do, of words alone what they say."""
        acts = acts_of(plan, self._gate()) if plan else ()
        reviewed, wrong = record_of(acts, self._journal, self._clock)
        return Task(
            words=plan.goal if plan else words,
            acts=acts,
            stakes=stakes,
            judgement=judgement,
            past=past_choices(self._journal, self._clock),
            reviewed=reviewed,
            wrong=wrong,
        )

    async def with_opinion(self, task: Task, model: str) -> Task:
        """The same with what a model thinks of it. Raises what asking a model raises."""
        from remit.agent.models import resolve
        from remit.agent.opinion import opinion_of

        return replace(task, opinion=await opinion_of(resolve(model, env=os.environ), task.words))

    def remember(self, run: Run, found: Triage, chosen: Level | None) -> None:
        """Beside the run: what was recommended, and what a person chose; without a choice, what is used."""
        remember(self._journal, self._clock, run.id, found, chosen or run.level, by_person=chosen is not None)
