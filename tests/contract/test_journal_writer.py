"""How the writer uses the disk: calls that come together share a commit, a single caller pays no thread, files stay small."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from claims import proves
from journal_world import AT, RUN, draft
from remit.domain.entry import Kind
from remit.errors import AlreadyRecorded, JournalTrouble
from remit.gate.execution import written
from remit.journal.connection import SqliteEngine
from remit.journal.reading import FileReader
from remit.journal.sqlite import SqliteJournal, open_journal

PATIENCE = 20.0


async def append(journal: SqliteJournal, run: str, name: str) -> None:
    """One action: proposed and started before its effect, finished after it."""
    await written(journal.append([draft(Kind.PROPOSED, name, run=run), draft(Kind.STARTED, name, run=run)], durable=True))
    await written(journal.append([draft(Kind.FINISHED, name, run=run)], durable=False))


@proves("journal.groups")
@pytest.mark.parametrize("warm", [0, 100])
async def test_a_hundred_tasks_share_commits(tmp_path: Path, warm: int, anyio_backend: str) -> None:
    """At least ten calls go into one commit, also after a time in which there was only one caller."""
    journal = open_journal(tmp_path / "journal.db")
    for number in range(warm):
        await append(journal, "alone", f"a{number}")
    commits, calls = journal.commits, journal.calls

    async def work(run: str) -> None:
        for number in range(10):
            await append(journal, run, f"a{number}")

    await asyncio.gather(*(work(f"run{number}") for number in range(100)))
    assert (journal.calls - calls) / (journal.commits - commits) >= 10
    assert list(journal.verify()) == []
    journal.close()


@proves("journal.groups")
async def test_one_clash_in_a_shared_commit_fails_only_its_caller(tmp_path: Path, anyio_backend: str) -> None:
    """Fifty of a hundred concurrent callers repeat a line: the other fifty are written."""
    journal = open_journal(tmp_path / "journal.db")
    futures = [
        journal.append([draft(Kind.NOTE, f"n{i}"), draft(run=f"run.{i}"), draft(Kind.STARTED, f"a{i % 50}")], durable=True)
        for i in range(100)
    ]
    results = await asyncio.gather(*map(written, futures), return_exceptions=True)
    assert sum(isinstance(result, AlreadyRecorded) for result in results) == 50
    assert results.count(None) == 50
    assert len(list(journal.read(RUN))) == 100
    assert len(journal.find_runs("run.")) == 50
    assert list(journal.verify()) == []
    journal.close()


async def test_giving_up_on_a_call_does_not_take_it_back(tmp_path: Path, anyio_backend: str) -> None:
    """An accepted line is written even when the task that waited for it was cancelled, and the writer survives that."""
    journal = open_journal(tmp_path / "journal.db")
    tasks = [asyncio.ensure_future(append(journal, RUN, f"a{number}")) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    journal.append([draft(Kind.NOTE, "after")], durable=True).result()
    assert len(list(journal.read(RUN, kinds=(Kind.STARTED,)))) == 20
    journal.close()


def test_a_single_caller_is_written_on_its_own_thread(tmp_path: Path) -> None:
    """Most of its futures are done when append returns: no change of thread stands before the disk."""
    journal = open_journal(tmp_path / "journal.db")
    done = 0
    for number in range(200):
        future = journal.append([draft(Kind.NOTE, f"a{number}")], durable=False)
        done += future.done()
        future.result()
    assert done >= 150
    assert journal.commits == journal.calls == journal.appended == 200
    journal.close()


def test_on_a_slow_disk_calls_keep_their_order(tmp_path: Path) -> None:
    """There durable calls are left to the writer's thread, and a lazy call behind one does not overtake it."""
    journal = open_journal(tmp_path / "journal.db")
    for number in range(200):
        journal._writer._wait, journal._writer._trust = 1.0, 16
        journal.append([draft(Kind.NOTE, f"{number}")], durable=number % 2 == 0)
    journal.append([draft(Kind.LEG)], durable=True).result()
    assert [e.action for e in journal.read(RUN, kinds=(Kind.NOTE,))] == [f"{number}" for number in range(200)]
    journal.close()


class BrokenClock:
    """Fails the first two times it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def now(self) -> int:
        self.asked += 1
        if self.asked <= 2:
            raise RuntimeError("no time")
        return AT


@pytest.mark.parametrize("trust", [0, 16])
def test_an_unforeseen_error_fails_its_call_and_the_writer_goes_on(tmp_path: Path, trust: int) -> None:
    """Whatever goes wrong inside a transaction, its futures say so, nothing of it is written, and the next call is."""
    journal = open_journal(tmp_path / "journal.db", clock=BrokenClock())
    for _ in range(2):
        journal._writer._trust = trust
        with pytest.raises(JournalTrouble, match="no time"):
            journal.append([draft(Kind.CLOSED)], durable=True).result(timeout=30)
    journal.append([draft(Kind.CLOSED)], durable=True).result(timeout=30)
    assert [e.n for e in journal.read(RUN)] == [1]
    journal.close()


@proves("journal.durable")
def test_only_a_durable_call_waits_for_the_disk(tmp_path: Path) -> None:
    """The transaction of a durable call is written with synchronous=FULL (2), any other with NORMAL (1), on both threads."""
    journal = open_journal(tmp_path / "journal.db")
    for number in range(40):
        durable = number % 3 == 0
        journal.append([draft(Kind.NOTE, f"a{number}")], durable=durable).result()
        engine = journal._writer._engine
        assert isinstance(engine, SqliteEngine)
        assert engine._connection.execute("PRAGMA synchronous").fetchone() == (2 if durable else 1,)
    journal.close()


@proves("journal.small")
def test_an_action_takes_at_most_800_bytes(tmp_path: Path) -> None:
    """Three entries with 250 bytes of bodies, with every index, the chain and the ledger, over 10,000 actions in 100 runs."""
    journal = open_journal(tmp_path / "journal.db")
    for number in range(10_000):
        run, name = f"20260101-{number % 100:04d}", f"a{number // 100}"
        journal.append([draft(Kind.PROPOSED, name, run=run, x="p" * 122), draft(Kind.STARTED, name, run=run, x="s" * 72)], durable=False)
        journal.append([draft(Kind.FINISHED, name, run=run, x="f" * 32)], durable=False)
    journal.close()
    assert (tmp_path / "journal.db").stat().st_size / 10_000 <= 800


def test_the_write_ahead_file_stays_bounded(tmp_path: Path) -> None:
    """The writer checkpoints by itself: the side file does not grow with history."""
    journal = open_journal(tmp_path / "journal.db")
    for number in range(3000):
        journal.append([draft(Kind.NOTE, f"a{number}")], durable=False).result()
    assert (tmp_path / "journal.db-wal").stat().st_size < 12_000_000
    journal.close()


def test_looking_something_up_does_not_walk_its_run(tmp_path: Path) -> None:
    """Each query of the port is answered by an index: SQLite takes a few steps, not thousands, in a run of 20,000 entries."""
    journal = open_journal(tmp_path / "journal.db")
    for start in range(0, 10_000, 1000):
        journal.append([draft(Kind.ASKED, f"a{i}", part="?1") for i in range(start, start + 1000)], durable=False)
        journal.append([draft(Kind.SETTLED, f"a{i}", part="?1") for i in range(start, start + 1000) if i != 77], durable=False)
    journal.append([draft(Kind.LEG)], durable=True).result()
    list(journal.read(RUN, limit=1))
    steps: list[int] = []
    assert isinstance(journal._reader, FileReader)
    journal._reader._idle[0].set_progress_handler(lambda: steps.append(1), 100)
    assert [e.kind for e in journal.read(RUN, action="a7500")] == ["asked", "settled"]
    assert [e.action for e in journal.pending(Kind.ASKED)] == ["a77"]
    assert [e.n for e in journal.read(RUN, after=19_998)] == [19_999, 20_000]
    assert [e.n for e in journal.search(after=19_998)] == [19_999, 20_000]
    assert journal.find_runs("run") == [RUN]
    assert journal.version() == 20_000
    assert len(steps) <= 10
    journal.close()


@proves("journal.lingering")
def test_lines_without_hurry_share_the_next_commit_keep_their_order_and_are_written_soon_by_themselves(tmp_path: Path) -> None:
    """An outcome goes along with the next start in one transaction; without a next one it is written within moments."""
    with closing(open_journal(tmp_path / "journal.db")) as journal:
        journal.append([draft(Kind.PROPOSED, "first")], durable=True).result(PATIENCE)
        before = journal.commits
        late = journal.append([draft(Kind.FINISHED, "first")], durable=False, hurry=False)
        journal.append([draft(Kind.PROPOSED, "second")], durable=True).result(PATIENCE)
        late.result(PATIENCE)
        assert journal.commits == before + 1
        alone = journal.append([draft(Kind.FINISHED, "second")], durable=False, hurry=False)
        alone.result(PATIENCE)
        assert [(e.action, e.kind) for e in journal.read(RUN)] == [
            ("first", Kind.PROPOSED),
            ("first", Kind.FINISHED),
            ("second", Kind.PROPOSED),
            ("second", Kind.FINISHED),
        ]


@proves("journal.lingering")
def test_lines_without_hurry_are_not_lost_by_closing(tmp_path: Path) -> None:
    """What was accepted is written before `close` returns."""
    journal = open_journal(tmp_path / "journal.db")
    waiting = [journal.append([draft(Kind.NOTE, f"n{number}")], durable=False, hurry=False) for number in range(200)]
    journal.close()
    assert all(one.done() for one in waiting)
    assert len(list(open_journal(tmp_path / "journal.db").read(RUN))) == 200
