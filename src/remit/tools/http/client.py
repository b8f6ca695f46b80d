"""One request over a connection to an address that was looked at: the only file that knows httpx2.

What is known when it fails decides what becomes of the action. Until the connection stands, nothing was sent: that surely did not
happen. From then on nobody can tell, unless the answer came whole.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from remit.errors import ToolFailed, ToolUncertain
from remit.tools.http.addresses import Place, addresses, read_url

if TYPE_CHECKING:
    import httpx2

SECONDS: Final = 120
_CONNECT_SECONDS: Final = 10
_SILENT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One request."""

    method: str
    place: Place
    headers: Mapping[str, str]
    body: bytes = b""
    private: bool = False
    """Whether it may go to addresses that are not of the public internet."""
    most: int = 1 << 20
    """Bytes of the answer that are read; a longer one is cut."""
    redirects: int = 5
    """How many are followed at most, with none the answer may be one; only GET and HEAD follow any."""
    stays: Callable[[str], bool] | None = None
    """Which addresses a redirect may lead to; one that leads elsewhere is the answer."""
    seconds: float = SECONDS
    """How long it may take, answer included; as long again for each redirect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, and from where."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool
    url: str
    cookies: tuple[str, ...] = ()
    """What it wants to be remembered, one by one."""


async def ask(wanted: Wanted) -> Answer:
    """Send it once; follow redirects only of GET and HEAD. Raises ToolFailed (surely not sent), ToolUncertain (it may have been)."""
    for _ in range(wanted.redirects + 1):
        answer = await _once(wanted)
        to = answer.headers.get("location", "")
        follows = wanted.redirects and wanted.method in {"GET", "HEAD"}
        if answer.status not in {301, 302, 303, 307, 308} or not to or not follows:
            return answer
        moved = _redirected(wanted, to)
        if wanted.stays is not None and not wanted.stays(moved.place.url):
            return answer
        wanted = moved
    raise ToolFailed(f"more than {wanted.redirects} redirects from {wanted.place.origin}", fix="ask the last address itself")


def _redirected(wanted: Wanted, to: str) -> Wanted:
    place = read_url(urljoin(wanted.place.url, to))
    same = place.origin == wanted.place.origin
    headers = wanted.headers if same else {}  # whatever they are called, they were meant for one place
    # Only the named service is trusted to be private; where it sends us is for anybody to say.
    return replace(wanted, place=place, headers=headers, private=wanted.private and same)


async def _once(wanted: Wanted) -> Answer:
    import httpx2  # noqa: PLC0415 - a large library; only requests pay for it

    address, *_ = await addresses(wanted.place, private=wanted.private)
    url = httpx2.URL(wanted.place.url).copy_with(host=str(address))
    headers = {"accept-encoding": "identity", "user-agent": "remit", **wanted.headers, "host": wanted.place.origin.partition("://")[2]}
    timeout = httpx2.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)
    try:
        async with asyncio.timeout(wanted.seconds), httpx2.AsyncClient(trust_env=False, timeout=timeout, verify=_trusted()) as client:
            request = client.build_request(wanted.method, url, headers=headers, content=wanted.body or None)
            request.extensions["sni_hostname"] = wanted.place.host
            response = await client.send(request, stream=True)
            try:
                body, cut = await _body(response, wanted.most)
            finally:
                await response.aclose()
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError) as error:
        raise ToolFailed(f"{wanted.place.origin} was not reached: {_said(error)}", fix="see whether it is up, and try again") from error
    except (httpx2.HTTPError, TimeoutError) as error:
        raise ToolUncertain(
            f"{wanted.place.origin} was asked, and did not answer whole: {_said(error)}", fix="look whether it acted"
        ) from error
    found = {name.lower(): value for name, value in response.headers.items()}
    cookies = tuple(response.headers.get_list("set-cookie"))
    return Answer(status=response.status_code, headers=found, body=body, cut=cut, url=wanted.place.url, cookies=cookies)


@cache
def _trusted() -> ssl.SSLContext:
    """Whom this machine trusts; made once, as reading the certificates takes longer than most requests."""
    import httpx2  # noqa: PLC0415 - see above

    return httpx2.create_ssl_context(trust_env=False)


async def _body(response: httpx2.Response, most: int) -> tuple[bytes, bool]:
    """At most so many bytes, and whether there are more."""
    found = bytearray()
    async for chunk in response.aiter_raw():
        found += chunk
        if len(found) > most:
            return bytes(found[:most]), True
    return bytes(found), False


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
