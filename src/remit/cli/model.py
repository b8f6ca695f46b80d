"""`remit model check`: what an endpoint can do, by trying."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Final

import click

from remit.cli import show
from remit.cli.exits import DONE, NOT_DONE

if TYPE_CHECKING:
    from remit.agent.trying import Tried

_SEEN: Final = 100


@click.group()
def model() -> None:
    """The model that pursues goals."""


@model.command()
@click.argument("name", required=False)
@click.option(
    "--accuracy/--no-accuracy", default=None, help="Count how many of a dozen small tasks it gets right; else for local models only."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per trial.")
def check(name: str | None, accuracy: bool | None, as_json: bool) -> None:
    """Try what the model NAME (provider:name, default $REMIT_MODEL) can do: a few small requests, some hundred tokens.

    What is counted is kept, and said at the beginning of each run with this model. Exit code 1 means that something is missing without
    which it cannot pursue goals.
    """
    from remit.agent.models import LOCAL, PREFIX, lasting

    wanted = lasting(name or os.environ.get("REMIT_MODEL", ""))
    here = wanted.removeprefix(PREFIX).startswith(LOCAL)
    tried = asyncio.run(_try(wanted, as_json=as_json))
    if tried[0].works and (here if accuracy is None else accuracy):
        asyncio.run(_count(wanted, as_json=as_json))
    sys.exit(NOT_DONE if any(one.needed and not one.works for one in tried) else DONE)


async def _try(name: str, *, as_json: bool) -> list[Tried]:
    from remit.agent.models import LOCAL, PREFIX, resolve
    from remit.agent.trying import CALLS, trials

    done = []
    async for one in trials(resolve(name, env=os.environ)):
        done.append(one)
        click.echo(_data(one) if as_json else _line(one))
        if one.what == CALLS and not one.works and not as_json and not name.startswith((PREFIX, LOCAL)):
            click.echo(f"it may do better when it is asked for JSON: remit model check {PREFIX}{name}")
    return done


async def _count(name: str, *, as_json: bool) -> None:
    """How many of the small tasks it gets right: told as it goes, and kept."""
    from remit.agent.accuracy import answers
    from remit.agent.models import resolve
    from remit.app.app import App, places

    right = of = 0
    async for one in answers(resolve(name, env=os.environ)):
        right, of = right + one.right, of + 1
        if as_json:
            click.echo(json.dumps({"task": one.task, "right": one.right, "seen": one.seen}, ensure_ascii=False))
        elif not one.right:
            click.echo(f"  wrong: {one.task} — {show.clean(one.seen, keep='')[:_SEEN]}")
    App(places(())).measured.keep(name, right, of)
    click.echo(json.dumps({"what": "small tasks", "right": right, "of": of}) if as_json else f"{'small tasks':<24} {right} of {of} right")


def _data(one: Tried) -> str:
    return json.dumps({"what": one.what, "works": one.works, "seen": one.seen, "needed": one.needed}, ensure_ascii=False)


def _line(one: Tried) -> str:
    mark = "yes" if one.works else "NO" if one.needed else "no"
    return f"{one.what:<24} {mark:<4} {show.clean(one.seen, keep='')}"
