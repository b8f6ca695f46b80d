"""JSON representations side by side: as a person can judge them, and whether one is what was wanted."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from remit.domain.values import JsonValue, canonical, parse
from remit.domain.visible import visible
from remit.errors import ArgsInvalid

_SHOWN: Final = 200_000
"""Characters of a comparison; beyond, it says that it is clipped."""


def merged(document: JsonValue, patch: JsonValue) -> JsonValue:
    """The document with the patch applied (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def holds(wanted: JsonValue, now: JsonValue, before: JsonValue, *, patch: bool) -> bool:
    """Whether all that was wanted stands there, and nothing is new beside it but what a service adds when something comes into being."""
    if not isinstance(wanted, Mapping) or not isinstance(now, Mapping):
        return canonical(wanted) == canonical(now)
    was = before if isinstance(before, Mapping) else None
    if was is not None and any(name not in was and name not in wanted for name in now):
        return False
    return all(
        name not in now
        if value is None and patch
        else name in now and holds(value, now[name], was.get(name) if was is not None else None, patch=patch)
        for name, value in wanted.items()
    )


def differing(one: JsonValue, other: JsonValue, at: str = "") -> Iterator[str]:
    """The places at which two documents differ, as `data.row`."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            place = f"{at}.{name}" if at else name
            if name in one and name in other:
                yield from differing(one[name], other[name], place)
            else:
                yield place
    elif canonical(one) != canonical(other):
        yield at or "all of it"


def document(body: bytes) -> JsonValue:
    """A body as JSON. Raises ArgsInvalid for anything else."""
    return parse(body)


def compared(before: bytes | None, after: bytes | None) -> tuple[str, bool]:
    """Two bodies line by line, with nothing hidden, and whether it had to be cut."""
    return beside(_lines(before), _lines(after))


def beside(before: Sequence[str], after: Sequence[str]) -> tuple[str, bool]:
    """Lines of two documents, with nothing hidden, and whether it had to be cut."""
    lines = difflib.unified_diff(before, after, "now", "then", lineterm="", n=1_000)
    shown = "\n".join(visible(line) for line in list(lines)[2:])
    return (shown, False) if len(shown) <= _SHOWN else (f"{shown[:_SHOWN]}\n… it is not shown whole", True)


def _lines(body: bytes | None) -> list[str]:
    if body is None:
        return []
    try:
        return json.dumps(document(body), indent=2, ensure_ascii=False, sort_keys=True).splitlines()
    except ArgsInvalid:
        return body.decode("utf-8", "backslashreplace").splitlines()
