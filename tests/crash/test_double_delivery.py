"""The same approval delivered twice at the same moment; `benchmarks/double_delivery.py --trials 1000` is the same in large numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from claims import proves

DELIVERY = Path(__file__).parents[2] / "benchmarks" / "double_delivery.py"


@proves("gate.delivered_twice_runs_once")
def test_an_approval_delivered_by_two_processes_at_once_starts_its_action_once() -> None:
    """Both answer and both go on with the run at the same moment, with and without the lock that keeps them apart (hazards 1, 13b)."""
    done = subprocess.run([sys.executable, str(DELIVERY), "--trials", "100"], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["once"] == found["trials"] == 100
    assert found["answered_once"] == 100
    assert found["both_passed_the_check"] == found["unheld"] == 50, "the race has to be reached"
    assert found["overlapped"] > 90
