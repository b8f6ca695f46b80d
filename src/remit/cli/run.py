"""`remit run` and `remit resume`: open a run and advance it from here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from remit.app import App, places
from remit.cli import show
from remit.cli.driving import drive, report
from remit.cli.exits import DONE, NOT_DONE, WAITING, exit_code_for
from remit.cli.person import person
from remit.cli.planning import PLAN_ENDINGS, read_plan_file
from remit.domain.action import Level
from remit.domain.budget import Budget, read_budget
from remit.domain.run import LegEnd, Run
from remit.domain.values import JsonValue, RunId, canonical, parse
from remit.errors import ArgsInvalid, BadInput, RemitError
from remit.plans.rules import KNOWN, RULES, rule_plan
from remit.policy.triage import stricter, triage

if TYPE_CHECKING:
    from remit.domain.plan import Plan


@click.command()
@click.argument("what")
@click.option(
    "--level",
    type=click.Choice([str(level) for level in Level]),
    default=None,
    help="How much it may do alone (default consultant, or less where triage says so).",
)
@click.option(
    "--model",
    default=None,
    help="provider:name for a goal, e.g. openai:…, anthropic:…, ollama:…; default $REMIT_MODEL. `rules` for the few goals that need none.",
)
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder it may work in (default here).",
)
@click.option("--set", "inputs", multiple=True, metavar="NAME=VALUE", help="Fill an input of the plan file; JSON values are read as such.")
@click.option(
    "--samples",
    type=int,
    default=1,
    metavar="K",
    help="Of a goal: ask the model K times what to change, and a person where it does not want the same each time.",
)
@click.option(
    "--margin", is_flag=True, help="Of a goal: have the endpoint say how likely its words were, where it can, and use that alike."
)
@click.option("--budget", default="", metavar="LIMITS", help="What it may use up: any of money=2.50,tokens=100000,steps=40,minutes=30.")
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Stay and go on when somebody answers elsewhere.")
@click.option("--dry-run", is_flag=True, help="Only say what each step of a plan file would be allowed; nothing is run or recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object at the end.")
def run(
    what: str,
    level: str | None,
    model: str | None,
    roots: tuple[Path, ...],
    inputs: tuple[str, ...],
    samples: int,
    margin: bool,
    budget: str,
    wait: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run WHAT: a plan file (.toml, .yaml; needs no model), or a goal in your own words for a model to pursue.

    At a terminal its questions are put right here; elsewhere it ends with exit code 3 and waits as rows until somebody answers.
    """
    app = App(places(roots))
    try:
        if dry_run:
            plan = read_plan_file(app, what, _inputs(inputs))
            from remit.cli.foretelling import foretold

            told, possible = foretold(app, plan, _level(app, level, plan))
            click.echo(told)
            sys.exit(DONE if possible else NOT_DONE)
        limits = read_budget(budget) if budget else None
        opened = _open(app, what, _Wish(level, model, _inputs(inputs), _measure(samples, margin=margin), limits))
        if not as_json:
            click.echo(f"run {opened.id} at level {opened.level} in {', '.join(opened.roots)}")
            if level is None and opened.level is not Level.CONSULTANT:
                click.echo(f"  triage: `remit triage` says why it is {opened.level}; --level chooses another")
        end = drive(app, opened.id, interactive=_at_terminal(as_json), wait=wait, quiet=as_json)
        _tell(opened.id, end, as_json=as_json)
        _held(app, as_json=as_json)
    finally:
        app.close()
    sys.exit(exit_code_for(end))


@click.command()
@click.argument("which", required=False)
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Stay and go on when somebody answers elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object per run.")
def resume(which: str | None, wait: float, as_json: bool) -> None:
    """Go on with the run whose id starts with WHICH, or with every open run. Safe at any time: nothing is done twice."""
    codes = [_resume(item, named=which is not None, wait=wait, as_json=as_json) for item in _open_runs(which)]
    sys.exit(next((code for code in codes if code not in {DONE, WAITING}), WAITING if WAITING in codes else DONE))


def _resume(item: Run, *, named: bool, wait: float, as_json: bool) -> int:
    app = App(places([Path(root) for root in item.roots]))
    try:
        paused = app.steer.now(item).paused_by
        if paused and not named:
            click.echo(f"run {item.id}: paused by {paused}; `remit resume {item.id}` goes on")
            return WAITING
        if paused:
            app.steer.go_on(item.id, who=person())
        end = drive(app, item.id, interactive=_at_terminal(as_json), wait=wait, quiet=as_json)
        _tell(item.id, end, as_json=as_json)
        return exit_code_for(end)
    except RemitError as error:  # the others can still go on
        click.echo(f"run {item.id}: {error}", err=True)
        return error.exit_code
    finally:
        app.close()


def _open_runs(which: str | None) -> list[Run]:
    app = App(places())
    try:
        found = list(app.runs.unfinished())
        if which is None:
            if not found:
                click.echo("no run is open")
            return found
        chosen = [item for item in found if item.id.startswith(which)]
        if len(chosen) != 1:
            ids = ", ".join(item.id for item in (chosen or found)) or "none"
            raise BadInput(f"{which!r} is not exactly one open run", fix=f"open runs: {ids}; `remit runs` lists all")
        return chosen
    finally:
        app.close()


def _measure(samples: int, *, margin: bool) -> dict[str, JsonValue]:
    if samples == 1 and not margin:
        return {}
    from remit.agent.confidence import Measure

    return Measure(samples=samples, margin=margin).checked().to_spec()


class _Wish(NamedTuple):
    """What the person said beside what is to be done."""

    level: str | None
    model: str | None
    inputs: Mapping[str, JsonValue]
    measure: Mapping[str, JsonValue]
    budget: Budget | None


def _open(app: App, what: str, wish: _Wish) -> Run:
    if what.endswith(PLAN_ENDINGS):
        _no_model(wish.measure)
        return _open_plan(app, read_plan_file(app, what, wish.inputs), wish)
    if not what.strip() or _is_folder(what):
        raise BadInput(f"{what!r} is neither a plan file nor a goal", fix="give a .toml or .yaml file, or say in words what shall be done")
    if wish.inputs:
        raise BadInput("--set fills inputs of a plan file, and this is a goal", fix="put the values into the goal")
    name = wish.model or os.environ.get("REMIT_MODEL", "")
    if name in {"", RULES}:
        return _by_rules(app, what, wish, named=bool(name))
    name = app.check_model(name)
    app.check_price(name, wish.budget)
    found = triage(app.triaging.task(what, None))
    chosen = Level(wish.level) if wish.level else stricter(Level.CONSULTANT, found.level)
    spec = {**wish.measure, **({"vague": found.vague} if found.vague else {})}
    opened = app.open_goal(what, level=chosen, model=name, spec=spec, budget=wish.budget)
    app.triaging.remember(opened, found, Level(wish.level) if wish.level else None)
    if told := app.measured.told(name):
        click.echo(f"  {told}", err=True)
    return opened


def _by_rules(app: App, goal: str, wish: _Wish, *, named: bool) -> Run:
    """A goal in one of the few sentences that need no model. Raises ModelUnset or BadInput for any other."""
    plan = rule_plan(goal)
    if plan is None:
        if not named:
            app.check_model("")
        raise BadInput("the rule planner does not know how to do this", fix=f"it knows: {'; '.join(KNOWN)}")
    _no_model(wish.measure)
    click.echo("planned by rules, without a model:", err=True)
    for step in plan.steps:
        click.echo(f"  {step.id}  {step.way.tool}  {show.clean(canonical(step.way.args), keep='')}", err=True)
    return _open_plan(app, plan, wish)


def _no_model(measure: Mapping[str, JsonValue]) -> None:
    if measure:
        raise BadInput("--samples and --margin are about a model, and a plan needs none", fix="leave them out")


def _open_plan(app: App, plan: Plan, wish: _Wish) -> Run:
    found = triage(app.triaging.task(plan.goal, plan))
    chosen = Level(wish.level) if wish.level else plan.level
    level = chosen or stricter(Level.CONSULTANT, found.level)
    opened = app.open_plan(plan, level=level, who=person(), budget=wish.budget)
    app.triaging.remember(opened, found, chosen)
    return opened


def _is_folder(what: str) -> bool:
    try:
        return Path(what).is_dir()
    except (OSError, ValueError):  # too long, or with a zero in it: then it names nothing
        return False


def _level(app: App, level: str | None, plan: Plan) -> Level:
    """What the person says, or their plan, or else what triage finds, but never looser than consultant."""
    if level or plan.level:
        return Level(level) if level else plan.level or Level.CONSULTANT
    return stricter(Level.CONSULTANT, triage(app.triaging.task(plan.goal, plan)).level)


def _inputs(pairs: tuple[str, ...]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadInput(f"{pair!r} is not NAME=VALUE", fix="write --set name=value")
        try:
            found[name] = parse(value)
        except ArgsInvalid:
            found[name] = value
    return found


def _held(app: App, *, as_json: bool) -> None:
    """Mail that waits in the outbox needs somebody who lets it go."""
    letters = sum(app.runs.ended(run.id) is None for _, run in app.letters())
    if letters and not as_json:
        click.echo(f"{letters} letter(s) held in the outbox: `remit outbox --follow` lets each go when its time has come")


def _at_terminal(as_json: bool) -> bool:
    return not as_json and sys.stdin.isatty() and sys.stdout.isatty()


def _tell(run_id: RunId, end: LegEnd, *, as_json: bool) -> None:
    if as_json:
        click.echo(
            json.dumps({"run": run_id, "state": str(end.state), "summary": end.summary, "waiting": list(end.waiting)}, ensure_ascii=False)
        )
    else:
        click.echo(report(run_id, end))
