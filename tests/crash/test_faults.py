"""SIGKILL at random moments, in small numbers; `benchmarks/faults.py --kills 300` is the same in large ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from browser_world import NEEDS
from claims import proves

FAULTS = Path(__file__).parents[2] / "benchmarks" / "faults.py"


def faults(folder: Path, *options: str) -> tuple[int, dict[str, int]]:
    """Run the benchmark; its exit code and what it counted."""
    argv = [sys.executable, str(FAULTS), "--workers", "1", "--folder", str(folder), *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@proves("crash.nothing_doubled", "crash.nothing_lost", "crash.nothing_misreported", "crash.unknown_becomes_a_question")
@pytest.mark.parametrize(
    ("families", "kills"),
    [
        ("files,shell,plan,doubt,undo files,undo shell", 20),
        ("sql,postgres,undo sql,http", 20),
        ("calendar,undo calendar,mail", 20),
        ("git,undo git,together", 20),
        pytest.param("browser,mcp", 10, marks=NEEDS),
    ],
)
def test_after_kills_at_random_moments_nothing_is_doubled_lost_or_misreported(tmp_path: Path, families: str, kills: int) -> None:
    """Every kind of effect and its undo: killed and resumed, several times in a row, then compared with the journal."""
    code, found = faults(tmp_path, "--kills", str(kills), "--seed", "5", "--families", families)
    assert (code, found["doubled"], found["lost"], found["misreported"]) == (0, 0, 0, 0), found
    assert found["kills"] >= kills
    assert found["in_flight"] > 0, "some kill has to strike between start and end of an action"
    assert found["asked"] == found["in_doubt"]


@proves("crash.unknown_becomes_a_question")
def test_an_effect_that_nobody_can_look_up_is_asked_about(tmp_path: Path) -> None:
    """A tool without a probe, killed between its start and its end, always becomes a question."""
    code, found = faults(tmp_path, "--kills", "12", "--seed", "2", "--family", "doubt")
    assert (code, found["doubled"], found["lost"], found["misreported"]) == (0, 0, 0, 0), found
    assert found["asked"] == found["in_doubt"] > 0


def test_the_judge_sees_a_recovery_that_simply_runs_again(tmp_path: Path) -> None:
    """A seeded fault, repeating what was started as most frameworks do, is counted as doubled."""
    code, found = faults(tmp_path, "--kills", "12", "--seed", "3", "--family", "doubt", "--careless")
    assert code == 1
    assert found["doubled"] > 0
