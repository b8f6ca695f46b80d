"""Which questions people are told of, and when.

Each once, whichever server does. What can be undone exactly waits for a digest where there is one; nothing is told in quiet hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from remit.domain.action import Effect
from remit.domain.entry import Draft, Kind
from remit.domain.question import Question, QuestionKind
from remit.domain.values import RunId, fields, parse
from remit.errors import AlreadyRecorded, RemitError

if TYPE_CHECKING:
    from remit.app.app import App
    from remit.config import Notify
    from remit.doors.notices import Notices, Quiet, Waits

_LOW: Final = frozenset({Effect.PURE, Effect.REVERSIBLE, Effect.TRANSACTIONAL})
_CLAIM_MS: Final = 120_000
"""For so long another server may be about to tell of it."""
_AGAIN: Final = 60.0
"""Seconds until what did not get through is tried again."""


class Announcing:
    """Raises BadInput for a configuration that cannot be."""

    def __init__(self, app: App, notify: Notify, say: Callable[[str], None]) -> None:
        from remit.doors.notices import Notices, Quiet
        from remit.doors.schedule import check

        self._app = app
        self._say = say
        self._digest = notify.digest
        self._zone = notify.zone
        if notify.digest:
            check(notify.digest, notify.zone, "notify.digest")
        self._notices: Notices = Notices(notify.addresses, link=notify.link)
        self._quiet: Quiet | None = Quiet.read(notify.quiet, notify.zone) if notify.quiet else None
        self._known: set[str] = set()
        """Questions that people were told of: nothing is looked up of them again."""
        self._looked = self._now()
        self._not_before = self._looked

    async def look(self) -> None:
        """Tell of what is to be told now. Called whenever something may have changed, and from time to time."""
        now = self._now()
        if now < self._not_before or (self._quiet is not None and self._quiet.covers(now)):
            return
        digest = self._digest_is_due(now)
        fresh = [one for one in self._app.inbox.pending() if one.id not in self._known]
        mine = [one for one in fresh if (digest or not self._low(one)) and self._claimed(one)]
        if not mine:
            return
        try:
            await asyncio.to_thread(self._notices.send, [self._told(one) for one in mine])
        except RemitError as error:
            self._say(f"notices: {error}")
            self._not_before = datetime.fromtimestamp(now.timestamp() + _AGAIN, UTC)
            return
        for one in mine:
            self._note(one, "notified")

    def _digest_is_due(self, now: datetime) -> bool:
        """Whether its time came since the last look; without a digest everything is told at once."""
        if not self._digest:
            return True
        from remit.doors.schedule import due

        came = bool(due(self._digest, self._zone, after=self._looked, until=now, missed="once", grace=0))
        self._looked = now
        return came

    def _low(self, question: Question) -> bool:
        """What it asks to do changes nothing that could not be undone exactly."""
        if question.kind is not QuestionKind.APPROVE:
            return False
        proposed = self._app.inbox.record(question).proposed or {}
        facts = fields(proposed.get("facts"))
        return facts.get("effect") in _LOW and not facts.get("egress")

    def _claimed(self, question: Question) -> bool:
        """Whether it is ours to tell of: nobody did, and nobody is about to."""
        noted = dict(self._notes(question))
        if "notified" in noted:
            self._known.add(question.id)
            return False
        at = max((when for part, when in noted.items() if part.startswith("notifying")), default=0)
        now = self._app.clock.now()
        return now - at > _CLAIM_MS and self._note(question, f"notifying{len(noted)}")

    def _notes(self, question: Question) -> Iterator[tuple[str, int]]:
        run, _, rest = question.id.partition("/")
        name, _, number = rest.rpartition(":")
        for entry in self._app.journal.read(RunId(run), action=name, kinds=(Kind.NOTE,)):
            part, _, of = entry.part.partition(":")
            if of == number and fields(parse(entry.body_json)).get("v") == 1:
                yield part, entry.at

    def _note(self, question: Question, what: str) -> bool:
        """Whether we are the first to say so."""
        run, _, rest = question.id.partition("/")
        name, _, number = rest.rpartition(":")
        draft = Draft(run=RunId(run), action=name, kind=Kind.NOTE, part=f"{what}:{number}", at=self._app.clock.now(), body={"v": 1})
        try:
            self._app.journal.append([draft], durable=True).result()
        except AlreadyRecorded:
            return False
        return True

    def _told(self, question: Question) -> Waits:
        from remit.doors.notices import Waits

        tool = self._app.inbox.record(question).tool if question.kind is not QuestionKind.CLARIFY else ""
        until = datetime.fromtimestamp(question.expires_at / 1000, UTC).isoformat(timespec="minutes") if question.expires_at else ""
        return Waits(question=question.id, kind=str(question.kind), tool=tool, expires=until)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._app.clock.now() / 1000, UTC)
