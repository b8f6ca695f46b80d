"""Several processes on one journal, some of them killed with -9 in the middle."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from claims import proves
from journal_child import opened
from journal_world import RUN, child, draft, line_of, new_database
from remit.domain.entry import Kind
from remit.domain.values import RunId
from remit.errors import RunBusy


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty journal is to be."""
    return new_database() if request.param == "postgres" else str(tmp_path / "journal.db")


def kill(process: subprocess.Popen[str]) -> list[str]:
    """SIGKILL, and what it had printed until then that was not read before."""
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    return out.split("\n")[:-1]


@proves("journal.processes")
@pytest.mark.parametrize("runs", [("run1", "run1"), ("run1", "run2")])
def test_two_processes_append_at_the_same_time_and_lose_nothing(place: str, runs: tuple[str, str]) -> None:
    """To one run or to two: every line is there, each process's in its order, and every chain holds."""
    children = [child("write", place, run, who, 300) for run, who in zip(runs, "xy", strict=True)]
    for process in children:
        process.communicate(timeout=120)
    journal = opened(place)
    assert list(journal.verify()) == []
    for run, who in zip(runs, "xy", strict=True):
        mine = [e.action for e in journal.read(RunId(run)) if e.action.startswith(who)]
        assert mine == [f"{who}{n}" for n in range(300) for _ in range(2)]
    journal.close()


@proves("journal.once")
def test_of_two_processes_one_records_each_of_a_thousand_lines(place: str) -> None:
    """Both try every line at the same moment: 1,000 of 1,000 are recorded by exactly one."""
    opened(place).close()
    children = [child("race", place, RUN, 1000) for _ in range(2)]
    assert [line_of(process) for process in children] == ["ready", "ready"]
    for process in children:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    won = [process.communicate(timeout=120)[0].split() for process in children]
    assert sorted(won[0] + won[1], key=int) == [str(n) for n in range(1000)]
    journal = opened(place)
    assert len(list(journal.read(RUN))) == 2000
    assert list(journal.verify()) == []
    journal.close()


@proves("journal.killed")
def test_what_a_killed_process_was_told_is_written_is_there(place: str) -> None:
    """Kill -9 of one of two writers at a random moment, 20 times: nothing that was confirmed is missing, calls are whole, chains hold."""
    moments = random.Random(20260101)  # noqa: S311 - moments, not secrets
    confirmed: list[str] = []
    survivor = child("write", place, RUN, "s", 0)
    for attempt in range(20):
        victim = child("write", place, RUN, f"v{attempt}.", 0)
        confirmed += [line_of(victim) for _ in range(moments.randrange(1, 120))]
        confirmed += kill(victim)
    confirmed += kill(survivor)
    journal = opened(place)
    assert list(journal.verify()) == []
    written = [e.action for e in journal.read(RUN)]
    assert set(confirmed) <= set(written)
    assert all(written.count(action) == 2 for action in written[:: max(1, len(written) // 200)])
    journal.append([draft(Kind.NOTE, "after")], durable=True).result()
    assert list(journal.verify()) == []
    journal.close()


@proves("journal.hold")
def test_a_held_run_is_free_again_when_its_holder_is_killed(place: str, tmp_path: Path) -> None:
    """RunBusy names the process that holds it; kill -9 gives the run back, and no lock file stays behind."""
    journal = opened(place)
    holder = child("hold", place, RUN)
    assert line_of(holder) == "held"
    named = "another process" if "://" in place else f"process {holder.pid}"
    with pytest.raises(RunBusy, match=f"{named} is advancing run run1"), journal.hold(RUN):
        raise AssertionError("held twice")
    with journal.hold(RunId("run2")):
        pass
    kill(holder)
    until = time.monotonic() + 10  # a server notices a moment later
    while True:
        try:
            with journal.hold(RUN):
                break
        except RunBusy:
            assert time.monotonic() < until
    assert [*tmp_path.glob("*.locks/*")] == []
    journal.close()


@proves("journal.hold")
def test_releasing_and_taking_a_run_at_the_same_time_never_lets_two_in(place: str, tmp_path: Path) -> None:
    """The lock file is removed by its holder; whoever opened it before finds out. Threads and processes count on it."""
    opened(place).close()
    counter = tmp_path / "counter"
    counter.write_text("0", encoding="ascii")
    children = [child("count", place, RUN, counter, 150) for _ in range(3)]
    for process in children:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert counter.read_text(encoding="ascii") == "450"


def test_another_process_is_noticed_by_polling_the_version(place: str) -> None:
    """A follower sees that someone else has written."""
    journal = opened(place)
    before = journal.version()
    child("write", place, RUN, "x", 1).communicate(timeout=60)
    assert journal.version() != before
    journal.close()
