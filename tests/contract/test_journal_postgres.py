"""What is of PostgreSQL alone in a journal that is kept there; what every journal promises is in test_journal_port."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from claims import proves
from journal_world import RUN, connected, draft, new_database
from remit.domain.entry import Kind
from remit.errors import JournalLocked, JournalTrouble
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


def test_a_server_that_lost_us_is_met_again() -> None:
    """What was under way when the connection went fails; the next call finds its way."""
    url = new_database()
    journal = open_postgres(url)
    journal.append([draft(Kind.OPENED)], durable=True).result()
    with connected(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'remit' AND datname = current_database()"
        )
    with pytest.raises(JournalTrouble, match="does not answer"):
        journal.append([draft(Kind.NOTE, "lost")], durable=True).result()
    journal.append([draft(Kind.NOTE, "later")], durable=True).result()
    assert [entry.action for entry in journal.read(RUN)] == ["", "later"]
    with journal.hold(RUN):
        pass
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
