"""A page that is open in a real Chromium: what is done on it and read from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from playwright.async_api import Error

from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, ToolFailed, ToolUncertain
from remit.tools.browser.egress import MOST, Egress
from remit.tools.browser.held import Gatekeeper
from remit.tools.browser.scripts import CALLED, FACTS, KIND
from remit.tools.browser.steps import Step
from remit.tools.http.addresses import read_url
from remit.tools.http.client import Wanted, ask

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, Request

LOAD_MS: Final = 30_000
_WHOLE_MS: Final = 10_000
_FIND_MS: Final = 5_000
_QUIET_MS: Final = 3_000
_TEXT: Final = 50_000
_LISTED: Final = 100


@dataclass(kw_only=True)
class Visit:
    """One window. Frames are shown in pictures, but neither read nor filled."""

    page: Page
    way: Egress
    gate: Gatekeeper
    seen: set[str] = field(default_factory=set)
    """The origins that the page asked for anything."""

    @property
    def refused(self) -> list[str]:
        """Why something that the page asked for did not come."""
        return list(dict.fromkeys(why for origin, why in self.way.refused if not origin or origin in self.seen))

    async def go(self, url: str) -> None:
        """Raises ToolFailed for a page that does not come, or not whole."""
        broken = asyncio.get_running_loop().create_future()

        def failed(request: Request) -> None:
            ours = request.is_navigation_request() and request.frame == self.page.main_frame
            if ours and "ABORTED" not in str(request.failure) and not broken.done():
                broken.set_result(None)

        self.page.on("requestfailed", failed)
        try:
            await self.page.goto(url, timeout=LOAD_MS, wait_until="commit")
        except Error as error:
            raise ToolFailed(
                f"{url} did not open: {self._why(error)}", fix="see whether the address is right; browser.download takes files"
            ) from None
        here = origin(self.page.url)
        for refused, why in self.way.refused:  # some browsers show a refusal as a page
            if refused == here:
                raise ToolFailed(f"{url} did not open: {why}", fix="see whether the address is right")
        loading = asyncio.ensure_future(self._loaded())
        try:
            await asyncio.wait([loading, broken], return_when=asyncio.FIRST_COMPLETED)
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            self.page.remove_listener("requestfailed", failed)
        if broken.done() or self.way.came > MOST:
            why = f"brings more than {MOST >> 20} MB" if self.way.came > MOST else "broke off in the middle"
            raise ToolFailed(f"{url} {why}", fix="try again; browser.download takes files")
        await self.settled()

    async def _loaded(self) -> None:
        with suppress(Error):  # a page that goes elsewhere while it loads never says that it has
            await self.page.wait_for_load_state("load", timeout=_WHOLE_MS)

    async def settled(self) -> None:
        """Wait until the page asks for nothing more, for a while."""
        with suppress(Error):
            await self.page.wait_for_load_state("networkidle", timeout=_QUIET_MS)

    async def take(self, steps: Sequence[Step]) -> None:
        """Fill and click. Raises ArgsInvalid for what is not there, or there more than once; ToolFailed for what cannot be done."""
        for step in steps:
            place = await self._button(step.click) if step.click else await self._field(step.fill)
            try:
                if step.click:
                    await place.click(timeout=_FIND_MS)
                    await self.settled()
                else:
                    await _filled(place, step.value)
            except Error as error:
                raise ToolFailed(f"{step.told} did not work: {_said(error)}", fix="look at the page again") from None

    async def facts(self) -> dict[str, JsonValue]:
        """What a person would see of it. Raises ToolFailed for a page that is gone by now."""
        try:
            found: Any = await self.page.evaluate(FACTS, _LISTED)
            title = await self.page.title()
        except Error as error:
            raise ToolFailed(f"the page cannot be read: {_said(error)}", fix="open it again") from None
        text = str(found.pop("text"))
        held: list[JsonValue] = [*(one.told for one in self.gate.held), *self.gate.blocked]
        whole = len(text) <= _TEXT
        return {
            "url": self.page.url,
            "title": title,
            "text": text[:_TEXT],
            "cut": not whole,
            **found,
            "held": held,
            "refused": [*self.refused],
        }

    async def shot(self) -> bytes:
        """The window as a PNG. Raises ToolFailed."""
        try:
            return await self.page.screenshot(timeout=LOAD_MS, animations="disabled", caret="hide")
        except Error as error:
            raise ToolFailed(f"there is no picture of the page: {_said(error)}", fix="open it again") from None

    async def fetched(self, url: str) -> bytes:
        """What stands at a URL, with the profile's cookies. Raises ToolFailed."""
        place = read_url(url)
        cookies: Any = await self.page.context.cookies(url)
        headers = {"cookie": "; ".join(f"{one['name']}={one['value']}" for one in cookies)} if cookies else {}
        try:
            answer = await ask(Wanted(method="GET", place=place, headers=headers, private=self.way.private(place.origin), most=MOST))
        except ToolUncertain as error:
            raise ToolFailed(error.message, fix="try again") from None
        if answer.cut or answer.status != HTTPStatus.OK:
            why = f"is larger than {MOST >> 20} MB" if answer.cut else f"answered {answer.status}"
            raise ToolFailed(f"{url} {why}", fix="see whether the address is right")
        return answer.body

    async def brought(self, click: str) -> tuple[bytes, str]:
        """What a click brings down, and from where. Raises ToolFailed."""
        try:
            async with self.page.expect_download(timeout=LOAD_MS) as coming:
                await self.take([Step(click=click)])
            brought = await coming.value
            return await asyncio.to_thread(Path(await brought.path()).read_bytes), brought.url
        except Error as error:
            shown = visible(click, keep="")
            raise ToolFailed(f"clicking {shown} brought nothing down: {self._why(error)}", fix="open the page and look") from None

    async def _button(self, name: str) -> Locator:
        page = self.page
        ways = [page.get_by_role(role, name=name, exact=True) for role in ("button", "link", "tab", "menuitem", "option")]
        ways += [page.locator(f"[id={json.dumps(name)}]"), page.get_by_text(name, exact=True)]
        return await self._one(name, [await way.all() for way in ways], "buttons")

    async def _field(self, name: str) -> Locator:
        page, quoted = self.page, json.dumps(name)
        fields = page.locator("input, textarea, select")
        called = [fields.nth(at) for at in await fields.evaluate_all(CALLED, name)]
        others = [await page.locator(f"[{what}={quoted}]").all() for what in ("name", "id", "placeholder")]
        return await self._one(name, [called, *others], "fields")

    async def _one(self, name: str, ways: Sequence[Sequence[Locator]], kind: str) -> Locator:
        for way in ways:
            seen = [one for one in way if await one.is_visible()]
            if len(seen) == 1:
                return seen[0]
            if seen:
                raise ArgsInvalid(f"{name!r} is there {len(seen)} times", fix="name it by its id or name")
        found: Any = (await self.facts())[kind]
        listed = [one["field"] if isinstance(one, dict) else one for one in found]
        raise ArgsInvalid(f"there is no {name!r} on the page", fix=f"there are {', '.join(map(repr, listed[:30])) or 'none'}")

    def _why(self, error: Error) -> str:
        return "; ".join(self.refused) or _said(error)


def origin(url: str) -> str:
    """Of what a page asked for; nothing for what is not of the web."""
    try:
        return read_url(url).origin
    except ArgsInvalid:
        return ""


def _said(error: Error) -> str:
    return visible(error.message.splitlines()[0], keep="")


async def _filled(place: Locator, value: str) -> None:
    kind = await place.evaluate(KIND)
    if kind == "file":
        raise ToolFailed("this field takes a file, and remit uploads none", fix="do that yourself")
    if kind == "select":
        await place.select_option(label=value, timeout=_FIND_MS)
    elif kind in {"checkbox", "radio"}:
        await place.set_checked(value == "true", timeout=_FIND_MS)
    else:
        await place.fill(value, timeout=_FIND_MS)
