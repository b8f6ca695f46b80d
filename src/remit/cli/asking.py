"""Asking at the terminal: nothing typed before the question was visible counts, and Enter alone answers nothing."""

from __future__ import annotations

import sys
import termios

import click

from remit.app import App
from remit.cli import show
from remit.domain.question import Answer, Question, QuestionKind

_ANSWERS = {"y": Answer.APPROVE, "n": Answer.DENY}


def confirm(text: str) -> bool:
    """A y or n typed after the question was shown."""
    return _read(f"{text} [y/n] ", ("y", "n")) == "y"


def ask_here(app: App, item: Question, *, who: str) -> bool:
    """Put one question at the terminal. False when the person wants to decide later; then nothing is recorded."""
    click.echo("\n" + show.question(item))
    match item.kind:
        case QuestionKind.IN_DOUBT:
            said = _read("did it happen? [happened/not_happened/later] ", ("happened", "not_happened", "later"))
            if said != "later":
                app.inbox.answer(item, Answer(said), who=who)
        case QuestionKind.CLARIFY:
            listed = (*item.options, "later") if item.options else ()
            said = _read(f"your answer [{'/'.join(listed)}] " if listed else "your answer (later = decide later): ", listed)
            if said != "later":
                app.inbox.answer(item, Answer.REPLY, who=who, note=said)
        case _:
            said = _read("approve? [y/n/later] ", ("y", "n", "later"))
            if said != "later":
                app.inbox.answer(item, _ANSWERS[said], who=who)
    return said != "later"


def _read(prompt: str, allowed: tuple[str, ...]) -> str:
    while True:
        # The question is on the screen by now. What was typed before is no answer to it; what comes after the prompt is.
        sys.stdout.flush()
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        click.echo(prompt, nl=False)
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise click.Abort
        said = line.strip().lower() if allowed else line.strip()
        if said and (not allowed or said in allowed):
            return said
