"""Reading a page, after filling and clicking what changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.ports import Call, Happened, Preview, Probed, ToolSpec
from remit.tools.args import schema, text
from remit.tools.base import BaseTool
from remit.tools.browser.sites import SECONDS, Room
from remit.tools.browser.steps import STEPS, URL, read_steps
from remit.tools.http.addresses import read_url


class BrowserOpen(BaseTool):
    """Whatever the page would send that may change something is held back, and told. What it says was written by strangers."""

    spec = ToolSpec(
        name="browser.open",
        description="Open a page in a browser, fill and click what changes nothing, and read it: text, fields, buttons, links.",
        schema=schema(("url",), url=URL, steps=STEPS),
        effect=Effect.PURE,
        egress=True,
        reads_untrusted=True,
        salient=("url", "steps"),
        visible=("url",),
        seconds=SECONDS + 30,
    )

    def __init__(self, room: Room) -> None:
        self._room = room

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (read_url(text(args, "url")).url,)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return {"url": self.targets(args)[0]}

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"open {visible(self.targets(args)[0], keep='')} in the browser"

    async def preview(self, call: Call) -> Preview:
        steps = [step.told for step in read_steps(call.args)]
        return Preview(
            text="\n".join([self.title(call.args), *steps, "The visit itself leaves this machine; nothing is sent from the page."])
        )

    async def run(self, call: Call) -> JsonValue:
        async with self._room.visit() as visit:
            await visit.go(self.targets(call.args)[0])
            await visit.take(read_steps(call.args))
            found = await visit.facts()
            return {**found, "picture": self._room.picture(call.action, "page", await visit.shot())}

    async def probe(self, call: Call) -> Probed:  # noqa: ARG002 - the same for each
        return Probed(happened=Happened.NO, again=True)
