"""Where memory is kept: one SQLite file with a full-text index. It is no journal: what is forgotten is gone from it.

Several processes may use it at once. Every change is one transaction.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from remit.domain.memory import Matter, Recalled, Remembered, Trust
from remit.errors import BadInput, Unavailable

_T = TypeVar("_T")

LONGEST: Final = 1000
"""Characters of one text."""
_LONGEST_ABOUT: Final = 300
_WORDS: Final = 40
"""Words of a goal that are looked for."""
_CANDIDATES: Final = 50
_PATIENCE: Final = 5.0
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS item(
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, matter TEXT NOT NULL, text TEXT NOT NULL, about TEXT NOT NULL, goal TEXT NOT NULL,
  trust TEXT NOT NULL, who TEXT NOT NULL, run TEXT NOT NULL, at INTEGER NOT NULL, roots TEXT NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS found USING fts5(text, about, goal, content='item', content_rowid='n', tokenize='porter unicode61');
CREATE TRIGGER IF NOT EXISTS item_in AFTER INSERT ON item BEGIN
  INSERT INTO found(rowid, text, about, goal) VALUES (new.n, new.text, new.about, new.goal);
END;
CREATE TRIGGER IF NOT EXISTS item_out AFTER DELETE ON item BEGIN
  INSERT INTO found(found, rowid, text, about, goal) VALUES ('delete', old.n, old.text, old.about, old.goal);
END;
"""
_SELECT: Final = "SELECT id, matter, text, about, goal, trust, who, run, at, roots FROM item"
_FITTING: Final = """
SELECT found.rowid, item.id, item.matter, item.text, item.about, item.goal, item.trust, item.who, item.run, item.at, item.roots
FROM found JOIN item ON item.n = found.rowid WHERE found MATCH ? AND (item.trust = 'untrusted') = ?
ORDER BY bm25(found), item.at DESC LIMIT ?
"""
_SMALL: Final = """
a an and are as at be by can do for from has have how i if in into is it its let may me my no not of on or our please shall should so than
that the their them then there this to up us use was we what when where which who will with would you your
der die das den dem des ein eine einen einem und oder für mit von zu im am auf aus bei bitte ist sind wie was wer nicht mir mich
"""
_COMMON: Final = frozenset(_SMALL.split())
"""Words that stand in every text, and find nothing."""


class MemoryFile:
    """Opened at its first use. Raises Unavailable when it cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self, *, matter: Matter | None = None, run: str = "") -> list[Remembered]:
        """Newest first."""
        sql = f"{_SELECT} WHERE (? = '' OR matter = ?) AND (? = '' OR run = ?) ORDER BY at DESC, n DESC"
        return [_item(row) for row in self._read(lambda db: db.execute(sql, (matter or "", matter or "", run, run)).fetchall())]

    def get(self, name: str) -> Remembered | None:
        rows = self._read(lambda db: db.execute(f"{_SELECT} WHERE id = ?", (name,)).fetchall())
        return _item(rows[0]) if rows else None

    def put(self, item: Remembered) -> None:
        """Remember it, in place of what has its id. Raises BadInput for one that is empty or too long."""
        _check(item)
        self._write(lambda db: _replace(db, item))

    def swap(self, name: str, expected: Remembered | None, item: Remembered | None) -> bool:
        """The same, or forget, where what stands there is as expected; else nothing, and False."""
        if item is not None:
            _check(item)

        def swapped(db: sqlite3.Connection) -> bool:
            rows = db.execute(f"{_SELECT} WHERE id = ?", (name,)).fetchall()
            if (_item(rows[0]) if rows else None) != expected:
                return False
            if item is None:
                db.execute("DELETE FROM item WHERE id = ?", (name,))
            else:
                _replace(db, item)
            return True

        done = self._write(swapped)
        if done and item is None:
            self._scrub()
        return done

    def forget(self, names: Sequence[str]) -> int:
        """How many there were. Nothing of them stays in the file."""
        gone = self._write(lambda db: sum(db.execute("DELETE FROM item WHERE id = ?", (name,)).rowcount for name in names))
        if gone:
            self._scrub()
        return gone

    def recall(self, text: str, *, roots: Sequence[str] = (), untrusted: bool = False, most: int = 8) -> list[Recalled]:
        """What fits a text best, and, where that is trusted, the preferences that always count, which come first.

        `untrusted` asks for what was learnt from strangers instead, and for nothing else.
        """
        words = words_of(text)
        found = self._read(lambda db: _found(db, words, untrusted=untrusted)) if words else []
        general = [] if untrusted else [Recalled(item=one, because=()) for one in self.all(matter=Matter.PREFERENCE) if _always(one)]
        here = [one for one in found if _counts(one.item, roots) and one.item not in {each.item for each in general}]
        return [*general, *here][:most]

    def _scrub(self) -> None:
        """What the index still knows of what was deleted goes with the next merge; this is it."""
        self._write(lambda db: db.execute("INSERT INTO found(found) VALUES ('optimize')"))
        with self._open() as db, _explained(self._path):
            db.execute("VACUUM")

    def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._open() as db, _explained(self._path):
            return work(db)

    def _write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._open() as db, _explained(self._path):
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            return result

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with _explained(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            db = sqlite3.connect(self._path, isolation_level=None, timeout=_PATIENCE)
        try:
            with _explained(self._path):
                db.execute("PRAGMA secure_delete = ON")
                if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
                    db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            yield db
        finally:
            db.close()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(f"the memory in {path} cannot be used: {error}", fix="is the disk full, or the file damaged?") from None


def words_of(text: str) -> list[str]:
    """The words of a text by which something may be found, each once."""
    words = dict.fromkeys(word.lower() for word in re.findall(r"\w+", text))
    return [word for word in words if word not in _COMMON and (len(word) > 1 or word.isdigit())][:_WORDS]


def _found(db: sqlite3.Connection, words: Sequence[str], *, untrusted: bool) -> list[Recalled]:
    rows = db.execute(_FITTING, (" OR ".join(map(_quoted, words)), untrusted, _CANDIDATES)).fetchall()
    return [Recalled(item=_item(row[1:]), because=_because(db, row[0], words)) for row in rows]


def _because(db: sqlite3.Connection, n: int, words: Sequence[str]) -> tuple[str, ...]:
    asked = "SELECT 1 FROM found WHERE found MATCH ? AND rowid = ?"
    return tuple(word for word in words if db.execute(asked, (_quoted(word), n)).fetchone())


def _quoted(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _always(item: Remembered) -> bool:
    return not item.about and item.trust is not Trust.UNTRUSTED


def _counts(item: Remembered, roots: Sequence[str]) -> bool:
    """Whether it was learnt where this run works, or is for everywhere."""
    return not item.roots or any(
        Path(one).is_relative_to(other) or Path(other).is_relative_to(one) for one in item.roots for other in roots
    )


def _check(item: Remembered) -> None:
    if not item.text.strip():
        raise BadInput("nothing is said that could be remembered", fix="give a text")
    if len(item.text) > LONGEST or len(item.about) > _LONGEST_ABOUT:
        raise BadInput(f"at most {LONGEST} characters, and {_LONGEST_ABOUT} of what it is about, are remembered", fix="say it shorter")


def _replace(db: sqlite3.Connection, item: Remembered) -> None:
    db.execute("DELETE FROM item WHERE id = ?", (item.id,))
    values = (item.id, item.matter, item.text, item.about, item.goal, item.trust, item.who, item.run, item.at, json.dumps(item.roots))
    db.execute("INSERT INTO item(id, matter, text, about, goal, trust, who, run, at, roots) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def _item(row: Sequence[str]) -> Remembered:
    name, matter, text, about, goal, trust, who, run, at, roots = row
    return Remembered(
        id=name,
        matter=Matter(matter),
        text=text,
        about=about,
        goal=goal,
        trust=Trust(trust),
        who=who,
        run=run,
        at=int(at),
        roots=tuple(json.loads(roots)),
    )
