"""Looking at a half-done list of changes after a crash: which are done, which were never begun, which nobody can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import NamedTuple

from remit.tools.changes.folder import GONE, LinkInTheWay, explained, joined, parent_of, place, rename_new
from remit.tools.changes.roots import Roots
from remit.tools.changes.snapshot import glance_at, look, look_at
from remit.tools.changes.stage import discard_part, mark_part, part_of, temp_name
from remit.tools.changes.swap import Swap, fits, glance_inode
from remit.tools.changes.tree import Change, Node, NodeKind
from remit.tools.changes.units import Unit, drop_members, units


class Standing(Enum):
    """How a path stands with respect to its change."""

    DONE = auto()
    UNTOUCHED = auto()
    """Nobody has touched it since `before` was recorded, neither we nor anyone else."""
    ALIKE = auto()
    """The same content as `before`, but touched: it may have been ours in between (A→B→A)."""
    PLACED = auto()
    """A folder that we made and that does not have its final mode yet."""
    FOREIGN = auto()


class Clash(NamedTuple):
    """A path that was not changed because something was in the way; `aside` is where a version is kept, if any."""

    path: bytes
    detail: str
    aside: bytes | None


class Settled(NamedTuple):
    """Every path of a list of changes is in exactly one of the first three; `asides` are versions that were kept."""

    done: tuple[bytes, ...]
    untouched: tuple[bytes, ...]
    foreign: tuple[bytes, ...]
    asides: tuple[Clash, ...]


def settle(changes: Sequence[Change], roots: Roots, *, tag: str, final: bool = False) -> Settled:
    """Clean up after a dead process and say how every path stands. Raises OutsideRoots, ToolFailed when it cannot look.

    With `final` the list is never applied again, so nothing is left beside the files that would help with that.
    """
    pending = hidden_still(changes, tag)
    asides = clean(tag, changes, pending)
    sorted_out: dict[Standing, list[bytes]] = {kind: [] for kind in Standing}
    for number, change in enumerate(changes):
        roots.check(change.path)
        found = standing(change)
        if found is Standing.ALIKE and change.before.kind is NodeKind.ABSENT and number in pending:
            found = Standing.UNTOUCHED
        sorted_out[found].append(change.path)
    untouched = (*sorted_out[Standing.UNTOUCHED], *sorted_out[Standing.PLACED])
    foreign = (*sorted_out[Standing.ALIKE], *sorted_out[Standing.FOREIGN])
    if foreign or final:  # a person is asked, and nothing may be done again
        unmark(changes, tag, pending)
    return Settled(tuple(sorted_out[Standing.DONE]), untouched, foreign, tuple(asides))


def standing(change: Change, now: Node | None = None) -> Standing:
    """How one path stands now (`now` when somebody has just looked). Raises ToolFailed, or Conflict while it is being written."""
    before, after = change.before, change.after
    now = look(change.path, None) if now is None else now
    timed = not before.same(after) or after.mtime_ns in {0, now.mtime_ns} or now.kind is NodeKind.DIR
    if now.same(after) and timed:
        return Standing.DONE
    if now.kind is NodeKind.DIR and fits(now, after):
        return Standing.PLACED
    if not fits(now, before):
        return Standing.FOREIGN
    return Standing.UNTOUCHED if now.identity == before.identity else Standing.ALIKE


def clean(tag: str, changes: Sequence[Change], pending: Sequence[int] = ()) -> list[Clash]:
    """Finish or take back what a dead process left under hidden names. Nothing is thrown away that is not in the store.

    The first of those that are `pending` leaves a mark, so that they are known as such when this process dies too, until `unmark`.
    Returns the versions of other people that had to be kept aside.
    """
    kept: list[Clash] = []
    for number in pending[:1]:
        with explained("mark", changes[number].path), suppress(*GONE), _at(changes, tag, number) as swap:
            mark_part(swap.folder, swap.temp)
    members = {unit.number: unit for unit in units(changes, range(len(changes)))}
    for number, change in enumerate(changes):
        with explained("clean up at", change.path), suppress(*GONE), place(change.path) as spot:
            swap = Swap(spot.folder, spot.name, temp_name(tag, number))
            if number not in pending[:1]:
                discard_part(swap.folder, swap.temp)
            if not glance_at(swap.folder, swap.temp):
                continue
            if not fits(look_at(swap.folder, swap.name, None), change.after):
                drop_members(changes, members.get(number, Unit(number)), tag)
            aside = _clean(swap, tag, change)
            if aside is not None:
                kept.append(Clash(change.path, "somebody's version was found after a crash", beside(change.path, aside)))
    return kept


def unmark(changes: Sequence[Change], tag: str, pending: Sequence[int]) -> None:
    """Take away the mark that `clean` left: all is in place, or nothing more will be done."""
    for number in pending[:1]:
        with suppress(OSError, LinkInTheWay), _at(changes, tag, number) as swap:
            discard_part(swap.folder, swap.temp)


def beside(path: bytes, name: bytes) -> bytes:
    """The path of another name in the same folder."""
    return joined(parent_of(path), name)


def _clean(swap: Swap, tag: str, change: Change) -> bytes | None:
    known = [node for node in (change.before, change.after) if node.kind is not NodeKind.ABSENT]
    if all(swap.objection(node) for node in known):
        now = look_at(swap.folder, swap.name, None)
        if now.kind is NodeKind.ABSENT:
            with suppress(FileExistsError):
                rename_new(swap.folder, swap.temp, swap.name)
        elif fits(now, change.after):
            swap.take_back(glance_inode(swap.folder, swap.name))
    return swap.clear(tag, *known)


def hidden_still(changes: Sequence[Change], tag: str) -> list[int]:
    """The changes that were surely not yet in place, in their order: what is made but still hidden, or marked, and all later ones."""
    order = units(changes, range(len(changes)))
    for at, unit in enumerate(order):
        with suppress(OSError, LinkInTheWay), _at(changes, tag, unit.number) as swap:
            made = fits(look_at(swap.folder, swap.temp, None), changes[unit.number].after)
            if made or glance_at(swap.folder, part_of(swap.temp)):
                return [number for later in order[at:] for number in (later.number, *later.members)]
    return []


@contextmanager
def _at(changes: Sequence[Change], tag: str, number: int) -> Iterator[Swap]:
    with place(changes[number].path) as (folder, name):
        yield Swap(folder, name, temp_name(tag, number))
