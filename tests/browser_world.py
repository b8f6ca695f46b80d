"""A site on loopback: pages with forms, a page that tries everything to send something, files, redirects into private networks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from loopback_http import LoopbackServer, served
from remit.config import Site as Configured
from remit.journal.store import DirStore
from remit.ports import Tool
from remit.tools.browser.sites import program
from remit.tools.browser.tools import browser_tools
from remit.tools.changes.roots import Roots
from remit.tools.files.tools import file_tools

NEEDS = pytest.mark.skipif(program() is None and "CI" not in os.environ, reason="no Chromium on this machine: apt-get install chromium")

FORM = """<title>Order</title><h1>Seats</h1><form action=/order method=post>
<input type=hidden name=token value={token}><input type=hidden name=price value={price}><label>Name <input name=name></label>
<label>Seat <select name=seat><option value=w>Window<option value=a>Aisle</select></label>
<label>Meal <input type=checkbox name=meal></label><label>Secret <input type=password name=secret></label>
<label>Paper <input type=file name=paper></label>
<button>Order</button></form><a href=/more>More</a> <button onclick="document.title='shown'">Show</button>{extra}"""
EVIL = """<title>Evil</title><form action=/auto method=post id=f><input name=x value=1></form><iframe src=/frame></iframe>
<a href=/ok ping=/ping>Next</a><button onclick="fetch('/clicked', {method: 'POST', body: 'x'})">Show more</button><script>
const post = (where) => fetch(where, {method: 'POST', body: 'x', keepalive: true}).catch(() => 0)
const attempt = f => { try { f() } catch (e) {} }
post('/fetch'); navigator.sendBeacon('/beacon', 'x')
attempt(() => new Worker('/worker.js')); attempt(() => new SharedWorker('/worker.js'))
attempt(() => navigator.serviceWorker.register('/worker.js'))
attempt(() => new WebSocket('ws://' + location.host + '/socket'))
attempt(() => { const x = new XMLHttpRequest(); x.open('DELETE', '/xhr'); x.send() })
attempt(() => { const f = document.createElement('iframe'); document.body.append(f); new f.contentWindow.Worker('/worker.js') })
attempt(() => window.open('/window')); attempt(() => new EventSource('/events'))
attempt(() => new RTCPeerConnection())
attempt(() => fetchLater('/later', {method: 'POST', body: 'x', activateAfter: 0}))
attempt(() => {
  const f = document.createElement('iframe'); document.body.append(f)
  f.contentWindow.fetchLater('/later', {method: 'POST', body: 'x'}); f.remove()
})
setTimeout(() => document.getElementById('f').submit(), 50)
</script>"""
WORKER = "fetch('/fromworker', {method: 'POST', body: 'x'}); new Worker('/nested.js')"
INNER = """<script>fetch('/inner' + location.pathname, {method: 'POST', body: 'x'})
document.write('<form id=g action=/g method=post></form>'); g.submit()</script>"""


@dataclass
class Shop:
    """What stands behind the port."""

    port: int = 0
    orders: list[dict[str, str]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    trouble: str = ""
    """How orders end: `close` and `500` after acting, `422`, `302` and `307` before, `late` well; `keeps` never lets go of a connection."""
    extra: str = ""
    """More of the order page."""
    tokens: int = 0
    price: int = 10
    """A field that the page hides."""
    elsewhere: str = ""
    cookies: list[str] = field(default_factory=list)
    """That came with what was sent."""

    def form(self) -> str:
        return FORM.format(token=f"{self.tokens:032x}", price=self.price, extra=self.extra)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [one for one in self.asked if one[0] not in {"GET", "HEAD", "OPTIONS"}]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def do_GET(self) -> None:
        state, path = self.server.state, urlsplit(self.path).path
        state.asked.append(("GET", path))
        self.close_connection &= state.trouble != "keeps"
        if path == "/shut":
            self.close_connection = True
            return
        if path == "/order":
            state.tokens += 1
        here: dict[str, dict[str, Any]] = {
            "/order": {
                "text": state.form(),
                "cookie": f"seen={state.tokens}",
            },
            "/orders": {"text": f"<title>Orders</title><p>{len(state.orders)} orders; cookie {self.headers.get('cookie', 'none')}</p>"},
            "/evil": {"text": EVIL},
            "/frame": {"text": INNER},
            "/window": {"text": INNER},
            "/worker.js": {"text": WORKER, "kind": "text/javascript"},
            "/away": {"text": "", "status": 302, "location": state.elsewhere},
            "/file.bin": {"text": "\x00file", "kind": "application/octet-stream", "disposition": "attachment; filename=../../evil.bin"},
            "/files": {"text": "<a href=/file.bin>Get it</a>"},
        }
        found = here.get(path, {"text": f"<title>{path}</title>a page"})
        self._answer(**found)

    def do_POST(self) -> None:
        state, path = self.server.state, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        state.asked.append((self.command, path))
        state.cookies.append(self.headers.get("cookie", ""))
        if state.trouble == "late":
            threading.Event().wait(6)
        if state.trouble == "422":
            self._answer("no such seat", status=422)
            return
        if state.trouble == "302":
            self._answer("", status=302, location="/elsewhere")
            return
        if state.trouble == "307":
            self._answer("", status=307, location="/elsewhere")
            return
        if path == "/order":
            state.orders.append({name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()})
        if state.trouble == "close":
            self.close_connection = True
        elif state.trouble == "500":
            self._answer("on fire", status=500)
        else:
            self._answer("", status=303, location="/orders")

    do_PUT = do_DELETE = do_PATCH = do_POST  # noqa: N815 - the library's names

    def _answer(
        self, text: str, *, status: int = 200, kind: str = "text/html", location: str = "", cookie: str = "", disposition: str = ""
    ) -> None:
        data = text.encode()
        self.send_response(status)
        more = {"location": location, "set-cookie": f"{cookie}; Max-Age=1000" if cookie else "", "content-disposition": disposition}
        for name, value in {"content-length": str(len(data)), "content-type": kind, **more}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


@contextmanager
def shop() -> Iterator[Shop]:
    """A site of its own, ended with the block."""
    with served(Shop(), _Handler) as state:
        yield state


def tools(state: Shop, base: Path, *, submits: dict[str, str] | None = None) -> dict[str, Tool]:
    """Every tool for the browser, and those that undo."""
    root = base / "root"
    root.mkdir(exist_ok=True)
    roots, store = Roots([root]), DirStore(base / "store")
    sites = {"shop": Configured(base=state.base, private=True, submits=submits or {})}
    made = [*browser_tools(sites, roots=roots, store=store, folder=base / "browser"), *file_tools(roots, store)]
    return {tool.spec.name: tool for tool in made}


def browsers(temporary: Path) -> set[str]:
    """The processes of browsers that keep their files there, as those of this test do where TMPDIR says so."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(temporary) in (process / "cmdline").read_bytes():
                found.add(process.name)
        except OSError:
            continue
    return found
