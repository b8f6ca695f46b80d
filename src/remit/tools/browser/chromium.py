"""A visit in a real Chromium.

A page's scripts run, so what keeps a visit from doing anything is not the page's good will: requests that may change something are
held where the browser makes them, workers and sockets that would not be seen there do not exist for it, and every connection goes
through a proxy that looks at its address.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from playwright.async_api import Error, async_playwright

from remit.domain.visible import visible
from remit.errors import ToolFailed, Unavailable
from remit.tools.browser.egress import Egress, egress
from remit.tools.browser.held import Gatekeeper
from remit.tools.browser.page import LOAD_MS, Visit, origin
from remit.tools.browser.profile import Profile
from remit.tools.browser.scripts import WITHOUT

if TYPE_CHECKING:
    from playwright.async_api import Browser

_SWITCHES: Final = (
    "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-domain-reliability", "--no-pings", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


@asynccontextmanager
async def visit(program: str, profile: Profile, gate: Gatekeeper, *, seconds: float) -> AsyncIterator[Visit]:
    """An empty page in a fresh window with the profile's cookies, which are kept afterwards. Raises Unavailable, ToolFailed."""
    try:
        async with asyncio.timeout(seconds), egress(gate.private) as way, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=program,
                chromium_sandbox=os.geteuid() != 0,
                args=[*_SWITCHES],
                proxy={"server": f"http://127.0.0.1:{way.port}", "bypass": "<-loopback>"},
                env=_environment(),
                timeout=LOAD_MS,
            )
            try:
                found = await _window(browser, way, gate, profile.read())
                yield found
                profile.write(await found.page.context.storage_state())
            finally:
                gate.close()
                await browser.close()
    except TimeoutError:
        raise ToolFailed(f"the page took more than {seconds} s", fix="try again, or another page") from None
    except Error as error:
        raise Unavailable(f"the browser did not work: {error.message.splitlines()[0]}", fix="see whether chromium starts") from None


async def _window(browser: Browser, way: Egress, gate: Gatekeeper, state: Any) -> Visit:
    """A page none of whose requests passes unseen."""
    context = await browser.new_context(
        service_workers="block", accept_downloads=True, storage_state=state, viewport={"width": 1280, "height": 900}
    )
    await context.add_init_script(WITHOUT)
    await gate.watch(context)
    page = await context.new_page()
    found = Visit(page=page, way=way, gate=gate)
    context.on("request", lambda request: found.seen.add(origin(request.url)))
    context.on("page", lambda other: gate.blocked.append(visible(f"window {other.url}", keep="")))
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.dismiss()))
    return found


def _environment() -> dict[str, str | float | bool]:
    return {**{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}, "LANG": "C.UTF-8"}
