"""The effects on one place: put in, dress, remove. Each returns '' or what was in the way, with the place as it was."""

from __future__ import annotations

from remit.crashpoint import crashpoint
from remit.tools.changes.folder import rename_new
from remit.tools.changes.snapshot import look_at
from remit.tools.changes.stage import adjust, chmod_folder, discard, widened
from remit.tools.changes.swap import SAVED, Swap, fits
from remit.tools.changes.tree import Change, NodeKind


def put(swap: Swap, change: Change) -> str:
    """Put what was made at `temp` in its place."""
    if change.before.kind is NodeKind.ABSENT:
        try:
            rename_new(swap.folder, swap.temp, swap.name)
        except FileExistsError:
            return SAVED
        crashpoint("change.created")
        return ""
    why = swap.replace(change.before)
    if not why:
        discard(swap.folder, swap.temp)
        crashpoint("change.discarded")
    return why


def dress(swap: Swap, change: Change) -> str:
    """Set mode, owner and time where the content stays as it is, or a folder's once its contents are done."""
    now = look_at(swap.folder, swap.name, None)
    if not (fits(now, change.before) or fits(now, change.after)):
        return SAVED
    if now.kind is NodeKind.DIR:
        chmod_folder(swap.folder, swap.name, widened(change.after))
    if not adjust(swap.folder, swap.name, change.after, now.identity):
        return SAVED
    crashpoint("change.dressed")
    return "" if look_at(swap.folder, swap.name, None).same(change.after) else SAVED


def remove(swap: Swap, change: Change) -> str:
    """Remove a file, link or empty folder."""
    return swap.remove(change.before)


def content_stays(change: Change) -> bool:
    """Whether only mode, owner or time differ."""
    before, after = change.before, change.after
    if before.kind is not after.kind:
        return False
    return before.kind is NodeKind.DIR or (before.content, before.size, before.xattrs) == (after.content, after.size, after.xattrs)
