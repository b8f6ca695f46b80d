"""Lists that travel with an action: small ones stand in the journal itself, large ones in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from remit.domain.values import Digest, JsonValue, canonical, parse
from remit.errors import ArgsInvalid
from remit.ports import Store

_INLINE: Final = 1024
"""Bytes up to which a list stands in the journal."""


def keep(items: Sequence[JsonValue], store: Store) -> JsonValue:
    """The list itself up to about 1 KB, else where it stands in the store."""
    text = canonical(items).encode("utf-8")
    return items if len(text) <= _INLINE else {"in": store.put(text), "n": len(items)}


def kept(value: JsonValue, store: Store) -> Sequence[JsonValue]:
    """What `keep` kept. Raises ArgsInvalid for anything else, NotFound when the store does not have it."""
    if isinstance(value, Mapping):
        with store.open(Digest(str(value.get("in", "")))) as source:
            value = parse(source.read())
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ArgsInvalid("this is no list of changes", fix="hand over what the action recorded, unchanged")
    return value
