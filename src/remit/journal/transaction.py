"""One write transaction: lines of several callers, each caller's all or none, chained, projected and anchored."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from remit.domain.entry import GENESIS, Draft, Kind, body_text, chain
from remit.errors import AlreadyRecorded, ArgsInvalid, JournalCorrupt, RemitError
from remit.journal.schema import kind_code

_AGES: Final = 2**63
_ROWS: Final = 64
"""Lines in one statement, far below SQLite's limit on bound values."""
_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS: Final = _ROW.count("?")
_INSERTS: Final = tuple(
    f"INSERT INTO entries(run, n, kind, at, action, part, body, hash) VALUES{', '.join([_ROW] * rows)}" for rows in range(_ROWS + 1)
)
_HEAD: Final = "SELECT number, n, hash FROM runs WHERE id = ?"
_MOVE: Final = "UPDATE runs SET n = ?, hash = ? WHERE number = ?"
_ONCE: Final = "SELECT seq FROM entries WHERE run = ? AND action = ? AND part = ? AND kind = ?"
_FIRST_OPENED: Final = "SELECT seq FROM entries INDEXED BY entry_order WHERE run = ? AND kind = ? ORDER BY n LIMIT 1"
_BEGIN_PENDING: Final = "INSERT INTO pending VALUES(?, ?) ON CONFLICT DO NOTHING"
_END_PENDING: Final = "DELETE FROM pending WHERE kind = ? AND seq = ?"

_PROJECTED: Final = frozenset({Kind.ASKED, Kind.SETTLED, Kind.OPENED, Kind.REOPENED, Kind.CLOSED})


class Line(NamedTuple):
    """A draft with what its caller's thread can prepare."""

    draft: Draft
    kind: str
    body: str


def line(draft: Draft) -> Line:
    """Raises ArgsInvalid for what could not be read back: no JSON, no Unicode, NUL in a name (SQL text may end there), no 64-bit time."""
    kind, body = str(draft.kind), body_text(draft)
    names = f"{draft.run}{draft.action}{draft.part}{kind}"
    try:
        if not (names.isascii() and body.isascii()):
            f"{names}{body}".encode()
    except UnicodeEncodeError as error:
        raise ArgsInvalid(f"a line cannot be stored: {error}", fix="use Unicode text; percent-encode other bytes") from None
    if "\0" in names or not -_AGES <= draft.at < _AGES:  # in bodies JSON escapes it
        raise ArgsInvalid(
            "a line cannot be stored: NUL in its names, or a time beyond 64 bits", fix="use printable names and ms since 1970"
        )
    return Line(draft, kind, body)


class Head(NamedTuple):
    """Where a run's chain ends."""

    number: int
    n: int
    hash: bytes


class Transaction:
    """Begun and committed by its user. What is said here is SQLite's; another database overrides what it says otherwise.

    `known` are heads from earlier transactions. They may be old, as other processes write too: then the number of a new
    line is taken, the unique index on (run, n) says so, and the head is read again.
    """

    taken: type[Exception] = sqlite3.IntegrityError
    """Raised for a line or a number that is there already."""
    unfit: type[Exception] | tuple[type[Exception], ...] = sqlite3.DataError
    code = staticmethod(kind_code)

    def __init__(self, execute: Callable[..., Any], known: Mapping[str, Head]) -> None:
        self._execute = execute
        self._known = known
        self._heads: dict[str, Head] = {}

    @property
    def heads(self) -> Mapping[str, Head]:
        """Where the chains of all runs that were touched end now."""
        return self._heads

    def write(self, lines: Sequence[Line]) -> None:
        """Insert all lines or none. Raises AlreadyRecorded or ArgsInvalid (the transaction can go on), or sqlite3.Error."""
        heads: dict[str, Head] = {}
        try:
            self._mark()
            last = self._insert(self._rows(lines, heads))
        except self.taken:
            self._back()
            if self._known:
                self._known = {}
                return self.write(lines)
            clash = self._clash(lines, heads)
            self._forget(heads)
            raise clash from None
        except self.unfit as error:
            self._back()
            self._forget(heads)
            raise ArgsInvalid(f"a line cannot be stored: {error}", fix="keep it below 1 GB, and its names short") from None
        self._heads.update(heads)
        for seq, one in enumerate(lines, last - len(lines) + 1):
            if one.kind in _PROJECTED:
                self._project(one.draft, heads[one.draft.run].number, seq)
        return None

    def anchor(self, runs: Iterable[str], at: int) -> None:
        """Chain the heads of `runs` into the ledger, those that moved since they were last anchored."""
        self._known = {}  # what is anchored is the head as it is, also where another process moved it
        last = self._execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
        seq, previous = last or (0, GENESIS)
        for run in sorted(runs):
            head = self._head(run)
            if self._execute(
                "SELECT 1 FROM ledger l JOIN runs r ON r.anchored = l.seq WHERE r.number = ? AND l.n = ?", head[:2]
            ).fetchone():
                continue
            seq, previous = seq + 1, anchor_hash(previous, run=run, n=head.n, head=head.hash, at=at)
            self._execute("INSERT INTO ledger VALUES(?, ?, ?, ?, ?, ?)", (seq, run, head.n, head.hash, at, previous))
            self._execute("UPDATE runs SET anchored = ? WHERE number = ?", (seq, head.number))

    def finish(self) -> None:
        """Write the heads; the last thing before COMMIT."""
        for number, n, hashed in self._heads.values():
            self._execute(_MOVE, (n, hashed, number))

    def _rows(self, lines: Sequence[Line], heads: dict[str, Head]) -> list[object]:
        """The columns of all lines, each chained to its run's head; `heads` moves on with them."""
        found: list[object] = []
        for draft, kind, body in lines:
            run = draft.run
            number, n, previous = heads.get(run) or self._head(run)
            n += 1
            hashed = chain(previous, run=run, n=n, kind=kind, at=draft.at, action=draft.action, part=draft.part, body_json=body)
            heads[run] = Head(number, n, hashed)
            found += (number, n, self.code(kind), draft.at, draft.action, draft.part, body, hashed)
        return found

    def _head(self, run: str) -> Head:
        head = self._heads.get(run) or self._known.get(run)
        if head is None:
            found = self._execute(_HEAD, (run,)).fetchone()
            if found is None:
                number = self._execute("INSERT INTO runs(id, n, hash) VALUES(?, 0, ?) RETURNING number", (run, GENESIS)).fetchone()[0]
                found = (number, 0, GENESIS)
            head = Head(*found)
        return head

    def _mark(self) -> None:
        """Where `_back` leads to, for databases that end a transaction with its first error."""

    def _back(self) -> None:
        """Take back what was written since `_mark`."""

    def _insert(self, values: Sequence[object]) -> int:
        """The last line's `seq`. One statement is all or nothing by itself; only a long call needs a savepoint around several."""
        rows = len(values) // _COLUMNS
        if rows <= _ROWS:
            return self._execute(_INSERTS[rows], values).lastrowid or 0
        self._execute("SAVEPOINT call")
        try:
            for start in range(0, len(values), _ROWS * _COLUMNS):
                last = self._insert(values[start : start + _ROWS * _COLUMNS])
        except (sqlite3.IntegrityError, sqlite3.DataError):
            self._execute("ROLLBACK TO call")
            raise
        finally:
            self._execute("RELEASE call")
        return last

    def _forget(self, heads: Iterable[str]) -> None:
        """Take back runs that only a failed call began."""
        for run in heads:
            if run not in self._heads:
                self._execute("DELETE FROM runs WHERE id = ? AND n = 0", (run,))

    def _clash(self, lines: Sequence[Line], heads: Mapping[str, Head]) -> RemitError:
        """Which line was recorded before; without one it is the chain that does not fit."""
        seen = set[tuple[str, ...]]()
        for draft, kind, _ in lines:
            key = (draft.run, draft.action, draft.part, kind)
            if key in seen or self._execute(_ONCE, (heads[draft.run].number, draft.action, draft.part, self.code(kind))).fetchone():
                place = "/".join(filter(None, key[:3]))
                return AlreadyRecorded(f"{place} is already recorded as {kind}", fix="read what was recorded; do not repeat it")
            seen.add(key)
        runs = ", ".join(heads)
        return JournalCorrupt(f"there are entries beyond the head of {runs}", fix="`remit log --verify` says what was changed")

    def _project(self, draft: Draft, number: int, seq: int) -> None:
        """Keep the table of what is pending; see `remit.domain.entry.CLOSES`. A run is one thing, whatever the part."""
        asked, opened = self.code(Kind.ASKED), self.code(Kind.OPENED)
        if draft.kind == Kind.ASKED:
            self._execute(_BEGIN_PENDING, (asked, seq))
        elif draft.kind == Kind.SETTLED:
            found = self._execute(_ONCE, (number, draft.action, draft.part, asked)).fetchone()
            self._execute(_END_PENDING, (asked, found[0] if found else 0))
        else:
            found = self._execute(_FIRST_OPENED, (number, opened)).fetchone()
            if found:
                self._execute(_END_PENDING if draft.kind == Kind.CLOSED else _BEGIN_PENDING, (opened, found[0]))


def anchor_hash(previous: bytes, *, run: str, n: int, head: bytes, at: int) -> bytes:
    """The hash of a row of the ledger: SHA-256 over the row before, the anchored head, and when it was anchored."""
    hasher = hashlib.sha256(previous)
    for text in (run, str(n), str(at)):
        data = text.encode("utf-8")
        hasher.update(len(data).to_bytes(4, "big"))
        hasher.update(data)
    hasher.update(head)
    return hasher.digest()
