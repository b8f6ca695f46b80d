"""What gating costs: one effectful action that does nothing, against two rows of SQLite written by hand on the same disk.

`ratio_wall`, `ratio_cpu`: medians of short blocks of actions, remit's and the floor's in turn. `growth_5000`: an action at step
5,000 of a run over one at step 10, in turn. `actions_per_commit`: 100 runs at once. `bytes_per_action`: growth of the
journal file. `bytes_per_waiting_run`: growth of this process's memory. Prints one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from overhead_world import Floor, act, waiting_run, world

from remit.app import App
from remit.domain.values import RunId

_LONG = 5000
_FEW = 6
_WARM = 4
"""Times as many waiting runs before memory is looked at."""
_BLOCK = 20
"""Actions that are timed together, the last outcome's way to the disk included."""


async def _timed(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Wall and CPU seconds; CPU over all threads of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - wall, time.process_time() - cpu


async def ratios(app: App, folder: Path, actions: int) -> dict[str, float]:
    """A few actions gated until all of it is written, as many by hand, in turn."""
    await act(app, "warm", 0)
    before, after = _sizes(folder)
    floor = Floor(folder / "floor.db", before=before, after=after)
    ours, hand = [], []
    with app.gate.hold(RunId("ratio")):
        for start in range(0, actions, _BLOCK):

            async def gated(start: int = start) -> None:
                for number in range(start, start + _BLOCK):
                    await act(app, "ratio", number, flush=False)
                await app.gate.flush()

            async def by_hand(start: int = start) -> None:
                for number in range(start, start + _BLOCK):
                    floor.act(number)

            ours.append(await _timed(gated))
            hand.append(await _timed(by_hand))
    floor.close()
    ours, hand = ours[len(ours) // 10 :], hand[len(hand) // 10 :]
    wall, cpu = (median(pair[i] for pair in ours) / _BLOCK for i in (0, 1))
    floor_wall, floor_cpu = (median(pair[i] for pair in hand) / _BLOCK for i in (0, 1))
    return {
        "ratio_wall": round(wall / floor_wall, 2),
        "ratio_cpu": round(cpu / floor_cpu, 2),
        "action_us": round(wall * 1e6),
        "action_cpu_us": round(cpu * 1e6),
        "floor_us": round(floor_wall * 1e6),
        "floor_cpu_us": round(floor_cpu * 1e6),
    }


async def growth(app: App, runs: int, rounds: int) -> float:
    """Long runs are filled first; then a few actions late in a long run and a few early in a young one, in turn.

    Of each few the first is not counted: after a change of run the journal looks again whether several callers come at once.
    """
    for run in range(runs):
        with app.gate.hold(RunId(f"long{run}")):
            for start in range(0, _LONG, 50):
                await asyncio.gather(*(act(app, f"long{run}", start + n, flush=False) for n in range(50)))
    late: list[float] = []
    early: list[float] = []
    for number in range(rounds):
        long, young = f"long{number % runs}", f"young{number}"
        both = [(late, long, _LONG + number * _FEW), (early, young, 10 - _FEW // 2)]
        for n in range(both[1][2]):
            await act(app, young, n)
        for seconds, run_id, start in both if number % 2 else reversed(both):
            with app.gate.hold(RunId(run_id)):
                for step in range(start, start + _FEW):
                    seconds.append((await _timed(lambda run_id=run_id, step=step: act(app, run_id, step)))[0])  # type: ignore[misc]
                del seconds[-_FEW]
    return round(median(late) / median(early), 3)


async def together(app: App, runs: int, actions: int) -> dict[str, float]:
    """Many runs at once: how many actions share one wait for the disk, and whether CPU or disk is the bound."""

    async def one(run: str) -> None:
        with app.gate.hold(RunId(run)):
            for number in range(actions):
                await act(app, run, number, flush=False)

    journal = app.journal
    commits: int = journal.commits  # type: ignore[attr-defined]
    async with asyncio.timeout(600):
        wall, cpu = await _timed(lambda: asyncio.gather(*(one(f"many{n}") for n in range(runs))))  # type: ignore[arg-type,return-value]
    await app.gate.flush()
    commits = journal.commits - commits  # type: ignore[attr-defined]
    return {
        "actions_per_commit": round(runs * actions / commits, 1),
        "actions_per_second": round(runs * actions / wall),
        "cpu_share": round(cpu / wall, 2),
    }


def waiting(app: App, runs: int) -> int:
    """Memory that a waiting run holds, once the caches, which are bounded, are full: SQLite's pages, known heads, the allocator's own."""
    sizes = []
    for _ in range(_WARM + 1):
        for _ in range(runs):
            waiting_run(app)
        gc.collect()
        sizes.append(_resident())
    return max(0, sizes[-1] - sizes[-2]) // runs


def _sizes(folder: Path) -> tuple[int, int]:
    """Bytes of the bodies that remit writes before and after an effect."""
    with closing(sqlite3.connect(folder / "home" / "journal.db")) as journal:
        sizes = dict(journal.execute("SELECT k.name, max(length(e.body)) FROM entries e JOIN kinds k ON k.code = e.kind GROUP BY k.name"))
    return sizes["proposed"] + sizes["started"], sizes["finished"]


def _file_size(app: App, folder: Path) -> int:
    with closing(sqlite3.connect(folder / "home" / "journal.db")) as journal:
        journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "home" / "journal.db").stat().st_size


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def measured(folder: Path, scale: float) -> dict[str, float]:
    with world(folder) as app:
        found = await ratios(app, folder, int(2000 * scale))
        found["growth_5000"] = await growth(app, runs=max(1, int(4 * scale)), rounds=int(100 * scale))
        size = _file_size(app, folder)
        actions = int(100 * scale)
        found |= await together(app, 100, actions)
        found["bytes_per_action"] = (_file_size(app, folder) - size) // (100 * actions)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of actions")
    scale = parser.parse_args().scale
    folder = Path(tempfile.mkdtemp(prefix="remit-overhead-"))
    try:
        found = asyncio.run(measured(folder, scale))
        with world(folder) as app:
            found["bytes_per_waiting_run"] = waiting(app, int(1000 * max(scale, 1)))
    finally:
        shutil.rmtree(folder)
    print(json.dumps({"benchmark": "overhead", **found}))


if __name__ == "__main__":
    main()
