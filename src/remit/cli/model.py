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
    """Try what the model NAME (provider:name, default $REMIT_MODEL) can do: a few small requests, some hundred tokens, and with
    --accuracy a dozen more.

    What is counted is kept, and said at the beginning of each run with this model. Exit code 1 means that something is missing without
    which it cannot pursue goals.
    """
    from remit.agent.models import LOCAL, PREFIX, lasting

    wanted = lasting(name or os.environ.get("REMIT_MODEL", ""))
    counts = wanted.removeprefix(PREFIX).startswith(LOCAL) if accuracy is None else accuracy
    sys.exit(DONE if asyncio.run(_check(wanted, counts=counts, as_json=as_json)) else NOT_DONE)


async def _check(name: str, *, counts: bool, as_json: bool) -> bool:
    """Whether it can pursue goals."""
    from remit.agent.models import LOCAL, PREFIX, resolve
    from remit.agent.trying import CALLS, trials

    tried = []
    async for one in trials(resolve(name, env=os.environ)):
        tried.append(one)
        click.echo(_data(one) if as_json else _line(one))
        if one.what == CALLS and not one.works and not as_json and not name.startswith((PREFIX, LOCAL)):
            click.echo(f"it may do better when it is asked for JSON: remit model check {PREFIX}{name}")
    if counts and tried[0].works:
        await _count(name, as_json=as_json)
    return all(one.works or not one.needed for one in tried)


async def _count(name: str, *, as_json: bool) -> None:
    """How many of the small tasks it gets right: told as it goes, and kept. Raises ModelTrouble, and keeps nothing, without an answer."""
    from remit.agent.accuracy import TASKS, answers
    from remit.agent.models import resolve
    from remit.app import App, places

    right = 0
    async for one in answers(resolve(name, env=os.environ)):
        right += one.right
        if as_json:
            click.echo(json.dumps({"what": one.task, "works": one.right, "seen": one.seen, "needed": False}, ensure_ascii=False))
        elif not one.right:
            click.echo(f"  wrong: {one.task} — {show.clean(one.seen, keep='')[:_SEEN]}")
    app = App(places(()))
    try:
        app.measured.keep(name, right, len(TASKS))
    finally:
        app.close()
    told = {"what": "small tasks", "works": right == len(TASKS), "seen": f"{right} of {len(TASKS)} right", "needed": False}
    click.echo(json.dumps(told) if as_json else f"{'small tasks':<24} {told['seen']}")


def _data(one: Tried) -> str:
    return json.dumps({"what": one.what, "works": one.works, "seen": one.seen, "needed": one.needed}, ensure_ascii=False)


def _line(one: Tried) -> str:
    mark = "yes" if one.works else "NO" if one.needed else "no"
    return f"{one.what:<24} {mark:<4} {show.clean(one.seen, keep='')}"
