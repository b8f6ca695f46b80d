"""`remit demo`: everything that remit promises, on a folder of its own, with a model that is a script."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remit.cli import interrupts
from remit.cli.exits import NOT_DONE
from remit.cli.person import person
from remit.errors import BadInput

if TYPE_CHECKING:
    from remit.app import App
    from remit.domain.question import Question


@click.command()
@click.option("--ask", "ask_me", is_flag=True, help="Answer its questions yourself, at this terminal.")
@click.option(
    "--keep", type=click.Path(path_type=Path), default=None, metavar="DIR", help="Do it in DIR, and leave folder and journal there."
)
@click.option("--files-only", is_flag=True, help="Leave out shell and database, as happens by itself where the sandbox does not work.")
@click.option("--json", "as_json", is_flag=True, help="The numbers as one JSON object on the last line.")
def demo(ask_me: bool, keep: Path | None, files_only: bool, as_json: bool) -> None:
    """An agent sorts out a messy folder: alone, asked, refused, failing, killed with -9, undone. It takes about ten seconds.

    The model is a script, and says so; gate, journal, tools, kill and undo are real. Every promise it shows is checked, and the
    exit code is 0 only when all of them held.
    """
    from remit.demo.screen import Screen
    from remit.demo.show import Wish, show

    if ask_me and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("--ask needs a terminal to ask at", fix="leave it out: a person at another terminal is played then")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # not every locale has every name
    base = _place(keep)
    wish = Wish(keep=keep is not None, files_only=files_only, ask=_ask if ask_me else None, program=_program())
    try:
        held, told = show(base, Screen(sys.stdout), wish)
    except KeyboardInterrupt:
        click.echo(f"\nremit: interrupted; {f'what there is stays in {base}' if keep else 'nothing is left of it'}", err=True)
        sys.exit(interrupts.exit_code())
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    sys.exit(0 if held else NOT_DONE)


def _place(keep: Path | None) -> Path:
    if keep is None:
        try:
            return Path(tempfile.mkdtemp(prefix="remit-demo-")).resolve()
        except OSError as error:
            raise BadInput(f"there is no place for temporary files: {error}", fix="name a place with --keep DIR") from None
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise BadInput(f"{keep} is not empty", fix="name a folder that does not exist yet")
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{keep} cannot be made: {error.strerror}", fix="name a place where you may write") from None
    return keep.resolve()


def _program() -> str:
    return "remit" if shutil.which("remit") else shlex.quote(str(Path(sys.argv[0]).absolute()))


def _ask(app: App, question: Question) -> None:
    """Until it is answered: the demo has nothing else to go on with."""
    from remit.cli.asking import ask_here

    put = partial(ask_here, app, question, who=person())
    while not put():
        click.echo("the demo waits for this answer")
