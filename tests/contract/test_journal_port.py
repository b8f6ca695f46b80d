"""What every journal promises, run over each implementation there is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims import proves
from journal_world import MAKERS, RUN, draft
from remit.domain.entry import GENESIS, Kind, chain
from remit.domain.values import RunId
from remit.errors import AlreadyRecorded, ArgsInvalid, JournalTrouble, RunBusy
from remit.ports import Journal, Written


@pytest.fixture(params=sorted(MAKERS))
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """An empty journal of each kind."""
    made = MAKERS[request.param](tmp_path)
    yield made
    made.close()


def test_what_was_appended_is_read_back_in_order(journal: Journal) -> None:
    """Numbers count from 1 within a run, `seq` over all runs, and bodies are canonical text."""
    journal.append([draft(Kind.OPENED, goal="ä"), draft(Kind.PROPOSED, "a", x=1)], durable=True).result()
    journal.append([draft(run="run2")], durable=False).result()
    written = list(journal.read(RUN))
    assert [(e.n, e.seq, e.kind, e.body_json) for e in written] == [(1, 1, "opened", '{"goal":"ä"}'), (2, 2, "proposed", '{"x":1}')]
    assert [(e.n, e.seq, e.run) for e in journal.read(RunId("run2"))] == [(1, 3, "run2")]


@proves("journal.chain")
def test_every_entry_is_chained_to_the_one_before(journal: Journal) -> None:
    """The hash of an entry covers all its fields and the hash before it."""
    journal.append([draft(Kind.OPENED), draft(Kind.PROPOSED, "a", x=1)], durable=True).result()
    first, second = journal.read(RUN)
    begun = chain(GENESIS, run=RUN, n=1, kind="opened", at=first.at, action="", part="", body_json="{}")
    assert first.hash == begun
    assert second.hash == chain(begun, run=RUN, n=2, kind="proposed", at=second.at, action="a", part="", body_json='{"x":1}')
    assert list(journal.verify()) == []


@proves("journal.once")
def test_a_line_is_recorded_once_and_a_second_call_writes_nothing(journal: Journal) -> None:
    """AlreadyRecorded takes back the whole call, and only that call."""
    journal.append([draft(Kind.STARTED, "a")], durable=True).result()
    with pytest.raises(AlreadyRecorded, match="run1/a is already recorded as started"):
        journal.append([draft(Kind.NOTE, "b"), draft(Kind.STARTED, "a"), draft(run="run9")], durable=True).result()
    assert [e.kind for e in journal.read(RUN)] == ["started"]
    assert journal.find_runs("run9") == []
    journal.append([draft(Kind.NOTE, "b"), draft(Kind.STARTED, "a", part="?1")], durable=True).result()
    assert list(journal.verify()) == []


def test_a_call_may_not_hold_the_same_line_twice(journal: Journal) -> None:
    """Once means once within a call too, even in a run that begins with it."""
    with pytest.raises(AlreadyRecorded):
        journal.append([draft(Kind.STARTED, "a"), draft(Kind.STARTED, "a", x=2)], durable=True).result()
    assert list(journal.read(RUN)) == []
    assert journal.find_runs("") == []


def test_a_long_call_is_all_or_nothing(journal: Journal) -> None:
    """Hundreds of lines in one call are written in order, or none of them is."""
    lines = [draft(Kind.NOTE, f"a{number}") for number in range(300)]
    with pytest.raises(AlreadyRecorded):
        journal.append([*lines, lines[299]], durable=False).result()
    assert list(journal.read(RUN)) == []
    journal.append(lines, durable=False).result()
    assert [e.action for e in journal.read(RUN)] == [one.action for one in lines]
    assert [e.n for e in journal.read(RUN)] == list(range(1, 301))


def test_a_call_may_write_to_several_runs(journal: Journal) -> None:
    """Each run has its own numbers and its own chain."""
    journal.append([draft(), draft(run="run2"), draft(Kind.LEG), draft(Kind.LEG, run="run2")], durable=True).result()
    assert [(e.run, e.n) for e in journal.search()] == [("run1", 1), ("run2", 1), ("run1", 2), ("run2", 2)]
    assert list(journal.verify()) == []


def test_an_empty_call_is_done_at_once(journal: Journal) -> None:
    """Nothing to write is not an error."""
    assert journal.append([], durable=True).done()


def test_text_that_is_not_unicode_is_refused_and_harms_nobody(journal: Journal) -> None:
    """A lone surrogate fails its own call, whichever field holds it."""
    for bad in (draft(Kind.NOTE, "\udcff"), draft(run="\udcff"), draft(part="\udcff"), draft(text="\udcff")):
        with pytest.raises(ArgsInvalid):
            journal.append([draft(Kind.NOTE, "good"), bad], durable=True).result()
    journal.append([draft(Kind.NOTE, "good")], durable=True).result()
    assert journal.find_runs("") == [RUN]
    assert journal.find_runs("\udcff") == []


def test_a_body_that_is_no_json_is_refused(journal: Journal) -> None:
    """What could not be read back is not written."""
    with pytest.raises(ArgsInvalid):
        journal.append([draft(number=float("nan"))], durable=True).result()
    assert list(journal.read(RUN)) == []


def test_reading_can_be_narrowed(journal: Journal) -> None:
    """By action, by kind, from a number on, and no more than wanted."""
    journal.append(
        [draft(Kind.OPENED)] + [draft(kind, f"a{i}") for i in range(3) for kind in (Kind.PROPOSED, Kind.STARTED)], durable=True
    ).result()
    assert [e.n for e in journal.read(RUN, action="a1")] == [4, 5]
    assert [e.n for e in journal.read(RUN, action="a1", after=4)] == [5]
    assert [e.n for e in journal.read(RUN, action="")] == [1]
    assert [e.n for e in journal.read(RUN, kinds=(Kind.STARTED,), after=3, limit=1)] == [5]
    assert [e.n for e in journal.read(RUN, kinds=(Kind.STARTED, Kind.OPENED))] == [1, 3, 5, 7]
    assert list(journal.read(RUN, limit=0)) == []
    assert list(journal.read(RunId("none"))) == []


def test_reading_pages_through_long_runs(journal: Journal) -> None:
    """No entry is missed or doubled where one page ends and the next begins."""
    for start in range(0, 1000, 100):
        journal.append([draft(Kind.MESSAGE, part=str(i), i=i) for i in range(start, start + 100)], durable=False).result()
    assert [e.n for e in journal.read(RUN)] == list(range(1, 1001))
    assert [e.n for e in journal.read(RUN, action="")] == list(range(1, 1001))
    assert [e.n for e in journal.read(RUN, limit=513)] == list(range(1, 514))
    assert [e.seq for e in journal.search(after=300)] == list(range(301, 1001))
    assert [e.seq for e in journal.search(run=RUN, after=300, limit=300)] == list(range(301, 601))


def test_entries_appended_while_reading_do_not_disturb_it(journal: Journal) -> None:
    """A reader holds no old state: it neither blocks the writer nor loses its place."""
    journal.append([draft(Kind.MESSAGE, part=str(i)) for i in range(600)], durable=False).result()
    reading = journal.read(RUN)
    seen = [next(reading).n]
    journal.append([draft(Kind.NOTE, "late")], durable=True).result()
    seen += [e.n for e in reading]
    assert seen[:600] == list(range(1, 601))
    assert len(seen) in {600, 601}


@proves("journal.pending")
def test_a_question_is_pending_until_it_is_settled(journal: Journal) -> None:
    """Asked opens, settled with the same action and part ends; answers change nothing."""
    journal.append(
        [draft(Kind.ASKED, "a", part="?1"), draft(Kind.ASKED, "b", part="?1"), draft(Kind.ASKED, "a", part="?2")], durable=True
    ).result()
    journal.append([draft(Kind.ANSWERED, "b", part="?1@ann")], durable=True).result()
    journal.append([draft(Kind.SETTLED, "a", part="?1"), draft(Kind.SETTLED, "c", part="?1")], durable=True).result()
    assert [(e.kind, e.action, e.part) for e in journal.pending(Kind.ASKED)] == [("asked", "b", "?1"), ("asked", "a", "?2")]
    assert list(journal.pending(Kind.NOTE)) == []


@proves("journal.pending")
def test_a_run_is_open_until_closed_and_again_after_reopening(journal: Journal) -> None:
    """The run counts as one thing: a second closing with another part ends the reopened run."""
    journal.append([draft(Kind.OPENED), draft(Kind.OPENED, run="run2")], durable=True).result()
    journal.append([draft(Kind.CLOSED)], durable=True).result()
    assert [e.run for e in journal.pending(Kind.OPENED)] == ["run2"]
    journal.append([draft(Kind.REOPENED, part="2")], durable=True).result()
    assert [(e.kind, e.run) for e in journal.pending(Kind.OPENED)] == [("opened", "run1"), ("opened", "run2")]
    journal.append([draft(Kind.CLOSED, part="2")], durable=True).result()
    assert [e.run for e in journal.pending(Kind.OPENED)] == ["run2"]
    journal.append([draft(Kind.REOPENED, run="run3")], durable=True).result()
    assert [e.run for e in journal.pending(Kind.OPENED)] == ["run2"]


def test_a_refused_call_changes_nothing_that_is_pending(journal: Journal) -> None:
    """The table of what is pending is written in the same transaction as the lines."""
    journal.append([draft(Kind.ASKED, "a", part="?1")], durable=True).result()
    with pytest.raises(AlreadyRecorded):
        journal.append([draft(Kind.SETTLED, "a", part="?1"), draft(Kind.ASKED, "a", part="?1")], durable=True).result()
    assert [e.action for e in journal.pending(Kind.ASKED)] == ["a"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 4),
        ("100%", 1),
        ("1%_", 0),
        ("_", 1),
        ("RUN1/PAY", 1),
        ('say "hi"', 1),
        ("two\nlines", 1),
        ("propos", 3),
        ("Äpfel", 1),
        ("nowhere", 0),
    ],
)
def test_search_finds_text_in_ids_kinds_and_bodies(journal: Journal, text: str, found: int) -> None:
    """Every character stands for itself, and A to Z match in either case."""
    journal.append([draft(Kind.PROPOSED, "pay", note="100%"), draft(Kind.PROPOSED, "b_c", note='say "hi"')], durable=True).result()
    journal.append([draft(Kind.NOTE, "d", note="two\nlines"), draft(Kind.PROPOSED, "e", run="run2", note="Äpfel")], durable=True).result()
    assert len(list(journal.search(text=text))) == found


def test_search_can_be_narrowed(journal: Journal) -> None:
    """By run, kind, time, place and number."""
    journal.append(
        [draft(Kind.NOTE, "a", at=5), draft(Kind.NOTE, "b", at=10, run="run2"), draft(Kind.LEG, "c", at=20)], durable=True
    ).result()
    assert [e.action for e in journal.search(run=RUN)] == ["a", "c"]
    assert [e.action for e in journal.search(since=10)] == ["b", "c"]
    assert [e.action for e in journal.search(kinds=("note", "unheard"), after=1)] == ["b"]
    assert [e.action for e in journal.search(limit=2)] == ["a", "b"]
    assert [e.action for e in journal.search(run=RUN, after=1)] == ["c"]


def test_runs_are_found_by_prefix_newest_first(journal: Journal) -> None:
    """A prefix is text, not a pattern."""
    for run in ("abc", "ab_", "abd", "b"):
        journal.append([draft(run=run)], durable=False).result()
    assert journal.find_runs("ab") == ["abd", "ab_", "abc"]
    assert journal.find_runs("ab_") == ["ab_"]
    assert journal.find_runs("") == ["b", "abd", "ab_", "abc"]


def test_a_run_is_held_by_one_at_a_time(journal: Journal) -> None:
    """A second holder is refused at once, also within the process, and other runs are free."""
    with journal.hold(RUN):
        with pytest.raises(RunBusy, match="run1"), journal.hold(RUN):
            raise AssertionError("held twice")
        with journal.hold(RunId("../odd run")):
            pass
    with journal.hold(RUN):
        pass


def test_version_changes_with_every_write_and_only_then(journal: Journal) -> None:
    """Polling it tells whether there is something new to read."""
    before = journal.version()
    journal.append([draft()], durable=False).result()
    after = journal.version()
    list(journal.read(RUN))
    assert before != after == journal.version()


def test_many_threads_lose_nothing(journal: Journal) -> None:
    """Entries of all threads are there, each call's in its order, and the chain holds."""
    calls: list[Written] = []

    def work(who: int) -> None:
        for number in range(50):
            lines = [draft(Kind.NOTE, f"{who}.{number}", part=part) for part in "xy"]
            calls.append(journal.append(lines, durable=number % 10 == 0))

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for call in calls:
        call.result()
    entries = list(journal.read(RUN))
    assert len(entries) == 800
    for who in range(8):
        assert [e.action for e in entries if e.action.startswith(f"{who}.")] == [f"{who}.{n}" for n in range(50) for _ in "xy"]
    assert list(journal.verify()) == []


def test_a_closed_journal_refuses_to_write(journal: Journal) -> None:
    """Nothing is accepted that will not be written; closing twice does nothing."""
    journal.close()
    journal.close()
    with pytest.raises(JournalTrouble, match="closed"):
        journal.append([draft()], durable=False)
    with pytest.raises(JournalTrouble, match="closed"):
        list(journal.read(RUN))
