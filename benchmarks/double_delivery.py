"""The same approval delivered by two processes at the same moment, and both go on with the run: its action runs once.

Two ways, half of the trials each. `held`: as remit does it, through the engine, where one process advances a run at a
time and the other is told that it is busy. `unheld`: that protection is taken away and both are made to meet between
the check of the approval and the commit that starts the action, so that only the journal's once-only rows are left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, cast

from fault_tools import PostSend

from remit.app import App, places
from remit.domain.action import Action, Level
from remit.domain.plan import Plan, Step, Way
from remit.domain.question import Answer
from remit.domain.run import RunState
from remit.domain.situation import Situation
from remit.domain.values import QuestionId, RunId, action_id
from remit.errors import AlreadyRecorded, RunBusy
from remit.gate.gate import Gate
from remit.ports import Call, Captured, Journal

_PATIENCE = 60.0
Report = list[dict[str, Any]]


class Meeting(PostSend):
    """Waits, once the approval was checked and nothing is started yet, until the other process is there too."""

    def __init__(self, outbox: Path, meet: Barrier) -> None:
        super().__init__(outbox, pause=0)
        self._meet = meet
        self.passed = 0

    async def capture(self, call: Call) -> Captured:
        self.passed += 1
        self._meet.wait(_PATIENCE)
        return await super().capture(call)


class Unheld:
    """The journal without the right to advance a run."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def hold(self, run: RunId) -> AbstractContextManager[None]:
        return nullcontext()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class Postman:
    """One of the two processes."""

    def __init__(self, app: App, folder: Path, meet: Barrier) -> None:
        self._app = app
        self._meeting = Meeting(folder / "outbox.txt", meet)
        self._bare = Gate(
            journal=cast("Journal", Unheld(app.journal)), tools={"post.send": self._meeting}, policy=app.policy, clock=app.clock
        )

    async def deliver(self, run: RunId, *, held: bool) -> dict[str, Any]:
        """Answer the run's question and go on with the run until the other one or we have ended it."""
        found = {"began": time.monotonic(), "first": False, "busy": 0, "passed": 0}
        question = self._app.inbox.find(QuestionId(f"{run}/send.1:1"))
        with suppress(AlreadyRecorded):
            self._app.inbox.answer(question, Answer.APPROVE, who="ann")
            found["first"] = True
        if held:
            found["busy"] = await self._advance(run)
        else:
            before = self._meeting.passed
            await self._bare.submit(_action(run), Situation(level=Level.CONSULTANT))
            found["passed"] = self._meeting.passed - before
        return found | {"ended": time.monotonic()}

    async def _advance(self, run: RunId) -> int:
        deadline = time.monotonic() + _PATIENCE
        for busy in range(1_000_000):
            with suppress(RunBusy):
                end = await self._app.engine.advance(run)
                if end.state is not RunState.DONE or time.monotonic() > deadline:
                    raise AssertionError(f"{run} ended as {end}")
                return busy
            await asyncio.sleep(0.0005)
        raise TimeoutError(run)


def _action(run: RunId) -> Action:
    return Action.wanting(action_id(run, "send.1"), actor="plan:bench", tool="post.send", args={"line": run})


@contextmanager
def _app(folder: Path) -> Iterator[App]:
    tool = PostSend(folder / "outbox.txt", pause=0.001)
    app = App(places([folder], {"REMIT_HOME": str(folder / "home")}), more_tools=[tool])
    try:
        yield app
    finally:
        app.close()


async def _prepared(folder: Path, trials: int) -> list[RunId]:
    """That many runs, each waiting for one approval."""
    with _app(folder) as app:
        runs = []
        for number in range(trials):
            step = Step(id="send", way=Way(tool="post.send", args={"line": f"{number}"}))
            run = app.open_plan(Plan(goal="send a line", steps=(step,)), level=Level.CONSULTANT, who="bench").id
            if number % 2:
                await app.gate.submit(_action(run), Situation(level=Level.CONSULTANT))
            else:
                await app.engine.advance(run)
            runs.append(run)
        return runs


def _postman(folder: Path, runs: Sequence[RunId], start: Barrier, meet: Barrier, out: Any) -> None:
    async def work() -> Report:
        with _app(folder) as app:
            postman, report = Postman(app, folder, meet), []
            for number, run in enumerate(runs):
                start.wait(_PATIENCE)
                report.append(await postman.deliver(run, held=number % 2 == 0))
            return report

    out.send(asyncio.run(work()))


def _delivered(folder: Path, runs: Sequence[RunId]) -> list[Report]:
    context = multiprocessing.get_context("spawn")
    start, meet = context.Barrier(2), context.Barrier(2)
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    both = [context.Process(target=_postman, args=(folder, runs, start, meet, end)) for _, end in pipes]
    for one in both:
        one.start()
    for _, end in pipes:
        end.close()
    reports = [inbound.recv() for inbound, _ in pipes]
    for one in both:
        one.join()
    return reports


def _once(folder: Path, runs: Sequence[RunId]) -> int:
    """Runs whose action stands exactly once in the world and was started exactly once, by plain reading."""
    sent = Counter(line.split("/")[0] for line in (folder / "outbox.txt").read_text(encoding="utf-8").splitlines())
    with sqlite3.connect(folder / "home" / "journal.db") as journal:
        started = Counter(
            row[0]
            for row in journal.execute(
                "SELECT r.id FROM entries e JOIN runs r ON r.number = e.run JOIN kinds k ON k.code = e.kind WHERE k.name = 'started'"
            )
        )
    return sum(sent[run] == 1 and started[run] == 1 for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    folder = Path(tempfile.mkdtemp(prefix="remit-delivery-"))
    began = time.monotonic()
    runs = asyncio.run(_prepared(folder, trials))
    one, other = _delivered(folder, runs)
    pairs = list(zip(one, other, strict=True))
    once = _once(folder, runs)
    found = {
        "benchmark": "double_delivery",
        "trials": trials,
        "once": once,
        "answered_once": sum(a["first"] != b["first"] for a, b in pairs),
        "overlapped": sum(max(a["began"], b["began"]) < min(a["ended"], b["ended"]) for a, b in pairs),
        "held": len(pairs[::2]),
        "met_busy": sum(a["busy"] + b["busy"] > 0 for a, b in pairs[::2]),
        "unheld": len(pairs[1::2]),
        "both_passed_the_check": sum(a["passed"] > 0 and b["passed"] > 0 for a, b in pairs[1::2]),
        "seconds": round(time.monotonic() - began),
    }
    shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found))
    sys.exit(0 if once == trials else 1)


if __name__ == "__main__":
    main()
