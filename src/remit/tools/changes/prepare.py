"""Everything of an apply that needs space or permission, before anything of value is touched; and its way back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from remit.errors import RemitError, ToolUncertain
from remit.ports import Store
from remit.tools.changes.folder import GONE, failure, opened, parent_of, place, sync_volume
from remit.tools.changes.snapshot import glance_at, look_at
from remit.tools.changes.stage import WIDE, chmod_folder, discard, discard_part, make, temp_name, widened
from remit.tools.changes.tree import Change, NodeKind
from remit.tools.changes.units import Unit, drop_members, hidden

MANY: Final = 32
"""From so many files or folders on, one sync of their file system is cheaper than one for each."""


@dataclass(slots=True)
class Preparation:
    """Units that were made under hidden names, and folders whose owner was let in until their contents are done."""

    changes: Sequence[Change]
    store: Store
    tag: str
    staged: list[Unit] = field(default_factory=list)
    widened: list[int] = field(default_factory=list)

    def make_all(self, wanted: Sequence[Unit], todo: Collection[int]) -> list[tuple[Unit, str]]:
        """Prepare all of it, or on any failure nothing. Returns the units whose folder is gone.

        Raises ToolFailed, Unavailable or what the store raises, with nothing changed; ToolUncertain when taking back failed too.
        """
        homeless: list[tuple[Unit, str]] = []
        number = -1
        sync = sum(1 + len(unit.members) for unit in wanted) < MANY
        try:
            for number in self._folders(todo):
                self._widen(number)
            for unit in wanted:
                number = unit.number
                if not self._stage(unit, sync=sync):
                    homeless.append((unit, "its folder is gone"))
            if not sync:
                sync_volumes([parent_of(self.changes[unit.number].path) for unit in self.staged])
        except (OSError, RemitError) as error:
            self.withdraw()
            if isinstance(error, OSError):
                raise failure("write", self.changes[number].path, error) from error
            raise
        return homeless

    def withdraw(self) -> None:
        """Take back what was prepared. Raises ToolUncertain when that fails."""
        try:
            for unit in self.staged:
                self._drop(unit)
            for number in reversed(self.widened):
                with suppress(*GONE), place(self.changes[number].path) as (folder, name):
                    chmod_folder(folder, name, self.changes[number].before.mode)
        except OSError as error:
            raise ToolUncertain(f"something could not be taken back after a failure: {error}", fix="look at the folder yourself") from error

    def _folders(self, todo: Collection[int]) -> list[int]:
        """Folders that are changed or removed, parents first."""
        folders = (n for n in todo if self.changes[n].before.kind is NodeKind.DIR)
        return sorted(folders, key=lambda n: self.changes[n].path.split(b"/"))

    def _widen(self, number: int) -> None:
        change = self.changes[number]
        wanted = change.after if change.after.kind is NodeKind.DIR else change.before
        with suppress(*GONE), place(change.path) as (folder, name):
            now = look_at(folder, name, None)
            if now.kind is NodeKind.DIR and widened(wanted) != wanted.mode and now.mode | WIDE != now.mode:
                chmod_folder(folder, name, now.mode | WIDE)
                self.widened.append(number)

    def _stage(self, unit: Unit, *, sync: bool) -> bool:
        change = self.changes[unit.number]
        try:
            with place(change.path) as (folder, _):
                self.staged.append(unit)
                make(folder, temp_name(self.tag, unit.number), change.after, self.store, sync=sync)
        except GONE:
            return False
        for member in unit.members:
            with place(hidden(self.changes, unit, member, self.tag)) as (folder, name):
                make(folder, name, self.changes[member].after, self.store, sync=sync)
        return True

    def _drop(self, unit: Unit) -> None:
        drop_members(self.changes, unit, self.tag)
        with suppress(*GONE), place(self.changes[unit.number].path) as (folder, _):
            temp = temp_name(self.tag, unit.number)
            discard_part(folder, temp)
            discard(folder, temp)


def sync_volumes(folders: Sequence[bytes]) -> None:
    """One sync for each file system that the folders are on."""
    seen: set[str] = set()
    for path in dict.fromkeys(folders):
        with suppress(*GONE), opened(path) as folder:
            volume = glance_at(folder, b".").partition(":")[0]
            if volume not in seen:
                seen.add(volume)
                sync_volume(folder)
