"""`remit model check`: what an endpoint can do, by trying."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import click

from remit.cli import show
from remit.cli.exits import DONE, NOT_DONE


@click.group()
def model() -> None:
    """The model that pursues goals."""


@model.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per trial.")
def check(name: str | None, as_json: bool) -> None:
    """Try what the model NAME (provider:name, default $REMIT_MODEL) can do: a few small requests, some hundred tokens.

    Exit code 1 means that something is missing without which it cannot pursue goals.
    """
    from remit.agent.models import PREFIX, resolve
    from remit.agent.trying import CALLS, Tried, trials

    wanted = name or os.environ.get("REMIT_MODEL", "")

    async def tried() -> bool:
        fit = True
        async for one in trials(resolve(name or "", env=os.environ)):
            fit = fit and (one.works or not one.needed)
            click.echo(_data(one) if as_json else _line(one))
            if one.what == CALLS and not one.works and not as_json and not wanted.startswith(PREFIX):
                click.echo(f"it may do better when it is asked for JSON: remit model check {PREFIX}{wanted}")
        return fit

    def _data(one: Tried) -> str:
        return json.dumps({"what": one.what, "works": one.works, "seen": one.seen, "needed": one.needed}, ensure_ascii=False)

    def _line(one: Tried) -> str:
        mark = "yes" if one.works else "NO" if one.needed else "no"
        return f"{one.what:<24} {mark:<4} {show.clean(one.seen, keep='')}"

    sys.exit(DONE if asyncio.run(tried()) else NOT_DONE)
