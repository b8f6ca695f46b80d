"""What a failed attempt costs until the next one begins: done, looked at, taken back exactly, said why. One JSON object on the last line.

Plans with a step whose first ways write the wrong text, in turn with plans whose first way is right; the difference is the cycles. The
floor is the same by hand: write and sync, read and compare, put back and sync.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from remit.app import App, places
from remit.domain.action import Level
from remit.domain.plan import Check, Plan, Step, Way
from remit.domain.run import RunState

FAILING = 4
"""Ways that fail before one works."""


def _plan(failing: int) -> Plan:
    """A file that shall say `right`."""
    ways = [Way(tool="files.write", args={"path": "a.txt", "text": text, "overwrite": True}) for text in ["wrong"] * failing + ["right"]]
    look = Check(test="equals", value="right", at="text", look=Way(tool="files.read", args={"path": "a.txt"}))
    return Plan(goal="say it", steps=(Step(id="say", way=ways[0], otherwise=tuple(ways[1:]), checks=(look,)),))


def _seconds(app: App, failing: int) -> float:
    run = app.open_plan(_plan(failing), level=Level.CONSULTANT, who="ann")
    began = time.perf_counter()
    end = asyncio.run(app.engine.advance(run.id))
    took = time.perf_counter() - began
    assert end.state is RunState.DONE, end
    return took


def _by_hand(folder: Path) -> float:
    """One cycle."""
    path, began = folder / "by_hand.txt", time.perf_counter()
    for text in ("wrong", "right"):
        with path.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        assert path.read_text(encoding="utf-8") == text
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="remit-retry-") as name:
        folder = Path(name)
        (folder / "work").mkdir()
        (folder / "work" / "a.txt").write_text("old", encoding="utf-8")
        app = App(places([folder / "work"], {"REMIT_HOME": str(folder / "home"), "HOME": name}))
        cycles, floor = [], []
        try:
            for _ in range(rounds + 1):
                straight = _seconds(app, 0)
                cycles.append((_seconds(app, FAILING) - straight) / FAILING)
                floor.append(_by_hand(folder))
        finally:
            app.close()
    ours = sorted(cycles[1:])
    hand = median(floor[1:])
    cycle = {"p50": round(1000 * median(ours), 2), "p95": round(1000 * quantiles(ours, n=20)[-1], 2)}
    ratio = round(median(ours) / hand, 1)
    print(json.dumps({"benchmark": "retry", "ratio": ratio, "cycle_ms": cycle, "floor_ms": round(1000 * hand, 2), "rounds": rounds}))


if __name__ == "__main__":
    main()
