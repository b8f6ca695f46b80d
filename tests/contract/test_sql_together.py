"""The journal in the database that is written to: a write and its record are committed together, or neither is."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

import tool_calls
from claims import proves
from journal_world import RUN, connected, draft, new_database
from remit.app import SystemClock
from remit.domain.action import Action
from remit.domain.entry import Draft, Kind
from remit.domain.outcome import Outcome, Status
from remit.domain.record import fold
from remit.domain.values import ActionId, JsonValue
from remit.errors import AlreadyRecorded, ArgsInvalid, ToolFailed
from remit.gate.execution import Doubt, Execution
from remit.journal.postgres import PostgresJournal, open_postgres
from remit.journal.store import DirStore
from remit.ports import Call, Tool
from remit.tools.sql.tools import sql_tools
from remit_program import Program, program
from sql_world import SHOP

INSERT = "INSERT INTO customer(id, name) VALUES (7, 'Gus')"


@pytest.fixture
def url() -> str:
    """A database with a shop in it."""
    made = new_database()
    with connected(made) as connection:
        connection.execute(SHOP)
    return made


def names(url: str, table: str = "customer", column: str = "name") -> list[Any]:
    with connected(url) as connection:
        return [row[0] for row in connection.execute(f"SELECT {column} FROM {table} ORDER BY 1")]


@pytest.fixture
def remit(tmp_path: Path, url: str) -> Program:
    made = program(tmp_path)
    made.configure(f'journal = "{url}"\n[sql.shop]\nurl = "{url}"\n')
    return made


def plan(remit: Program, tool: str, sql: str) -> str:
    table = ', table = "customer"' if tool == "sql.write" else ""
    step = f'[[step]]\nid = "one"\ntool = "{tool}"\nargs = {{ database = "shop", sql = "{sql}"{table} }}\n'
    return remit.plan(f'goal = "one row"\nlevel = "consultant"\n{step}')


@proves("sql.together")
@pytest.mark.parametrize(("point", "there"), [("started", False), ("sql.written", False), ("sql.committed", True)])
def test_killed_around_a_commit_both_are_there_or_neither(remit: Program, url: str, point: str, there: bool) -> None:
    """What is recorded is believed, whatever stands there by now; what is not recorded is done, once, without asking."""
    assert remit("run", plan(remit, "sql.write", INSERT), REMIT_CRASH=point).code == -signal.SIGKILL
    assert ("Gus" in names(url)) is there
    assert ("finished" in names(url, "remit.entries", "kind")) is there
    with connected(url) as connection:
        connection.execute("UPDATE customer SET name = 'Gustav' WHERE id = 7")
    assert remit("resume", remit.last()).code == 0
    assert [name for name in names(url) if name.startswith("Gus")] == ["Gustav" if there else "Gus"]
    assert names(url, "remit.entries", "kind").count("finished") == 1
    assert remit("log", "--verify").code == 0


@proves("sql.together")
@pytest.mark.parametrize(("point", "rows"), [("sql.written", 0), ("sql.committed", 1)])
def test_a_statement_that_nobody_can_look_for_is_never_in_doubt(remit: Program, url: str, point: str, rows: int) -> None:
    """Anywhere else a killed `sql.run` is a question; here the journal knows."""
    assert remit("run", plan(remit, "sql.run", "INSERT INTO nokey VALUES (5)")).code == 3
    (question,) = remit.json("inbox", "--json")
    assert remit("approve", question["id"], REMIT_CRASH=point).code == -signal.SIGKILL
    assert names(url, "nokey", "a") == [5] * rows
    assert remit("resume", remit.last()).code == 0
    assert remit.json("inbox", "--json") == []
    assert names(url, "nokey", "a") == [5]


@proves("sql.together")
def test_a_run_with_undo_leaves_everything_as_it_was(remit: Program, url: str) -> None:
    """The whole program over a journal in PostgreSQL: run, log, verify, undo."""
    before = names(url)
    assert remit("run", plan(remit, "sql.write", INSERT)).code == 0
    assert remit("undo", remit.last(), "--yes").code == 0
    assert names(url) == before
    assert remit("log", "--verify").code == 0
    assert not (remit.home / "journal.db").exists()


def tools(url: str, folder: Path) -> dict[str, Tool]:
    return {tool.spec.name: tool for tool in sql_tools({"shop": url}, DirStore(folder / "store"), journal=url)}


class Road:
    """One action through the gate's execution, over a journal that a test may meddle with."""

    def __init__(self, url: str, folder: Path, journal: PostgresJournal, tool: str = "sql.write") -> None:
        self.tools = tools(url, folder)
        self.execution = Execution(journal, SystemClock(), timeout=30)
        args: dict[str, JsonValue] = {"database": "shop", "table": "customer", "sql": INSERT}
        if tool == "sql.run":
            del args["table"]
        self.action = Action.wanting(ActionId(f"{RUN}/one"), actor="test", tool=tool, args=args)
        self.captured = asyncio.run(self.tools[tool].capture(Call(action=self.action.id, args=args))).data

    async def go(self) -> object:
        call = Call(action=self.action.id, args=self.action.args)
        outcome = await self.execution.start(self.action, self.tools[self.action.tool], call, [draft(Kind.OPENED)], (), lambda _: None)
        await self.execution.flush()
        return outcome

    def recover(self, journal: PostgresJournal, *, again: bool) -> Outcome | Doubt:
        record = fold(self.action.id, journal.read(RUN, action="one"))
        return asyncio.run(self.execution.recover(self.action, self.tools[self.action.tool], record, again=again))


@pytest.fixture
def journal(url: str) -> Iterator[PostgresJournal]:
    made = open_postgres(url)
    yield made
    made.close()


def test_rows_of_the_journal_are_not_restored_either(url: str, tmp_path: Path, journal: PostgresJournal) -> None:
    """The tool that undo names takes rows from whoever calls it."""
    journal.append([draft(Kind.ASKED, "a", part=":1")], durable=True).result()
    rows: JsonValue = [{"t": "remit.pending", "k": {"kind": "asked", "seq": "1"}, "b": {"kind": "asked", "seq": "1"}, "a": None}]
    with pytest.raises((ArgsInvalid, ToolFailed), match="journal's own"):
        tool_calls.done(tools(url, tmp_path)["sql.restore"], {"database": "shop", "rows": rows})
    assert len(list(journal.pending(Kind.ASKED))) == 1


class Cut(PostgresJournal):
    """Loses the connection of the first that joins, before its commit or after."""

    when = ""

    def join(self, connection: psycopg.Connection[Any], drafts: Sequence[Draft]) -> None:
        super().join(connection, drafts)
        if self.when == "after":
            connection.execute("COMMIT")
        if self.when:
            with connected(self.url) as other:
                other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        self.when = ""

    def __init__(self, url: str, when: str) -> None:
        super().__init__(url.replace("+psycopg", ""), clock=None, patience=10)
        self.url, self.when = url, when


@proves("sql.together")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_that_does_not_answer_is_looked_up_in_the_journal(url: str, tmp_path: Path, when: str) -> None:
    """The connection is lost before the commit: it surely did not happen. Lost after it: the record tells."""
    with closing(Cut(url, when)) as journal:
        outcome = asyncio.run(Road(url, tmp_path, journal).go())
        assert isinstance(outcome, Outcome)
        happened = when == "after"
        assert outcome.status is (Status.SUCCEEDED if happened else Status.FAILED)
        assert names(url).count("Gus") == happened
        (finished,) = journal.read(RUN, kinds=[Kind.FINISHED])
        assert ("succeeded" in finished.body_json) is happened


@proves("sql.together")
@pytest.mark.parametrize(("again", "tool"), [(True, "sql.write"), (False, "sql.write"), (True, "sql.run"), (False, "sql.run")])
def test_a_commit_that_lands_while_it_is_looked_for_counts(
    url: str, tmp_path: Path, journal: PostgresJournal, *, again: bool, tool: str
) -> None:
    """A dead process's transaction is still under way when another one settles the action: it is waited for, and told of."""
    road = Road(url, tmp_path, journal, tool)
    journal.append([draft(Kind.OPENED), draft(Kind.STARTED, "one", data=road.captured)], durable=True).result()
    with psycopg.connect(url.replace("+psycopg", "")) as dead:
        dead.execute(INSERT)
        journal.join(dead, [draft(Kind.FINISHED, "one", status="succeeded", result={"by": "the dead"})])
        timer = threading.Timer(1.0, dead.commit)
        timer.start()
        outcome = road.recover(journal, again=again)
        timer.join()
    assert isinstance(outcome, Outcome)
    assert outcome.result == {"by": "the dead"}
    asyncio.run(road.execution.flush())
    assert names(url).count("Gus") == 1


@proves("sql.together")
def test_what_a_rollback_does_not_take_back_is_asked_about(remit: Program) -> None:
    """A statement that calls a program is no mere row."""
    assert remit("run", plan(remit, "sql.run", "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'")).code == 3
    (question,) = remit.json("inbox", "--json")
    assert remit("approve", question["id"], REMIT_CRASH="sql.written").code == -signal.SIGKILL
    remit("resume", remit.last())
    (doubt,) = remit.json("inbox", "--json")
    assert doubt["kind"] == "in_doubt"


@proves("sql.together")
def test_two_that_finish_the_same_action_at_once_do_it_once(url: str, journal: PostgresJournal) -> None:
    """The second waits for the first one's commit, finds the line, and all that it wrote is gone with it."""
    done = draft(Kind.FINISHED, "one")
    errors: list[BaseException] = []

    def second() -> None:
        with psycopg.connect(url.replace("+psycopg", "")) as late:
            try:
                late.execute("INSERT INTO nokey VALUES (2)")
                journal.join(late, [done])
                late.commit()
            except AlreadyRecorded as error:
                errors.append(error)
                late.rollback()

    with psycopg.connect(url.replace("+psycopg", "")) as first:
        first.execute("INSERT INTO nokey VALUES (1)")
        journal.join(first, [done])
        thread = threading.Thread(target=second)
        thread.start()
        with connected(url) as watch:
            while not watch.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone():
                assert thread.is_alive()
        first.commit()
    thread.join(30)
    assert len(errors) == 1
    assert names(url, "nokey", "a") == [1]
    assert list(journal.verify()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM remit.entries",
        'UPDATE "remit" . entries SET n = 1',
        "SELECT * FROM Remit.runs",
        "DROP SCHEMA remit CASCADE",
        "DROP SCHEMA IF EXISTS x, remit",
        "DELETE FROM remit/**/.entries",
        "DELETE FROM remit -- it's\n.entries",
        "ALTER TABLE remit\n.runs RENAME TO x",
    ],
)
def test_the_tables_of_the_journal_are_closed_to_the_tools(url: str, tmp_path: Path, sql: str) -> None:
    """Neither read nor written nor dropped, by any of them."""
    made = tools(url, tmp_path)
    call = Call(action=ActionId("r/a"), args={"database": "shop", "sql": sql, "table": "entries"})
    for road in (made["sql.query"].run, made["sql.run"].run, made["sql.write"].preview):
        with pytest.raises(ArgsInvalid, match="journal's own"):
            asyncio.run(road(call))
