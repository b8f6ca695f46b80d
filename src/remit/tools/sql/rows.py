"""One row of a table, before and after: the currency of SQL and its undo, as `Change` is for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TypeAlias

from remit.domain.values import JsonValue, canonical, digest
from remit.domain.visible import visible
from remit.errors import ArgsInvalid
from remit.ports import Store
from remit.tools.kept import keep, kept

Row: TypeAlias = Mapping[str, JsonValue]
"""Stored columns and their exact values, as `images` reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """The row `key` of `table` was `before` and shall be `after`; None where there is no such row."""

    table: str
    key: Row
    before: Row | None
    after: Row | None

    def inverse(self) -> RowChange:
        return replace(self, before=self.after, after=self.before)

    @property
    def place(self) -> str:
        """The row's name, for people and results."""
        return f"{self.table} {', '.join(f'{name}={_plain(value)}' for name, value in self.key.items())}"

    @property
    def id(self) -> tuple[str, str]:
        return self.table, canonical(self.key)

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "t": self.table,
            "k": dict(self.key),
            "b": dict(self.before) if self.before else None,
            "a": dict(self.after) if self.after else None,
        }

    def told(self) -> dict[str, JsonValue]:
        """For those who read it: numbers as numbers."""
        rows = {"key": self.key, "before": self.before, "after": self.after}
        return {"table": self.table, **{name: {c: _read(v) for c, v in row.items()} if row else None for name, row in rows.items()}}

    @classmethod
    def from_json(cls, value: JsonValue) -> RowChange:
        if not isinstance(value, Mapping) or not isinstance(value.get("k"), Mapping):
            raise ArgsInvalid("this is no list of row changes", fix="hand over what the action recorded, unchanged")
        before, after, key = value.get("b"), value.get("a"), value["k"]
        return cls(
            table=str(value.get("t", "")),
            key=key if isinstance(key, Mapping) else {},
            before=before if isinstance(before, Mapping) else None,
            after=after if isinstance(after, Mapping) else None,
        )


def pack(changes: Sequence[RowChange], store: Store) -> JsonValue:
    """The changes as the journal carries them."""
    return keep([change.to_json() for change in changes], store)


def unpack(value: JsonValue, store: Store) -> list[RowChange]:
    """What `pack` made. Raises ArgsInvalid for anything else, NotFound when the store does not have it."""
    return [RowChange.from_json(item) for item in kept(value, store)]


def binding(changes: Sequence[RowChange]) -> str:
    """What an approval is bound to: the rows as they are and as they shall be."""
    parts = [(change.table, *(canonical(dict(row) if row else None) for row in (change.before, change.after))) for change in changes]
    return digest("remit.rows.1", *(part for row in parts for part in row))


def joined(lists: Sequence[Sequence[RowChange]]) -> tuple[list[RowChange], list[list[RowChange]]]:
    """Changes made one list after the other as one list; and, list by list, those that cannot follow on it."""
    net: dict[tuple[str, str], RowChange] = {}
    stuck: list[list[RowChange]] = []
    for changes in lists:
        apart = []
        for change in changes:
            first = net.setdefault(change.id, change)
            if first is change or same(first.after, change.before):
                net[change.id] = replace(first, after=change.after)
            else:
                apart.append(change)
        stuck += [apart] if apart else []
    return [change for change in net.values() if not same(change.before, change.after)], stuck


def same(one: Row | None, other: Row | None) -> bool:
    """Exactly the same values, types included."""
    return canonical(dict(one) if one else None) == canonical(dict(other) if other else None)


def told(changes: Sequence[RowChange], *, limit: int) -> tuple[str, bool]:
    """The changes for a person, of at most about `limit` characters, and whether something had to be left out."""
    lines: list[str] = []
    used = 0
    for number, change in enumerate(changes):
        for line in _lines(change):
            if used + len(line) > limit:
                return "\n".join([*lines, f"… {len(changes) - number} of {len(changes)} rows are not shown whole"]), True
            lines.append(line)
            used += len(line) + 1
    return "\n".join(lines), False


def _lines(change: RowChange) -> list[str]:
    before, after = change.before or {}, change.after or {}
    verb = "insert into" if change.before is None else "delete from" if change.after is None else "change"
    found = [f"{verb} {visible(change.place, keep='')}"]
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if change.before is None or change.after is None:
            found.append(
                f"  {'+' if change.before is None else '-'}{visible(name, keep='')} = {_plain(new if change.before is None else old)}"
            )
        elif old != new:
            found += [f"  -{visible(name, keep='')} = {_plain(old)}", f"  +{visible(name, keep='')} = {_plain(new)}"]
    return found


def _read(value: JsonValue) -> JsonValue:
    if not isinstance(value, Mapping):
        return value
    kind, text = next(iter(value.items()))
    number = float.fromhex(str(text)) if kind == "r" else None
    return {"hex": text} if number is None else number if isfinite(number) else repr(number)


def _plain(value: JsonValue) -> str:
    """A value for people, whole; text in quotes."""
    if isinstance(value, Mapping):
        kind, text = next(iter(value.items()))
        return f"{float.fromhex(str(text))!r}" if kind == "r" else f"X'{text}'"
    return "NULL" if value is None else visible(canonical(value), keep="")
