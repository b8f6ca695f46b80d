"""`remit triage`: where a task belongs between assistant and agent."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from remit.app import App, places
from remit.cli import show
from remit.cli.exits import DONE, WAITING
from remit.cli.planning import PLAN_ENDINGS, read_plan_file
from remit.policy.triage import Stakes, Task, Triage
from remit.policy.triage import triage as place
from remit.runs.triaging import as_data


@click.command()
@click.argument("task")
@click.option("--stakes", type=click.Choice([str(one) for one in Stakes]), default=None, help="What a mistake would cost.")
@click.option("--judgement", type=click.IntRange(0, 100), default=None, help="How much human judgement it takes, 0 to 100.")
@click.option("--model", default=None, help="Ask this model what it thinks, too; it can only make it stricter. Default $REMIT_MODEL.")
@click.option(
    "--root", "roots", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder it would work in."
)
@click.option("--json", "as_json", is_flag=True, help="As data.")
def triage(task: str, *, stakes: str | None, judgement: int | None, model: str | None, roots: tuple[Path, ...], as_json: bool) -> None:
    """Say how far TASK (words, or a plan file) can be handed over: two axes, a level, the reasons, and how sure that is.

    Where it cannot tell it asks; without a terminal it says what is missing and ends with exit code 3.
    """
    app = App(places(roots))
    try:
        name = model or os.environ.get("REMIT_MODEL", "")
        known = gathered(app, task, stakes=stakes, judgement=judgement)
        if name:
            app.check_model(name)
            click.echo(f"asking {name}, too", err=True)
            known = asyncio.run(app.triaging.with_opinion(known, name))
            if known.opinion is None:
                click.echo("what it says is no opinion, and counts for nothing", err=True)
        found = place(known)
        if found.asks and not as_json and sys.stdin.isatty():
            found = place(_asked(known, found))
        click.echo(json.dumps(as_data(found), ensure_ascii=False) if as_json else told(found))
    finally:
        app.close()
    sys.exit(WAITING if found.asks or found.vague else DONE)


def gathered(app: App, task: str, *, stakes: str | None = None, judgement: int | None = None) -> Task:
    """What is known of it."""
    plan = read_plan_file(app, task, {}) if task.endswith(PLAN_ENDINGS) else None
    return app.triaging.task(task, plan, stakes=Stakes(stakes) if stakes else None, judgement=judgement)


def told(found: Triage) -> str:
    """For a person."""
    lines = [
        f"level        {found.level}: {'as long as it is not known better' if found.asks else found.quadrant}",
        f"judgement    {'not known' if 'judgement' in found.asks else f'{found.judgement} of 100 that it takes'}",
        f"tolerance    {'not known' if 'stakes' in found.asks else f'{found.tolerance} of 100 for what is done alone'}",
        f"uncertainty  {found.uncertainty} of 100",
        *(f"because      {show.clean(reason, keep='')}" for reason in found.reasons),
    ]
    lines += [f"it asks      {found.vague}"] * bool(found.vague)
    lines += [f"not sure     say --{one}" for one in found.asks]
    return "\n".join(lines)


def _asked(known: Task, found: Triage) -> Task:
    if "stakes" in found.asks:
        said = click.prompt("What would a mistake cost?", type=click.Choice([str(one) for one in Stakes]))
        known = replace(known, stakes=Stakes(said))
    if "judgement" in found.asks:
        known = replace(known, judgement=click.prompt("How much human judgement does it take, 0 to 100?", type=click.IntRange(0, 100)))
    return known
