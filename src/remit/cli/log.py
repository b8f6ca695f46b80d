"""`remit log`: search, follow and verify the journal."""

from __future__ import annotations

import sys
import time
from collections import deque

import click

from remit.app import App, places
from remit.cli import interrupts, show
from remit.cli.exits import JOURNAL
from remit.cli.finding import find_run
from remit.cli.undo import moment
from remit.domain.entry import Entry, Kind

_TICK = 0.2


@click.command()
@click.argument("text", required=False, default="")
@click.option("--run", "which", default=None, help="Only this run (the beginning of its id is enough).")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([str(kind) for kind in Kind]), help="Only entries of this kind.")
@click.option("--since", default=None, help="30m, 2h, 3d, or 2026-11-22T17:00.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Only the last so many (with --follow: before following).")
@click.option("--json", "as_json", is_flag=True, help="Whole entries, one JSON object a line.")
@click.option("--follow", is_flag=True, help="Stay and print new entries until Ctrl-C.")
@click.option("--verify", is_flag=True, help="Recompute every chain and the ledger of heads; exit 7 when something was changed.")
def log(
    text: str, which: str | None, kinds: tuple[str, ...], since: str | None, limit: int | None, as_json: bool, follow: bool, verify: bool
) -> None:
    """Print the journal, oldest first: every entry whose id or content contains TEXT."""
    app = App(places())
    try:
        run = find_run(app, which) if which else None
        if verify:
            sys.exit(_verify(app, run))
        after = app.journal.version()
        found = app.journal.search(text=text, run=run, kinds=kinds, since=moment(since) if since else 0)
        for item in found if limit is None else deque(found, maxlen=limit):
            _print(item, as_json=as_json)
            after = max(after, item.seq)
        while follow:
            seen = app.journal.version()
            for item in app.journal.search(text=text, run=run, kinds=kinds, after=after):
                _print(item, as_json=as_json)
                after = item.seq
            sys.stdout.flush()
            while app.journal.version() == seen:
                interrupts.check()
                time.sleep(_TICK)
    except KeyboardInterrupt:
        sys.exit(interrupts.exit_code())  # the usual way to end following
    finally:
        app.close()


def _verify(app: App, run: object) -> int:
    count = 0
    for fault in app.journal.verify(run):  # type: ignore[arg-type]
        count += 1
        click.echo(f"{fault.run} entry {fault.n}: {fault.what}")
    click.echo("the journal is what was written" if not count else f"{count} place(s) are not what was written")
    return JOURNAL if count else 0


def _print(item: Entry, *, as_json: bool) -> None:
    click.echo(show.entry_json(item) if as_json else show.entry(item))
