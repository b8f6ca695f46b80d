"""Servers that are down, slow, break off, talk rubbish or ten gigabytes, or have a certificate of their own: each is told apart."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from browser_world import NEEDS
from claims import proves
from forge_world import PULLS
from remit.config import Calendar, Mail, Service, Site
from remit.domain.values import ActionId, JsonValue
from remit.errors import RemitError, ToolFailed, ToolUncertain, Unavailable
from remit.ports import Call, Tool
from remit.testing import FakeClock, MemoryStore
from remit.tools.browser.tools import browser_tools
from remit.tools.calendar.tools import calendar_tools
from remit.tools.changes.roots import Roots
from remit.tools.http.addresses import read_url
from remit.tools.http.client import Wanted, ask
from remit.tools.http.tools import http_tools
from remit.tools.mail.accounts import Account, known
from remit.tools.mail.imap import asked
from remit.tools.mail.smtp import hand_over
from remit.tools.sql.tools import sql_tools
from tool_calls import begun
from trouble_world import GIGABYTES, Behaviour, Trouble, breaks_off, endless, silent, trickling, troubled, unvouched

FEW: Final = 300 << 20
"""Bytes that may be under way when somebody has had enough of ten gigabytes."""
OK: Final = b"HTTP/1.1 200 OK\r\n"
HTTP: Final[Mapping[str, Behaviour | None]] = {
    "down": None,
    "hangs up": breaks_off(b""),
    "rubbish": breaks_off(b"this is no HTTP\r\n\r\n"),
    "half": breaks_off(OK + b"content-length: 1000\r\n\r\nhalf"),
    "ten gigabytes": endless(OK + b"content-length: %d\r\n\r\n" % GIGABYTES),
    "endless head": endless(OK, b"x: " + b"y" * 65536 + b"\r\n"),
    "certificate": silent,
}
BEFORE: Final = {"down", "certificate"}
"""Known before anything is sent."""


@contextmanager
def server(trouble: str, folder: Path) -> Iterator[tuple[str, Trouble]]:
    """Its address and what came to it."""
    behave = HTTP[trouble]
    if behave is None:
        yield f"http://127.0.0.1:{_nobody()}", Trouble()
        return
    tls: ssl.SSLContext | None = unvouched(folder) if trouble == "certificate" else None
    with troubled(behave, tls=tls) as there:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{there.port}", there


def _nobody() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def tools(base: str) -> dict[str, Tool]:
    services = {
        "shop": Service(base=base, private=True),
        "theatre": Service(base=base, private=True, preconditions=True),
        "forge": Service(base=base, private=True, pulls=PULLS),
    }
    calendars = {"work": Calendar(url=f"{base}/work/", private=True, zone="UTC")}
    store = MemoryStore()
    return {tool.spec.name: tool for tool in (*http_tools(services, store), *calendar_tools(calendars, store, FakeClock()))}


def run(tool: Tool, args: Mapping[str, JsonValue]) -> Any:
    return asyncio.run(tool.run(Call(action=ActionId("r/a"), args=args)))


READS: Final[list[tuple[str, dict[str, JsonValue]]]] = [
    ("http.get", {"service": "shop", "path": "x"}),
    ("calendar.list", {"calendar": "work", "from": "2026-11-27", "to": "2026-11-28"}),
    ("calendar.free", {"calendar": "work", "from": "2026-11-27", "to": "2026-11-28"}),
]


@proves("servers.reads_fail_plainly")
@pytest.mark.parametrize("trouble", HTTP)
@pytest.mark.parametrize(("tool", "args"), READS)
def test_a_read_from_a_server_in_trouble_fails_once_and_says_why(
    tmp_path: Path, trouble: str, tool: str, args: dict[str, JsonValue]
) -> None:
    """Asked once, never in doubt, and of ten gigabytes only a little is taken."""
    with server(trouble, tmp_path) as (base, there):
        known_tools = tools(base)
        if (tool, trouble) == ("http.get", "ten gigabytes"):
            assert run(known_tools[tool], args)["cut"] is True
        else:
            with pytest.raises(ToolFailed) as raised:
                run(known_tools[tool], args)
            assert raised.value.fix
            assert ("certificate" in raised.value.message) == (trouble == "certificate")
        assert len(there.asked) == (0 if trouble in BEFORE else 1)
        assert there.sent < FEW


@proves("servers.writes_are_told_apart")
@pytest.mark.parametrize("trouble", HTTP)
def test_a_request_that_changes_something_is_sent_once_and_told_apart(tmp_path: Path, trouble: str) -> None:
    """Not reached or not trusted: surely not sent. Reached, and no whole answer: in doubt. It is never sent again."""
    args: dict[str, JsonValue] = {"service": "shop", "method": "POST", "path": "orders", "body": {"seat": "12A"}}
    with server(trouble, tmp_path) as (base, there):
        send = tools(base)["http.send"]
        if trouble == "ten gigabytes":
            assert run(send, args)["status"] == 200
        else:
            with pytest.raises(ToolFailed if trouble in BEFORE else ToolUncertain):
                run(send, args)
        assert len(there.asked) == (0 if trouble in BEFORE else 1)
        assert there.sent < FEW


CHANGES: Final[list[tuple[str, dict[str, JsonValue]]]] = [
    ("http.change", {"service": "theatre", "method": "PUT", "path": "seat", "body": {"who": "bob"}}),
    ("calendar.move", {"calendar": "work", "event": "alone.ics", "start": "2026-11-27T14:00"}),
    ("git.pull_request", {"service": "forge", "title": "Mend it", "head": "side", "base": "main"}),
]


@proves("servers.writes_are_told_apart")
@pytest.mark.parametrize("trouble", HTTP)
@pytest.mark.parametrize(("tool", "args"), CHANGES)
def test_a_change_that_looks_first_goes_no_further(tmp_path: Path, trouble: str, tool: str, args: dict[str, JsonValue]) -> None:
    """What it has to see first does not come, so nothing is sent that changes anything."""
    with server(trouble, tmp_path) as (base, there):
        with pytest.raises(ToolFailed):
            begun(tools(base)[tool], args)
        assert not any(first.startswith((b"PUT", b"POST", b"PATCH", b"DELETE")) for first in there.asked)
        assert there.sent < FEW


@proves("servers.nothing_hangs")
@pytest.mark.parametrize("behave", [silent, trickling(OK + b"content-length: 1000000\r\n\r\n"), trickling(OK + b"x: ")])
def test_a_slow_server_is_waited_for_so_long_and_no_longer(behave: Behaviour) -> None:
    """Neither silence nor a byte now and then holds a request up; whether it was carried out is in doubt."""
    with troubled(behave) as there:
        place = read_url(f"http://127.0.0.1:{there.port}/x")
        with pytest.raises(ToolUncertain, match="did not answer"):
            asyncio.run(ask(Wanted(method="POST", place=place, headers={}, private=True, seconds=1)))
        assert len(there.asked) == 1


def account(port: int, *, tls: bool = False) -> Account:
    end = "s" if tls else ""
    smtp, imap = f"smtp{end}://127.0.0.1:{port}", f"imap{end}://ann:secret@127.0.0.1:{port}"
    return known({"me": Mail(address="Ann <ann@example.org>", smtp=smtp, imap=imap)})["me"]


def letter(there: Account) -> str:
    return asyncio.run(hand_over(there, ["bob@example.org"], b"Subject: x\r\n\r\ny\r\n", lambda: True, seconds=2))


def folders(there: Account) -> Any:
    return asyncio.run(asked(there, lambda box: [one.uid for one in box.fetch()], seconds=2))


MAIL: Final[Mapping[str, Behaviour]] = {
    "silent": silent,
    "hangs up": breaks_off(b""),
    "rubbish": breaks_off(b"this is no mail\r\n"),
    "a line without an end": endless(b"220 "),
    "greetings without an end": endless(b"", b"220-hello\r\n" * 5000),
    "lines without an end": endless(b"* OK hello\r\n", b"* OK still there\r\n" * 4000),
    "ten gigabytes": endless(b"* OK {%d}\r\n" % GIGABYTES),
    "trickles": trickling(b"220-", b"2"),
}


@proves("servers.nothing_hangs", "servers.writes_are_told_apart")
@pytest.mark.parametrize("trouble", MAIL)
def test_a_mail_server_that_does_not_take_the_letter_was_sent_nothing(trouble: str) -> None:
    """It is surely not sent, and later may help; neither silence nor a flood of words holds it up."""
    with troubled(MAIL[trouble], greets=True) as there:
        with pytest.raises(Unavailable, match="not reached"):
            letter(account(there.port))
        assert there.sent < FEW


@proves("servers.nothing_hangs", "servers.reads_fail_plainly")
@pytest.mark.parametrize("trouble", MAIL)
def test_a_mail_server_that_never_lets_one_in_is_left(trouble: str) -> None:
    """The same for reading: a failure with a way out, and of ten gigabytes only a little is taken."""
    with troubled(MAIL[trouble], greets=True) as there:
        with pytest.raises(RemitError) as raised:
            folders(account(there.port))
        assert isinstance(raised.value, ToolFailed)
        assert raised.value.fix
        assert there.sent < FEW


@proves("servers.reads_fail_plainly", "servers.writes_are_told_apart")
def test_a_mail_server_that_nobody_vouches_for_gets_neither_letter_nor_password(tmp_path: Path) -> None:
    """A certificate of its own making is said to be the trouble."""
    with troubled(silent, tls=unvouched(tmp_path)) as there:
        for use in (letter, folders):
            with pytest.raises(Unavailable, match="certificate"):
                use(account(there.port, tls=True))
        assert there.asked == []


POSTGRES: Final[Mapping[str, Behaviour]] = {
    "silent": silent,
    "hangs up": breaks_off(b""),
    "rubbish": breaks_off(b"this is no PostgreSQL"),
    "ten gigabytes": endless(b"R" + (2**31 - 1).to_bytes(4)),
    "trickles": trickling(b"R\0\0\0\xff"),
}


@proves("servers.nothing_hangs", "servers.reads_fail_plainly")
@pytest.mark.parametrize("trouble", POSTGRES)
def test_a_database_server_that_is_none_is_said(trouble: str) -> None:
    """Neither a look nor what a write has to see first waits for ever or takes what it is flooded with."""
    with troubled(POSTGRES[trouble]) as there:
        url = f"postgresql+psycopg://ann@127.0.0.1:{there.port}/shop?sslmode=disable"
        known_tools = {tool.spec.name: tool for tool in sql_tools({"shop": url}, MemoryStore())}
        with pytest.raises(ToolFailed):
            run(known_tools["sql.query"], {"database": "shop", "sql": "SELECT 1"})
        if trouble != "silent":
            with pytest.raises(ToolFailed):
                begun(known_tools["sql.write"], {"database": "shop", "table": "t", "sql": "DELETE FROM t"})
        assert there.sent < FEW


@NEEDS
@proves("servers.nothing_hangs", "servers.reads_fail_plainly")
@pytest.mark.parametrize("trouble", HTTP)
def test_a_page_of_a_server_in_trouble_is_said(tmp_path: Path, trouble: str) -> None:
    """Reading it, and looking at the form that is to be sent: a failure with a way out, no browser left waiting, nothing sent."""
    with server(trouble, tmp_path) as (base, there):
        made = browser_tools({"shop": Site(base=base, private=True)}, roots=Roots([tmp_path]), store=MemoryStore(), folder=tmp_path / "b")
        known_tools = {tool.spec.name: tool for tool in made}
        opened, submit, download = (known_tools[f"browser.{name}"] for name in ("open", "submit", "download"))
        for visit in (
            lambda: run(opened, {"url": f"{base}/x"}),
            lambda: begun(submit, {"url": f"{base}/x", "click": "Order"}),
            lambda: begun(download, {"url": f"{base}/x", "path": "x"}),
        ):
            before = there.sent
            with pytest.raises(ToolFailed) as raised:
                visit()
            assert raised.value.fix
            assert there.sent - before < FEW
        assert not any(first.startswith(b"POST") for first in there.asked)


@NEEDS
@proves("servers.nothing_hangs")
def test_a_page_that_never_ends_is_read_as_far_as_it_came(tmp_path: Path) -> None:
    """It is not waited for until it is whole."""
    with troubled(trickling(OK + b"content-type: text/html\r\n\r\n<h1>Seats</h1>")) as there:
        site = Site(base=f"http://127.0.0.1:{there.port}", private=True)
        opened = browser_tools({"shop": site}, roots=Roots([tmp_path]), store=MemoryStore(), folder=tmp_path / "b")[0]
        assert opened.spec.name == "browser.open"
        assert run(opened, {"url": f"{site.base}/x"})["text"].startswith("Seats")
