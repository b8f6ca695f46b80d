"""`remit runs` and `remit stop`."""

from __future__ import annotations

import asyncio
import json
import sys

import click

from remit.app import App, places
from remit.cli import show as look
from remit.cli.person import person
from remit.domain.run import Run, RunKind
from remit.domain.values import RunId
from remit.errors import BadInput, NotFound, RunBusy

_GOAL = 80


@click.command()
@click.argument("which", required=False)
@click.option("--all", "everything", is_flag=True, help="Closed runs too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run.")
def runs(which: str | None, everything: bool, as_json: bool) -> None:
    """List open runs (with --all every run), or show what the run whose id starts with WHICH did."""
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


def find_action(app: App, run: RunId, name: str) -> str:
    """The action of that name, or the latest attempt of the step of that name. Raises NotFound, naming what there is."""
    names = list(dict.fromkeys(item.action for item in app.journal.read(run) if item.action))
    if name in names:
        return name
    attempts = [one for one in names if one.rpartition(".")[0] == name and one.rpartition(".")[2].isdigit()]
    if attempts:
        return attempts[-1]
    raise NotFound(
        f"there is no action {run}/{name}", fix=f"it has {', '.join(names[:20]) or 'none yet'}; `remit runs {run}` lists all it did"
    )


@click.command()
@click.argument("which")
@click.option("--why", default="", help="Goes into the journal.")
def stop(which: str, why: str) -> None:
    """Close the open run whose id starts with WHICH. What it did stays; `remit undo` takes it back."""
    app = App(places())
    try:
        end = asyncio.run(app.engine.stop(find_run(app, which), why=why or f"stopped by {person()}"))
        click.echo(f"{end.state}: {end.summary}")
    finally:
        app.close()
    sys.exit(0)


def find_run(app: App, text: str) -> RunId:
    """The one run whose id is, or starts with, `text`. Raises NotFound or BadInput."""
    found = app.journal.find_runs(text)
    if text in found:
        return RunId(text)
    if not found:
        raise NotFound(f"there is no run {text!r}", fix="`remit runs --all` lists them")
    if len(found) > 1:
        raise BadInput(f"{text!r} could be {', '.join(found[:5])}", fix="type more of the id")
    return found[0]


def _unfinished(app: App, run: Run, *, waiting: bool) -> str:
    """`interrupted` is what `remit resume` goes on with: its process is gone. A letter in the outbox is `held`."""
    if run.kind is RunKind.OWN:
        return "waiting" if waiting else "open"
    if run.kind is RunKind.HELD and not waiting:
        return "held"
    try:
        with app.journal.hold(run.id):
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
