"""`remit runs RUN level | pause | say | take | done | back | plan`: steering a run that is under way, from any terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from remit.app import App, places
from remit.cli import show
from remit.cli.finding import find_run
from remit.cli.person import person
from remit.domain.action import Level
from remit.domain.budget import read_budget, told
from remit.domain.run import Run
from remit.domain.steering import Hand
from remit.domain.values import parse
from remit.errors import BadInput, NotFound

_TAKEN_UP = "it is taken up at the next decision"


@contextmanager
def _steered(ctx: click.Context) -> Iterator[tuple[App, Run]]:
    """The run that `remit runs` was given, and an app in its folders."""
    which = (ctx.parent.params.get("which") if ctx.parent else None) or ""
    app = App(places())
    try:
        run = app.runs.load(find_run(app, which))
        app.close()
        app = App(places([Path(root) for root in run.roots]))
        yield app, run
    finally:
        app.close()


@click.command()
@click.argument("to", metavar="LEVEL", type=click.Choice([str(level) for level in Level]))
@click.option("--why", default="", help="Goes into the journal.")
@click.pass_context
def level(ctx: click.Context, to: str, why: str) -> None:
    """Change how much the run may do alone. Questions that are open stay open."""
    with _steered(ctx) as (app, run):
        app.steer.level(run.id, Level(to), who=person(), why=why)
        click.echo(f"{run.id} is at level {to} now; {_TAKEN_UP}")


@click.command()
@click.pass_context
def pause(ctx: click.Context) -> None:
    """Begin nothing new. What is under way is done to its end; `remit resume RUN` goes on."""
    with _steered(ctx) as (app, run):
        app.steer.pause(run.id, who=person())
        click.echo(f"{run.id} pauses at its next decision; `remit resume {run.id}` goes on")


@click.command()
@click.argument("text")
@click.pass_context
def say(ctx: click.Context, text: str) -> None:
    """Tell the run's model something. Your words count like the goal's."""
    with _steered(ctx) as (app, run):
        app.steer.say(run.id, text, who=person())
        click.echo(f"said; {_TAKEN_UP}")


@click.command()
@click.argument("to", metavar="LEVEL", type=click.Choice([str(level) for level in Level]))
@click.argument("words", required=False)
@click.pass_context
def promote(ctx: click.Context, to: str, words: str | None) -> None:
    """Make a run of a conversation: it goes on by itself at LEVEL, with all that was said, until it is done. WORDS say what to do."""
    with _steered(ctx) as (app, run):
        app.steer.promote(run.id, Level(to), words or "", who=person())
        click.echo(f"`remit resume {run.id}` goes on by itself, at level {to}")


@click.command()
@click.pass_context
def chat(ctx: click.Context) -> None:
    """Make a conversation of a model's run, with all that was said: whatever it wants to do now is yours to run."""
    with _steered(ctx) as (app, run):
        app.steer.to_chat(run.id, who=person())
        click.echo(f"`remit chat --continue {run.id}` talks with it")


@click.command()
@click.argument("limits", required=False)
@click.pass_context
def budget(ctx: click.Context, limits: str | None) -> None:
    """Show what the run has used up, or say what it may: LIMITS are money=2.50,tokens=100000,steps=40,minutes=30, any of them."""
    with _steered(ctx) as (app, run):
        if limits:
            app.steer.budget(run.id, read_budget(limits), who=person())
        allowed, spent = app.steer.spending(run)
        for name, used in spent.items():
            click.echo(told(name, used, allowed[name]) + ("" if allowed[name] else " (no limit)"))
        if limits:
            click.echo(f"`remit resume {run.id}` goes on where it waited")


@click.command()
@click.argument("step")
@click.pass_context
def take(ctx: click.Context, step: str) -> None:
    """Take a step over, to do it yourself. The run goes on with what does not need it."""
    with _steered(ctx) as (app, run):
        if app.steer.take(run.id, step, who=person()):
            click.echo(f"{step} is under way already: it ends as it ends, and is yours where it does not work", err=True)
        click.echo(f"{step} is yours; `remit runs {run.id} done {step}` or `back {step}` hands it back")


@click.command()
@click.argument("step")
@click.option("--note", default="", help="What you did; goes into the journal.")
@click.option("--result", default="", metavar="JSON", help="What later steps find under the step's name.")
@click.pass_context
def done(ctx: click.Context, step: str, note: str, result: str) -> None:
    """Hand a step back as done by you. Its checks are looked at; `remit undo` cannot take back what you did."""
    with _steered(ctx) as (app, run):
        app.steer.give_back(run.id, step, done=True, who=person(), note=note, result=parse(result) if result else None)
        click.echo(f"{step} counts as done by you when its checks hold; `remit resume {run.id}` goes on")


@click.command()
@click.argument("step")
@click.pass_context
def back(ctx: click.Context, step: str) -> None:
    """Hand a step back without having done it."""
    with _steered(ctx) as (app, run):
        app.steer.give_back(run.id, step, done=False, who=person())
        click.echo(f"{step} is the run's again; `remit resume {run.id}` goes on")


@click.command()
@click.option("--edit", is_flag=True, help="Change it in your editor ($VISUAL, $EDITOR).")
@click.option("--from", "source", type=click.Path(path_type=Path, dir_okay=False), help="Replace it by this plan file.")
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Write it as a plan file (.yaml), to run again without a model."
)
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME=TEXT", help="With --save: make an input of a text, for `--set NAME=VALUE` later."
)
@click.option("--json", "as_json", is_flag=True, help="As data.")
@click.pass_context
def plan(ctx: click.Context, *, edit: bool, source: Path | None, save: Path | None, inputs: tuple[str, ...], as_json: bool) -> None:
    """Show the run's plan and how far it has come; change it, or save what was done as a plan for the next time."""
    from remit.plans.files import read_plan, read_text, write_plan
    from remit.plans.standing import standing

    with _steered(ctx) as (app, run):
        now = app.steer.plan(run)
        if now is None:
            raise NotFound(
                f"{run.id} has no plan yet", fix="its model makes one before it changes anything; `remit runs` shows what it does"
            )
        text = write_plan(now)
        if edit or source:
            new = read_text(source) if source else click.edit(text, extension=".yaml")
            if new is None or new == text:
                click.echo("nothing was changed")
                return
            changed = read_plan(new, name=source.name if source else "plan.yaml")
            app.check_plan(changed)
            app.steer.replan(run.id, changed, who=person())
            click.echo(f"the plan of {run.id} has {len(changed.steps)} steps now; {_TAKEN_UP}")
            return
        if save:
            _keep(app, run, save, inputs)
            return
        states = standing(now, app.journal.read(run.id), app.steer.now(run))
        if as_json:
            click.echo(json.dumps([{"step": s.id, "tool": s.way.tool, "reason": s.reason, "state": states[s.id]} for s in now.steps]))
            return
        for step in now.steps:
            click.echo(
                f"{step.id:<20} {show.clean(states[step.id], keep=''):<30} {step.way.tool}  {show.clean(step.reason, keep='')}".rstrip()
            )


def _keep(app: App, run: Run, path: Path, inputs: tuple[str, ...]) -> None:
    """Save what was done, and say what of the run does not stand in it."""
    from remit.plans.files import write_plan
    from remit.plans.keeping import with_inputs

    _save(write_plan(with_inputs(app.steer.done_plan(run), dict(pair.partition("=")[::2] for pair in inputs))), path)
    for step, hand in app.steer.now(run).by_hand.items():
        if hand.state is Hand.DONE:
            click.echo(f"not in it: {step}, which {hand.who} did by hand", err=True)
    for name in app.steer.beside_plan(run):
        click.echo(f"not in it: {name}, which carried out no step of the plan (`remit show {run.id}/{name}`)", err=True)


def _save(text: str, path: Path) -> None:
    if path.suffix not in {".yaml", ".yml"}:
        raise BadInput(f"{path} does not end in .yaml", fix="plans are saved as YAML")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", fix="name a new file") from None
    click.echo(f"saved: remit run {path}")
