"""Sending from a page: what it would send is caught before, shown, and let go only if it is the same when it is let go."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import Conflict, RemitError, ToolFailed
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec
from remit.tools.args import described, schema, text
from remit.tools.base import BaseTool
from remit.tools.browser.held import Sent
from remit.tools.browser.same import key, told, whole
from remit.tools.browser.scripts import HIDDEN
from remit.tools.browser.sites import SECONDS, Room
from remit.tools.browser.steps import STEPS, URL, Step, read_steps
from remit.tools.http.addresses import read_url

if TYPE_CHECKING:
    from remit.tools.browser.page import Visit


class BrowserSubmit(BaseTool):
    """The page is opened anew each time, so nothing waits in memory while a person thinks.

    Long values that a page hides (tokens against forgery, mostly) may be others in the end; everything else is sent as it was shown,
    once, and nothing more: further requests that may change something are held back, and told.
    """

    spec = ToolSpec(
        name="browser.submit",
        description="Open a page, fill it, and click what sends it. What is sent is shown before, with a picture of the page.",
        schema=schema(
            ("url", "click"),
            url=URL,
            steps=STEPS,
            click=described({"type": "string", "minLength": 1}, "the button that sends, by what stands on it, or its id"),
        ),
        effect=Effect.IRREVERSIBLE,
        egress=True,
        reads_untrusted=True,
        salient=("url", "steps", "click"),
        visible=("url", "click"),
        seconds=2 * SECONDS + 30,
    )

    def __init__(self, room: Room) -> None:
        self._room = room

    def effect(self, args: Mapping[str, JsonValue]) -> Effect:
        """What the person said of pages like this one."""
        url = self._url(args)
        site = self._room.site(url)
        return site.effect(urlsplit(url).path) if site else Effect.IRREVERSIBLE

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (self._url(args),)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return {"url": self._url(args), "click": text(args, "click")}

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"click {visible(text(args, 'click'), keep='')} on {visible(self._url(args), keep='')}"

    async def preview(self, call: Call) -> Preview:
        """Raises ToolFailed where nothing would be sent, or it would go to others than the person declared."""
        async with self._room.visit() as visit:
            await self._filled(visit, call)
            picture = self._room.picture(call.action, "before", await visit.shot())
            hidden: Any = await visit.page.evaluate(HIDDEN)
            await visit.take([Step(click=text(call.args, "click"))])
        held = {key(one, hidden): one for one in visit.gate.held}
        self._check(call, [*held.values()])
        steps = [step.told for step in read_steps(call.args)]
        lines = [self.title(call.args), *steps, f"picture of the page before: {picture}", "", "it would send:"]
        lines += [line for one in held.values() for line in told(one, hidden)]
        staged: JsonValue = {"keys": [*held], "hidden": list(hidden), "picture": picture}
        return Preview(text="\n".join(lines), staged=staged, binding=digest("remit.submit.1", *held))

    async def capture(self, call: Call) -> Captured:
        staged = call.staged if call.staged is not None else (await self.preview(call)).staged
        return Captured(data=staged, touches=self.targets(call.args))

    async def run(self, call: Call) -> JsonValue:
        """Raises Conflict when the page would send something else by now, ToolFailed when it was refused, ToolUncertain otherwise."""
        kept: Any = call.captured
        permitted = _Permitted(keys=set(map(str, kept["keys"])), hidden=kept["hidden"], mark=self._room.mark(call.action))
        gate = self._room.gate()
        try:
            async with self._room.visit(gate) as visit:
                await self._filled(visit, call)
                gate.permit = permitted.take
                found = await self._sent(visit, call)
        except RemitError as error:
            if not gate.passed:
                raise
            found = {"page": error.message}  # what was sent is known all the same
        return {"sent": [*gate.answers()], "before": kept["picture"], **found}

    async def probe(self, call: Call) -> Probed:
        """Until the mark stands nothing was let go; from then on only a person can see what became of it."""
        if not self._room.mark(call.action).exists():
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.UNKNOWN, detail="it may have been sent; the site itself shows whether it was")

    async def _filled(self, visit: Visit, call: Call) -> None:
        await visit.go(self._url(call.args))
        await visit.take(read_steps(call.args))
        visit.gate.held.clear()

    async def _sent(self, visit: Visit, call: Call) -> dict[str, JsonValue]:
        """Click, and what the page shows then. Raises Conflict when nothing of what was shown is sent."""
        try:
            await visit.take([Step(click=text(call.args, "click"))])
        except ToolFailed:
            if not visit.gate.passed:
                raise
        await visit.gate.ended()
        crashpoint("browser.sent")
        if not visit.gate.passed:
            others = ", ".join(one.told for one in visit.gate.held) or "nothing"
            raise Conflict(f"the page would send something else by now: {others}", fix="look at it again")
        await visit.settled()
        return {**await visit.facts(), "picture": self._room.picture(call.action, "after", await visit.shot())}

    def _check(self, call: Call, held: Sequence[Sent]) -> None:
        """What is shown must be all, and go where the person said."""
        if not held:
            raise ToolFailed("clicking that sends nothing that may change something", fix="use it as a step of browser.open")
        if not all(map(whole, held)):
            raise ToolFailed("it would send more than can be shown", fix="do that yourself")
        here = read_url(self._url(call.args)).origin
        if self.effect(call.args) is not Effect.IRREVERSIBLE and any(one.place.origin != here for one in held):
            raise ToolFailed("it would send to another site than the one that was declared", fix="take `submits` away in remit.toml")

    def _url(self, args: Mapping[str, JsonValue]) -> str:
        return read_url(text(args, "url")).url


@dataclass(frozen=True, slots=True, kw_only=True)
class _Permitted:
    """What was shown, each to go once."""

    keys: set[str]
    hidden: Sequence[str]
    mark: Path
    """Stands on the disk before anything goes."""

    def take(self, sent: Sent) -> bool:
        """Whether this one may go."""
        wanted = key(sent, self.hidden)
        if wanted not in self.keys or not sent.whole:
            return False
        self.keys.remove(wanted)
        _leave(self.mark)
        crashpoint("browser.left")
        return True


def _leave(mark: Path) -> None:
    mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path, flags in ((mark, os.O_WRONLY | os.O_CREAT), (mark.parent, os.O_RDONLY | os.O_DIRECTORY)):
        handle = os.open(path, flags, 0o600)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
