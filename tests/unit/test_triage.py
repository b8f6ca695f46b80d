"""Triage: two axes from what is declared, from what a model thinks, and from words, in this order; it says what it cannot tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims import proves
from remit.domain.action import Effect, Level
from remit.policy.triage import Act, Opinion, Past, Quadrant, Stakes, Task, stricter, triage
from remit.policy.wording import read_words

LOOK = Act(tool="files.read", effect=Effect.PURE, checked=True)
WRITE = Act(tool="files.write", effect=Effect.REVERSIBLE, named=True, checked=True)
SEND = Act(tool="http.send", effect=Effect.IRREVERSIBLE)


@proves("triage.two_axes")
@pytest.mark.parametrize(
    ("task", "quadrant", "level"),
    [
        (Task(words="x", acts=(LOOK, WRITE)), Quadrant.DELEGATE, Level.APPROVER),
        (Task(words="x", acts=(LOOK, WRITE), judgement=80), Quadrant.CONSULT, Level.CONSULTANT),
        (Task(words="x", acts=(LOOK, SEND)), Quadrant.CONFIRM, Level.COLLABORATOR),
        (Task(words="x", acts=(SEND,), judgement=90), Quadrant.ASSIST, Level.OPERATOR),
        (Task(words="x", acts=(WRITE,), stakes=Stakes.HIGH), Quadrant.DELEGATE, Level.CONSULTANT),
        (Task(words="x", acts=(WRITE,), reviewed=10, wrong=6), Quadrant.DELEGATE, Level.APPROVER),
        (
            Task(words="x", acts=(Act(tool="cal.move", effect=Effect.COMPENSABLE),), reviewed=10, wrong=6),
            Quadrant.CONFIRM,
            Level.COLLABORATOR,
        ),
    ],
)
def test_each_quadrant_has_its_level(task: Task, quadrant: Quadrant, level: Level) -> None:
    """From the effects of a plan, what was declared, and what became of earlier calls; sure enough not to ask."""
    found = triage(task)
    assert (found.quadrant, found.level, found.asks) == (quadrant, level, ())
    assert found.reasons


@proves("triage.says_what_it_cannot_tell")
def test_what_it_cannot_tell_it_asks() -> None:
    """And once that is said, it does not ask again."""
    found = triage(Task(words="see to it"))
    assert found.asks == ("stakes", "judgement")
    assert triage(Task(words="see to it", stakes=Stakes.LOW, judgement=10)).asks == ()
    assert triage(Task(words="count the lines of notes.txt")).asks == ()


@proves("triage.models_only_tighten")
@given(st.integers(0, 100), st.integers(0, 100), st.sampled_from(["count the files", "decide what is best", "x", "pay 300 to a.b@c.de"]))
def test_a_models_opinion_never_raises_what_is_tolerated(judgement: int, tolerance: int, words: str) -> None:
    """Whatever it says: the tolerance is what it was, or less. Known effects and declared judgement are not its to change."""
    opinion = Opinion(judgement=judgement, tolerance=tolerance, reason="so")
    assert triage(Task(words=words, opinion=opinion)).tolerance <= triage(Task(words=words)).tolerance
    asked, told = triage(Task(words=words)), triage(Task(words=words, opinion=opinion))
    assert stricter(asked.level, told.level) is told.level
    declared = Task(words=words, acts=(SEND,), judgement=90, opinion=opinion)
    assert triage(declared).level is Level.OPERATOR


@proves("triage.choices_are_remembered")
def test_a_persons_habit_makes_it_stricter_and_never_looser() -> None:
    """Three choices of one level for such tasks count when they are stricter; looser ones are mentioned only."""
    task = Task(words="x", acts=(LOOK, WRITE))
    strict = tuple(Past(quadrant="DELEGATE", level=Level.COLLABORATOR, about=frozenset({"files.read"})) for _ in range(3))
    loose = tuple(Past(quadrant="DELEGATE", level=Level.OBSERVER, about=frozenset({"files.read"})) for _ in range(3))
    assert triage(Task(words="x", acts=task.acts, past=strict)).level is Level.COLLABORATOR
    assert triage(Task(words="x", acts=task.acts, past=strict[:2])).level is Level.APPROVER
    found = triage(Task(words="x", acts=task.acts, past=loose))
    assert found.level is Level.APPROVER
    assert any("observer" in reason for reason in found.reasons)
    assert stricter(Level.OBSERVER, Level.OPERATOR) is Level.OPERATOR


@proves("triage.vague_and_grave_asks_first")
@pytest.mark.parametrize(
    ("words", "vague"),
    [
        ("pay the supplier", True),
        ("delete everything in build/", True),
        ("Wipe the production database.", True),
        ("pay invoice 4711 of ACME, 300 EUR", False),
        ("send the report to ann@example.org", False),
        ("delete build/tmp.o", False),
        ("list all files", False),
        ("give me a summary of the notes", False),
        ("list the deleted files", False),
        ("find my booking", False),
        ("sum the payments of October", False),
        ("list empty folders", False),
        ("draft a reply to the letter", False),
        ("summarise my mail", False),
        ("in order to understand it, read the notes", False),
        ("copy the report and mail it to the customers", True),
        ("what is the closing date", False),
        ("make a table of the formatting rules", False),
        ("сделай резюме", False),
        ("summarise notes.txt", False),
    ],
)
def test_grave_and_vague_is_told_from_grave_and_named(words: str, vague: bool) -> None:
    """Both lists by hand: what must ask first, and what must not, as it says whom or what."""
    assert read_words(words).grave_and_vague is vague
    assert bool(triage(Task(words=words)).vague) is vague
