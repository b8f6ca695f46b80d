"""What `overhead.py` measures: a gate around a tool that does nothing, and the least that writing ahead costs by hand."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from remit.app import App, places
from remit.domain.action import Action, Effect, Level
from remit.domain.plan import Plan, Step, Way
from remit.domain.receipt import Finished
from remit.domain.run import Run
from remit.domain.situation import Situation
from remit.domain.values import JsonValue, RunId, action_id
from remit.ports import Call, Captured, Happened, Probed, Tool, ToolSpec
from remit.tools.base import BaseTool

TARGET = "order-4711"
ALONE = Situation(level=Level.APPROVER, words=f"confirm {TARGET} please", planned=True)
"""The person named the target, so policy lets even an irreversible action pass alone."""


class Nothing(BaseTool):
    """An irreversible tool with pre-image and probe that does nothing: what is measured is remit alone."""

    spec = ToolSpec(
        name="order.confirm",
        description="confirm an order",
        schema={
            "type": "object",
            "properties": {"order": {"type": "string"}, "amount": {"type": "integer"}},
            "required": ["order"],
            "additionalProperties": False,
        },
        effect=Effect.IRREVERSIBLE,
        salient=("order",),
        visible=("order",),
    )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (str(args["order"]),)

    async def capture(self, call: Call) -> Captured:
        return Captured(data={"was": "open"}, touches=self.targets(call.args))

    async def run(self, call: Call) -> JsonValue:
        return {"order": call.args["order"]}

    async def probe(self, call: Call) -> Probed:
        return Probed(happened=Happened.NO, again=True)


class Bare(App):
    """An App with this one tool only."""

    @cached_property
    def tools(self) -> dict[str, Tool]:
        return {Nothing.spec.name: Nothing()}


@contextmanager
def world(folder: Path) -> Iterator[App]:
    """An App of its own in `folder`."""
    app = Bare(places([folder], {"REMIT_HOME": str(folder / "home")}))
    try:
        yield app
    finally:
        app.close()


async def act(app: App, run: str, number: int, *, flush: bool = True) -> None:
    """One gated action, with `flush` until its end is written."""
    action = Action.wanting(
        action_id(RunId(run), f"step{number}"), actor="agent:bench", tool="order.confirm", args={"order": TARGET, "amount": number}
    )
    receipt = await app.gate.submit(action, ALONE)
    assert isinstance(receipt, Finished), receipt
    if flush:
        await app.gate.flush()


def waiting_run(app: App) -> Run:
    """A run that waits for a person."""
    step = Step(id="order", way=Way(tool="order.confirm", args={"order": TARGET}))
    run = app.open_plan(Plan(goal="confirm it", steps=(step,)), level=Level.CONSULTANT, who="bench")
    asyncio.run(app.engine.advance(run.id))
    return run


class Floor:
    """Two rows by hand: one waits for the disk before the effect, one says lazily how it ended. As long as remit's own, once each."""

    def __init__(self, path: Path, *, before: int, after: int) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("CREATE TABLE steps(id TEXT, kind TEXT, body TEXT, PRIMARY KEY(id, kind))")
        self._bodies = ("x" * before, "x" * after)

    def act(self, number: int) -> None:
        """One action."""
        execute = self._connection.execute
        for mode, kind, body in zip(("FULL", "NORMAL"), ("started", "finished"), self._bodies, strict=True):
            execute(f"PRAGMA synchronous = {mode}")
            execute("BEGIN IMMEDIATE")
            execute("INSERT INTO steps VALUES(?, ?, ?)", (f"run/step{number}", kind, body))
            execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
