"""kill -9 between any two steps of an action's road: what stands is found by looking, what nobody can see is asked, nothing is repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims import proves
from remit.domain.entry import Kind
from remit.domain.outcome import Evidence, Status
from remit.domain.question import Answer, QuestionKind
from remit.domain.receipt import Finished, Receipt, Waiting
from worlds import ALONE, ASKS, RUN, World, new_world

CHILD = """
import asyncio, sys
from pathlib import Path
from worlds import ALONE, ASKS, new_world
world = new_world(Path(sys.argv[1]), can_look=sys.argv[2] == "looks")
asyncio.run(world.gate.submit(world.action(), ASKS if sys.argv[3] == "asks" else ALONE))
"""


def dies(folder: Path, point: str, *, sight: str = "looks", level: str = "alone") -> None:
    """Another process submits the action and is killed at a crash point."""
    environment = {**os.environ, "REMIT_CRASH": point, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    argv = [sys.executable, "-c", CHILD, str(folder), sight, level]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def kinds(world: World) -> list[str]:
    return [entry.kind for entry in world.journal.read(RUN, action="a")]


async def again(world: World) -> Receipt:
    """The next leg submits the same action, as every leg does."""
    receipt = await world.gate.submit(world.action(), ALONE)
    await world.gate.flush()
    return receipt


@pytest.fixture
def seeing(tmp_path: Path) -> Iterator[World]:
    made = new_world(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def blind(tmp_path: Path) -> Iterator[World]:
    made = new_world(tmp_path, can_look=False)
    yield made
    made.journal.close()


@proves("crash.settled_by_looking")
async def test_killed_before_the_effect_it_runs_once_under_the_same_id(tmp_path: Path, seeing: World) -> None:
    """The probe sees that nothing happened and that running cannot double it; the second start is written down, too."""
    dies(tmp_path, "started")
    receipt = await again(seeing)
    assert isinstance(receipt, Finished)
    assert receipt.outcome.ok
    assert len(seeing.lines()) == 1
    assert kinds(seeing) == [Kind.PROPOSED, Kind.STARTED, Kind.RESUMED, Kind.FINISHED]


@proves("crash.settled_by_looking")
async def test_killed_after_the_effect_it_is_found_done_and_not_repeated(tmp_path: Path, seeing: World) -> None:
    """The effect stands and its end was never written: looking says so, and the journal says how it is known (hazard 8)."""
    dies(tmp_path, "acted")
    receipt = await again(seeing)
    assert isinstance(receipt, Finished)
    assert (receipt.outcome.status, receipt.outcome.evidence) == (Status.SUCCEEDED, Evidence.PROBE)
    assert len(seeing.lines()) == 1


@proves("crash.settled_by_looking")
async def test_killed_while_recovering_it_is_recovered_all_the_same(tmp_path: Path, seeing: World) -> None:
    """Dying again in the middle of recovery, twice, changes nothing: still exactly one effect."""
    for point in ("started", "resumed", "resumed"):
        dies(tmp_path, point)
    receipt = await again(seeing)
    assert isinstance(receipt, Finished)
    assert receipt.outcome.ok
    assert len(seeing.lines()) == 1
    assert kinds(seeing).count(Kind.RESUMED) == 3


@proves("crash.unknown_becomes_a_question")
@pytest.mark.parametrize(("point", "truth"), [("started", Answer.NOT_HAPPENED), ("acted", Answer.HAPPENED)])
async def test_what_cannot_be_looked_up_waits_for_a_person_who_looks(tmp_path: Path, blind: World, point: str, truth: Answer) -> None:
    """Nobody guesses: one question, however often the run goes on, and the person's word becomes the outcome."""
    dies(tmp_path, point, sight="blind")
    before = blind.lines()
    first, second = await again(blind), await again(blind)
    assert isinstance(first, Waiting)
    assert isinstance(second, Waiting)
    assert first.question.kind is QuestionKind.IN_DOUBT
    assert [q.id for q in blind.inbox.pending()] == [first.question.id] == [second.question.id]
    blind.inbox.answer(first.question, truth, who="ann")
    receipt = await again(blind)
    assert isinstance(receipt, Finished)
    assert (receipt.outcome.ok, receipt.outcome.evidence) == (truth is Answer.HAPPENED, Evidence.PERSON)
    assert blind.lines() == before


@proves("crash.approval_stays_spent")
async def test_an_approval_spent_before_the_crash_is_not_spent_again(tmp_path: Path, blind: World) -> None:
    """The start that spent the approval died: the action is in doubt, and the old yes does not start it a second time (hazard 1)."""
    waiting = await blind.gate.submit(blind.action(), ASKS)
    assert isinstance(waiting, Waiting)
    blind.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    dies(tmp_path, "acted", sight="blind", level="asks")
    receipt = await blind.gate.submit(blind.action(), ASKS)
    assert isinstance(receipt, Waiting)
    assert receipt.question.kind is QuestionKind.IN_DOUBT
    assert len(blind.lines()) == 1
    assert kinds(blind).count(Kind.STARTED) == 1
