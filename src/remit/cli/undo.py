"""`remit undo`: shows what it would do; does it with --yes or after a y."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from remit.app import App, places
from remit.cli import show
from remit.cli.driving import drive, report
from remit.cli.exits import CONFLICT, DONE, NOT_DONE, WAITING
from remit.cli.finding import find_action, find_run
from remit.cli.person import person
from remit.domain.entry import Kind
from remit.domain.run import RunKind, RunState
from remit.domain.values import RunId, action_id, split_id
from remit.errors import BadInput, Conflict
from remit.gate.undo import UndoPlan

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command()
@click.argument("what", required=False)
@click.option("--since", default=None, help="Everything since a time: 30m, 2h, 3d, or 2026-11-22T17:00.")
@click.option("--all", "everywhere", is_flag=True, help="With --since: in every folder, not only in this one.")
@click.option("--with-dependants", is_flag=True, help="Also take back later actions that touched the same places.")
@click.option("--yes", is_flag=True, help="Do it; without it you see what would happen.")
def undo(what: str | None, since: str | None, everywhere: bool, with_dependants: bool, yes: bool) -> None:
    """Take back WHAT (an action RUN/NAME, or a run), or everything --since a time; never over someone else's later change.

    RUN/STEP is the latest attempt at a step of a plan.

    An undo is an action itself: `remit undo UNDO-RUN` does it again.
    """
    if (what is None) == (since is None):
        raise BadInput("say what to take back", fix="give an action, a run, or --since TIME (one of them)")
    at, runs, roots = _scope(what, since, everywhere=everywhere)
    app = App(places(roots))
    try:

        def planned() -> UndoPlan:
            plan = app.undoing.since(at, runs=runs) if since is not None else _plan(app, what or "")
            return app.undoing.with_dependants(plan) if with_dependants else plan

        plan = planned()
        worth_it = asyncio.run(_show(app, plan))
        code = _carry_out(app, plan, planned, yes=yes) if worth_it else (DONE if not plan.cannot else NOT_DONE)
    finally:
        app.close()
    sys.exit(code)


def _scope(what: str | None, since: str | None, *, everywhere: bool) -> tuple[int, set[RunId], list[Path]]:
    """From when on, which runs are meant, and where these and all later ones, which may depend on them, worked."""
    app = App(places())
    try:
        if since is None:
            run = find_run(app, (what or "").partition("/")[0])
            at, meant = app.runs.load(run).opened_at, {run}
        else:
            at = moment(since)
            meant = {entry.run for entry in app.journal.search(kinds=(Kind.STARTED,), since=at)}
            if not everywhere:
                here = Path.cwd()
                meant = {run for run in meant if any(root.is_relative_to(here) or here.is_relative_to(root) for root in app.roots_of(run))}
        later = meant | {entry.run for entry in app.journal.search(kinds=(Kind.STARTED,), since=at)}
        return at, meant, app.roots_of(*sorted(meant), *sorted(later - meant))
    finally:
        app.close()


def _plan(app: App, what: str) -> UndoPlan:
    run, _, name = what.partition("/")
    found = find_run(app, run)
    return app.undoing.of_action(action_id(found, find_action(app, found, name))) if name else app.undoing.of_run(found)


async def _show(app: App, plan: UndoPlan) -> bool:
    """Print the preview, newest first; whether there is anything to do."""
    for action, why in plan.cannot:
        click.echo(f"cannot take back {action}: {show.clean(why)}")
    for step in plan.steps:
        click.echo(f"{step.of}  take back: {show.clean(step.title, keep='')}")
    for text in await app.undoing.preview(plan):
        click.echo("\n".join(f"  | {line}" for line in show.clean(text).splitlines()))
    for touched in _open_runs(app, plan):
        click.echo(f"run {touched} is still open: it would be stopped first, and cannot go on afterwards")
    if not plan.steps and not plan.cannot:
        click.echo("there is nothing to take back")
    return bool(plan.steps or _open_runs(app, plan))


def _carry_out(app: App, plan: UndoPlan, again: Callable[[], UndoPlan], *, yes: bool) -> int:
    """`again` plans anew: stopping an open run settles what was in flight, which then can be taken back, too."""
    if plan.blocked_by:
        listed = ", ".join(plan.blocked_by)
        raise Conflict(f"later actions touched the same places: {listed}", fix="take those back first, or add --with-dependants")
    if not yes:
        if not sys.stdin.isatty():
            click.echo("this is what would happen; add --yes to do it")
            return DONE
        from remit.cli.asking import confirm

        if not confirm("take this back?"):
            return NOT_DONE
    stopping = _open_runs(app, plan)
    for touched in stopping:
        asyncio.run(app.engine.stop(touched, why="taken back while it was open"))
        click.echo(f"run {touched} was stopped")
    plan = again() if stopping else plan
    run = app.open_undo(plan, who=person())
    end = drive(app, run.id, interactive=False, quiet=True)
    click.echo(report(run.id, end))
    if end.state is not RunState.WAITING:
        click.echo(f"  to have it back: remit undo {run.id}")
    if end.state is RunState.DONE and (plan.cannot or any(step.how.leaves for step in plan.steps)):
        return NOT_DONE
    return {RunState.DONE: DONE, RunState.WAITING: WAITING}.get(end.state, CONFLICT)


def _open_runs(app: App, plan: UndoPlan) -> list[RunId]:
    found = dict.fromkeys(split_id(action)[0] for action in (*(step.of for step in plan.steps), *(one for one, _ in plan.cannot)))
    return [run for run in found if app.runs.load(run).kind is not RunKind.OWN and app.runs.ended(run) is None]


def moment(text: str) -> int:
    """A point in time as milliseconds since 1970: a span back from now, or a local date and time. Raises BadInput."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match:
        return int((time.time() - int(match.group(1)) * _UNITS[match.group(2)]) * 1000)
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except ValueError:
        raise BadInput(f"{text!r} is not a time", fix="write 30m, 2h, 3d, or 2026-11-22T17:00") from None
