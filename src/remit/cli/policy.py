"""`remit policy check | explain`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.app import App, places
from remit.domain.action import Action, Level
from remit.domain.situation import Situation
from remit.domain.values import RunId, action_id, parse
from remit.errors import BadInput, NotFound, ToolFailed

if TYPE_CHECKING:
    from remit.policy.judge import Explanation


@click.group()
def policy() -> None:
    """What may be done alone, what is asked, and what is never done."""


@policy.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--project", is_flag=True, help="Read FILES as a project's policy, which may only forbid.")
@click.option("--json", "as_json", is_flag=True, help="As data.")
def check(files: tuple[Path, ...], project: bool, as_json: bool) -> None:
    """Load the policies that hold here, and FILES on top; print every rule, and what each tool may do at each level."""
    from remit.policy.explaining import matrix, report, report_text

    app = App(places())
    try:
        loaded = app.load_policy(files, origin="project" if project else "user")
        table = matrix(loaded, app.tool_shapes())
        if as_json:
            click.echo(json.dumps({"policies": report(loaded), "tools": table}, ensure_ascii=False))
            return
        click.echo(report_text(loaded, len(app.tools)))
        click.echo()
        for row in table:
            click.echo("  ".join(f"{key}: {value}" if key != "tool" else f"{value:<20}" for key, value in row.items() if key != "effect"))
    finally:
        app.close()


@policy.command()
@click.argument("tool")
@click.argument("args", default="{}")
@click.option("--level", type=click.Choice([str(level) for level in Level]), default=str(Level.CONSULTANT), help="At which level.")
@click.option("--words", default="", help="What the person said: targets named there literally count as the person's own.")
@click.option("--tainted", is_flag=True, help="As if the run had read untrusted content.")
@click.option("--json", "as_json", is_flag=True, help="As data.")
def explain(tool: str, args: str, level: str, words: str, tainted: bool, as_json: bool) -> None:
    """Why a call of TOOL with ARGS (a JSON object) would run alone, ask, or never run; nothing is run or recorded."""
    from remit.policy.explaining import explanation, explanation_text

    value = parse(args)
    if not isinstance(value, dict):
        raise BadInput(f"{args!r} is not a JSON object", fix="""write '{"path": "a.txt"}'""")
    app = App(places())
    try:
        if tool not in app.tools:
            raise NotFound(f"there is no tool {tool!r}", fix=f"tools are {', '.join(app.tools)}")
        action = Action.wanting(action_id(RunId("explain"), "call"), actor="person", tool=tool, args=value)
        situation = Situation(level=Level(level), words=words, tainted=tainted, planned=not tainted)
        facts, _ = app.gate.judge(action, situation)
        found: Explanation = app.policy.explain(facts)
        whole = _whole(app, action, situation)
        click.echo(json.dumps(explanation(found) | {"whole": whole}, ensure_ascii=False) if as_json else explanation_text(found))
        if not as_json:
            click.echo(f"  with all that it would do: {whole}")
    finally:
        app.close()


def _whole(app: App, action: Action, situation: Situation) -> str:
    """What becomes of the call once it is known which files it would touch: a command or a move is judged by those, too."""
    from remit.policy.explaining import spoken

    try:
        decision, what = asyncio.run(app.gate.foresee(action, situation))
    except (BadInput, ToolFailed) as error:
        return f"cannot be told, as it would fail now: {error}"
    return f"{spoken(decision)}, as it would be {what} ({decision.explain()})" if what else spoken(decision)
