"""JSON representations side by side: as a person can judge them, and whether one is what was wanted."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from remit.domain.values import JsonValue, canonical, parse
from remit.domain.visible import visible
from remit.errors import ArgsInvalid

_LINES: Final = 6_000
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
    if len(before) + len(after) > _LINES:  # the cost of comparing grows with their square
        said = "\n".join(visible(f"+{line}") for line in after)[:_SHOWN]
        return f"{len(before)} lines become {len(after)}, too many to be compared; then it begins:\n{said}", True
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
