"""Driving runs from this process: the `local` driver, with progress, questions at the terminal, and tidy interruption."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final, TypeVar

import click

from remit.app import App
from remit.cli import interrupts, show
from remit.cli.person import person
from remit.domain.entry import Entry, Kind
from remit.domain.question import Question
from remit.domain.run import LegEnd, RunState
from remit.domain.values import RunId
from remit.errors import AlreadyRecorded, ModelRejected, ModelUnavailable
from remit.gate.steering import STEERS
from remit.runs.recalling import PART, because

T = TypeVar("T")

_SHOWN: Final = (Kind.PROPOSED, Kind.ASKED, Kind.ANSWERED, Kind.REFUSED, Kind.FINISHED, Kind.NOTE, *STEERS)
_WHOLE: Final = (Kind.REFUSED, Kind.FINISHED, Kind.NOTE, Kind.SAID)
_WIDTH: Final = 400
"""Why something did not work is not cut as short as what was wanted."""
_TICK: Final = 0.1
"""Seconds between looks at the journal; a look is one pragma."""


def drive(app: App, run: RunId, *, interactive: bool, wait: float = 0.0, quiet: bool = False) -> LegEnd:
    """Advance a run until it is final or waits for a person who is not here.

    `interactive` puts questions at this terminal; `wait` is for how many seconds answers from elsewhere are awaited.
    Raises RunBusy, and KeyboardInterrupt on SIGINT and SIGTERM.
    """
    deadline = time.monotonic() + wait
    shown = max((e.n for e in app.journal.read(run)), default=0)
    put_off: set[str] = set()
    while True:
        answers = _answers(app, run)
        end, shown = asyncio.run(_interruptible(_leg(app, run, shown, quiet=quiet)))
        if end.state is not RunState.WAITING:
            return end
        waiting = [q for q in app.inbox.pending() if q.id in end.waiting and q.id not in put_off]
        if interactive and waiting:
            put_off |= {q.id for q in waiting if not _ask(app, q)}
        elif not asyncio.run(_interruptible(_answered(app, run, answers, deadline))):
            return end


async def _interruptible(work: Coroutine[object, object, T]) -> T:
    """Do the work; SIGINT and SIGTERM cancel it at its next safe place."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)

    def interrupt(number: int) -> None:
        interrupts.note(number)
        task.cancel()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {
        number: handler for number, handler in before.items() if handler is not signal.SIG_IGN
    }  # as a shell's background jobs have it
    for number in before:
        loop.add_signal_handler(number, interrupt, number)
    try:
        interrupts.check()
        return await task
    except asyncio.CancelledError:
        interrupts.check()
        raise
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def _leg(app: App, run: RunId, shown: int, *, quiet: bool) -> tuple[LegEnd, int]:
    """One leg, with a line for each thing that happens; the lines are read from the journal, so they are what is recorded."""
    leg = asyncio.ensure_future(app.engine.advance(run))
    try:
        while not leg.done():
            await asyncio.wait({leg}, timeout=_TICK)
            shown = _print_since(app, run, shown, quiet=quiet)
        return leg.result(), _print_since(app, run, shown, quiet=quiet)
    except (ModelUnavailable, ModelRejected) as trouble:
        raise type(trouble)(trouble.message, fix=f"{trouble.fix}; `remit resume {run}` goes on") from trouble
    finally:
        leg.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await leg


async def _answered(app: App, run: RunId, answers: int, deadline: float) -> bool:
    """Wait for an answer from elsewhere, until the deadline."""
    while _answers(app, run) == answers:
        if not time.monotonic() < deadline:  # also for a deadline that is no number
            return False
        seen = app.journal.version()
        while app.journal.version() == seen and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(_TICK)
    return True


def _answers(app: App, run: RunId) -> int:
    """How often anybody said anything that may set it going."""
    return sum(1 for _ in app.journal.read(run, kinds=(Kind.ANSWERED, *STEERS)))


def _ask(app: App, item: Question) -> bool:
    """In the main thread, outside any loop: Ctrl-C ends the program here, and no answer is recorded."""
    from remit.cli.asking import ask_here

    try:
        return ask_here(app, item, who=person())
    except AlreadyRecorded as late:
        click.echo(str(late))
        return True


def _tell_recalled(app: App, note: Entry) -> None:
    for item, why in because(note, app.memory):
        reason = f"{item.matter} of {show.when(item.at)[:10]}; because of: {why or 'it always counts'}"
        click.echo(f"  remembered: {show.clean(item.text, keep='')[:_WIDTH]} ({reason})")


def _print_since(app: App, run: RunId, after: int, *, quiet: bool) -> int:
    for item in app.journal.read(run, after=after):
        after = item.n
        if item.kind == Kind.NOTE and item.part == PART and not quiet:
            _tell_recalled(app, item)
        elif item.kind in _SHOWN and not quiet:
            click.echo(f"  {item.action}{item.part:<3} {item.kind:<9} {show.gist(item, _WIDTH if item.kind in _WHOLE else 110)}")
    if not quiet:
        sys.stdout.flush()
    return after


def report(run: RunId, end: LegEnd) -> str:
    """How a run stands, for a person."""
    lines = [f"run {run}: {end.state.replace('_', ' ')}", *(f"  {line}" for line in show.clean(end.summary).splitlines())]
    if end.waiting:
        lines.append("  `remit inbox` shows what waits and how to answer it; until then the run waits as rows on disk")
    elif end.state is RunState.WAITING:
        lines.append(f"  nothing waits for an answer: `remit resume {run}` goes on, or, with a conversation, `remit chat --continue {run}`")
    return "\n".join(lines)
