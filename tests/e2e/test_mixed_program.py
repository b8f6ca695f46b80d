"""Everything remit can take back in one run: files, a command, rows, a resource, an event and a held letter, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from files_world import picture
from kinto_world import MANAGED, Kinto, kinto
from mail_world import Smtp, smtp
from radicale_world import ALONE, Radicale, radicale
from remit_program import Program, program
from sql_world import SHOP, Postgres, server

PLAN = """
goal = "move the review on 2026-11-27 and tell bob@example.org"
level = "approver"
[[step]]
id = "note"
tool = "files.write"
args = { path = "note.txt", text = "moved\\n" }
[[step]]
id = "log"
tool = "shell.run"
args = { command = "echo moved >> log.txt; rm old.txt" }
[[step]]
id = "rows"
tool = "sql.write"
args = { database = "shop", table = "invoice", sql = "DELETE FROM invoice WHERE customer = 1" }
[[step]]
id = "seat"
tool = "http.change"
args = { service = "theatre", method = "PATCH", path = "SEAT", body = { data = { who = "bob" } } }
[[step]]
id = "event"
tool = "calendar.move"
args = { calendar = "work", event = "alone.ics", start = "2026-11-27T14:00" }
[[step]]
id = "mail"
tool = "mail.send"
args = { account = "me", to = ["bob@example.org"], subject = "Moved", text = "to two o'clock" }
"""


@dataclass
class World:
    """All of it, and what somebody else sees of it."""

    remit: Program
    shop: Postgres
    theatre: Kinto
    work: Radicale
    smtp: Smtp

    def look(self) -> tuple[Any, ...]:
        return picture(self.remit.folder), self.shop.dump(), self.theatre.seats(), self.work.look(), self.smtp.taken

    def run(self) -> None:
        said = self.remit("run", self.remit.plan(PLAN.replace("SEAT", self.theatre.seat("a1"))))
        assert said.code == 0, said.out + said.err
        assert "1 letter(s) held" in said.out


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Kinto, Radicale, Smtp]]:
    folder = tmp_path_factory.mktemp("servers")
    with server(folder / "pg") as uri, kinto() as theatre, radicale(folder / "radicale") as work, smtp() as mail:
        yield uri, theatre, work, mail


@pytest.fixture
def world(servers: tuple[str, Kinto, Radicale, Smtp], tmp_path: Path) -> World:
    uri, theatre, work, mail = servers
    remit = program(tmp_path)
    (remit.folder / "old.txt").write_text("old\n", encoding="utf-8")
    (remit.folder / "log.txt").write_text("began\n", encoding="utf-8")
    shop = Postgres(uri, "mixed")
    shop.script(SHOP)
    theatre.empty()
    theatre.put("a1", who="ann")
    work.reset()
    mail.taken.clear()
    remit.configure(f"""
[sql.shop]
url = "{shop.url}"
[http.theatre]
base = "{theatre.service.base}"
headers = {{ Authorization = "{theatre.headers["Authorization"]}" }}
private = true
preconditions = true
managed = {list(MANAGED)}
[calendar.work]
url = "{work.base}"
user = "ann"
password = "x"
zone = "Europe/Berlin"
private = true
[mail.me]
address = "Ann <ann@example.org>"
smtp = "smtp://127.0.0.1:{mail.port}"
hold = 600
""")
    return World(remit, shop, theatre, work, mail)


@proves("undo.mixed")
def test_one_undo_takes_back_files_rows_resource_event_and_letter(world: World) -> None:
    """The preview says all of it; afterwards every part is as it was, and the letter never went."""
    before = world.look()
    world.run()
    assert world.look() != before
    shown = world.remit("undo", world.remit.last())
    for said in ("note.txt", "log.txt", "insert into invoice", "put back", "-DTSTART", "call back mail to bob@example.org"):
        assert said in shown.out, shown.out
    assert shown.code == 0
    undone = world.remit("undo", world.remit.last(), "--yes")
    assert undone.code == 0, undone.out
    assert world.look() == before
    assert world.remit.json("outbox", "--json") == []


@proves("undo.mixed")
def test_what_somebody_changed_since_is_spared_and_the_rest_taken_back(world: World) -> None:
    """With an event and a resource changed by others: two conflicts are shown, nothing of theirs is lost, all else is as it was."""
    files, rows, _, _, sent = world.look()
    world.run()
    world.work.put("alone.ics", ALONE.replace("Room 4", "Room 7"))
    world.theatre.put("a1", who="carl")
    theirs = world.work.look()["alone.ics"]
    undone = world.remit("undo", world.remit.last(), "--yes")
    assert undone.code == 5
    assert undone.out.count("kept a later change") == 2
    assert "alone.ics" in undone.out
    assert world.theatre.seat("a1") in undone.out
    assert world.theatre.seats() == {"a1": {"who": "carl"}}
    assert world.work.look()["alone.ics"] == theirs
    assert picture(world.remit.folder) == files
    assert world.shop.dump() == rows
    assert world.smtp.taken == sent
    assert world.remit.json("outbox", "--json") == []
