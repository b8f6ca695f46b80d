"""One state machine drives the SQLite journal and the one in memory; they may never differ in anything that can be seen."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from claims import proves
from journal_world import draft
from remit.domain.entry import Draft, Entry, Kind
from remit.domain.values import JsonValue, RunId
from remit.errors import RemitError
from remit.journal.sqlite import open_journal
from remit.testing import MemoryJournal

texts = st.sampled_from(["a", "b", "A", "ä", "?1", "%", "_", "", "\x00", "a/b", "\udcff", '"', "\\", "\n"]) | st.text(max_size=3)
runs = st.sampled_from(["r", "r2", "R", "s"]) | texts
bodies = st.dictionaries(texts, st.none() | st.booleans() | st.integers() | texts, max_size=2)
times = st.integers(0, 20) | st.integers() | st.sampled_from([2**63, 2**63 - 1, -(2**63)])

kinds = st.sets(st.sampled_from(Kind), max_size=3)
numbers = st.integers(0, 9)


@st.composite
def drafts(choose: st.DrawFn) -> Draft:
    body: dict[str, JsonValue] = dict(choose(bodies))
    line = draft(choose(st.sampled_from(Kind)), choose(texts), run=choose(runs), part=choose(texts), at=choose(times))
    return Draft(run=line.run, kind=line.kind, at=line.at, action=line.action, part=line.part, body=body)


class Journals(RuleBasedStateMachine):
    """The same calls on both, in any order, with the file closed and opened in between."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="remit-"))
        self.file = open_journal(self.folder / "journal.db")
        self.memory = MemoryJournal()

    @rule(lines=st.lists(drafts(), max_size=4), durable=st.booleans())
    def append(self, lines: list[Draft], durable: bool) -> None:
        """Both write the same entries, or refuse for the same reason."""
        results: list[object] = []
        for journal in (self.file, self.memory):
            try:
                results.append(journal.append(lines, durable=durable).result(timeout=60))
            except RemitError as error:
                results.append(error.code)
        assert results[0] == results[1]

    @rule(run=runs, action=st.none() | texts, wanted=kinds, after=numbers, limit=st.none() | numbers)
    def read(self, run: str, action: str | None, wanted: set[Kind], after: int, limit: int | None) -> None:
        found = [list(j.read(RunId(run), action=action, kinds=wanted, after=after, limit=limit)) for j in (self.file, self.memory)]
        assert found[0] == found[1]

    @rule(text=texts, run=st.none() | runs, wanted=kinds, since=times, after=numbers)
    def search(self, text: str, run: str | None, wanted: set[Kind], since: int, after: int) -> None:
        found: list[list[Entry]] = [
            list(j.search(text=text, run=RunId(run) if run is not None else None, kinds=wanted, since=since, after=after))
            for j in (self.file, self.memory)
        ]
        assert found[0] == found[1]

    @rule(prefix=runs)
    def find_runs(self, prefix: str) -> None:
        assert self.file.find_runs(prefix) == self.memory.find_runs(prefix)

    @rule()
    def open_again(self) -> None:
        """Nothing lives in the object: a journal that is opened again goes on where it was."""
        self.file.close()
        self.file = open_journal(self.folder / "journal.db")

    @invariant()
    def agree(self) -> None:
        """What is pending, the version, and that every chain holds."""
        for kind in (Kind.ASKED, Kind.OPENED):
            assert list(self.file.pending(kind)) == list(self.memory.pending(kind))
        assert self.file.version() == self.memory.version()
        assert list(self.file.verify()) == list(self.memory.verify()) == []

    def teardown(self) -> None:
        self.file.close()
        shutil.rmtree(self.folder)


@proves("journal.same_everywhere")
def test_the_journal_on_disk_and_the_one_in_memory_are_the_same() -> None:
    """Random calls on both, 100 times 30 of them: every result, every entry, what is pending, and the chains."""
    quiet = settings(max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(Journals, settings=quiet)
