"""Databases through the whole program: configured, written in a plan, killed, taken back together with files."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims import proves
from remit_program import Program, program
from sql_world import SHOP, Postgres, Shop, Sqlite, server

PLAN = """
goal = "close the books"
[[step]]
id = "total"
tool = "sql.query"
args = { database = "shop", sql = "SELECT sum(cents) FROM invoice" }
[[step]]
id = "raise"
tool = "sql.write"
args = { database = "shop", table = "invoice", sql = "UPDATE invoice SET cents = cents + 1 WHERE customer = 1" }
[[step]]
id = "note"
needs = ["raise"]
tool = "files.write"
args = { path = "total.txt", text = "${total.rows.0.0} before, ${raise.count} raised" }
"""


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("pg")) as found:
        yield found


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, remit: Program) -> Shop:
    made: Shop = Sqlite(tmp_path) if request.param == "sqlite" else Postgres(request.getfixturevalue("uri"), "program")
    made.script(SHOP)
    remit.configure(f'[sql.shop]\nurl = "{made.url}"\n')
    return made


@proves("undo.mixed")
def test_rows_and_files_of_one_run_are_taken_back_together(remit: Program, shop: Shop) -> None:
    """One undo for both; the preview has the rows; a row and a file that somebody changed are spared and named."""
    before = shop.dump()
    assert remit("run", remit.plan(PLAN)).code == 0
    assert (remit.folder / "total.txt").read_text(encoding="utf-8") == "2100 before, 2 raised"
    assert "change invoice id=" in remit("undo", remit.last()).out
    assert remit("undo", remit.last(), "--yes").code == 0
    assert shop.dump() == before
    assert not (remit.folder / "total.txt").exists()
    remit("run", remit.plan(PLAN))
    shop.script("UPDATE invoice SET cents = 42 WHERE id = 10")
    (remit.folder / "total.txt").write_text("mine", encoding="utf-8")
    shown = remit("undo", remit.last()).out
    assert " (cents changed since)" in shown
    assert shown.count("change invoice id=") == 1
    said = remit("undo", remit.last(), "--yes")
    assert said.code == 5
    assert "not where somebody made a later change" in said.out
    assert "invoice id=" in said.out
    assert "total.txt" in said.out
    assert (remit.folder / "total.txt").read_text(encoding="utf-8") == "mine"
    shop.script("UPDATE invoice SET cents = 500 WHERE id = 10")
    assert shop.dump() == before


@proves("sql.killed")
@pytest.mark.parametrize("point", ["started", "acted"])
def test_a_write_that_was_killed_is_done_once(remit: Program, shop: Shop, point: str) -> None:
    """Before and after the commit: looking at the rows tells, and nobody has to be asked."""
    assert remit("run", remit.plan(PLAN), REMIT_CRASH=point).code == -signal.SIGKILL
    assert remit("resume").code == 0
    assert remit.json("inbox", "--json") == []
    assert any("501" in line for line in shop.dump())
    assert not any("502" in line for line in shop.dump())


def test_an_approved_write_commits_the_rows_that_were_shown_or_asks_again(remit: Program, shop: Shop) -> None:
    """At operator the question has every row; a row that changed since is shown anew."""
    text = PLAN.partition('[[step]]\nid = "note"')[0]
    assert remit("run", remit.plan(text), "--level", "operator").code == 3
    (asked,) = remit.json("inbox", "--json")
    assert "-cents = " in asked["body"]
    shop.script("UPDATE invoice SET cents = 600 WHERE id = 10")
    assert remit("approve", asked["id"]).code == 3
    (again,) = remit.json("inbox", "--json")
    assert "600" in again["body"]
    assert "asked again" in again["why"]
    assert remit("approve", again["id"]).code == 0
    assert any("601" in line for line in shop.dump())


def test_definitions_ask_and_rules_on_tables_hold(remit: Program, shop: Shop) -> None:
    """DDL is for good, so it asks at consultant; a rule names the table, whatever the statement looks like."""
    ddl = "goal = 'x'\n[[step]]\nid = 's'\ntool = 'sql.run'\nargs = { database = 'shop', sql = 'CREATE TABLE more(a INTEGER)' }\n"
    assert remit("run", remit.plan(ddl)).code == 3
    (remit.home / "config" / "remit" / "policy.cedar").write_text(
        '@id("books") @reason("invoices stay") forbid (principal, action == Action::"sql.write", resource) '
        'when { context.args.table == "invoice" };',
        encoding="utf-8",
    )
    assert "books: invoices stay" in remit("run", remit.plan(PLAN)).out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[sql.shop]\n", "url"),
        ("[sql.shop]\nurl = 'mysql://x'\n", "not supported"),
        ("[sql.shop]\nurl = 'sqlite:///${NO_SUCH_NAME}'\n", "NO_SUCH_NAME"),
        ("[nosql]\n", "known are browser, budget, calendar, http, journal, mail, mcp, notify, price, sql, tools, trigger"),
        ("[sql", "remit.toml"),
    ],
)
def test_a_broken_configuration_is_explained(remit: Program, text: str, says: str) -> None:
    """The file, the place and a way out; nothing runs."""
    remit.configure(text)
    said = remit("run", remit.plan(PLAN))
    assert said.code == 2
    assert says in said.err


@proves("sql.reads_only")
def test_a_file_that_is_not_there_is_not_made(remit: Program) -> None:
    """A name that was mistyped is said, by a path from the root or none."""
    missing = remit.folder / "none.db"
    remit.configure(f'[sql.shop]\nurl = "sqlite:///{missing}"\n')
    query = "goal = 'x'\n[[step]]\nid = 's'\ntool = 'sql.query'\nargs = { database = 'shop', sql = 'SELECT 1' }\n"
    assert "there is no file" in remit("run", remit.plan(query)).out
    assert not missing.exists()
    remit.configure('[sql.shop]\nurl = "sqlite:///rel.db"\n')
    assert "not absolute" in remit("run", remit.plan(query)).err


def test_a_database_that_is_not_there_is_a_clear_failure(remit: Program) -> None:
    """Surely nothing happened: the step fails and asks what now."""
    remit.configure('[sql.shop]\nurl = "postgresql+psycopg://nobody@127.0.0.1:1/none"\n')
    said = remit("run", remit.plan(PLAN))
    assert said.code == 3
    assert "refused" in remit("inbox").out


def test_an_agent_cannot_rewrite_the_configuration(remit: Program) -> None:
    """It names databases and holds addresses; like policy it is closed to every tool."""
    remit.configure("")
    path = remit.home / "config" / "remit" / "remit.toml"
    text = f"goal = 'x'\n[[step]]\nid = 's'\ntool = 'files.write'\nargs = {{ path = '{path}', text = 'x' }}\n"
    remit("run", remit.plan(text), "--root", "/")
    assert path.read_text(encoding="utf-8") == ""
