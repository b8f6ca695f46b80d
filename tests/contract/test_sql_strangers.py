"""What a stranger did to the tools of SQL: rows of others under a cascade, names in other spellings, tables that do more than they show."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from claims import proves
from remit.config import load
from remit.errors import ArgsInvalid, Conflict, RemitError, ToolFailed, ToolUncertain
from remit.ports import Happened
from sql_world import SHOP, Postgres, Shop, Sqlite, World, server


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("pg")) as found:
        yield found


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    made: Shop = Sqlite(tmp_path) if request.param == "sqlite" else Postgres(request.getfixturevalue("uri"), f"x{os.getpid()}")
    made.script(SHOP)
    return made


@pytest.fixture
def world(tmp_path: Path, shop: Shop) -> World:
    return World(tmp_path, shop)


@proves("undo.sql")
def test_undo_takes_no_row_along_that_somebody_added_below(world: World) -> None:
    """The new invoice stays, with somebody's line, and is reported."""
    call, result = world.write("invoice", "INSERT INTO invoice VALUES (50, 1, 1), (51, 1, 1)")
    world.shop.script("INSERT INTO line VALUES (50, 1, 'of a person')")
    found = world.undo(call, result)
    assert "line" in str(found["conflicts"])
    assert world.do("sql.query", sql="SELECT id FROM invoice WHERE id >= 50")[1]["rows"] == [[50]]
    assert world.do("sql.query", sql="SELECT what FROM line WHERE invoice = 50")[1]["rows"] == [["of a person"]]


@proves("undo.sql")
def test_a_write_takes_no_row_along_that_was_not_shown(world: World) -> None:
    """Nothing is changed when somebody added a row below meanwhile."""
    call = world.begin("sql.write", table="invoice", sql="DELETE FROM invoice WHERE id = 10")
    world.shop.script("INSERT INTO line VALUES (10, 3, 'of a person')")
    before = world.shop.dump()
    with pytest.raises(Conflict, match="added meanwhile"):
        world.run("sql.write", call)
    assert world.shop.dump() == before


@proves("undo.sql")
def test_a_table_that_is_followed_twice_takes_inserts_and_their_undo(world: World) -> None:
    """Two foreign keys with actions from one table, and one from the table to itself."""
    world.shop.script(
        "CREATE TABLE a(id INTEGER PRIMARY KEY, up INTEGER REFERENCES a(id) ON DELETE CASCADE);"
        " CREATE TABLE b(id INTEGER PRIMARY KEY, one INTEGER REFERENCES a(id) ON DELETE CASCADE,"
        " two INTEGER REFERENCES a(id) ON DELETE SET NULL)"
    )
    before = world.shop.dump()
    call, result = world.write("a", "INSERT INTO a VALUES (1, NULL), (2, 1)")
    assert "conflicts" not in world.undo(call, result)
    assert world.shop.dump() == before


@proves("undo.sql")
def test_undo_sets_off_no_trigger_that_was_made_since(world: World) -> None:
    """It fails, with nothing changed."""
    call, result = world.write("customer", "UPDATE customer SET note = 'new' WHERE id = 1")
    body = "BEGIN DELETE FROM line; END"
    if world.shop.kind == "postgres":
        world.shop.script("CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM line; RETURN NULL; END'")
        body = "FOR EACH ROW EXECUTE FUNCTION g()"
    world.shop.script(f"CREATE TRIGGER late AFTER UPDATE ON customer {body}")
    before = world.shop.dump()
    with pytest.raises(ToolFailed, match="late"):
        world.undo(call, result)
    assert world.shop.dump() == before


@proves("undo.sql")
def test_a_long_chain_goes_in_whatever_order_the_database_wants(world: World) -> None:
    """Rows that refer to each other: every attempt that fails leaves nothing behind."""
    world.shop.script("CREATE TABLE chain(id INTEGER PRIMARY KEY, up INTEGER REFERENCES chain(id))")
    world.shop.script("INSERT INTO chain VALUES (1, NULL)" + "".join(f", ({n}, {n - 1})" for n in range(2, 41)))
    before = world.shop.dump()
    call, result = world.write("chain", "DELETE FROM chain")
    assert result["count"] == 40
    world.undo(call, result)
    assert world.shop.dump() == before


BOTH = [
    ("customer", "UPDATE customer SET ID = 103 WHERE id = 3", "", "primary key"),
    ("customer", "UPDATE customer SET (id, email) = (103, 'n@x') WHERE id = 3", "", "plain columns"),
    ("p", "UPDATE p SET code = 'b'", ("CREATE TABLE p(id INTEGER PRIMARY KEY, code TEXT UNIQUE); CREATE TABLE c(code TEXT PRIMARY KEY"
     " REFERENCES p(code) ON UPDATE CASCADE); INSERT INTO p VALUES (1, 'a'); INSERT INTO c VALUES ('a')"), "follow"),
    ("customer", "INSERT INTO customer(id, name) VALUES (" + "(" * 4000 + "9" + ")" * 4000 + ", 'x')", "", "deep"),
]  # fmt: skip
SQLITE = [
    (
        "p",
        "DELETE FROM p",
        (
            "CREATE TABLE p(id TEXT PRIMARY KEY COLLATE NOCASE); CREATE TABLE c(n INTEGER PRIMARY KEY, up REFERENCES p"
            " ON DELETE CASCADE); INSERT INTO p VALUES ('A'); INSERT INTO c VALUES (1, 'a')"
        ),
        "compare otherwise",
    ),
    (
        "p",
        "DELETE FROM p",
        (
            "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(n INTEGER PRIMARY KEY, up TEXT REFERENCES p(id)"
            " ON DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, '01')"
        ),
        "compare otherwise",
    ),
    ("invoice", "UPDATE main.invoice SET cents = 1", "", "not 'invoice'"),
    ("main.invoice", "UPDATE main.invoice SET cents = 1", "", "without main"),
    ("Invoice", "UPDATE Invoice SET cents = 1", "", "no table"),
    ("customer", "UPDATE customer SET rowid = 103 WHERE id = 3", "", "primary key"),
    ("t", "INSERT INTO t VALUES (3, 'a')", "CREATE TABLE t(id INTEGER PRIMARY KEY, e TEXT UNIQUE ON CONFLICT REPLACE)", "REPLACE"),
    ("t", "UPDATE t SET v = 'new'", "CREATE TABLE t(k TEXT PRIMARY KEY, v); INSERT INTO t VALUES (NULL, 'a')", "NULL"),
]
POSTGRES = [
    ("t", "DELETE FROM t", "CREATE TABLE t(id INTEGER PRIMARY KEY, v bpchar); INSERT INTO t VALUES (1, 'a  ')", "blanks"),
    ("t", "UPDATE t SET id = id + 1", ("CREATE TABLE t(id INTEGER PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
     " ALTER TABLE t FORCE ROW LEVEL SECURITY"), "row level|primary key"),
    ("INVOICE", "UPDATE INVOICE SET cents = 1", "", "not 'INVOICE'"),
    ("p", "DELETE FROM p", "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE k(extra TEXT) INHERITS (p)", "inherits"),
    ("p", "UPDATE p SET v = 'z'", ("CREATE TABLE p(id INTEGER PRIMARY KEY, v TEXT) PARTITION BY RANGE (id);"
     " CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
     " 'BEGIN RETURN NULL; END'; CREATE TRIGGER on_part AFTER UPDATE ON p1 FOR EACH ROW EXECUTE FUNCTION f()"), "on_part"),
    ("t", "UPDATE t SET id[1] = 5", "CREATE TABLE t(id INTEGER[] PRIMARY KEY)", "plain columns"),
    ("customer", "UPDATE customer SET note = evil.lower('x')", "", "schema"),
]  # fmt: skip


@proves("sql.refuses_what_it_cannot_undo")
def test_what_does_more_than_it_shows_is_refused_however_it_is_spelled(world: World) -> None:
    """With a reason, and with nothing changed."""
    for table, sql, made, why in [*BOTH, *(SQLITE if world.shop.kind == "sqlite" else POSTGRES)]:
        if made:
            world.shop.script(f"DROP TABLE IF EXISTS c; DROP TABLE IF EXISTS t; {made}")
        before = world.shop.dump()
        with pytest.raises((ToolFailed, ArgsInvalid), match=why):
            world.write(table, sql)
        assert world.shop.dump() == before, sql
        if made and world.shop.kind == "postgres":
            world.shop.script("DROP TABLE IF EXISTS c, k, p, t CASCADE")
        elif made:
            world.shop.script("DROP TABLE IF EXISTS c; DROP TABLE IF EXISTS p; DROP TABLE IF EXISTS t")


@proves("sql.reads_only")
def test_a_function_of_a_schema_is_nobodys_lower_or_count(world: World) -> None:
    """Whatever it is called."""
    for sql in ("SELECT evil.lower('x')", "SELECT * FROM evil.count('x')"):
        with pytest.raises(RemitError, match="schema"):
            world.do("sql.query", sql=sql)


@proves("sql.probe")
def test_a_commit_whose_answer_is_lost_is_in_doubt_and_looking_tells(uri: str, tmp_path: Path) -> None:
    """The server commits, the connection ends before it says so: nobody calls that a failure."""
    shop = Postgres(uri, f"y{os.getpid()}")
    shop.script(SHOP)
    with _Deaf(uri, tmp_path) as folder:
        shop.url = shop.url.replace(uri.partition("host=")[2], str(folder))
        world = World(tmp_path, shop)
        call = world.begin("sql.write", table="invoice", sql="UPDATE invoice SET cents = cents + 1 WHERE id = 10")
        with pytest.raises(ToolUncertain):
            world.run("sql.write", call)
        assert "(10,1,501)" in "".join(shop.dump())
        assert asyncio.run(world.tools["sql.write"].probe(call)).happened is Happened.YES


@proves("undo.sql")
def test_keys_in_other_spellings_and_without_names_are_followed(world: World) -> None:
    """A foreign key that names no columns, of two columns, or names them in another case: its rows come back, too."""
    world.shop.script(
        "CREATE TABLE p(a INTEGER, b INTEGER, PRIMARY KEY(a, b));"
        " CREATE TABLE c(n INTEGER PRIMARY KEY, x INTEGER, y INTEGER, FOREIGN KEY(x, y) REFERENCES P ON DELETE CASCADE);"
        " CREATE TABLE d(n INTEGER PRIMARY KEY, x INTEGER, y INTEGER, FOREIGN KEY(X, Y) REFERENCES P(A, B) ON DELETE SET NULL);"
        " INSERT INTO p VALUES (1, 2), (2, 1); INSERT INTO c VALUES (1, 1, 2), (2, 2, 1); INSERT INTO d VALUES (1, 1, 2), (2, 2, 1)"
    )
    before = world.shop.dump()
    call, result = world.write("p", "DELETE FROM p WHERE a = 1")
    assert result["count"] == 3
    assert "conflicts" not in world.undo(call, result)
    assert world.shop.dump() == before


@proves("sql.silent_server")
def test_a_server_that_goes_silent_holds_nothing_for_ever(uri: str, tmp_path: Path) -> None:
    """In the middle of a statement nothing was changed, as nothing was committed; the connection is ended, and the next call works."""
    shop = Postgres(uri, f"z{os.getpid()}")
    shop.script(SHOP)
    with _Deaf(uri, tmp_path, silent=True) as folder:
        straight = shop.url
        shop.url = shop.url.replace(uri.partition("host=")[2], str(folder))
        world = World(tmp_path, shop)
        for tool in world.tools.values():
            for database in getattr(tool, "_databases", {}).values():
                database._seconds = 1
        with pytest.raises(ToolFailed):
            world.begin("sql.write", table="invoice", sql="UPDATE invoice SET cents = cents + 1 WHERE id = 10")
    shop.url = straight
    World(tmp_path, shop).write("invoice", "UPDATE invoice SET cents = cents + 1 WHERE id = 10")
    assert "(10,1,501)" in "".join(shop.dump())


@proves("sql.refuses_what_it_cannot_undo")
def test_a_password_from_a_variable_never_becomes_part_of_a_host(tmp_path: Path) -> None:
    """So no error about a host can show it; what is no password stands as it is."""
    path = tmp_path / "remit.toml"
    path.write_text('[sql.a]\nurl = "postgresql+psycopg://u:${P}@db.example/x"\n[sql.b]\nurl = "${URL}"\n')
    found = load(path, {"P": "hun@ter/2", "URL": "sqlite:////tmp/a@b.db"})
    assert found.databases == {"a": "postgresql+psycopg://u:hun%40ter%2F2@db.example/x", "b": "sqlite:////tmp/a@b.db"}


class _Deaf:
    """A socket before the server's that passes everything on, except the answer to a COMMIT that wrote: then it hangs up.

    With `silent` it swallows the answer to a write instead, and all that comes after.
    """

    def __init__(self, uri: str, folder: Path, *, silent: bool = False) -> None:
        self._silent = silent
        self._server = f"{uri.partition('host=')[2]}/.s.PGSQL.5432"
        self._folder = folder / "pg"
        self._listener = socket.socket(socket.AF_UNIX)
        self._wrote = False
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Path:
        self._folder.mkdir()
        self._listener.bind(str(self._folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._start(self._serve)
        return self._folder

    def __exit__(self, *_: object) -> None:
        for peer in (self._listener, *self._peers):
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for peer in (self._listener, *self._peers):
            peer.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            backend = socket.socket(socket.AF_UNIX)
            self._peers += [client, backend]
            backend.connect(self._server)
            self._start(self._forth, client, backend)
            self._start(self._back, client, backend)

    def _forth(self, client: socket.socket, backend: socket.socket) -> None:
        while data := _received(client):
            self._wrote |= b"UPDATE" in data
            with contextlib.suppress(OSError):
                backend.sendall(data)

    def _back(self, client: socket.socket, backend: socket.socket) -> None:
        while data := _received(backend):
            if self._wrote and b"COMMIT" in data:
                self._wrote = False
                client.shutdown(socket.SHUT_RDWR)
                return
            if self._wrote and self._silent:
                continue
            with contextlib.suppress(OSError):
                client.sendall(data)


def _received(peer: socket.socket) -> bytes:
    try:
        return peer.recv(65536)
    except OSError:
        return b""
