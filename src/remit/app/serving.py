"""What begins by itself, and what goes on by itself: events and times begin runs, answers let them go on. Any number of servers may do so.

A run that a trigger begins has an id made of the trigger and the event, so that it is begun once, whoever hears of the event how often.
Nothing of a run is held while it waits.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remit.app.announcing import Announcing
from remit.app.app import App
from remit.domain.action import Level
from remit.domain.entry import Kind
from remit.domain.run import LegEnd, RunKind
from remit.domain.values import JsonValue, RunId, canonical, digest, fields, parse
from remit.errors import NotFound, RemitError, RunBusy
from remit.gate.steering import STEERS
from remit.places import Places
from remit.plans.files import read_text

if TYPE_CHECKING:
    from remit.config import Trigger
    from remit.domain.run import Run

AT_ONCE: Final = 8
"""Runs that are advanced together."""
_TICK: Final = 0.2
"""Seconds between looks whether anybody answered; a look is one pragma."""
_LONGEST: Final = 30.0
"""Seconds that a schedule sleeps, as clocks are set."""
_BUSY: Final = 1.0
"""Seconds until a run that another process holds is looked at again."""
_SELDOM: Final = 5.0
_SOON: Final = 0.05
_LATELY_MS: Final = 600_000
_LETTERS: Final = 16

Say = Callable[[str], None]


class Serving:
    """One process's share. Close it."""

    def __init__(self, where: Places, say: Say) -> None:
        self._where = where
        self._say = say
        self.home = App(where)
        self.triggers: Mapping[str, Trigger] = self.home.config.triggers
        self._apps: dict[tuple[str, ...], App] = {}
        self._queue: asyncio.Queue[RunId] = asyncio.Queue()
        self._queued: set[RunId] = set()
        self._ending = False
        self._busy: set[RunId] = set()
        self._again: set[RunId] = set()
        self._heard = 0
        notify = self.home.config.notify
        self.announcing = Announcing(self.home, notify, say) if notify.addresses else None

    def close(self) -> None:
        for app in (*self._apps.values(), self.home):
            app.close()

    async def take(self, name: str, event: str, payload: JsonValue, *, at: int = 0) -> tuple[str, bool]:
        """Begin the run of a trigger for an event, unless it was begun before. Durable when it returns."""
        run = run_of(name, event)
        fresh = next(self.home.journal.read(run, limit=1), None) is None
        if fresh:
            await asyncio.to_thread(self._begin, run, name, payload, at)
            self._say(f"{name}: run {run} begins")
        self._wake(run)
        return str(run), fresh

    async def run(self) -> None:
        """Until it is cancelled. Legs that are under way then are ended where they are: they go on in the next process."""
        self._heard = self._last()
        self._wake_all()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._advance())
            group.create_task(self._always(self._listen))
            if self.announcing is not None:
                group.create_task(self._always(partial(self._announce, self.announcing)))
            for name, trigger in self.triggers.items():
                if trigger.cron:
                    group.create_task(self._keep_time(name, trigger))

    async def _advance(self) -> None:
        while True:
            run = await self._queue.get()
            self._queued.discard(run)
            if self._ending:
                continue  # the next process takes it up
            if run in self._busy:
                self._again.add(run)  # it is under way, and may have passed what it is woken for
                continue
            self._busy.add(run)
            try:
                loaded = self.home.runs.load(run)
                self._told(loaded, await self._app(loaded).engine.advance(run))
            except RunBusy:  # by another server, or only by somebody who looks at it for a moment
                asyncio.get_running_loop().call_later(_BUSY, self._wake, run)
            except RemitError as error:
                self._say(f"run {run}: {error}")
            except Exception as error:  # noqa: BLE001 - what is wrong with one run must not end the others
                self._say(f"run {run}: {type(error).__name__}: {error}; it goes on with the next start or answer")
            finally:
                self._busy.discard(run)
                if run in self._again:
                    self._again.discard(run)
                    self._wake(run)

    async def drain(self, seconds: float) -> bool:
        """Begin nothing more, and wait for what is under way; whether it all came to its end."""
        self._ending = True
        for _ in range(int(seconds / _SOON)):
            if not self._busy:
                break
            await asyncio.sleep(_SOON)
        return not self._busy

    def _told(self, run: Run, end: LegEnd) -> None:
        self._say(f"run {run.id}: {str(end.state).replace('_', ' ')}{f', {len(end.waiting)} question(s)' if end.waiting else ''}")
        if end.until:
            delay = max(0.0, (end.until - self.home.clock.now()) / 1000)
            asyncio.get_running_loop().call_later(delay, self._wake, run.id)

    async def _always(self, work: Callable[[], Awaitable[None]]) -> None:
        """Whatever goes wrong with it is said, and it begins again where it was."""
        while True:
            try:
                await work()
            except RemitError as error:
                self._say(str(error))
            await asyncio.sleep(_BUSY)

    async def _listen(self) -> None:
        """What people say anywhere lets its run go on."""
        seen = -1
        while True:
            version = self.home.journal.version()
            if version != seen:
                seen = version
                for entry in self.home.journal.search(after=self._heard):  # each line is passed once
                    self._heard = entry.seq
                    said = entry.kind in {Kind.ANSWERED, *STEERS}
                    if said and self.home.runs.ended(entry.run) is None and self._known(entry.run):
                        self._wake(entry.run)
            await asyncio.sleep(_TICK)

    async def _announce(self, announcing: Announcing) -> None:
        """When something was recorded, and from time to time, as hours end and digests come due."""
        seen, waited = -1, 0.0
        while True:
            version = self.home.journal.version()
            if version != seen or waited >= _SELDOM:
                seen, waited = version, 0.0
                await announcing.look()
            await asyncio.sleep(_TICK)
            waited += _TICK

    async def _keep_time(self, name: str, trigger: Trigger) -> None:
        from remit.doors.schedule import due, following

        last = self._last_time(name) or self._now()
        while True:
            now = self._now()
            try:
                for at in due(trigger.cron, trigger.zone, after=last, until=now, missed=trigger.missed, grace=_LONGEST * 2):
                    await self.take(name, at.isoformat(), None, at=int(at.timestamp() * 1000))
            except RemitError as error:  # once it is mended, it is made up for as what was missed
                self._say(f"{name}: {error}")
                await asyncio.sleep(_LONGEST)
                continue
            last = max(last, now)
            ahead = following(trigger.cron, trigger.zone, after=last) - self._now()
            await asyncio.sleep(min(_LONGEST, max(0.05, ahead.total_seconds())))

    def _begin(self, run: RunId, name: str, payload: JsonValue, at: int) -> None:
        """Raises BadInput and PlanInvalid for what cannot be begun: then nothing is."""
        trigger = self.triggers[name]
        app = self._app_in((str(trigger.root),))
        came: dict[str, JsonValue] = {"trigger": name, **({"event_at": at} if at else {}), **app.budgeted(None)}
        if trigger.plan is not None:
            self._begin_plan(app, run, trigger, {**came, **({"event": payload} if payload is not None else {})})
        else:
            self._begin_goal(app, run, trigger, {**came, **({"material": canonical(payload)} if payload is not None else {})})

    def _begin_plan(self, app: App, run: RunId, trigger: Trigger, came: Mapping[str, JsonValue]) -> None:
        from remit.plans.files import read_plan
        from remit.plans.spec import to_spec

        assert trigger.plan is not None  # noqa: S101 - for mypy: the caller has looked
        plan = read_plan(read_text(trigger.plan), name=trigger.plan.name)
        app.check_plan(plan)
        level = Level.OPERATOR if trigger.draft else Level(trigger.level) if trigger.level else plan.level or Level.CONSULTANT
        actor = f"plan:{came['trigger']}"
        app.engine.open(
            kind=RunKind.PLAN, goal=plan.goal, level=level, actor=actor, spec={**to_spec(plan), **came}, roots=app.roots, run=run
        )

    def _begin_goal(self, app: App, run: RunId, trigger: Trigger, came: Mapping[str, JsonValue]) -> None:
        from remit.policy.triage import stricter, triage

        model = app.check_model(trigger.model or os.environ.get("REMIT_MODEL", ""))
        found = triage(app.triaging.task(trigger.goal, None))
        level = Level(trigger.level) if trigger.level else stricter(Level.CONSULTANT, found.level)
        spec: dict[str, JsonValue] = {"model": model, **came}
        if trigger.draft:
            level, spec["chat"] = Level.OPERATOR, True
        elif found.vague:
            spec["vague"] = found.vague
        app.engine.open(kind=RunKind.AGENT, goal=trigger.goal, level=level, actor=f"agent:{model}", spec=spec, roots=app.roots, run=run)

    def _wake_all(self) -> None:
        """What triggers began, and what people answered while no server was there."""
        for run in self.home.runs.unfinished():
            if "trigger" in run.spec:
                self._wake(run.id)
        for question in self.home.inbox.pending():
            if self.home.inbox.answers(question):
                self._wake(RunId(question.id.partition("/")[0]))

    def _wake(self, run: RunId) -> None:
        if run not in self._queued:
            self._queued.add(run)
            self._queue.put_nowait(run)

    def _app(self, run: Run) -> App:
        return self._app_in(run.roots)

    def _app_in(self, roots: tuple[str, ...]) -> App:
        if roots not in self._apps:
            self._apps[roots] = App(Places(state=self._where.state, roots=tuple(map(Path, roots)) or self._where.roots))
        return self._apps[roots]

    def _known(self, run: RunId) -> bool:
        with suppress(NotFound):
            return self.home.runs.load(run).kind is not RunKind.OWN
        return False

    def _last(self) -> int:
        """The newest line; what was said before it is known to whoever begins now, as all runs are looked at then."""
        lately = self.home.clock.now() - _LATELY_MS
        return max((entry.seq for entry in self.home.journal.search(since=lately)), default=0) or max(
            (entry.seq for entry in self.home.journal.search(kinds=(Kind.ANSWERED, *STEERS))), default=0
        )

    def _last_time(self, name: str) -> datetime | None:
        times = [at for one in self._begun(name) if isinstance(at := one.get("event_at"), int)]
        return datetime.fromtimestamp(max(times) / 1000, UTC) + timedelta(milliseconds=1) if times else None

    def _begun(self, name: str) -> Iterator[Mapping[str, JsonValue]]:
        for entry in self.home.journal.search(text=f'"trigger":{canonical(name)}', kinds=(Kind.OPENED,)):
            spec = fields(fields(parse(entry.body_json)).get("spec"))
            if spec.get("trigger") == name:
                yield spec

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.home.clock.now() / 1000, UTC)


def run_of(trigger: str, event: str) -> RunId:
    """The id of the run that an event begins."""
    return RunId(digest("remit.event.1", trigger, event)[:_LETTERS])
