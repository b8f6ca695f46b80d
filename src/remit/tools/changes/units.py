"""What is put in place by one rename: a file, a link, or a new folder with everything new in it.

A new folder is filled under its hidden name and appears whole. One order rules both making and placing, so that what is still
hidden after a crash shows what was surely not yet in place.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from remit.tools.changes.folder import GONE, joined, parent_of, place
from remit.tools.changes.put import content_stays
from remit.tools.changes.roots import inside
from remit.tools.changes.stage import discard, discard_part, temp_name
from remit.tools.changes.tree import Change, NodeKind


@dataclass(frozen=True, slots=True)
class Unit:
    """The change number that is placed, and the numbers of those that come with it, parents first."""

    number: int
    members: tuple[int, ...] = ()


def units(changes: Sequence[Change], numbers: Collection[int]) -> list[Unit]:
    """What has to be made for the changes with these numbers, in the order in which it is made and then put in place.

    First what replaces something, as only that may turn out to be impossible; last files in the place of folders, which have to be
    emptied before.
    """
    found: list[tuple[int, list[int]]] = []
    for number in sorted((n for n in numbers if _made(changes[n])), key=lambda n: changes[n].path.split(b"/")):
        top = changes[found[-1][0]] if found else None
        if top is not None and top.after.kind is NodeKind.DIR and inside(changes[number].path, top.path):
            found[-1][1].append(number)
        else:
            found.append((number, []))
    return sorted((Unit(number, tuple(members)) for number, members in found), key=lambda unit: _rank(changes[unit.number]))


def hidden(changes: Sequence[Change], unit: Unit, member: int, tag: str) -> bytes:
    """Where a member of a unit stands until the unit is placed."""
    top = changes[unit.number].path
    return joined(parent_of(top), temp_name(tag, unit.number)) + changes[member].path[len(top) :]


def drop_members(changes: Sequence[Change], unit: Unit, tag: str) -> None:
    """Remove what was made inside a folder that is still hidden; what somebody else put there stays. Raises OSError."""
    for member in reversed(unit.members):
        with suppress(*GONE), place(hidden(changes, unit, member, tag)) as (folder, name):
            discard_part(folder, name)
            discard(folder, name)


def _made(change: Change) -> bool:
    return change.after.kind in {NodeKind.FILE, NodeKind.LINK, NodeKind.DIR} and not content_stays(change)


def _rank(change: Change) -> tuple[int, list[bytes]]:
    before = change.before.kind
    group = 2 if before is NodeKind.DIR else int(before is NodeKind.ABSENT)
    return group, change.path.split(b"/")
