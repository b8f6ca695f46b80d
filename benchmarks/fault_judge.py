"""Compares the world with the journal, without remit's code: the file is copied and read with plain SQL, effects are counted.

doubled      an effect stands in the world more often than once
lost         the journal says that it succeeded (or the run ended as done) and the world lacks it, or it stands in the
             world and nowhere in the journal
misreported  the journal says failed and the world has it; a run that nothing disturbed did not end as done, or ended
             without an end of each action; the tree is not what the run leaves; the chain is broken; a doubt was not asked
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fault_families import Family, Mark
from fault_worlds import Picture, World

_LINES = "SELECT r.id, e.n, e.kind, e.at, e.action, e.part, e.body, e.hash FROM entries e JOIN runs r ON r.number = e.run ORDER BY e.seq"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the journal."""

    run: str
    kind: str
    action: str
    part: str
    body: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What was found, counted; `notes` say where."""

    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def found(self, what: str, note: str, times: int = 1) -> None:
        if times > 0:
            self.counts[what] += times
            self.notes.append(f"{what}: {note}")


def read(home: Path) -> list[Line]:
    """The journal as it stands on disk, from a copy, so that looking at it settles nothing."""
    url = home.parent / "journal.url"
    if url.exists():
        return _served(url.read_text(encoding="utf-8"))
    if not (home / "journal.db").exists():
        return []
    with tempfile.TemporaryDirectory() as there:
        for name in ("journal.db", "journal.db-wal"):
            if (home / name).exists():
                shutil.copy(home / name, there)
        with closing(sqlite3.connect(Path(there) / "journal.db")) as copy:
            if not copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'entries'").fetchone():
                return []
            kinds = dict(copy.execute("SELECT code, name FROM kinds"))
            return list(_chained(copy.execute(_LINES).fetchall(), kinds))


def _served(url: str) -> list[Line]:
    """The same from a database."""
    import psycopg  # a large library; only one family needs it

    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        if connection.execute("SELECT to_regclass('remit.entries')").fetchone() == (None,):
            return []
        names = "r.id, e.n, e.kind, e.at, e.action, e.part, e.body, e.hash"
        rows = connection.execute(f"SELECT {names} FROM remit.entries e JOIN remit.runs r ON r.number = e.run ORDER BY e.seq")
        return list(_chained(rows.fetchall(), {}))


def _chained(rows: Sequence[tuple[Any, ...]], kinds: dict[int, str]) -> Iterator[Line]:
    heads: dict[str, tuple[int, bytes]] = {}
    for run, n, code, at, action, part, body, hashed in rows:
        last, previous = heads.get(run, (0, bytes(32)))
        hasher = hashlib.sha256(previous)
        for text in (run, str(n), kinds.get(code, str(code)), str(at), action, part, body):
            hasher.update(len(text.encode()).to_bytes(4, "big") + text.encode())
        if n != last + 1 or hasher.digest() != hashed:
            yield Line(run=run, kind="BROKEN", action=action, part=part, body={})
        heads[run] = (n, hashed)
        yield Line(run=run, kind=kinds.get(code, str(code)), action=action, part=part, body=json.loads(body))


def unsettled(lines: Sequence[Line], *tools: str) -> set[str]:
    """Actions (of some tools) that were started and whose end is not written."""
    using = {(line.run, line.action): line.body.get("tool") for line in lines if line.kind == "proposed"}
    ended = {(line.run, line.action) for line in lines if line.kind == "finished"}
    started = {(line.run, line.action) for line in lines if line.kind == "started"}
    return {f"{run}/{action}" for run, action in started - ended if not tools or using.get((run, action)) in tools}


def doubts_asked(lines: Sequence[Line]) -> set[str]:
    """Actions about which a person was asked whether they happened."""
    return {f"{line.run}/{line.action}" for line in lines if line.kind == "asked" and line.body.get("kind") == "in_doubt"}


class Judge:
    """Judges the runs of one family at every kill and at the end."""

    def __init__(self, family: Family, world: World) -> None:
        self._family = family
        self._world = world

    def look(self, verdict: Verdict, lines: Sequence[Line], *, final: bool) -> None:
        """At any moment: nothing stands twice, and nothing stands there that the journal does not know."""
        verdict.found("misreported", "the chain is broken", sum(line.kind == "BROKEN" for line in lines))
        if self._family.undo:
            return
        if self._family.counts_actions:
            self._sent(verdict, lines, self._world.trial / "outbox.txt", final=final)
            return
        for mark in self._family.marks:
            self._mark(verdict, lines, mark, final=final)

    def end(self, verdict: Verdict, lines: Sequence[Line], *, code: int, wanted: Picture) -> None:
        """Once nothing is open any more."""
        kind = "undo" if self._family.undo else "plan"
        states = [line.body.get("state") for line in lines if line.kind == "closed" for o in lines if _opens(o, kind) and o.run == line.run]
        if states != ["done"] or code != 0:
            verdict.found("misreported", f"nothing disturbed it, and it ended as {states} with code {code}")
        for action in unsettled(lines):
            verdict.found("misreported", f"{action} has no end")
        verdict.counts["recognised"] += sum(line.kind == "finished" and line.body.get("evidence") == "probe" for line in lines)
        verdict.counts["rerun"] += sum(line.kind == "resumed" for line in lines)
        now = self._world.picture()
        differs = sorted(path for path in now.keys() | wanted.keys() if now.get(path) != wanted.get(path))
        if differs and not verdict.counts["doubled"] + verdict.counts["lost"]:
            verdict.found("misreported", f"the tree differs at {differs[:5]}")

    def _mark(self, verdict: Verdict, lines: Sequence[Line], mark: Mark, *, final: bool) -> None:
        seen = self._world.count(mark.file, mark.text)
        once = max(mark.times, 1)
        verdict.found("doubled", f"{mark.text} stands {seen} times", -(-(seen - once) // once))
        own = [line for line in lines if f"{line.action}.".startswith(f"{mark.step}.")]
        if seen and not any(line.kind == "started" for line in own):
            verdict.found("lost", f"{mark.text} stands there and the journal knows nothing of it")
        if final and not mark.times and seen:
            verdict.found("misreported", f"{mark.text} was to be taken back")
        if mark.times and not seen and (final or (_succeeded(own) and not mark.later)):
            verdict.found("lost", f"{mark.text} is not there")

    def _sent(self, verdict: Verdict, lines: Sequence[Line], outbox: Path, *, final: bool) -> None:
        """Here the world itself knows which action did what."""
        there = outbox.read_text(encoding="utf-8").splitlines() if outbox.exists() else []
        by_action, by_token = Counter(text.split()[0] for text in there), Counter(text.split()[1] for text in there)
        started = {f"{line.run}/{line.action}" for line in lines if line.kind == "started"}
        ends = {f"{line.run}/{line.action}": line.body.get("status") for line in lines if line.kind == "finished"}
        for mark in self._family.marks:
            verdict.found("doubled", f"{mark.text} was sent {by_token[mark.text]} times", by_token[mark.text] - 1)
            if final and not by_token[mark.text]:
                verdict.found("lost", f"{mark.text} was never sent")
        for action in by_action.keys() - started:
            verdict.found("lost", f"{action} happened and the journal knows nothing of it")
        for action, status in ends.items():
            if status == "succeeded" and not by_action[action]:
                verdict.found("lost", f"{action} is said to have succeeded and did not happen")
            if status == "failed" and by_action[action]:
                verdict.found("misreported", f"{action} is said to have failed and happened")


def _opens(line: Line, kind: str) -> bool:
    return line.kind == "opened" and line.body.get("kind") == kind


def _succeeded(own: Sequence[Line]) -> bool:
    """Whether some attempt of this step is said to stand."""
    undone = {line.action for line in own if line.kind == "undone"}
    good = {line.action for line in own if line.kind == "finished" and line.body.get("status") == "succeeded"}
    return any(action not in undone and action.count(".") == 1 for action in good)
