"""Making a list of changes true, without ever overwriting what somebody else did meanwhile.

Everything that needs space is made first, hidden beside its place, so that a full disk or a read-only folder is found before
anything is changed. Then each place is exchanged and verified (`remit.tools.changes.swap`). A path that somebody else is in the way of is
reported and left as it is; the others are still changed. Applying the same list again under the same tag after a crash finishes
the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from remit.errors import RemitError, Unavailable
from remit.ports import Store
from remit.tools.changes.diff import diff_text
from remit.tools.changes.folder import GONE, failure, opened, parent_of, place, sync_folder
from remit.tools.changes.manifest import pack, unpack
from remit.tools.changes.prepare import MANY, Preparation, sync_volumes
from remit.tools.changes.put import dress, put, remove
from remit.tools.changes.roots import Roots
from remit.tools.changes.settle import Clash, Settled, Standing, beside, clean, hidden_still, settle, standing, unmark
from remit.tools.changes.snapshot import glance_at, look_at, names_at
from remit.tools.changes.stage import make, temp_name
from remit.tools.changes.swap import SAVED, Swap
from remit.tools.changes.tree import Change, NodeKind
from remit.tools.changes.units import Unit, drop_members, units

__all__ = ["Applied", "Clash", "Settled", "apply", "clean", "diff_text", "pack", "set_aside", "settle", "unpack"]


class Applied(NamedTuple):
    """Which paths are in their `after` state now, and which were not changed and why."""

    done: tuple[bytes, ...]
    conflicts: tuple[Clash, ...]


def apply(changes: Sequence[Change], store: Store, *, tag: str, roots: Roots, keep_aside: bool, fresh: bool = False) -> Applied:
    """Make every `before` into its `after`; with `keep_aside` what could not be put in place is written as `NAME.conflict-TAG`.

    With `fresh` nobody has begun these changes before: a file that already is as wanted was made so by somebody else, a conflict.
    `tag` is unique to the action: it names the hidden files, so that `settle` finds them after a crash. What is done survives
    power loss when this returns. Raises OutsideRoots, ToolFailed (disk full, no permission, …) or Unavailable with nothing
    changed; ToolUncertain when even taking back failed.
    """
    for change in changes:
        (roots.check_whole if NodeKind.DIR in {change.before.kind, change.after.kind} else roots.check)(change.path)
    pending = [] if fresh else hidden_still(changes, tag)
    kept = clean(tag, changes, pending)
    work = _Work(changes, store, tag, keep_aside=keep_aside, fresh=fresh)
    try:
        work.examine()
        work.prepare()
        work.place()
        work.finish()
    finally:
        unmark(changes, tag, pending)
    return Applied(tuple(sorted(work.done)), tuple(sorted([*work.clashes, *kept])))


def _somebody_elses(change: Change) -> bool:
    """A file that already is as wanted, and was not before: two who both add one must not both believe that they did."""
    return change.after.kind in {NodeKind.FILE, NodeKind.LINK} and not change.before.same(change.after)


def set_aside(change: Change, store: Store, *, tag: str, number: int) -> bytes | None:
    """Write the file or link that could not be put in its place beside it, and return the name; None where that is impossible too."""
    if change.after.kind not in {NodeKind.FILE, NodeKind.LINK}:
        return None
    with suppress(OSError, RemitError), place(change.path) as (folder, name):
        kept = [other for other in names_at(folder, b".") if other.startswith(name + b".conflict-")]
        for other in kept:
            if look_at(folder, other, None).same(change.after):
                return other  # an earlier attempt was in the same conflict
        swap = Swap(folder, name, temp_name(tag, number))
        if not glance_at(folder, swap.temp):
            make(folder, swap.temp, change.after, store, sync=True)
        return swap.keep_aside(tag)
    return None


@dataclass(slots=True)
class _Work:
    """One run of `apply`: the numbers still to do, and what came of the others."""

    changes: Sequence[Change]
    store: Store
    tag: str
    keep_aside: bool = field(kw_only=True)
    fresh: bool = field(kw_only=True)
    todo: set[int] = field(default_factory=set)
    made: list[Unit] = field(default_factory=list)
    done: list[bytes] = field(default_factory=list)
    clashes: list[Clash] = field(default_factory=list)
    prepared: Preparation | None = None

    def examine(self) -> None:
        """Sort out what is done already and what somebody else has changed; plan what has to be made for the rest."""
        missing: list[int] = []
        for number, change in enumerate(self.changes):
            found = standing(change)
            foreign = found is Standing.DONE and self.fresh and _somebody_elses(change)
            if found is Standing.DONE and not foreign:
                self.done.append(change.path)
            elif found is Standing.FOREIGN or foreign:
                self._clash(Unit(number), SAVED)
            else:
                self.todo.add(number)
                missing += [number] if found is not Standing.PLACED else []
        self.made = units(self.changes, missing)

    def prepare(self) -> None:
        """Make everything under hidden names."""
        self.prepared = Preparation(self.changes, self.store, self.tag)
        for unit, why in self.prepared.make_all(self.made, self.todo):
            self._clash(unit, why)

    def place(self) -> None:
        """Put what was made in its place; empty the folders that go or become files, deepest first; then change what stays."""
        later = {unit.number: unit for unit in self.made if self.changes[unit.number].before.kind is NodeKind.DIR}
        for unit in self.made:
            if unit.number in self.todo and unit.number not in later:
                self._attempt(unit, put)
        for number in self._deepest_first():
            if number in later:
                self._attempt(later[number], put)
            elif self.changes[number].after.kind is NodeKind.ABSENT:
                self._attempt(Unit(number), remove)

    def finish(self) -> None:
        """Give folders their final modes, deepest first, and make all names survive power loss."""
        for number in self._deepest_first():
            self._attempt(Unit(number), dress)
        folders = sorted({parent_of(path) for path in self.done})
        if len(folders) >= MANY:
            sync_volumes(folders)
            return
        for path in folders:
            with suppress(*GONE), opened(path) as folder:
                sync_folder(folder)

    def _deepest_first(self) -> list[int]:
        return sorted(self.todo, key=lambda n: self.changes[n].path.split(b"/"), reverse=True)

    def _attempt(self, unit: Unit, act: Callable[[Swap, Change], str]) -> None:
        change = self.changes[unit.number]
        try:
            with place(change.path) as (folder, name):
                why = act(Swap(folder, name, temp_name(self.tag, unit.number)), change)
        except FileNotFoundError:
            why = "it is gone"
        except Unavailable as error:
            if self.prepared and not self.done:
                self.prepared.withdraw()
                raise
            why = error.message
        except (OSError, RemitError) as error:
            why = failure("change", change.path, error).message if isinstance(error, OSError) else error.message
        if why:
            self._clash(unit, why)
            return
        for number in (unit.number, *unit.members):
            if act is dress or self.changes[number].after.kind is not NodeKind.DIR:  # folders that were made get their final mode later
                self.todo.discard(number)
                self.done.append(self.changes[number].path)

    def _clash(self, unit: Unit, why: str) -> None:
        """Report paths, keeping aside what was to be put there (when asked to) and whatever of other people's is left over."""
        change = self.changes[unit.number]
        aside: bytes | None = None
        if self.keep_aside and change.after.kind in {NodeKind.FILE, NodeKind.LINK}:
            aside = set_aside(change, self.store, tag=self.tag, number=unit.number)
        else:
            with suppress(OSError, RemitError), place(change.path) as (folder, name):
                swap = Swap(folder, name, temp_name(self.tag, unit.number))
                if unit.members and not self.keep_aside:
                    drop_members(self.changes, unit, self.tag)
                aside = swap.clear(self.tag, change.after, change.before)
        kept = beside(change.path, aside) if aside else None
        for number in (unit.number, *unit.members):
            self.todo.discard(number)
            path = self.changes[number].path
            self.clashes.append(Clash(path, why, kept + path[len(change.path) :] if kept else None))
