"""`remit outbox`: mail that is held, how to call it back, and letting it go."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Final

import click

from remit.app import App, places
from remit.cli import interrupts, show
from remit.cli.driving import drive, report
from remit.cli.exits import DONE, WAITING, exit_code_for
from remit.domain.run import RunKind, RunState
from remit.errors import RunBusy

if TYPE_CHECKING:
    from remit.domain.held import Held
    from remit.domain.run import Run
    from remit.domain.values import JsonValue

_REST: Final = 30_000
"""Milliseconds."""
_TICK: Final = 1.0
"""Seconds between looks at the clock."""


@click.command()
@click.option("--send", is_flag=True, help="Let go what is due now.")
@click.option("--follow", is_flag=True, help="Stay, and let each letter go when its time has come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per letter.")
def outbox(send: bool, follow: bool, as_json: bool) -> None:
    """List the mail that is held: to whom, when it goes, and how to call it back. With --send or --follow it is let go."""
    app = App(places())
    code = DONE
    try:
        if not (send or follow):
            _list(app, as_json=as_json)
        elif follow:
            resting: dict[str, int] = {}
            while True:
                _send(app, resting)
                interrupts.check()
                time.sleep(_TICK)
        else:
            if not _due(app, {}) and not as_json:
                _list(app, as_json=False)
            code = _send(app, {})
    except KeyboardInterrupt:
        code = interrupts.exit_code()
    finally:
        app.close()
    sys.exit(code)


def _list(app: App, *, as_json: bool) -> None:
    letters = app.letters()
    for path in app.damaged_letters():
        click.echo(f"damaged, it will not go: {path}", err=True)
    for held, run in letters:
        click.echo(json.dumps(_data(held, run), ensure_ascii=False) if as_json else _told(app, held, run))
    if not letters and not as_json:
        click.echo("no letter is held")


def _send(app: App, resting: dict[str, int]) -> int:
    """Let go what is due; the worst exit code of them, `waiting` while a person is asked about one.

    `resting` says until when those are not looked at that have to wait, as each look is a leg in the journal.
    """
    codes = [DONE]
    for run in _due(app, resting):
        if _unanswered(app, run):
            codes.append(WAITING)
            continue
        try:
            end = drive(app, run.id, interactive=False, quiet=True)
        except RunBusy:
            continue  # another process is letting it go
        if end.state is RunState.WAITING and not end.waiting:
            resting[run.id] = app.clock.now() + _REST
        else:
            click.echo(f"{show.clean(run.goal, keep='')}\n{report(run.id, end)}")
            codes.append(exit_code_for(end))
    sys.stdout.flush()
    return next((code for code in codes if code not in {DONE, WAITING}), max(codes))


def _due(app: App, resting: dict[str, int]) -> list[Run]:
    """The runs that let a letter go whose time has come."""
    app.letters()  # each has its run now
    held = [run for run in app.runs.unfinished() if run.kind is RunKind.HELD]
    return [run for run in held if max(int(str(run.spec.get("at", 0))), resting.get(run.id, 0)) <= app.clock.now()]


def _unanswered(app: App, run: Run) -> bool:
    open_questions = app.runs.waiting_for(run.id)
    return any(not app.inbox.answers(item) for item in app.inbox.pending() if item.id in open_questions)


def _told(app: App, held: Held, run: Run) -> str:
    left = (held.goes_at - app.clock.now()) // 1000
    when = f"goes in {left // 60} min {left % 60} s" if left > 0 else "is due: `remit outbox --send`"
    ended = app.runs.ended(run.id)
    if ended is not None:
        when = f"will not go: {show.clean(ended.summary, keep='')}"
    return "\n".join(
        [
            click.style(f"to {', '.join(held.recipients)}: {show.clean(held.subject, keep='')}", bold=True),
            f"  {when}",
            f"  to call it back: remit undo {held.action} --yes",
        ]
    )


def _data(held: Held, run: Run) -> dict[str, JsonValue]:
    return {
        "id": held.id,
        "run": run.id,
        "action": held.action,
        "account": held.account,
        "to": [*held.recipients],
        "subject": held.subject,
        "message_id": held.message_id,
        "goes_at": held.goes_at,
    }
