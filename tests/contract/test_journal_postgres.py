"""What is of PostgreSQL alone in a journal that is kept there; what every journal promises is in test_journal_port."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from claims import proves
from journal_world import RUN, connected, draft, new_database
from remit.domain.entry import Kind
from remit.errors import ArgsInvalid, JournalLocked, JournalTrouble, RunBusy
from remit.journal.postgres import open_postgres
from remit_program import program


@proves("journal.tampering")
@pytest.mark.parametrize(
    ("change", "n"),
    [
        ("UPDATE remit.entries SET body = '{}' WHERE n = 2", 2),
        ("UPDATE remit.entries SET kind = 'closed' WHERE n = 2", 2),
        ("DELETE FROM remit.entries WHERE n = 2", 2),
        ("DELETE FROM remit.entries WHERE n = 3", 3),
        (
            "UPDATE remit.entries SET n = n + 8 WHERE n < 3; UPDATE remit.entries SET n = 11 - n WHERE n > 8",
            1,
        ),
        ("DELETE FROM remit.runs", 3),
        ("UPDATE remit.runs SET n = 2, hash = (SELECT hash FROM remit.entries WHERE n = 2)", 3),
        ("DELETE FROM remit.ledger", 3),
    ],
)
def test_what_was_changed_behind_its_back_is_found_and_named(change: str, n: int) -> None:
    """By somebody with an SQL shell."""
    url = new_database()
    journal = open_postgres(url)
    journal.append([draft(Kind.OPENED), draft(Kind.NOTE, "a", x=1), draft(Kind.CLOSED)], durable=True).result()
    assert list(journal.verify()) == []
    with connected(url) as connection:
        connection.execute(change)
    assert n in {fault.n for fault in journal.verify()}
    journal.close()


def test_many_callers_share_a_commit() -> None:
    """A hundred at once need few commits."""
    journal = open_postgres(new_database())
    threads = [
        threading.Thread(
            target=lambda i=i: [journal.append([draft(Kind.NOTE, f"{i}.{n}", run=f"r{i}")], durable=True).result() for n in range(5)]
        )
        for i in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.appended == 500
    assert journal.commits < 100
    assert list(journal.verify()) == []
    journal.close()


def lose(url: str) -> None:
    """End every connection to it."""
    with connected(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'remit' AND datname = current_database()"
        )


def test_a_server_that_lost_us_is_met_again() -> None:
    """Nothing had been said yet, so nothing is lost by saying it to the new one."""
    url = new_database()
    journal = open_postgres(url)
    journal.append([draft(Kind.OPENED)], durable=True).result()
    assert len(list(journal.read(RUN))) == 1
    lose(url)
    journal.append([draft(Kind.NOTE, "later")], durable=True).result()
    assert [entry.action for entry in journal.read(RUN)] == ["", "later"]
    lose(url)
    with journal.hold(RUN):
        pass
    journal.close()


@contextmanager
def stopped(url: str) -> Iterator[None]:
    """Every connection to it is silent until the end of the block."""
    with connected(url) as connection:
        sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'remit' AND datname = current_database()"
        backends = [pid for (pid,) in connection.execute(sql)]
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)


@proves("servers.nothing_hangs")
def test_a_server_that_goes_silent_is_hung_up_on() -> None:
    """Nothing had been said yet, so it is said on a new connection, for writing and for reading; nothing is there twice."""
    url = new_database()
    journal = open_postgres(url, patience=0.3)
    journal.append([draft(Kind.OPENED)], durable=True).result()
    assert len(list(journal.read(RUN))) == 1
    with stopped(url):
        journal.append([draft(Kind.NOTE, "later")], durable=True).result(30)
        assert [entry.action for entry in journal.read(RUN)] == ["", "later"]
    with stopped(url):
        journal.close()
    again = open_postgres(url)
    assert [entry.action for entry in again.read(RUN)] == ["", "later"]
    assert list(again.verify()) == []
    again.close()


@proves("journal.hold")
def test_who_lost_a_run_to_somebody_else_writes_nothing_more() -> None:
    """The lock goes with the connection; it comes back with it, unless another process has it by then."""
    url = new_database()
    ours, theirs = open_postgres(url), open_postgres(url)
    with ours.hold(RUN):
        lose(url)
        ours.append([draft(Kind.OPENED)], durable=True).result()
        with pytest.raises(RunBusy), theirs.hold(RUN):
            pass
        lose(url)
        with theirs.hold(RUN):
            with pytest.raises(JournalTrouble, match="another process advances a run"):
                ours.append([draft(Kind.NOTE, "late")], durable=True).result()
            theirs.append([draft(Kind.NOTE, "theirs")], durable=True).result()
    ours.append([draft(Kind.NOTE, "afterwards")], durable=True).result()
    assert [entry.action for entry in ours.read(RUN)] == ["", "theirs", "afterwards"]
    ours.close()
    theirs.close()


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_the_isolation_that_a_database_has_does_not_matter(level: str) -> None:
    """Several writers, none of which sees an old head."""
    url = new_database()
    with connected(url) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_isolation = '{level}'")
    journals = [open_postgres(url) for _ in range(3)]

    def write(who: int) -> None:
        for n in range(20):
            journals[who].append([draft(Kind.NOTE, f"{who}.{n}")], durable=False).result()

    threads = [threading.Thread(target=write, args=[who]) for who in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(journals[0].read(RUN))) == 60
    assert list(journals[0].verify()) == []
    for journal in journals:
        journal.close()


def test_a_database_that_cannot_hold_all_text_is_refused() -> None:
    """Before anything is written there."""
    url = new_database()
    name = "ascii"
    with connected(url) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(JournalTrouble, match="SQL_ASCII"):
        open_postgres(re.sub(r"/j[0-9]+[?]", f"/{name}?", url))


def test_a_name_that_no_index_takes_fails_its_own_call_only() -> None:
    """It is the caller's mistake, not the server's trouble."""
    journal = open_postgres(new_database())
    with pytest.raises(ArgsInvalid):
        journal.append([draft(Kind.NOTE, "".join(chr(0x4E00 + n * 7 % 20000) for n in range(9000)))], durable=True).result()
    journal.append([draft(Kind.NOTE, "fine")], durable=True).result()
    journal.close()


def test_a_table_that_somebody_locks_is_waited_for_so_long() -> None:
    """Writing and reading end with a word about it."""
    url = new_database()
    journal = open_postgres(url, patience=0.3)
    journal.append([draft(Kind.OPENED)], durable=True).result()
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE remit.entries IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(JournalLocked):
            journal.append([draft(Kind.NOTE, "a")], durable=False).result()
        with pytest.raises(JournalLocked):
            list(journal.read(RUN))
    journal.close()


def test_who_keeps_the_lock_is_waited_for_so_long() -> None:
    """Then it is said, and nothing was written."""
    url = new_database()
    journal = open_postgres(url, patience=0.3)
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        journal.join(other, [draft(Kind.NOTE, "theirs")])
        with pytest.raises(JournalLocked):
            journal.append([draft(Kind.NOTE, "ours")], durable=True).result()
    assert [entry.action for entry in journal.read(RUN)] == ["theirs"]
    journal.close()


def test_a_role_that_may_not_write_is_told_so() -> None:
    """What it needs is named."""
    url = new_database()
    with connected(url) as connection:
        connection.execute(
            "CREATE ROLE guest LOGIN" if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'guest'").fetchone() else "SELECT 1"
        )
    with pytest.raises(JournalTrouble, match="schema `remit`"):
        open_postgres(url.replace("postgres@", "guest@"))


def test_a_newer_schema_and_a_closed_journal_are_refused() -> None:
    """As for a file."""
    url = new_database()
    journal = open_postgres(url)
    journal.close()
    with pytest.raises(JournalTrouble, match="closed"):
        list(journal.read(RUN))
    with connected(url) as connection:
        connection.execute("UPDATE remit.about SET version = 99")
    with pytest.raises(JournalTrouble, match="newer remit"):
        open_postgres(url)


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    """No server, no such database, another kind of URL: which one, and what to do; never the password."""
    remit = program(tmp_path)
    for url, words in (
        ("postgresql+psycopg://ann:s3cret@127.0.0.1:1/x", "does not answer"),
        ("sqlite:////tmp/x.db", "another kind"),
        (new_database() + "&dbname=nowhere", "does not answer"),
    ):
        remit.configure(f'journal = "{url}"\n')
        said = remit("runs")
        assert said.code != 0
        assert words in said.err
        assert "s3cret" not in said.err
