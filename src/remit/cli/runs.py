"""`remit runs` and `remit stop`."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from contextlib import suppress
from typing import Final

import click

from remit.app import App, places
from remit.cli import show as look
from remit.cli.finding import find_action, find_run
from remit.cli.person import person
from remit.domain.run import LegEnd, Run, RunKind
from remit.domain.values import RunId
from remit.errors import BadInput, RunBusy

_GOAL = 80
_PATIENCE: Final = 60.0
"""Seconds that a run under way is waited for."""
_LOOK: Final = 0.2
_STEERING = ("plan", "level", "pause", "say", "take", "done", "back", "promote", "chat", "budget")


class _Runs(click.Group):
    """The run stands first, then what shall become of it: `remit runs RUN level approver`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_interspersed_args = not any(arg in _STEERING for arg in args[1:])  # else options of what follows would be ours
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_STEERING)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _STEERING:
            return None
        command: click.Command = getattr(importlib.import_module("remit.cli.steering"), cmd_name)
        return command


@click.group(cls=_Runs, invoke_without_command=True)
@click.argument("which", required=False)
@click.option("--all", "everything", is_flag=True, help="Closed runs too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run.")
@click.pass_context
def runs(ctx: click.Context, which: str | None, everything: bool, as_json: bool) -> None:
    """List open runs (with --all every run), show what the run whose id starts with WHICH did, or steer it."""
    if ctx.invoked_subcommand is not None:
        return
    app = App(places())
    try:
        if which is not None:
            for item in app.journal.read(find_run(app, which)):
                click.echo(look.entry_json(item) if as_json else look.entry(item))
            return
        found = [app.runs.load(run) for run in app.journal.find_runs("")] if everything else list(app.runs.unfinished())
        for run in found:
            click.echo(_row(app, run, as_json=as_json))
        if not found and not as_json:
            click.echo("no run is open")
    finally:
        app.close()


@click.command()
@click.argument("action")
@click.option("--json", "as_json", is_flag=True, help="Every entry, whole, one JSON object a line.")
def show(action: str, as_json: bool) -> None:
    """Show everything about ACTION: what was wanted, decided, asked, done, and its output as far as it was kept.

    ACTION is RUN/NAME, such as k3p9xw2a/count.1 for the first attempt at step `count`; RUN/count is the latest attempt.
    """
    app = App(places())
    try:
        prefix, _, name = action.partition("/")
        run = find_run(app, prefix)
        for item in app.journal.read(run, action=find_action(app, run, name)):
            click.echo(look.entry_json(item) if as_json else look.whole(item))
    finally:
        app.close()


@click.command()
@click.argument("which")
@click.option("--why", default="", help="Goes into the journal.")
def stop(which: str, why: str) -> None:
    """Close the open run whose id starts with WHICH. What it did stays; `remit undo` takes it back."""
    app = App(places())
    try:
        run = find_run(app, which)
        ended = app.runs.ended(run)
        if ended is not None:
            raise BadInput(f"{run} has ended already: {ended.state}", fix=f"`remit undo {run}` takes back what it did")
        end = asyncio.run(_stopped(app, run, why or f"stopped by {person()}"))
        click.echo(f"{end.state}: {end.summary}")
    finally:
        app.close()
    sys.exit(0)


async def _stopped(app: App, run: RunId, why: str) -> LegEnd:
    """While another process runs it, that one is asked to begin nothing more, and waited for."""
    try:
        return await app.engine.stop(run, why=why)
    except RunBusy:
        app.steer.pause(run, who=person())
    click.echo("it is under way: nothing more is begun; waiting for what is", err=True)
    for _ in range(int(_PATIENCE / _LOOK)):
        await asyncio.sleep(_LOOK)
        with suppress(RunBusy):
            return await app.engine.stop(run, why=why)
    raise RunBusy(
        f"what is under way in {run} has not ended", fix=f"nothing more is begun; say `remit stop {run}` again, or end its process"
    )


def _unfinished(app: App, run: Run, *, waiting: bool) -> str:
    """`interrupted` is what `remit resume` goes on with: its process is gone. A letter in the outbox is `held`, a conversation `talk`."""
    if run.kind is RunKind.OWN:
        return "waiting" if waiting else "open"
    if run.kind is RunKind.HELD and not waiting:
        return "held"
    talking = run.kind is RunKind.AGENT and app.steer.now(run).chat
    try:
        with app.journal.hold(run.id):
            if talking and not waiting:
                return "talk"
            return "waiting" if waiting else "interrupted"
    except RunBusy:
        return "running"


def _row(app: App, run: Run, *, as_json: bool) -> str:
    end = app.runs.ended(run.id)
    waiting = app.runs.waiting_for(run.id)
    state = str(end.state) if end else _unfinished(app, run, waiting=bool(waiting))
    if as_json:
        fields = {
            "run": run.id,
            "kind": str(run.kind),
            "state": state,
            "level": str(run.level),
            "goal": run.goal,
            "roots": list(run.roots),
            "waiting": waiting,
        }
        return json.dumps(fields | {"opened_at": run.opened_at}, ensure_ascii=False)
    asks = f" ({len(waiting)} waiting)" if waiting else ""
    goal = look.clean(run.goal, keep="")
    goal = goal if len(goal) <= _GOAL else f"{goal[:_GOAL]}…"
    where = ", ".join(run.roots)
    return f"{run.id}  {look.when(run.opened_at)}  {state + asks:<20} {run.kind:<6} {run.level:<12} {goal}  [{where}]"
