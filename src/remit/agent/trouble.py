"""What remit itself asks a run's person: what a vague goal means, and what now when the work does not get on."""

from __future__ import annotations

from typing import Final

from remit.agent.course import Course
from remit.agent.talk import Talk, Told, tried
from remit.domain.action import Level
from remit.domain.question import QuestionKind, plain
from remit.domain.receipt import Waiting
from remit.domain.run import Run
from remit.domain.values import QuestionId, action_id
from remit.gate.clarify import Inquiry, Reply, clarify
from remit.gate.gate import Gate
from remit.gate.steering import Steer
from remit.policy.wording import read_words
from remit.ports import Clock

STOP: Final = "stop"
GO_ON: Final = "go on"
_STOPS: Final = frozenset({STOP, "stop it", "stop now", "no", "cancel", "abort", "quit", "end", "halt", "do not", "don't", "never mind"})
_CHOICES: Final = {GO_ON: "it goes on as before, at the level it has now", STOP: "the run ends; what it did stays, and can be undone"}
_MOST_ASKED: Final = 3


def vague(run: Run, talk: Talk) -> bool:
    """Whether the goal is grave and names nothing, and its person has not said yet what it means."""
    return bool(run.spec.get("vague")) and not talk.heard_first


async def what_exactly(run: Run, gate: Gate, clock: Clock) -> Told | QuestionId:
    """Asked before any model reads the goal, and again where the answer names nothing either."""
    body = f"the goal: {run.goal}\nname it: a path, an address, a number, or something in quotes; `{STOP}` ends it"
    for n in range(1, _MOST_ASKED + 1):
        name = action_id(run.id, "goal" if n == 1 else f"goal{n}")
        reply = await clarify(gate.journal, clock, name, Inquiry(title=str(run.spec["vague"]), body=body))
        told = _told(reply, "clarified")
        if not isinstance(told, Told) or told.end == STOP or (isinstance(reply, Reply) and read_words(reply.text).names_something):
            return told
    return Told(end=STOP, text="nobody said what is meant")


def trouble(talk: Talk, *, failures: int, same: int) -> str:
    """What is wrong with how the work goes, '' when nothing is."""
    if talk.failing >= failures:
        return f"{talk.failing} calls in a row failed"
    most = talk.same.most_common(1)
    if most and most[0][1] >= same:
        return f"the same call of {most[0][0][0]} came to the same {most[0][1]} times"
    return ""


async def what_now(run: Run, gate: Gate, clock: Clock, talk: Talk, course: Course, what: str) -> Told | QuestionId:
    """The level goes down by one, and the person says how to go on; only they raise it again."""
    name = f"trouble{talk.troubles + 1}"
    below = _below(course.now.level)
    if below is not None and not gate.record(action_id(run.id, name)).asked:
        Steer(gate.journal, clock).level(run.id, below, who="remit", why=what, once=name)
    reply = await clarify(
        gate.journal,
        clock,
        action_id(run.id, name),
        Inquiry(
            title=f"{what}; what now?",
            body=f"The run is at level {course.now.level} now.",
            options=_CHOICES,
            free=True,
            tried=tried(talk),
            kind=QuestionKind.ANOMALY,
        ),
    )
    return _told(reply, "trouble")


def _told(reply: Reply | Waiting, end: str) -> Told | QuestionId:
    if isinstance(reply, Waiting):
        return reply.question.id
    return Told(end=STOP if plain(reply.text) in _STOPS else end, text=f"{reply.who} says: {reply.text}")


def _below(level: Level) -> Level | None:
    """None for one at which nothing is done alone but looking."""
    levels = list(Level)
    place = levels.index(level)
    return levels[place - 1] if place > 1 else None
