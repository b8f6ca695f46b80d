"""`check_tool` on every shipped tool: those that look, those that only undo names, those that cannot be undone. The others are listed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

import browser_world
import tool_calls
from browser_world import NEEDS, shop
from claims import proves
from files_world import picture
from forge_world import PULLS, forge
from git_world import COMMIT, Repo
from http_world import ORDERS, serving
from kinto_world import SEATS, kinto
from mail_world import MailWorld, imap, smtp
from mcp_world import World as Notes
from radicale_world import radicale
from remit.config import Service
from remit.domain.memory import Matter, Remembered, Trust
from remit.domain.values import JsonValue
from remit.journal.store import DirStore
from remit.ports import Tool
from remit.testing import FakeClock, MemoryStore, Scenario, check_tool
from remit.tools.calendar.tools import calendar_tools
from remit.tools.changes.roots import Roots
from remit.tools.files.tools import file_tools
from remit.tools.http.tools import http_tools
from remit.tools.mail.outbox import Where
from remit.tools.memory.remember import Keeping, Origin
from remit.tools.memory.store import MemoryFile
from remit.tools.memory.tools import memory_tools
from remit.tools.shell.run import shell_tools
from remit.tools.sql.tools import sql_tools
from sql_world import SHOP, Sqlite

ELSEWHERE: Final = {
    "browser.download", "calendar.cancel", "calendar.create", "calendar.move", "files.copy", "files.delete", "files.edit", "files.list",
    "files.mkdir", "files.move", "files.read", "files.search", "files.write", "git.branch", "git.commit", "git.pull_request", "git.push",
    "git.worktree", "http.change", "mail.draft", "mail.release", "mail.send", "shell.run", "sql.query", "sql.write",
}  # fmt: skip
"""Checked beside the other tests of their family, with somebody else's changes."""


Family: TypeAlias = tuple[dict[str, Tool], Callable[[], None], Callable[[], object]]
"""The tools, how their world is brought to where a call begins, and a picture of it."""


class World:
    """Every family on its real server."""

    def __init__(self, base: Path, servers: ExitStack) -> None:
        self.base, self.servers = base, servers
        self.store = DirStore(base / "store")
        self.site = self.seat = self.uid = ""
        self.pushes = False

    def spelled(self, value: Any) -> Any:
        """With the names that the servers gave."""
        if isinstance(value, dict):
            return {name: self.spelled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.spelled(one) for one in value]
        named = {"SITE": self.site, "SEAT": self.seat, "UID": self.uid}
        for name, real in named.items():
            value = value.replace(name, real) if isinstance(value, str) else value
        return value

    def files(self) -> Family:
        root = self.base / "root"

        def reset() -> None:
            for path in root.iterdir() if root.exists() else ():
                path.unlink()
            root.mkdir(exist_ok=True)
            (root / "a.txt").write_text("a\n", encoding="utf-8")

        reset()
        roots = Roots([root], [self.base / "scratch"])
        return _named(file_tools(roots, self.store), shell_tools(roots, self.store, self.base / "scratch")), reset, lambda: _drawn(root)

    def sql(self) -> Family:
        there = Sqlite(self.base)

        def reset() -> None:
            there.path.unlink(missing_ok=True)
            there.script(SHOP)

        return _named(sql_tools({"shop": there.url}, self.store)), reset, there.dump

    def http(self) -> Family:
        there, seats = self.servers.enter_context(serving()), self.servers.enter_context(kinto())
        shop_service = Service(base=f"{there.base}/v1", private=True, idempotency="Idempotency-Key")

        def reset() -> None:
            there.orders.clear()
            there.keys.clear()
            seats.empty()
            seats.put("a1", who="ann")

        self.seat = seats.seat("a1")
        known = _named(http_tools({"shop": shop_service, "theatre": seats.service}, self.store))
        return known, reset, lambda: (list(there.orders), seats.seats())

    def memory(self) -> Family:
        file = MemoryFile(self.base / "memory.db")
        known = Remembered(id="known", matter=Matter.FACT, text="known before", trust=Trust.OWN, who="person:ann", at=1)
        keeping = Keeping(file=file, clock=FakeClock(), origin=lambda _: Origin(trust=Trust.OWN, who="agent:model"), secrets=lambda: ())

        def reset() -> None:
            file.forget([one.id for one in file.all()])
            file.put(known)

        return _named(memory_tools(keeping, ())), reset, lambda: sorted(one.text for one in file.all())

    def openapi(self) -> Family:
        there, seats = self.servers.enter_context(serving()), self.servers.enter_context(kinto())
        documents = self.base / "seats.yaml", self.base / "orders.json"
        documents[0].write_text(SEATS, encoding="utf-8")
        documents[1].write_text(json.dumps({"openapi": "3.1.0", "paths": dict(list(ORDERS["paths"].items())[:2])}), encoding="utf-8")
        takes_back = {"order": ("cancel", {"id": "${result.json.order}", "body": "cancelled"})}
        theatre = replace(seats.service, openapi=documents[0])
        orders = Service(base=there.base, private=True, idempotency="Idempotency-Key", openapi=documents[1], undo=takes_back)

        def reset() -> None:
            there.orders.clear()
            there.keys.clear()
            seats.empty()
            seats.put("a1", who="ann")

        known = _named(http_tools({"theatre": theatre, "orders": orders}, self.store))
        return known, reset, lambda: (list(there.orders), seats.seats())

    def mcp(self) -> Family:
        there = Notes(self.base)
        known = there.tools(there.server(trusted=True))
        return known, lambda: there.notes.unlink(missing_ok=True), there.written

    def calendar(self) -> Family:
        there = self.servers.enter_context(radicale(self.base / "radicale"))

        def look() -> object:
            return sorted(re.sub(rb"remit-[0-9a-f]{32}", b"made", body) for body in there.look().values())

        return _named(calendar_tools({"work": there.calendar}, self.store, FakeClock())), there.reset, look

    def mail(self) -> Family:
        world = MailWorld(self.base, self.servers.enter_context(smtp()), self.servers.enter_context(imap()))
        known = world.tools()

        def reset() -> None:
            world.imap.reset()
            world.imap.add("INBOX", b"Subject: Hello\r\n\r\nAnn\r\n")
            found = tool_calls.read(known["mail.search"], {"account": "me"})
            self.uid = found["letters"][0]["uid"]
            for place, letter in list(world.outbox.all(*Where)):
                world.outbox.move(letter.id, place, Where.CANCELLED)
                (world.folder / "outbox" / "cancelled" / letter.id).unlink()

        def look() -> object:
            held = [letter.subject for _, letter in world.outbox.all(Where.HELD)]
            return held, world.imap.look("Drafts", "INBOX"), len(world.smtp.taken)

        return known, reset, look

    def git(self) -> Family:
        repo = Repo(self.base)

        def reset() -> None:
            repo.reset()
            if self.pushes:
                repo.commit("second")

        return repo.tools, reset, repo.look

    def forge(self) -> Family:
        there = self.servers.enter_context(forge())
        known = _named(http_tools({"forge": Service(base=there.base, private=True, pulls=PULLS)}, MemoryStore()))
        return known, there.pulls.clear, lambda: [one["title"] for one in there.pulls if one["state"] == "open"]

    def browser(self) -> Family:
        there = self.servers.enter_context(shop())
        self.site = there.base
        return browser_world.tools(there, self.base), there.orders.clear, lambda: [order["name"] for order in there.orders]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as servers:
        yield World(tmp_path, servers)


def _named(*lists: list[Tool]) -> dict[str, Tool]:
    return {tool.spec.name: tool for some in lists for tool in some}


def _drawn(root: Path) -> object:
    return {name: tuple(part for part in drawn if not isinstance(part, int) or part < 10**15) for name, drawn in picture(root).items()}


CALLS: Final[list[tuple[str, str, dict[str, JsonValue]]]] = [
    ("calendar", "calendar.free", {"calendar": "work", "from": "2026-10-01", "to": "2026-12-31"}),
    ("calendar", "calendar.list", {"calendar": "work", "from": "2026-10-01", "to": "2026-12-31"}),
    ("git", "git.diff", {"repo": "repo"}),
    ("git", "git.log", {"repo": "repo"}),
    ("git", "git.status", {"repo": "repo"}),
    ("http", "http.get", {"service": "shop", "path": "thing"}),
    ("http", "http.send", {"service": "shop", "method": "POST", "path": "orders", "body": {"seat": "a"}}),
    ("openapi", "http.orders.order", {"body": {"seat": "a"}}),
    ("openapi", "http.theatre.delete_buckets_theatre_collections_seats_records_seat", {"seat": "a1"}),
    ("openapi", "http.theatre.readSeat", {"seat": "a1"}),
    ("openapi", "http.theatre.takeSeat", {"seat": "a1", "body": {"data": {"who": "bob", "price": 3}}}),
    ("mcp", "mcp.notes.add", {"text": "hello"}),
    ("mcp", "mcp.notes.look", {}),
    ("mail", "mail.read", {"account": "me", "folder": "INBOX", "uid": "UID"}),
    ("mail", "mail.search", {"account": "me"}),
    ("memory", "memory.search", {"query": "known"}),
    ("memory", "memory.search_untrusted", {"query": "known"}),
    ("files", "shell.run_online", {"command": "echo new > a.txt"}),
    ("sql", "sql.run", {"database": "shop", "sql": "CREATE TABLE more(a)"}),
    ("browser", "browser.open", {"url": "SITE/order", "steps": [{"fill": "Name", "with": "Ann"}, {"click": "Order"}]}),
    ("browser", "browser.submit", {"url": "SITE/order", "steps": [{"fill": "Name", "with": "Ann"}], "click": "Order"}),
]
UNDONE: Final[list[tuple[str, str, str, dict[str, JsonValue]]]] = [
    ("calendar", "calendar.restore", "calendar.cancel", {"calendar": "work", "event": "day.ics"}),
    ("files", "files.restore", "files.write", {"path": "a.txt", "text": "new"}),
    ("forge", "git.pull_close", "git.pull_request", {"service": "forge", "title": "Mend it", "head": "side", "base": "main"}),
    ("git", "git.push_back", "git.push", {"repo": "repo", "branch": "main"}),
    ("git", "git.restore", "git.commit", {"repo": "repo", **COMMIT}),
    ("http", "http.restore", "http.change", {"service": "theatre", "method": "PATCH", "path": "SEAT", "body": {"data": {"paid": True}}}),
    ("openapi", "http.orders.cancel", "http.orders.order", {"body": {"seat": "a"}}),
    ("mail", "mail.cancel", "mail.send", {"account": "me", "to": ["bob@example.org"], "subject": "Seats", "text": "Two."}),
    ("mail", "mail.discard", "mail.draft", {"account": "me", "to": ["bob@example.org"], "subject": "Seats", "text": "Two."}),
    ("memory", "memory.put", "memory.remember", {"kind": "fact", "text": "the server is blue"}),
    ("sql", "sql.restore", "sql.write", {"database": "shop", "table": "customer", "sql": "UPDATE customer SET note = 'x'"}),
]


@proves("tools.checked")
@pytest.mark.parametrize(("family", "tool", "args"), CALLS)
def test_what_looks_and_what_is_for_good_keep_their_promises(world: World, family: str, tool: str, args: dict[str, JsonValue]) -> None:
    """Looking has no effect, a probe never guesses, and every kill is settled or asked about."""
    if family == "browser" and NEEDS.args[0]:
        pytest.skip(NEEDS.kwargs["reason"])
    known, reset, look = getattr(world, family)()
    scenario = Scenario(tools=known, tool=tool, args=lambda: world.spelled(args), reset=reset, look=look)
    assert check_tool(scenario) == []


@proves("tools.checked")
@pytest.mark.parametrize(("family", "tool", "first", "args"), UNDONE)
def test_what_undoes_keeps_its_promises(world: World, family: str, tool: str, first: str, args: dict[str, JsonValue]) -> None:
    """It is a tool like any other: it can be killed, looked after and, mostly, undone itself."""
    world.pushes = first == "git.push"
    known, reset, look = getattr(world, family)()
    back: list[Mapping[str, JsonValue]] = []

    def done() -> None:
        reset()
        call, result = tool_calls.done(known[first], world.spelled(args), f"r/{len(back)}")
        how = known[first].undo(call, result)
        assert how is not None
        assert how.tool == tool
        back.append(how.args)

    assert check_tool(Scenario(tools=known, tool=tool, args=lambda: back[-1], reset=done, look=look)) == []


def test_no_shipped_tool_is_left_out(world: World) -> None:
    """What the families bring is what is checked, here or elsewhere."""
    families = ["calendar", "files", "forge", "git", "http", "mail", "mcp", "openapi", "sql", *([] if NEEDS.args[0] else ["browser"])]
    shipped = {name for family in families for name in getattr(world, family)()[0]}
    checked = ELSEWHERE | {tool for _, tool, _ in CALLS} | {tool for _, tool, *_ in UNDONE}
    assert shipped <= checked
