"""Lists of changes as the journal carries them: small ones inline, large ones in the store; and what of them is bound or touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from remit.domain.values import JsonValue, canonical, digest
from remit.errors import ArgsInvalid
from remit.ports import Store
from remit.tools.changes.folder import parent_of
from remit.tools.changes.tree import Change, Node, uri
from remit.tools.kept import keep, kept

_MANY: Final = 50
"""Paths beyond which their folders are named instead."""


def pack(changes: Sequence[Change], store: Store) -> JsonValue:
    """The changes as the journal carries them."""
    return keep([change.to_json() for change in changes], store)


def unpack(value: JsonValue, store: Store) -> list[Change]:
    """What `pack` made. Raises ArgsInvalid for anything else, NotFound when the store does not have it."""
    try:
        return [Change.from_json(item) for item in kept(value, store)]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArgsInvalid(f"this is no list of changes: {error}", fix="hand over what the action recorded, unchanged") from None


def binding(changes: Sequence[Change]) -> str:
    """What an approval of these changes is bound to: places, and what stands there before and after; times do not count."""
    return digest("remit.changes.1", *(part for change in changes for part in (change.path, _bound(change.before), _bound(change.after))))


def touches(changes: Sequence[Change]) -> tuple[str, ...]:
    """The places as URIs; of more than 50, the folders that hold them."""
    paths = sorted({change.path for change in changes})
    while len(paths) > _MANY:
        deepest = max(path.count(b"/") for path in paths)
        folded = sorted({parent_of(path) if path.count(b"/") == deepest else path for path in paths})
        if folded == paths:
            break
        paths = [path for path in folded if not _covered(path, set(folded))]
    return tuple(uri(path) for path in paths)


def _covered(path: bytes, others: set[bytes]) -> bool:
    parent = parent_of(path)
    while parent != path:
        if parent in others:
            return True
        path, parent = parent, parent_of(parent)
    return False


def _bound(node: Node) -> str:
    return canonical([str(node.kind), node.mode, node.size, node.content, [list(pair) for pair in node.xattrs]])
