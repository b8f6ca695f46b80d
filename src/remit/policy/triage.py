"""Triage: where a task belongs between assistant and agent, before it begins. Pure; what it recommends, policy enforces.

Two axes, each from 0 to 100: how much judgement the task requires, and how much autonomous action can be tolerated. What is declared
counts before what a model thinks, and that before the words. What cannot be told is said, and asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from remit.domain.action import Effect, Level
from remit.policy.wording import read_words

MIDDLE: Final = 50
SURE: Final = 55
"""With more uncertainty than this, triage asks."""
_FAR: Final = 30
_WORDS_SAY: Final = 55
"""How unsure the words alone leave it."""
_DISPUTED: Final = 60
_ENOUGH: Final = 3
"""Choices of the person that make a habit."""
_TOLERATED: Final = {
    Effect.PURE: 100,
    Effect.REVERSIBLE: 90,
    Effect.TRANSACTIONAL: 90,
    Effect.DEFERRABLE: 65,
    Effect.COMPENSABLE: 55,
    Effect.IRREVERSIBLE: 20,
}


class Quadrant(StrEnum):
    """Judgement required, and tolerance for autonomous action."""

    DELEGATE = "little judgement, much tolerance: hand it over"
    CONSULT = "much judgement, much tolerance: it works, you decide what matters"
    CONFIRM = "little judgement, little tolerance: it prepares, you release each effect"
    ASSIST = "much judgement, little tolerance: it helps, you act"


_LEVELS: Final = {
    Quadrant.DELEGATE: Level.APPROVER,
    Quadrant.CONSULT: Level.CONSULTANT,
    Quadrant.CONFIRM: Level.COLLABORATOR,
    Quadrant.ASSIST: Level.OPERATOR,
}


class Stakes(StrEnum):
    LOW = "low"
    MIDDLE = "middle"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing that will be done, as far as it is known."""

    tool: str
    effect: Effect
    egress: bool = False
    named: bool = False
    """A person named its target."""
    checked: bool = False
    """Its success is looked at."""
    high_stakes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a model thinks. It can lower what is tolerated, never raise it."""

    judgement: int
    tolerance: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a person chose for an earlier task of this kind."""

    quadrant: str
    level: Level
    about: frozenset[str] = frozenset()
    """Its tools, or what its words said was to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that is known before it begins."""

    words: str
    acts: tuple[Act, ...] = ()
    """Empty when nobody knows yet what will be done."""
    stakes: Stakes | None = None
    judgement: int | None = None
    opinion: Opinion | None = None
    past: tuple[Past, ...] = ()
    reviewed: int = 0
    """Earlier actions of these tools that a person answered for."""
    wrong: int = 0
    """Of these: denied, edited or undone."""

    @property
    def about(self) -> frozenset[str]:
        """By what it is known as the same kind of task again."""
        wording = read_words(self.words)
        return frozenset(act.tool for act in self.acts) or frozenset((*wording.plain, *wording.grave, *wording.judged))


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """A recommendation with its reasons. `asks` is what a person has to say before it can be relied on."""

    judgement: int
    tolerance: int
    quadrant: Quadrant
    level: Level
    uncertainty: int
    reasons: tuple[str, ...]
    asks: tuple[str, ...] = ()
    vague: str = ""
    """What a person has to say before anything at all is done: the task is grave, and names nothing."""
    about: tuple[str, ...] = ()


@dataclass(slots=True)
class _Axis:
    """A number that is being found, and why it is that."""

    value: int
    unsure: int
    why: list[str]

    def set(self, value: int, unsure: int, why: str) -> None:
        self.value, self.unsure = max(0, min(100, value)), unsure
        self.why.append(why)


def triage(task: Task) -> Triage:
    """Place a task. The level is never looser than what the person's own choices and stakes allow."""
    judgement, tolerance = _judgement(task), _tolerance(task)
    quadrant = _QUADRANTS[judgement.value >= MIDDLE, tolerance.value >= MIDDLE]
    level, reasons = _LEVELS[quadrant], [*judgement.why, *tolerance.why]
    if task.stakes is Stakes.HIGH and level is Level.APPROVER:
        level = Level.CONSULTANT
        reasons.append("the stakes are high: not more than consultant")
    habit = _habit([one for one in task.past if one.about & task.about], quadrant)
    if habit is not None and habit is not level:
        stricter = _rank(habit) < _rank(level)
        reasons.append(f"you mostly chose {habit} for such tasks" + ("" if stricter else "; say so if you want it again"))
        level = habit if stricter else level
    uncertainty = max(judgement.unsure, tolerance.unsure)
    return Triage(
        judgement=judgement.value,
        tolerance=tolerance.value,
        quadrant=quadrant,
        level=level,
        uncertainty=uncertainty,
        reasons=tuple(reasons),
        asks=_asks(task, judgement, tolerance) if uncertainty > SURE else (),
        vague="" if task.acts else vague_in(task.words),
        about=tuple(sorted(task.about)),
    )


def stricter(one: Level, other: Level) -> Level:
    """The level at which less is done alone."""
    return min(one, other, key=_rank)


_QUADRANTS: Final = {
    (False, True): Quadrant.DELEGATE,
    (True, True): Quadrant.CONSULT,
    (False, False): Quadrant.CONFIRM,
    (True, False): Quadrant.ASSIST,
}


def _judgement(task: Task) -> _Axis:
    axis, wording = _Axis(MIDDLE, 80, []), read_words(task.words)
    if task.judgement is not None:
        axis.set(task.judgement, 10, f"you said that it takes {task.judgement} of 100 judgement")
    elif task.acts:
        checked = sum(act.checked for act in task.acts)
        axis.set(
            40 - 30 * checked // len(task.acts), 20, f"every step is written down, {checked} of {len(task.acts)} are looked at afterwards"
        )
    elif wording.judged:
        axis.set(75, _WORDS_SAY, f"it is about judgement: {', '.join(wording.judged)}")
    elif wording.plain:
        axis.set(25, 50, f"it is about plain work: {', '.join(wording.plain)}")
    else:
        axis.why.append("how much judgement it takes cannot be told from its words")
    if task.opinion is not None and task.judgement is None:
        _weigh(axis, task.opinion)
    return axis


def _weigh(axis: _Axis, opinion: Opinion) -> None:
    """A model that sees it far otherwise than the rest makes it less sure, and never less a matter of judgement."""
    thinks = opinion.judgement
    far = abs(thinks - axis.value) > _FAR and axis.unsure <= _WORDS_SAY
    unsure = _DISPUTED if far else axis.unsure if thinks < axis.value else min(axis.unsure, 40)
    axis.set(max(thinks, axis.value), unsure, f"a model thinks {thinks} of 100: {opinion.reason}")


def _tolerance(task: Task) -> _Axis:
    axis, wording = _Axis(MIDDLE, 80, []), read_words(task.words)
    if task.acts:
        worst = min(task.acts, key=_tolerated)
        axis.set(_tolerated(worst), 10, f"the worst that it does is {worst.tool}, which is {worst.effect}{_where(worst)}")
    elif wording.grave_and_vague:
        axis.set(10, 40, f"others would feel a mistake ({', '.join(wording.grave)}), and it does not say exactly whom or what")
    elif wording.grave:
        axis.set(35, _WORDS_SAY, f"others would feel a mistake: {', '.join(wording.grave)}")
    elif wording.plain:
        axis.set(70, 50, "nothing in its words would be hard to take back; the gate judges what it really does")
    else:
        axis.why.append("what it would do cannot be told from its words")
    if task.opinion is not None and task.opinion.tolerance < axis.value:
        axis.set(task.opinion.tolerance, 40, f"a model thinks that {task.opinion.tolerance} of 100 can be tolerated: {task.opinion.reason}")
    if task.reviewed and task.wrong * 5 >= task.reviewed:
        axis.set(
            axis.value - 30, axis.unsure, f"{task.wrong} of {task.reviewed} earlier calls of these tools were denied, changed or undone"
        )
    if task.stakes is not None:
        change = {Stakes.LOW: 15, Stakes.MIDDLE: 0, Stakes.HIGH: -40}[task.stakes]
        axis.set(axis.value + change, min(axis.unsure, SURE), f"you said that the stakes are {task.stakes}")
    return axis


def _tolerated(act: Act) -> int:
    value = _TOLERATED[act.effect] - 25 * act.egress * (act.effect is Effect.PURE)
    value += 10 * act.named * (act.effect is not Effect.PURE)
    return 0 if act.high_stakes and act.effect is Effect.IRREVERSIBLE else min(value, 100)


def _where(act: Act) -> str:
    return ", on what you named" if act.named else ""


def _asks(task: Task, judgement: _Axis, tolerance: _Axis) -> tuple[str, ...]:
    found = []
    if tolerance.unsure > SURE and task.stakes is None:
        found.append("stakes")
    if judgement.unsure > SURE and task.judgement is None:
        found.append("judgement")
    return tuple(found)


def vague_in(words: str) -> str:
    """What a person has to say before anything at all is done, as the words are grave and name nothing; else empty."""
    wording = read_words(words)
    if not wording.grave_and_vague:
        return ""
    what = f"`{', '.join(wording.grave)}`"
    if wording.names_something:
        return f"This is to {what} {' and '.join(wording.sweeping)}: what exactly is meant, and what must stay?"
    return f"This is to {what}, and does not say whom, what or how much: say exactly."


def _habit(past: Sequence[Past], quadrant: Quadrant) -> Level | None:
    chosen = Counter(one.level for one in past if one.quadrant == quadrant.name)
    if not chosen:
        return None
    level, times = chosen.most_common(1)[0]
    return level if times >= _ENOUGH and times * 2 > sum(chosen.values()) else None


def _rank(level: Level) -> int:
    return list(Level).index(level)
