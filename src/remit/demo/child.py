"""The process that pursues the goal: `python -m remit.demo.child STATE ROOT (shell|files) [RUN]`. The parent may kill it at any time.

It opens the run, or goes on with RUN, and waits for answers from other processes between legs. It ends with the run, or with
its parent.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

from remit.app import App
from remit.demo.script import GOAL, GOAL_WITHOUT_SHELL, model
from remit.domain.action import Level
from remit.domain.entry import Kind
from remit.domain.run import LegEnd, RunState
from remit.domain.values import RunId
from remit.ports import Places

_TICK: Final = 0.03
"""Seconds between looks at the journal."""


def main() -> None:
    """Raises what the leg raises; the parent shows it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us in its own time
    state, root, kind, *run = sys.argv[1:]
    app = App(Places(state=Path(state), roots=(Path(root),)), model=model(Path(root), shell=kind == "shell"))
    try:
        found = RunId(run[0]) if run else _open(app, shell=kind == "shell")
        asyncio.run(_pursue(app, found))
    finally:
        app.close()


def _open(app: App, *, shell: bool) -> RunId:
    goal = GOAL if shell else GOAL_WITHOUT_SHELL
    return app.open_goal(goal, level=Level.CONSULTANT, model="scripted", spec={}).id


async def _pursue(app: App, run: RunId) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        answers = _answers(app, run)
        end: LegEnd = await app.engine.advance(run)
        if end.state is not RunState.WAITING:
            return
        while _answers(app, run) == answers and os.getppid() == parent:  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(_TICK)


def _answers(app: App, run: RunId) -> int:
    return sum(1 for _ in app.journal.read(run, kinds=(Kind.ANSWERED,)))


if __name__ == "__main__":
    main()
