"""What a page would send: caught where the browser makes it, and let go by our own client if at all.

Chromium sends a request again by itself when a connection ends without an answer. So it never sends one that may change something:
what is permitted goes out once, from here, and the browser is handed the answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import RemitError, ToolFailed, ToolUncertain
from remit.tools.browser.egress import MOST
from remit.tools.http.addresses import Place, read_url
from remit.tools.http.client import Answer, Wanted, ask

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Request, Route, WebSocketRoute

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NOT_HANDED_ON: Final = frozenset({"host", "content-length", "connection", "accept-encoding", "proxy-connection"})
_NOT_HANDED_BACK: Final = frozenset({"set-cookie", "content-length", "transfer-encoding", "connection"})
_NOT_TAKEN: Final = frozenset({HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT})
"""Answers of a server that wants the same from somebody else."""
_ODD: Final = re.compile(r'[ \\"<>^`{|}]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request that may change something, as the page would send it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def type(self) -> str:
        """What the body is."""
        return self.headers.get("content-type", "")

    @property
    def whole(self) -> bool:
        """Whether the browser told all of the body; it does not for files and very long ones."""
        return int(self.headers.get("content-length", len(self.body))) == len(self.body)

    @property
    def place(self) -> Place:
        """Where it would go. Raises ArgsInvalid for what is no URL to us."""
        return read_url(_ODD.sub(lambda odd: f"%{ord(odd[0]):02X}", self.url))

    @property
    def told(self) -> str:
        """One line for a person."""
        return visible(f"{self.method} {self.url}", keep="")


@dataclass(kw_only=True)
class Gatekeeper:
    """Every request of a window passes here."""

    private: Callable[[str], bool]
    """Whether an origin may be on a private address."""
    permit: Callable[[Sent], bool] = lambda _: False
    """What may go after all."""
    held: list[Sent] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    """What else was stopped, for people."""
    passed: list[tuple[Sent, asyncio.Task[Answer]]] = field(default_factory=list)

    async def watch(self, context: BrowserContext) -> None:
        """From now on."""
        await context.route("**/*", self._request)
        await context.route_web_socket("**/*", self._socket)

    async def ended(self) -> None:
        """Wait until all that was let go is answered, or surely is not."""
        if self.passed:
            await asyncio.wait([task for _, task in self.passed])

    def close(self) -> None:
        """Wait for no answer any longer."""
        for _, task in self.passed:
            task.cancel()

    def answers(self) -> list[dict[str, JsonValue]]:
        """Of all that was let go. Raises ToolFailed when surely nothing came of any, else ToolUncertain for one without."""
        ends = [_end(sent, task) for sent, task in self.passed]
        wrong = [end for end in ends if isinstance(end, RemitError)]
        if wrong and len(wrong) == len(ends) and all(isinstance(error, ToolFailed) for error in wrong):
            raise wrong[0]
        if wrong:
            raise ToolUncertain("; ".join(error.message for error in wrong), fix="look at the site whether it acted") from wrong[0]
        return [end for end in ends if not isinstance(end, RemitError)]

    async def _request(self, route: Route) -> None:
        request = route.request
        if request.method in _SAFE:
            await route.continue_()
            return
        sent = await _sent(request)
        if self.permit(sent):
            await self._let_go(route, sent)
            return
        self.held.append(sent)
        # Nothing to show keeps the page as it is, where an error would replace it.
        await (route.fulfill(status=HTTPStatus.NO_CONTENT) if request.is_navigation_request() else route.abort("blockedbyclient"))

    async def _let_go(self, route: Route, sent: Sent) -> None:
        going = asyncio.ensure_future(_gone(sent, self.private))
        self.passed.append((sent, going))
        try:
            answer = await going
        except RemitError:  # told by `answers`
            await route.abort("failed")
            return
        if _sends_on(sent, answer):
            await route.fulfill(status=HTTPStatus.NO_CONTENT)
            return
        headers = {name: value for name, value in answer.headers.items() if name not in _NOT_HANDED_BACK}
        cookies = {"set-cookie": "\n".join(answer.cookies)} if answer.cookies else {}
        await route.fulfill(status=answer.status, headers=headers | cookies, body=answer.body)

    async def _socket(self, socket: WebSocketRoute) -> None:
        self.blocked.append(visible(f"socket {socket.url}", keep=""))
        await socket.close()


async def _gone(sent: Sent, private: Callable[[str], bool]) -> Answer:
    place = sent.place
    headers = {name: value for name, value in sent.headers.items() if name[:1] != ":" and name not in _NOT_HANDED_ON}
    wanted = Wanted(method=sent.method, place=place, headers=headers, body=sent.body, private=private(place.origin), most=MOST, redirects=0)
    return await ask(wanted)


def _sends_on(sent: Sent, answer: Answer) -> bool:
    """Whether the browser would send the same elsewhere, where nobody has agreed to send it: only of a POST some redirects make a GET."""
    return answer.status in (_NOT_TAKEN if sent.method == "POST" else {*_NOT_TAKEN, HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND})


def _end(sent: Sent, task: asyncio.Task[Answer]) -> dict[str, JsonValue] | RemitError:
    """What became of one."""
    if not task.done() or task.cancelled():
        return ToolUncertain(f"{sent.told} was not waited for", fix="look at the site whether it acted")
    error = task.exception()
    if isinstance(error, RemitError):
        return error
    if error is not None:
        return ToolUncertain(f"{sent.told}: {error}", fix="look at the site whether it acted")
    answer = task.result()
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ToolUncertain(f"{sent.told} was answered with {answer.status}", fix="look at the site whether it acted")
    if _sends_on(sent, answer):
        to = visible(answer.headers.get("location", "elsewhere"), keep="")
        if answer.status in _NOT_TAKEN:
            return ToolFailed(f"{sent.told} is wanted at {to} instead", fix="open that page, and send from there")
        return ToolUncertain(f"{sent.told} was answered with {answer.status} to {to}", fix="look at the site whether it acted")
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return ToolFailed(f"{sent.told} was refused ({answer.status})", fix="open the page and see what it wants")
    return {"method": sent.method, "url": sent.url, "status": answer.status}


async def _sent(request: Request) -> Sent:
    return Sent(method=request.method, url=request.url, headers=await request.all_headers(), body=request.post_data_buffer or b"")
