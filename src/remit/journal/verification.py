"""Proving a journal: every chain and the ledger of heads computed again, in bounded memory.

What it finds: a changed field, a missing line (in the middle or at the end), lines in another order, a changed or
missing head, a changed or missing row of the ledger, and a run that is gone although the ledger knew it. Its limit:
whoever can write the file can compute all hashes again; a head noted outside the file is needed to notice that.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain as one_after_another
from typing import Any, Final, TypeAlias

from remit.domain.entry import GENESIS, chain
from remit.domain.values import RunId
from remit.journal.reading import PAGE, Reader
from remit.journal.schema import kind_name
from remit.journal.transaction import anchor_hash
from remit.ports import Fault

Found: TypeAlias = tuple[str, int, str]
"""Run, entry and what is wrong with it."""

_RUNS: Final = (
    "SELECT r.number, r.id, r.n, r.hash, (SELECT max(n) FROM entries WHERE run = r.number), r.anchored, l.run "
    "FROM runs r LEFT JOIN ledger l ON l.seq = r.anchored WHERE r.number > ? ORDER BY r.number LIMIT ?"
)
# Text as bytes: damage may leave what is no UTF-8, and that is a fault to name, not a reason to stop.
_LINES: Final = (
    "SELECT n, kind, at, CAST(action AS BLOB), CAST(part AS BLOB), CAST(body AS BLOB), hash, seq FROM entries INDEXED BY entry_order "
    "WHERE n > ? AND run = ? AND n <= ? ORDER BY n LIMIT ?"
)
_LEDGER: Final = (
    "SELECT l.seq, l.run, l.n, l.head, l.at, l.hash, r.number, e.hash FROM ledger l LEFT JOIN runs r ON r.id = l.run "
    "LEFT JOIN entries e ON e.run = r.number AND e.n = l.n WHERE l.seq > ? ORDER BY l.seq LIMIT ?"
)
_ORPHANS: Final = "SELECT run, min(n) FROM entries e WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.number = e.run) GROUP BY run"


def faults(reader: Reader, run: RunId | None) -> Iterator[Fault]:
    """Every place where the journal is not what was written; of one run, or of all."""
    for known, n, what in one_after_another(_ledger_faults(reader), _chain_faults(reader, run), _orphans(reader)):
        if run is None or known == run:
            yield Fault(run=RunId(known), n=n, what=what)


def _ledger_faults(reader: Reader) -> Iterator[Found]:
    expected, previous = 1, GENESIS
    for seq, run, n, head, at, hashed, number, entry in _paged(reader, _LEDGER, 0):
        if seq != expected:
            yield run, n, "the ledger of heads has lost the row before the one that knows this entry"
        elif hashed != anchor_hash(previous, run=run, n=n, head=head, at=at):
            yield run, n, "the row of the ledger of heads was changed"
        if number is None:
            yield run, n, "the run was removed; the ledger of heads knew it up to here"
        elif entry != head:
            yield run, n, "the entry is not the one that the ledger of heads knew"
        expected, previous = seq + 1, hashed


def _chain_faults(reader: Reader, only: RunId | None) -> Iterator[Found]:
    for number, run, n, hashed, last, anchored, anchored_run in _paged(reader, _RUNS, 0):
        if only not in {None, run}:
            continue
        yield from _run_faults(reader, number, run, n, hashed)
        if last is not None and last > n:
            yield run, n + 1, "the run's head was changed: there are entries beyond it"
        if anchored and anchored_run != run:
            yield run, n, "the row of the ledger of heads that knew this run was removed"


def _run_faults(reader: Reader, number: int, run: str, last: int, head: bytes) -> Iterator[Found]:
    expected, previous, sound, before = 1, GENESIS, True, 0
    for n, kind, at, action, part, body, hashed, seq in _paged(reader, _LINES, 0, number, last):
        if n != expected:
            yield run, expected, "the entry was removed" if n == expected + 1 else f"the entries up to {n - 1} were removed"
        else:
            texts = [bytes(text).decode("utf-8", "replace") for text in (action, part, body)]
            now = chain(previous, run=run, n=n, kind=kind_name(kind), at=at, action=texts[0], part=texts[1], body_json=texts[2])
            if now != hashed:
                yield run, n, "the entry was changed" if sound else "the entry cannot be confirmed, as the one before it was changed"
            sound = now == hashed
        if seq <= before:
            yield run, n, "the entry stands in another order than it was written"
        expected, previous, before = n + 1, hashed, seq
    if expected <= last:
        yield run, expected, "the entry was removed" if expected == last else f"the entries up to {last} were removed"
    elif previous != head:
        yield run, last, "the run's head was changed"


def _orphans(reader: Reader) -> Iterator[Found]:
    for number, n in reader.rows(_ORPHANS):
        yield f"#{number}", n, "the run's name and head were removed, its entries are left"


def _paged(reader: Reader, sql: str, after: int, *values: object) -> Iterator[tuple[Any, ...]]:
    """Rows whose first column is their order; the first `?` is where a page starts, the last how long it is."""
    while page := reader.rows(sql, (after, *values, PAGE)):
        yield from page
        after = page[-1][0]
