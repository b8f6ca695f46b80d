"""`remit chat`: a conversation with a model that looks by itself and does nothing by itself."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Final, TextIO

import click

from remit.app import App, places
from remit.cli import show
from remit.cli.driving import drive
from remit.cli.exits import DONE, WAITING
from remit.cli.finding import find_run
from remit.cli.person import person
from remit.domain.action import Level
from remit.domain.entry import Kind
from remit.domain.question import Answer
from remit.domain.record import fold
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.values import JsonValue, RunId, action_id, canonical, fields, items, parse
from remit.errors import BadInput, ModelTrouble

_MOST_PIPED: Final = 1_000_000
_HELP: Final = """\
/run LEVEL [WORDS]   hand over: it goes on by itself at LEVEL until it is done
/export FILE         write the conversation down
/quit                leave; the conversation stays (also Ctrl-D)"""


@click.command()
@click.argument("message", required=False)
@click.option("--continue", "which", metavar="ID", help="Go on with the conversation whose id starts with ID.")
@click.option("--last", is_flag=True, help="Go on with the latest conversation.")
@click.option(
    "--export", "export", type=click.Path(path_type=Path, dir_okay=False), help="Only write the conversation to this file (Markdown)."
)
@click.option("--model", default=None, help="provider:name; default $REMIT_MODEL.")
@click.option(
    "--root", "roots", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder it may look into."
)
def chat(*, message: str | None, which: str | None, last: bool, export: Path | None, model: str | None, roots: tuple[Path, ...]) -> None:
    """Talk with a model about the folder you are in: one MESSAGE, or a conversation at the terminal.

    It looks by itself. Whatever would change something is shown to you, whole, and happens when you say so. Conversations are kept: `remit
    runs` lists them, `remit log` searches them.
    """
    run = _conversation(which, last=last)
    app = App(places(roots or tuple(Path(root) for root in run.roots) if run else roots))
    try:
        if export is not None:
            _export(app, run, export)
            return
        if model is not None and run is not None and model != run.spec.get("model"):
            raise BadInput(f"{run.id} talks with {run.spec.get('model')}", fix="leave --model out, or begin a new conversation with it")
        talk = _Talk(app, run, model or os.environ.get("REMIT_MODEL", ""))
        code = talk.at_terminal() if message is None and sys.stdin.isatty() else talk.say(*_message(message))
    finally:
        app.close()
    sys.exit(code)


def _message(message: str | None) -> tuple[str, str]:
    """What is said, and what comes through a pipe with it; alone, that is what is said."""
    if message is None:
        return sys.stdin.read(), ""
    piped = sys.stdin.read(_MOST_PIPED + 1) if _has_data(sys.stdin) else ""
    if len(piped) > _MOST_PIPED:
        raise BadInput(
            f"more than {_MOST_PIPED} characters come through the pipe", fix="name the file in your message: it is read as far as needed"
        )
    return message, piped if piped.strip() else ""


def _has_data(stdin: TextIO | None) -> bool:
    """A pipe or a file; what a service or a timer gives us as input is neither."""
    try:
        kind = os.fstat(stdin.fileno()).st_mode if stdin is not None else 0
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(kind) or stat.S_ISREG(kind)


_SHOWN: Final = (Kind.SAID, Kind.MESSAGE, Kind.PROPOSED)


class _Talk:
    """One conversation in this process."""

    def __init__(self, app: App, run: Run | None, model: str) -> None:
        self._app = app
        self._run = run
        self._model = model
        self._streamed = False
        app.on_text = self._show
        if run is None:
            self._model = app.check_model(model)
            if told := app.measured.told(self._model):
                click.echo(told, err=True)

    def say(self, text: str, material: str = "") -> int:
        """Say it, and show the answer; what it proposes is put at the terminal, or waits in the inbox."""
        text = text.strip()
        if not text:
            raise BadInput("nothing was said", fix='remit chat "what is in this folder?"')
        if self._run is None:
            self._run = self._app.open_chat(text, model=self._model, material=material)
        else:
            self._app.steer.say(self._run.id, text, who=person(), material=material)
        return self._answer(self._run.id)

    def at_terminal(self) -> int:
        """Until /quit or Ctrl-D. A model that cannot be had ends nothing."""
        if self._run is not None:
            click.echo(_written(self._app, self._run))
        click.echo(f"(/help lists commands; it only looks by itself, in {', '.join(map(str, self._app.places.roots))})")
        code = DONE
        while True:
            try:
                line = click.prompt("you", prompt_suffix="> ").strip()
            except click.Abort:
                break
            if line in {"/quit", "/exit"}:
                break
            try:
                code = self._command(line) if line.startswith("/") else self.say(line)
            except (ModelTrouble, BadInput) as error:
                click.echo(f"remit: {error}", err=True)
            if self._run is not None and self._app.runs.ended(self._run.id) is not None:
                click.echo(f"(run {self._run.id} is over; what you say now begins a new conversation)")
                self._run = None
        if self._run is not None:
            click.echo(f"\nremit chat --continue {self._run.id} goes on here")
        return code

    def _command(self, line: str) -> int:
        word, _, rest = line.partition(" ")
        match word:
            case "/run" if self._run is not None:
                level, _, words = rest.strip().partition(" ")
                if level not in list(Level):
                    raise BadInput(f"{level!r} is no level", fix=f"/run {' | '.join(Level)}")
                self._app.steer.promote(self._run.id, Level(level), words, who=person())
                return self._answer(self._run.id)
            case "/export" if self._run is not None and rest:
                _export(self._app, self._run, Path(rest.strip()))
            case _:
                click.echo(_HELP)
        return DONE

    def _answer(self, run: RunId) -> int:
        self._streamed = False
        end = drive(self._app, run, interactive=sys.stdin.isatty() and sys.stdout.isatty(), quiet=True)
        self._tell(end)
        return WAITING if end.waiting else DONE

    def _tell(self, end: LegEnd) -> None:
        if self._streamed:
            click.echo()
        elif end.summary:
            click.echo(show.clean(end.summary))
        if end.waiting:
            click.echo(f"{len(end.waiting)} proposal(s): `remit inbox` shows what each would do; `remit approve ID` does it")
        elif end.state is not RunState.WAITING:
            click.echo(f"({str(end.state).replace('_', ' ')})")

    def _show(self, text: str) -> None:
        self._streamed = True
        click.echo(show.clean(text), nl=False)
        sys.stdout.flush()


def _conversation(which: str | None, *, last: bool) -> Run | None:
    app = App(places())
    try:
        if which is not None:
            run = app.runs.load(find_run(app, which))
            if not app.steer.now(run).chat and app.runs.ended(run.id) is None:
                raise BadInput(f"{run.id} is a run, which acts by itself", fix=f"`remit runs {run.id} chat` makes a conversation of it")
            return run
        if not last:
            return None
        found = [run for run in map(app.runs.load, app.journal.find_runs("")) if app.steer.now(run).chat]
        if not found:
            raise BadInput("there is no conversation yet", fix='remit chat "…" begins one')
        return max(found, key=lambda run: run.opened_at)
    finally:
        app.close()


def _export(app: App, run: Run | None, path: Path) -> None:
    if run is None:
        raise BadInput("no conversation is named", fix="remit chat --continue ID --export FILE, or --last")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_written(app, run))
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}", fix="name a new file") from None
    click.echo(f"written: {path}")


def _written(app: App, run: Run) -> str:
    """The conversation as Markdown: what was said, and what was done, as the journal has it."""
    lines = [f"# {run.id}, {show.when(run.opened_at)}", "", f"**you**: {show.clean(run.goal)}", ""]
    for entry in app.journal.read(run.id, kinds=_SHOWN):
        body = fields(parse(entry.body_json))
        match entry.kind:
            case Kind.SAID:
                lines += [f"**{show.clean(str(body.get('who')))}**: {show.clean(str(body.get('text')))}", ""]
            case Kind.PROPOSED:
                lines += [*_action(app, run, entry.action), ""]
            case _:
                lines += [f"{show.clean(text)}\n" for text in _texts(body.get("message"))]
    return "\n".join(lines)


def _action(app: App, run: Run, name: str) -> list[str]:
    """What was wanted or, where a person changed it, really done; and how it ended."""
    entries = list(app.journal.read(run.id, action=name))
    record = fold(action_id(run.id, name), entries)
    ends = [show.gist(one, 200) for one in entries if one.kind in {Kind.FINISHED, Kind.REFUSED}]
    edited = any(answer.answer is Answer.EDIT for asked in record.asked for answer in asked.answers)
    how = "not done: " if record.refused else "changed by a person, " if edited else ""
    end = f"{how}{ends[-1]}" if ends else "waits for you" if record.open_question else "not done yet"
    return [f"- {record.tool} {show.clean(canonical(record.args), keep='')}", f"  - {end}"]


def _texts(message: JsonValue) -> list[str]:
    parts = [part for part in map(fields, items(fields(message).get("parts"))) if part.get("part_kind") == "text"]
    return [text for part in parts if (text := str(part.get("content", ""))).strip()]
