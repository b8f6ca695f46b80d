from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent_world import world
from claims import proves
from loopback_openai import Loopback, Reply
from remit.domain.entry import Kind

HERE = Path(__file__).parent.parent
SCRIPT = (
    Reply(text="two first", calls=[("count-up", '{"by":1}'), ("count-up", '{"by":2}'), ("look-page", "{}")]),
    Reply(calls=[("count-up", '{"by":3}')]),
    Reply(text="counted"),
)


def leg(folder: Path, address: str, crash: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]), "REMIT_CRASH": crash}
    return subprocess.run(
        [sys.executable, str(HERE / "agent_child.py"), str(folder), address],
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("crash", "asked"),
    [
        ("agent.responded", 4),  # the answer had arrived but was not written: it may be asked for again, nothing was done with it
        ("agent.response", 3),
        ("agent.submitted", 3),
        ("agent.submitted:3", 3),
        ("started", 3),
        ("acted", 3),
        ("agent.seen", 3),
        ("agent.response:3", 3),
    ],
)
@proves("agent.killed_resumes")
def test_a_leg_killed_anywhere_goes_on_without_asking_or_acting_twice(tmp_path: Path, crash: str, asked: int) -> None:
    """Kill -9 at a named point, then the same leg again: each effect once, each journalled response asked for once."""
    with Loopback(SCRIPT if asked == 3 else (SCRIPT[0], *SCRIPT)) as server:
        killed = leg(tmp_path, server.address, crash)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        again = leg(tmp_path, server.address)
        assert again.stdout.startswith("done: counted"), again.stdout + again.stderr
        assert len(server.asked) == asked
    with world(tmp_path) as w:
        assert w.count.lines() == ["r1/c1.0 1", "r1/c1.1 2", "r1/c2.0 3"]
        assert [part for part, _ in w.messages()] == ["1", "1.seen", "2", "2.seen", "3"]
        assert len(list(w.journal.read(w.run.id, kinds=(Kind.FINISHED,)))) == 4
        assert list(w.journal.verify(w.run.id)) == []


@proves("agent.killed_many_times")
def test_a_run_killed_at_every_step_still_does_everything_once(tmp_path: Path) -> None:
    """Nine deaths of one run, one after the other, each a step further; the end and the effects are the same."""
    points = (
        "agent.response",
        "started",
        "acted",
        "agent.submitted",
        "agent.submitted:3",
        "agent.seen",
        "started",
        "agent.submitted",
        "agent.seen",
    )
    with Loopback(SCRIPT) as server:
        assert [leg(tmp_path, server.address, point).returncode for point in points] == [-signal.SIGKILL] * len(points)
        end = leg(tmp_path, server.address)
        assert end.stdout.startswith("done: counted"), end.stdout + end.stderr
        assert len(server.asked) == len(SCRIPT)
    with world(tmp_path) as w:
        assert w.count.lines() == ["r1/c1.0 1", "r1/c1.1 2", "r1/c2.0 3"]
