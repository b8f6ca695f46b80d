"""The one writer of a process: calls that arrive together share one transaction and one wait for the disk.

A call is written on its caller's own thread while callers come one at a time, as two changes of thread cost more than
the disk does; as soon as several wait at once, the writer's thread takes over and groups them. Which of the two it is,
is measured, never assumed: after every commit on the thread that carried one call only, a few more calls may be
written by their callers; after one that carried several, none.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from remit.domain.entry import Done, Draft, Kind
from remit.errors import JournalTrouble, RemitError
from remit.journal.engine import PATIENCE, Engine
from remit.journal.transaction import Head, Line, Transaction, line

if TYPE_CHECKING:
    from concurrent.futures import Future

    from remit.ports import Clock, Written

ANCHOR_EVERY: Final = 256
_GROUP: Final = 256
"""Calls in one transaction at most, so that the first of many waits a bounded time."""
_TIDY_EVERY: Final = 256
"""Commits between two times of tidying: about SQLite's own 1,000 pages."""
_TRUST: Final = 16
"""Calls in a row that callers may write themselves before the thread looks again whether more of them come at once."""
_LINGER: Final = 0.005
"""Seconds that a call without hurry waits for another one to share its transaction."""
_LINGERING: Final = 64
"""Calls that may wait so."""
_SLOW: Final = 0.002
"""Seconds: on a disk slower than this, waiting for it is left to the thread, so that an event loop never stalls."""

_DONE: Final = Done()
_KNOWN: Final = 1024
"""Runs whose heads are kept in memory, so that they need not be read before each line."""
_PARTING: Final = 5.0
"""Seconds that `close` waits for the thread beyond the patience for a lock."""


@dataclass(slots=True)
class Job:
    """One call of append, over after the commit only. `future` is for those who cannot wait for it."""

    lines: Sequence[Line]
    durable: bool
    hurry: bool = True
    future: Future[None] | None = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.future is None:
            return
        if self.error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Safe from any thread. What it accepted is written before `close` returns, which also happens at interpreter exit."""

    def __init__(self, engine: Engine, *, clock: Clock | None = None, patience: float = PATIENCE) -> None:
        self.commits = 0
        self.calls = 0
        self.appended = 0
        self._engine = engine
        self._clock = clock
        self._patience = patience
        self._process = os.getpid()
        self._known: dict[str, Head] = {}
        self._moved: set[str] = set()
        self._moved_lines = 0
        self._last_at = 0
        self._since_tidy = 0
        self._queue: deque[Job] = deque()
        self._lingering: deque[Job] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._accepting = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False
        self._trust = self._span = 1
        self._last_run: str | None = None
        self._watching = False
        self._wait = 0.0
        # A daemon, so that leaving the interpreter never waits for it; `close` at exit drains it.
        self._thread = threading.Thread(target=self._serve, name="remit-journal", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def submit(self, drafts: Sequence[Draft], *, durable: bool, hurry: bool) -> Written:
        """Accept a call. What cannot be written fails the call; only a closed or forked journal raises here."""
        self._check_usable()
        try:
            job = Job([line(draft) for draft in drafts], durable, hurry)
        except RemitError as error:
            return Done(error)
        if not job.lines:
            if hurry and self._lingering:
                self._bell.put(None)
            return _DONE
        if hurry and self._write_here(job):
            return Done(job.error) if job.error else _DONE
        return self._accept(job)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Between two transactions: the engine is the caller's as long as the block lasts."""
        self._check_usable()
        with self._writing:
            yield

    def _accept(self, job: Job) -> Future[None]:
        """Leave it to the thread, or to the next call in a hurry. The order of acceptance is the order in the journal."""
        from concurrent.futures import Future  # noqa: PLC0415 - a large import, which a single answer does without

        future: Future[None] = Future()
        job.future = future
        # Once accepted it will be written, so nobody may cancel it.
        future.set_running_or_notify_cancel()
        with self._accepting:
            self._check_usable()
            lingers = not (job.hurry or self._queue) and len(self._lingering) < _LINGERING
            (self._lingering if lingers else self._queue).append(job)
            ring = not (lingers and self._watching)
            self._watching = self._watching or lingers
        if ring:
            self._bell.put(None)
        return future

    def close(self) -> None:
        """Write what was accepted, anchor every head, and let go of the file. Doing it twice does nothing."""
        with self._accepting:
            if self._closed or os.getpid() != self._process:
                return
            self._closed = True
        atexit.unregister(self.close)
        self._bell.put(None)
        # Bounded, as a callback of a future, or a caller interrupted at a bad moment, may keep the thread for ever.
        self._thread.join(self._patience + _PARTING)
        while self._write_group():
            pass
        with self._writing:
            self._anchor_rest()
            self._engine.close()

    def _check_usable(self) -> None:
        if self._closed:
            raise JournalTrouble(f"{self._engine.place} is closed", fix="open the journal again")
        if os.getpid() != self._process:
            raise JournalTrouble(f"{self._engine.place} was opened before this process was forked", fix="open the journal after the fork")

    def _write_here(self, job: Job) -> bool:
        """Write on the caller's thread when nobody else writes or waits; says whether it did."""
        before, self._last_run = self._last_run, job.lines[0].draft.run
        if self._trust <= 0 or before not in {None, self._last_run} or (job.durable and self._wait > _SLOW):
            return False  # calls of several runs in turn come from several callers: they are better off together
        if self._writing.locked():
            self._trust = 0
            return False
        # `with`, not a try for the lock: Ctrl-C between the two would leave it locked for ever.
        with self._writing:
            jobs = [*self._waited(), job]
            if self._queue or self._closed or not self._commit(jobs, patience=0):
                self._lingering.extendleft(reversed(jobs[:-1]))
                return False
            self._trust -= 1
        for one in jobs:
            one.settle()
        return True

    def _waited(self) -> list[Job]:
        """Those without hurry, to go along with what is written now."""
        return [self._lingering.popleft() for _ in range(len(self._lingering))]

    def _serve(self) -> None:
        while True:
            self._bell.get()
            self._wait_for_company()
            self._watching = False  # before what waits is taken, so that whoever comes later rings
            while (self._queue or self._lingering) and self._write_group():
                pass
            if self._closed and not (self._queue or self._lingering):
                return

    def _wait_for_company(self) -> None:
        """Until somebody rings or a call without hurry has waited long enough. One that went along with others starts the wait anew."""
        while self._watching and not (self._queue or self._closed):
            oldest = self._oldest()
            with suppress(queue.Empty):
                self._bell.get(timeout=_LINGER)
                return
            if self._oldest() is oldest:
                return

    def _oldest(self) -> Job | None:
        with suppress(IndexError):  # a caller may take it at any moment
            return self._lingering[0]
        return None

    def _write_group(self) -> bool:
        with self._writing:
            jobs = self._waited() + [self._queue.popleft() for _ in range(min(len(self._queue), _GROUP))]
            if jobs:
                self._commit(jobs, patience=self._patience)
                alone = sum(job.hurry for job in jobs) <= 1 and not self._queue
                self._span = min(self._span * 2, _TRUST) if alone else 1
                self._trust = self._span if alone else 0
            if self._since_tidy >= _TIDY_EVERY:
                self._engine.tidy()
                self._since_tidy = 0
        for job in jobs:
            job.settle()
        return bool(jobs)

    def _commit(self, jobs: Sequence[Job], *, patience: float) -> bool:
        """Write all jobs in one transaction. False when `patience` is 0 and someone else holds the lock."""
        durable = any(job.durable for job in jobs)
        try:
            self._engine.begin(durable=durable, patience=patience)
            self._write(jobs, durable=durable)
        except self._engine.errors as error:
            self._roll_back()
            if not patience and self._engine.is_busy(error):
                return False
            self._fail(jobs, self._engine.trouble(error))
        except BaseException as error:
            # Not even Ctrl-C on the caller's thread may leave a transaction open or a future without an end.
            self._roll_back()
            self._fail(jobs, JournalTrouble(f"{self._engine.place}: {error!r}", fix="read the run to see whether the lines were recorded"))
            if not isinstance(error, Exception):
                for job in jobs:  # those of others, that were to go along
                    job.settle()
                raise
        return True

    def _write(self, jobs: Sequence[Job], *, durable: bool) -> None:
        transaction = self._engine.transaction(self._known)
        drafts = _written(transaction, jobs)
        if not drafts:
            self._roll_back()
            return
        due = self._due(drafts)
        if due:
            transaction.anchor(due, self._clock.now() if self._clock else drafts[-1].at)
        transaction.finish()
        started = time.perf_counter()
        self._engine.commit()
        if durable:
            self._wait += (time.perf_counter() - started - self._wait) / 8
        if len(self._known) > _KNOWN:
            self._known.clear()
        self._known.update(transaction.heads)
        self._count(jobs, drafts, due)

    def _due(self, drafts: Sequence[Draft]) -> set[str]:
        """Runs to anchor now: those that were closed, and every one that moved once enough lines were written."""
        if self._moved_lines + len(drafts) >= ANCHOR_EVERY:
            return self._moved.union(draft.run for draft in drafts)
        return {draft.run for draft in drafts if draft.kind == Kind.CLOSED}

    def _count(self, jobs: Sequence[Job], drafts: Sequence[Draft], anchored: set[str]) -> None:
        self.commits += 1
        self.calls += len(jobs)
        self.appended += len(drafts)
        self._since_tidy += 1
        self._moved.update([draft.run for draft in drafts])
        self._moved_lines += len(drafts)
        self._last_at = drafts[-1].at
        if anchored:
            self._moved -= anchored
            self._moved_lines = self._moved_lines if self._moved else 0

    def _anchor_rest(self) -> None:
        """At the end, as far as possible: what stays unanchored is still chained, and anchored when its run goes on."""
        if not self._moved:
            return
        try:
            self._engine.begin(durable=False, patience=self._patience)
            transaction = self._engine.transaction(self._known)
            transaction.anchor(self._moved, self._clock.now() if self._clock else self._last_at)
            transaction.finish()
            self._engine.commit()
        except self._engine.errors:
            self._roll_back()

    def _roll_back(self) -> None:
        self._known.clear()
        self._engine.roll_back()

    def _fail(self, jobs: Sequence[Job], error: JournalTrouble) -> None:
        for job in jobs:
            job.error = error


def _written(transaction: Transaction, jobs: Sequence[Job]) -> list[Draft]:
    """Write all jobs at once; where that cannot be, one by one, so that whoever repeats a line fails alone."""
    lines = [one for job in jobs for one in job.lines]
    try:
        transaction.write(lines)
    except RemitError as error:
        if len(jobs) == 1:
            jobs[0].error = error
            return []
        return [draft for job in jobs for draft in _written(transaction, [job])]
    return [one.draft for one in lines]
