"""Runs and actions by what a person types."""

from __future__ import annotations

from remit.app import App
from remit.domain.entry import Kind
from remit.domain.values import RunId, fields, parse
from remit.errors import BadInput, NotFound


def find_run(app: App, text: str) -> RunId:
    """The one run whose id is, or starts with, `text`. Raises NotFound or BadInput."""
    found = app.journal.find_runs(text)
    if text in found:
        return RunId(text)
    if not found:
        raise NotFound(f"there is no run {text!r}", fix="`remit runs --all` lists them")
    if len(found) > 1:
        raise BadInput(f"{text!r} could be {', '.join(found[:5])}", fix="type more of the id")
    return found[0]


def find_action(app: App, run: RunId, name: str) -> str:
    """The action of that name, or the latest that carried out the step of that name. Raises NotFound, naming what there is."""
    names = list(dict.fromkeys(item.action for item in app.journal.read(run) if item.action))
    if name in names:
        return name
    attempts = [one for one in names if one.rpartition(".")[0] == name and one.rpartition(".")[2].isdigit()]
    notes = app.journal.read(run, kinds=(Kind.NOTE,))
    attempts = attempts or [note.action for note in notes if fields(parse(note.body_json)).get("step") == name]
    if attempts:
        return attempts[-1]
    raise NotFound(
        f"there is no action {run}/{name}", fix=f"it has {', '.join(names[:20]) or 'none yet'}; `remit runs {run}` lists all it did"
    )
