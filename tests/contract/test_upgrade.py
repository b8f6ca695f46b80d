"""Runs that were opened by an older remit go on in this one."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from claims import proves
from remit.app import App
from remit.domain.question import Answer
from remit.domain.run import RunState
from remit.ports import Places

GOLDEN = Path(__file__).parent / "golden" / "waiting-run-1.sql"


@proves("run.survives_upgrades")
def test_a_run_that_waited_through_an_upgrade_goes_on(tmp_path: Path) -> None:
    """Rows written by the first version, in another folder by now: the stale preview is asked again, then it finishes (hazard 13c)."""
    state, work = tmp_path / "state", tmp_path / "work"
    state.mkdir()
    work.mkdir()
    connection = sqlite3.connect(state / "journal.db")
    connection.executescript(GOLDEN.read_text(encoding="utf-8"))
    connection.close()
    app = App(Places(state=state, roots=(work,)))
    try:
        assert list(app.journal.verify()) == []
        (run,) = app.runs.unfinished()
        for _ in range(4):
            for question in app.inbox.pending():
                app.inbox.answer(question, Answer.APPROVE, who="ann")
            end = asyncio.run(app.engine.advance(run.id))
            if end.state is not RunState.WAITING:
                break
        assert end.state is RunState.DONE
        assert sorted(path.name for path in work.iterdir()) == ["one.txt", "two.txt"]
        assert list(app.journal.verify()) == []
    finally:
        app.close()
