"""`remit tools` and `remit doctor`: what it can do here, and what this machine lacks."""

from __future__ import annotations

import json
import sys

import click

from remit.app import App, places
from remit.cli import show
from remit.cli.exits import MISSING
from remit.errors import NotFound


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per tool.")
def tools(name: str | None, as_json: bool) -> None:
    """List the tools with their effect classes, or show NAME's arguments."""
    app = App(places())
    try:
        if name is not None and name not in app.tools:
            raise NotFound(f"there is no tool {name!r}", fix=f"tools are {', '.join(app.tools)}")
        for tool in [app.tools[name]] if name else app.tools.values():
            spec = tool.spec
            if as_json or name:
                fields = {
                    "name": spec.name,
                    "description": spec.description,
                    "effect": str(spec.effect),
                    "egress": spec.egress,
                    "schema": spec.schema,
                }
                click.echo(json.dumps(fields, indent=None if as_json else 2, ensure_ascii=False))
            else:
                click.echo(f"{spec.name:<20} {spec.effect:<14} {spec.description.splitlines()[0]}")
    finally:
        app.close()


@click.command()
def doctor() -> None:
    """Try what remit needs of this machine; exit 6 when something is missing."""
    app = App(places())
    try:
        troubles = 0
        for what, said, fix in app.examine():
            troubles += bool(fix)
            click.echo(f"{'TROUBLE' if fix else 'ok':<8} {what}: {show.clean(said)}")
            if fix:
                click.echo(f"         -> {fix}")
    finally:
        app.close()
    sys.exit(MISSING if troubles else 0)
