"""A pause of a plan's run that is over before anybody has noticed it, at every moment it could be."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from remit.app import App, places
from remit.domain.action import Level
from remit.domain.entry import Entry, Kind
from remit.domain.run import RunState
from remit.domain.values import RunId
from remit.gate.gate import Gate
from remit.gate.steering import STEERS, Steer
from remit.plans.files import read_plan
from remit.ports import Journal
from remit.runs.plan_worker import PlanWorker

PLAN = 'goal = "x"\n' + "".join(
    f'[[step]]\nid = "s{n}"\ntool = "files.write"\nargs = {{ path = "{n}.txt", text = "x" }}\n' for n in (1, 2, 3)
)


class Meddling:
    """The journal, beside which somebody pauses the run at one look at what people said, and lets it go on at a later one."""

    def __init__(self, journal: Journal, steer: Steer, pause_at: int, go_on_at: int) -> None:
        self._journal, self._steer = journal, steer
        self._moments = {pause_at: "pause", go_on_at: "go_on"}
        self._looks = 0

    def read(self, run: RunId, *, kinds: Collection[Kind] = (), **more: Any) -> Iterator[Entry]:
        if tuple(kinds) == STEERS:
            self._looks += 1
            word = self._moments.get(self._looks)
            if word:
                getattr(self._steer, word)(run, who="ann")
        return self._journal.read(run, kinds=kinds, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


@proves("steering.pause")
@pytest.mark.parametrize("pause_at", range(1, 10))
@pytest.mark.parametrize("later", range(1, 6))
def test_a_pause_that_is_over_leaves_nothing_out(tmp_path: Path, pause_at: int, later: int) -> None:
    """The run either waits, and then does the rest, or does it at once; it never ends without it."""
    work = tmp_path / "work"
    work.mkdir()
    app = App(places([work], {"REMIT_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}))
    try:
        run = app.open_plan(read_plan(PLAN, name="plan.toml"), level=Level.CONSULTANT, who="ann")
        meddling: Any = Meddling(app.journal, Steer(app.journal, app.clock), pause_at, pause_at + later)
        gate = Gate(journal=meddling, tools=app.tools, policy=app.policy, clock=app.clock, roots=[str(work)])
        end = asyncio.run(PlanWorker(app.clock).leg(run, gate))
        if end.state is RunState.WAITING:
            Steer(app.journal, app.clock).go_on(run.id, who="ann")
            end = asyncio.run(PlanWorker(app.clock).leg(run, app.gate))
        assert end.state is RunState.DONE, end.summary
        assert sorted(path.name for path in work.iterdir()) == ["1.txt", "2.txt", "3.txt"]
    finally:
        app.close()
