"""`remit memory`: what runs remember of earlier ones; seen, changed, forgotten and taken along by a person."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from remit.app import App, places
from remit.cli import show
from remit.cli.exits import NOT_DONE
from remit.cli.person import person
from remit.domain.memory import Matter, Remembered, Trust
from remit.errors import BadInput, NotFound

if TYPE_CHECKING:
    from remit.ports import Memory

_FROM: Final = {Trust.WORDS: "in your words", Trust.OWN: "found", Trust.UNTRUSTED: "FROM STRANGERS"}


@contextmanager
def _memory() -> Iterator[tuple[App, Memory]]:
    app = App(places())
    try:
        yield app, app.memory
    finally:
        app.close()


@click.group(invoke_without_command=True)
@click.option("--kind", type=click.Choice([str(one) for one in Matter]), default=None, help="Only these.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object each.")
@click.pass_context
def memory(ctx: click.Context, kind: str | None, as_json: bool) -> None:
    """List what is remembered, newest first.

    Runs are told what fits their goal; what was learnt from strangers only when they ask for it, and then it is data.
    """
    if ctx.invoked_subcommand is not None:
        return
    with _memory() as (_, file):
        _list(file.all(matter=Matter(kind) if kind else None), as_json=as_json)


@memory.command()
@click.argument("words")
@click.option("--untrusted", is_flag=True, help="What was learnt from strangers, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object each.")
def search(words: str, untrusted: bool, as_json: bool) -> None:
    """What a run with the goal WORDS would be told here."""
    with _memory() as (app, file):
        found = file.recall(words, roots=[str(root) for root in app.places.roots], untrusted=untrusted, most=50)
        if as_json:
            _list([one.item for one in found], as_json=True)
            return
        for one in found:
            click.echo(f"{_row(one.item)}  (because of: {', '.join(one.because) or 'it always counts'})")
        if not found:
            click.echo("nothing fits")


@memory.command()
@click.argument("text")
@click.option(
    "--kind",
    type=click.Choice([str(one) for one in Matter if one is not Matter.OUTCOME]),
    default=str(Matter.PREFERENCE),
    show_default=True,
)
@click.option("--about", default="", help="Words of the tasks for which it matters; without any, a preference counts for all.")
@click.option("--here", is_flag=True, help="It counts in this folder only.")
def add(text: str, kind: str, about: str, here: bool) -> None:
    """Remember TEXT, in your words."""
    from remit.app.remembering import refuse_secrets

    with _memory() as (app, file):
        refuse_secrets(f"{text} {about}", app.config)
        item = Remembered(
            id=app.ids.new(),
            matter=Matter(kind),
            text=text,
            about=about,
            trust=Trust.WORDS,
            who=f"person:{person()}",
            at=app.clock.now(),
            roots=tuple(map(str, app.places.roots)) if here else (),
        )
        file.put(item)
        click.echo(_row(item))


@memory.command()
@click.argument("which")
@click.argument("text", required=False)
@click.option("--about", default=None, help="Words of the tasks for which it matters.")
def edit(which: str, text: str | None, about: str | None) -> None:
    """Say it otherwise: TEXT, or what your editor ($VISUAL, $EDITOR) makes of it. Then it is in your words."""
    from remit.app.remembering import refuse_secrets

    with _memory() as (app, file):
        item = _one(file, which)
        if text is None and about is None:
            text = click.edit(item.text)
        changed = replace(
            item,
            text=item.text if text is None else text.strip(),
            about=item.about if about is None else about,
            trust=Trust.WORDS,
            who=f"person:{person()}",
            at=app.clock.now(),
        )
        refuse_secrets(f"{changed.text} {changed.about}", app.config)
        if not file.swap(item.id, item, changed):
            raise BadInput(f"{item.id} was changed meanwhile", fix="look again: `remit memory`")
        click.echo(_row(changed))


@memory.command()
@click.argument("which", nargs=-1)
@click.option("--run", "run", default="", metavar="RUN", help="All that this run remembered.")
@click.option("--all", "everything", is_flag=True, help="All there is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(which: tuple[str, ...], run: str, everything: bool, yes: bool) -> None:
    """Forget these for good. What earlier runs did and said stays in the journal."""
    with _memory() as (_, file):
        if sum((bool(which), bool(run), everything)) != 1:
            raise BadInput("say what is to be forgotten", fix="ids as `remit memory` lists them, or --run RUN, or --all")
        found = [_one(file, one) for one in which] if which else [one for one in file.all() if everything or one.run.startswith(run)]
        if not found:
            raise NotFound("nothing of it is remembered", fix="`remit memory` lists what there is")
        if not yes and not which:
            for one in found:
                click.echo(_row(one))
            if not sys.stdin.isatty():
                raise BadInput(f"this would forget {len(found)}", fix="add --yes to do it")
            if not click.confirm("forget these for good?"):
                sys.exit(NOT_DONE)
        also = [one for one in file.all() if one.who == "remit" and one not in found and any(_tells(one, gone) for gone in found)]
        for one in also:
            click.echo(f"with it, as it tells the same: {_row(one)}")
        click.echo(f"{file.forget([one.id for one in (*found, *also)])} forgotten")


@memory.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def export(target: Path) -> None:
    """Write all of it to a new file, one JSON object a line."""
    with _memory() as (_, file):
        try:
            with target.open("x", encoding="utf-8") as out:
                found = file.all()
                out.writelines(f"{_data(one)}\n" for one in found)
        except OSError as error:
            raise BadInput(f"{target} cannot be written: {error.strerror}", fix="name a new file") from None
        click.echo(f"{len(found)} written: {target}")


def _tells(kept: Remembered, gone: Remembered) -> bool:
    return gone.text in f"{kept.text}\n{kept.goal}"


def _one(file: Memory, which: str) -> Remembered:
    found = [one for one in file.all() if one.id.startswith(which)]
    if len(found) != 1 or not which:
        what = f"{which!r} could be {', '.join(one.id for one in found[:5])}" if found else f"nothing is remembered as {which!r}"
        raise NotFound(what, fix="`remit memory` lists ids")
    return found[0]


def _list(found: Sequence[Remembered], *, as_json: bool) -> None:
    for one in found:
        click.echo(_data(one) if as_json else _row(one))
    if not found and not as_json:
        click.echo("nothing is remembered")


def _data(item: Remembered) -> str:
    return json.dumps(asdict(item), ensure_ascii=False)


def _row(item: Remembered) -> str:
    where = f"  [{', '.join(item.roots)}]" if item.roots else ""
    origin = f"{_FROM[item.trust]}{f', run {item.run}' if item.run else ''}, {show.when(item.at)[:10]}"
    return f"{item.id}  {item.matter:<10} {show.clean(item.text, keep='')}  ({origin}){where}"
