"""SQL on real databases: what is read, what is written, how it is taken back, and what is left alone."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, Conflict, ToolFailed
from remit.ports import Call, Happened
from sql_world import SHOP, Postgres, Shop, Sqlite, World, server


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("pg")) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    made: Shop = Sqlite(tmp_path) if request.param == "sqlite" else Postgres(request.getfixturevalue("uri"), f"s{os.getpid()}")
    made.script(SHOP)
    return made


@pytest.fixture
def world(tmp_path: Path, shop: Shop) -> World:
    return World(tmp_path, shop)


def query(world: World, sql: str, **more: JsonValue) -> JsonValue:
    return world.do("sql.query", sql=sql, **more)[1]["rows"]


def listed(value: JsonValue) -> list[Any]:
    assert isinstance(value, list)
    return value


@proves("sql.reads_only")
def test_a_query_answers_with_columns_and_rows(world: World) -> None:
    """Rows up to the limit, and whether there are more."""
    found = world.do("sql.query", sql="SELECT id, name FROM customer ORDER BY id;", limit=2)[1]
    assert found == {"columns": ["id", "name"], "rows": [[1, "Ann"], [2, "Ben"]], "count": 2, "more": True}
    assert query(world, "SELECT count(*), max(cents) FROM invoice -- all of them") == [[3, 900]]
    assert query(world, "WITH x AS (SELECT 1 AS a UNION SELECT 2) SELECT a FROM x ORDER BY a") == [[1], [2]]
    assert query(world, "SELECT name FROM customer WHERE name LIKE '%n%' ORDER BY 1") == [["Ann"], ["Ben"]]


WRITES = (
    "DELETE FROM line",
    "SELECT 1; DELETE FROM line",
    "CREATE TABLE x(a INTEGER)",
    "DROP TABLE line",
    "VACUUM",
    "SELECT my_function(1)",
    "EXPLAIN ANALYZE DELETE FROM line",
)
SQLITE = ("PRAGMA writable_schema = ON", "ATTACH 'x.db' AS x", "SELECT load_extension('x')", "SELECT writefile('x', 'y')")
POSTGRES = (
    "WITH gone AS (DELETE FROM line RETURNING *) SELECT * FROM gone",
    "SELECT * INTO copied FROM line",
    "SELECT * FROM line FOR UPDATE",
    "SELECT pg_terminate_backend(1)",
    "SELECT nextval('x')",
    "SELECT set_config('a.b', 'c', false)",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY line TO PROGRAM 'cat'",
    "DO $$ BEGIN DELETE FROM line; END $$",
    "CALL x()",
    "SET ROLE x",
    "LOCK TABLE line",
)


@proves("sql.answers_are_bounded")
def test_of_an_answer_larger_than_memory_only_the_first_rows_are_taken(world: World) -> None:
    """Rows come as they are taken, and no more of them than were asked for or than a megabyte or four hold; then the next call works."""
    world.shop.script("CREATE TABLE many(i INTEGER); INSERT INTO many VALUES " + ", ".join(f"({i})" for i in range(100)))
    found = world.do("sql.query", sql="SELECT a.i, b.i FROM many a, many b, many c, many d, many e", limit=3)[1]
    assert (found["count"], found["more"]) == (3, True)
    world.shop.script("CREATE TABLE long(i INTEGER, x TEXT)")
    world.shop.script("".join(f"INSERT INTO long VALUES ({i}, '{'x' * size}');" for i, size in enumerate([1_500_000] * 3 + [4_500_000])))
    found = world.do("sql.query", sql="SELECT x FROM long ORDER BY i")[1]
    assert (found["count"], found["more"]) == (2, True)
    with pytest.raises(ToolFailed, match="larger than 4 MB"):
        world.do("sql.query", sql="SELECT x FROM long WHERE i = 3")
    assert world.do("sql.query", sql="SELECT id FROM customer WHERE id < 0")[1] == {
        "columns": ["id"],
        "rows": [],
        "count": 0,
        "more": False,
    }


@proves("sql.reads_only")
def test_what_may_write_is_no_query(world: World) -> None:
    """Statements that write, lock, define or call what nobody knows do not run as queries, and nothing changes."""
    before = world.shop.dump()
    for sql in (*WRITES, *(SQLITE if world.shop.kind == "sqlite" else POSTGRES)):
        with pytest.raises((ToolFailed, ArgsInvalid)):
            query(world, sql)
    assert world.shop.dump() == before


@proves("sql.reads_only")
def test_even_a_statement_that_looks_like_a_query_cannot_write(world: World) -> None:
    """The transaction itself is read-only: the second wall, should the syntax tree be wrong."""
    database = world.tools["sql.query"]._databases["shop"]  # type: ignore[attr-defined]
    with pytest.raises(ToolFailed), database.reading() as connection:
        database.execute(connection, "DELETE FROM line")
    assert query(world, "SELECT count(*) FROM line") == [[3]]


CHANGES = [
    ("customer", "INSERT INTO customer(id, name, email) VALUES (7, 'Zoë', 'z@example.org'), (8, 'it''s; --', NULL)"),
    ("customer", "UPDATE customer SET name = upper(name), note = '100% of :x' WHERE id IN (SELECT customer FROM invoice)"),
    ("line", "DELETE FROM line WHERE what IS NULL;"),
    ("invoice", "DELETE FROM invoice WHERE cents < 800"),
    ("customer", "INSERT INTO customer(id, name) VALUES (1, 'x'), (9, 'new') ON CONFLICT (id) DO UPDATE SET name = excluded.name"),
    ("customer", "UPDATE customer SET name = name"),
]


@proves("undo.sql")
@pytest.mark.parametrize(("table", "sql"), CHANGES)
def test_a_write_changes_what_it_shows_and_its_undo_brings_every_row_back(world: World, table: str, sql: str) -> None:
    """The preview has the rows and changes nothing; afterwards the database is as if the statement had run; then as before."""
    before = world.shop.dump()
    call = world.begin("sql.write", table=table, sql=sql)
    assert world.shop.dump() == before
    done = world.run("sql.write", call)
    changed = world.shop.dump()
    assert (changed == before) == (done["count"] == 0)
    world.undo(call, done)
    assert world.shop.dump() == before
    world.shop.script(sql)
    assert world.shop.dump() == changed


@proves("undo.sql")
def test_rows_that_follow_by_foreign_key_are_shown_and_come_back(world: World) -> None:
    """Deleting an invoice takes its lines along: they are in the preview, and in the undo."""
    before = world.shop.dump()
    call = world.begin("sql.write", table="invoice", sql="DELETE FROM invoice WHERE id = 10")
    preview = asyncio.run(world.tools["sql.write"].preview(call)).text
    assert "delete from line invoice=" in preview
    done = world.run("sql.write", call)
    assert query(world, "SELECT count(*) FROM line") == [[1]]
    world.undo(call, done)
    assert world.shop.dump() == before


@proves("undo.sql")
def test_a_row_that_somebody_changed_since_is_spared_and_reported(world: World) -> None:
    """The others are restored; the person's row stays, is named, and only it is left to undo."""
    call, done = world.write("invoice", "UPDATE invoice SET cents = cents + 1")
    world.shop.script("UPDATE invoice SET cents = 42 WHERE id = 11")
    undone = world.undo(call, done)
    assert query(world, "SELECT cents FROM invoice ORDER BY id") == [[500], [42], [900]]
    assert "invoice id=" in str(undone["conflicts"])
    back = world.tools["sql.write"].undo(call, done)
    assert back is not None
    left = world.tools["sql.restore"].left(back.args, undone)
    assert len(listed(left["rows"])) == 1


@proves("undo.sql")
@pytest.mark.parametrize("between", ["preview", "capture"])
def test_a_row_that_changes_before_the_write_is_a_conflict_with_nothing_changed(world: World, between: str) -> None:
    """What was shown is what is written, or nothing is."""
    sql = "UPDATE invoice SET cents = 1"
    tool = world.tools["sql.write"]
    call = world.call(table="invoice", sql=sql)
    if between == "preview":
        preview = asyncio.run(tool.preview(call))
        world.shop.script("UPDATE invoice SET cents = 42 WHERE id = 11")
        with pytest.raises(Conflict, match="changed since"):
            asyncio.run(tool.capture(replace(call, staged=preview.staged)))
    else:
        call = world.begin("sql.write", table="invoice", sql=sql)
        world.shop.script("UPDATE invoice SET cents = 42 WHERE id = 11")
        with pytest.raises(Conflict, match="nothing was changed"):
            world.run("sql.write", call)
    assert query(world, "SELECT cents FROM invoice ORDER BY id") == [[500], [42], [900]]


@proves("sql.probe")
def test_looking_tells_what_happened_and_running_again_doubles_nothing(world: World) -> None:
    """Before, after, and when somebody else was there: only the last is unknown, and told row by row."""
    tool = world.tools["sql.write"]
    call = world.begin("sql.write", table="customer", sql="INSERT INTO customer(id, name) VALUES (7, 'x'), (8, 'y')")
    found = asyncio.run(tool.probe(call))
    assert (found.happened, found.again) == (Happened.NO, True)
    world.run("sql.write", call)
    assert asyncio.run(tool.probe(call)).happened is Happened.YES
    world.run("sql.write", call)
    assert query(world, "SELECT count(*) FROM customer") == [[5]]
    world.shop.script("UPDATE customer SET name = 'z' WHERE id = 8")
    unknown = asyncio.run(tool.probe(call))
    assert unknown.happened is Happened.UNKNOWN
    assert "something else by now" in unknown.detail


REFUSED = [
    ("nokey", "INSERT INTO nokey VALUES (1)", "no primary key"),
    ("customer", "UPDATE customer SET id = id + 100", "primary key"),
    ("customer", "UPDATE customer SET name = 'x' RETURNING id", "RETURNING"),
    ("invoice", "UPDATE customer SET name = 'x'", "writes to 'customer'"),
    ("customer", "SELECT 1", "only reads"),
    ("customer", "UPDATE customer SET name = secret_function(name)", "SECRET_FUNCTION"),
    ("nothing", "DELETE FROM nothing", "no table"),
    ("customer", "UPDATE customer SET nothing = 1", "nothing"),
    ("invoice", "UPDATE invoice SET cents = -1", ""),
    ("customer", "DELETE FROM customer", ""),
    ("customer", "DELETE FROM customer WHERE", ""),
    ("customer", "DROP TABLE line", ""),
]


@proves("sql.refuses_what_it_cannot_undo")
@pytest.mark.parametrize(("table", "sql", "why"), REFUSED)
def test_what_cannot_be_undone_exactly_is_refused_with_a_way_out(world: World, table: str, sql: str, why: str) -> None:
    """No key, changed keys, unknown functions, broken constraints and SQL: a clear message, and nothing changes."""
    before = world.shop.dump()
    with pytest.raises((ToolFailed, ArgsInvalid)) as caught:
        world.write(table, sql)
    assert why in str(caught.value)
    assert world.shop.dump() == before


TRIGGER = {
    "sqlite": "CREATE TRIGGER t AFTER UPDATE ON customer BEGIN UPDATE invoice SET cents = 0; END;",
    "postgres": "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE invoice SET cents = 0; RETURN NEW; END';"
    "CREATE TRIGGER t AFTER UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION f();",
}


@proves("sql.refuses_what_it_cannot_undo")
def test_a_table_with_triggers_is_refused(world: World) -> None:
    """What a trigger does elsewhere cannot be seen, so it is for `sql.run`, which asks."""
    world.shop.script(TRIGGER[world.shop.kind])
    before = world.shop.dump()
    with pytest.raises(ToolFailed, match="triggers"):
        world.write("customer", "UPDATE customer SET name = 'x'")
    assert world.shop.dump() == before
    world.do("sql.run", sql="UPDATE customer SET name = 'x' WHERE id = 1")
    assert query(world, "SELECT sum(cents) FROM invoice") == [[0]]


EXACT = {
    "sqlite": (
        "CREATE TABLE odd(id TEXT PRIMARY KEY, v, g TEXT AS (id || 'x')) WITHOUT ROWID;"
        "INSERT INTO odd(id, v) VALUES ('int', 9223372036854775807), ('real', 0.1), ('tiny', 5e-324), ('inf', 9e999), ('neg', -0.0),"
        "('text', 'ü' || char(0) || '%'), ('blob', x'00ff'), ('null', NULL), ('latin', CAST(x'ff41' AS TEXT)), ('1', '1'), ('empty', '');"
    ),
    "postgres": (
        "CREATE TABLE odd(id TEXT PRIMARY KEY, v NUMERIC, d DOUBLE PRECISION, t TIMESTAMPTZ, i INTERVAL, b BYTEA, j JSON, jb JSONB,"
        " a INT[], u UUID, r INT4RANGE, n INET, x BOOL, s BIGINT GENERATED ALWAYS AS IDENTITY,"
        " g TEXT GENERATED ALWAYS AS (id || 'x') STORED);"
        "INSERT INTO odd(id, v, d, t, i, b, j, jb, a, u, r, n, x) VALUES ('a', 0.10, 0.1, '2026-03-29 01:30:00+01', '1 mon -2 days 3.5 s',"
        " '\\x00ff', '{\"b\" : 1,  \"a\":2}', '{\"b\": 1.0}', '{1,NULL,3}',"
        " '7b4e9c1e-0000-4000-8000-000000000001', '[1,5)', '10.0.0.1/8', true),"
        "('b', 'NaN', 'Infinity', 'infinity', NULL, '', 'null', 'null', '{}', NULL, 'empty', NULL, NULL);"
    ),
}


@proves("undo.sql")
@pytest.mark.parametrize("sql", ["DELETE FROM odd", "UPDATE odd SET v = 5"])
def test_values_of_every_type_come_back_exactly(world: World, sql: str) -> None:
    """Large and tiny numbers, times, bytes, JSON as it was written, text that is no UTF-8; computed columns compute themselves."""
    world.shop.script(EXACT[world.shop.kind])
    before = world.shop.dump()
    call, done = world.write("odd", sql)
    assert world.shop.dump() != before
    world.undo(call, done)
    assert world.shop.dump() == before


@proves("undo.sql")
def test_numbers_that_the_database_counts_are_the_ones_that_were_shown(world: World) -> None:
    """What the preview shows as the new row's number is its number."""
    kind = "INTEGER PRIMARY KEY" if world.shop.kind == "sqlite" else "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    world.shop.script(f"CREATE TABLE counted(id {kind}, what TEXT)")
    call = world.begin("sql.write", table="counted", sql="INSERT INTO counted(what) VALUES ('a'), ('b')")
    assert isinstance(call.captured, Mapping)
    shown = asyncio.run(world.tools["sql.restore"].preview(Call(action=call.action, args=call.captured)))
    world.run("sql.write", call)
    numbers = [row[0] for row in listed(query(world, "SELECT id FROM counted"))]
    assert len(numbers) == 2
    assert all(f"id = {number}" in shown.text.replace('"', "") for number in numbers)


@proves("sql.undo_of_a_thousand")
def test_a_thousand_random_writes_are_taken_back_to_the_same_dump(world: World) -> None:
    """Inserts, updates, upserts and deletes with cascades, undone newest first."""
    before = world.shop.dump()
    dice = random.Random(11)  # noqa: S311 - reproducible on purpose
    done = []
    for number in range(1000):
        table, sql = random_write(dice, number)
        try:
            done.append(world.write(table, sql))
        except ToolFailed:
            continue  # a constraint forbids it: nothing happened
    assert len(done) > 600
    assert world.shop.dump() != before
    for call, result in reversed(done):
        undone = world.undo(call, result)
        assert "conflicts" not in undone
    assert world.shop.dump() == before


def random_write(dice: random.Random, number: int) -> tuple[str, str]:
    """One statement on the shop; some break a constraint."""
    customer, invoice, n = dice.randint(1, 30), dice.randint(1, 60), dice.randint(1, 5)
    return dice.choice(
        [
            ("customer", f"INSERT INTO customer(id, name, email) VALUES ({customer}, 'c{number}', 'e{dice.randint(1, 40)}@x')"),
            ("customer", f"UPDATE customer SET note = 'n{number}', name = name || '!' WHERE id % {dice.randint(2, 5)} = 0"),
            ("customer", f"DELETE FROM customer WHERE id = {customer}"),
            ("invoice", f"INSERT INTO invoice VALUES ({invoice}, {customer}, {number})"),
            ("invoice", f"UPDATE invoice SET cents = cents + {dice.randint(-50, 50)} WHERE customer = {customer}"),
            ("invoice", f"DELETE FROM invoice WHERE id = {invoice}"),
            (
                "line",
                f"INSERT INTO line VALUES ({invoice}, {n}, 'l{number}') ON CONFLICT (invoice, n) DO UPDATE SET what = 'again'",
            ),
            ("line", f"DELETE FROM line WHERE n = {n}"),
        ]
    )
