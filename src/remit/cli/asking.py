"""Asking at the terminal: nothing typed before the question was visible counts, and Enter alone answers nothing."""

from __future__ import annotations

import sys
import termios

import click

from remit.app import App
from remit.cli import show
from remit.domain.question import Answer, Question, QuestionKind
from remit.errors import BadInput, ToolFailed

_ANSWERS = {"y": Answer.APPROVE, "n": Answer.DENY}


def confirm(text: str) -> bool:
    """A y or n typed after the question was shown."""
    return _read(f"{text} [y/n] ", ("y", "n")) == "y"


def ask_here(app: App, item: Question, *, who: str) -> bool:
    """Put one question at the terminal. False when the person wants to decide later; then nothing is recorded."""
    click.echo("\n" + show.question(item, record=app.sure_before(item)))
    match item.kind:
        case QuestionKind.IN_DOUBT:
            said = _read("did it happen? [happened/not_happened/later] ", ("happened", "not_happened", "later"))
            if said != "later":
                app.inbox.answer(item, Answer(said), who=who)
        case QuestionKind.CLARIFY | QuestionKind.ANOMALY:
            said = _reply(app, item, who=who)
        case _:
            said = _approval(app, item, who=who)
    return said != "later"


def _reply(app: App, item: Question, *, who: str) -> str:
    """One of the options by its words or number, or any text where any is fine."""
    while True:
        said = _read(f"your answer{f' [1-{len(item.options)}]' if item.options else ''} (later = decide later): ", ())
        if said == "later":
            return said
        try:
            app.inbox.answer(item, Answer.REPLY, who=who, note=said)
        except BadInput as error:
            click.echo(show.clean(str(error)))
            continue
        return said


def _approval(app: App, item: Question, *, who: str) -> str:
    """What was said; with `edit` the question is put again until the edit fits or something else is said."""
    while True:
        said = _read("approve? [y/n/edit/later] (n may be followed by a reason) ", ("y", "n", "edit", "later"), noted=("n",))
        answer, _, note = said.partition(" ")
        if answer in _ANSWERS:
            app.inbox.answer(item, _ANSWERS[answer], who=who, note=note.strip())
        if answer != "edit":
            return answer
        from remit.cli.editing import edited

        try:
            edit = edited(app, item)
        except (BadInput, ToolFailed) as error:
            click.echo(show.clean(str(error)))
            continue
        if edit is not None and confirm("approve this instead?"):
            app.inbox.answer(item, Answer.EDIT, who=who, edit=edit)
            return answer


def _read(prompt: str, allowed: tuple[str, ...], *, noted: tuple[str, ...] = ()) -> str:
    """One of `allowed` (any text when there are none); those `noted` with what the person adds."""
    while True:
        # The question is on the screen by now. What was typed before is no answer to it; what comes after the prompt is.
        sys.stdout.flush()
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        click.echo(prompt, nl=False)
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise click.Abort
        said = line.strip()
        word, blank, note = said.partition(" ")
        if said and not allowed:
            return said
        if said.lower() in allowed:
            return said.lower()
        if word.lower() in noted:
            return word.lower() + blank + note
        if said:
            click.echo(f"{show.clean(said)[:40]!r} is no answer here")
