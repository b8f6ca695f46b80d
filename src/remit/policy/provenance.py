"""Where the values of a call come from: a person's own words, an earlier approval, owned data, or only strangers' content.

A first, deliberately plain version: it compares texts and understands nothing. In doubt it says less than it could, and
then remit asks once too often.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final
from unicodedata import category

from remit.domain.values import JsonValue, canonical

WORDS: Final = 3
APPROVED: Final = 2
OWNED: Final = 1
UNTRUSTED: Final = 0

_FILE: Final = "file://"
_MAIL: Final = "mailto:"
_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_SHORTEST: Final = 3
"""A shorter text (`a`, `of`) stands in any sentence by chance; only numbers may be shorter."""
_GLUE: Final = "_@~/\\-"
"""Next to a value these make it part of a longer one, like letters and digits do."""
_SOFT: Final = ".,:+%&=?#;'\u2019"
"""These do so only between two letters or digits: `a.txt` ends a sentence in `delete a.txt.`, but not in `a.txt.bak`."""
_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s+|\n")
_REFUSAL: Final = re.compile(
    r"\b(?:not|never|no|none|nothing|cannot|\w+n['\u2019]t|except|excluding|but|besides|unless|without|avoid|skip|ignore|leave|keep)\b",
    re.IGNORECASE,
)
"""English only. A sentence with one of these authorises nothing by naming it: `delete all except a.txt`."""


def provenance(
    targets: Sequence[str],
    salient: Sequence[JsonValue],
    *,
    words: str,
    owned_roots: Sequence[str],
    approved: Container[str] = (),
    untrusted: Iterable[str] = (),
    owned: Iterable[str] = (),
) -> int:
    """The least over all targets and salient values: 3 in the person's own words, 2 approved before, 1 owned, 0 untrusted.

    `targets` are URIs or plain names; `words` is what the person typed and nothing else; `owned_roots` are absolute folders, and
    targets that are the person's by their configuration; `approved` holds the targets and texts a person approved for this very tool;
    `owned` and `untrusted` are contents the run has read. What stands nowhere is 1 until the run has read something untrusted and 0
    from then on, as a model may have rewritten what it read. A call without targets or salient values is 1.
    """
    foreign, own = tuple(untrusted), tuple(owned)
    roots = tuple(root.rstrip("/") + "/" for root in owned_roots)
    sources = [(target, tuple(_names(target, roots)), _under(_path(target), roots)) for target in targets]
    sources += [(text, (text,), False) for value in salient for text in _texts(value)]
    found = OWNED if not sources else WORDS
    for text, names, inside in sources:
        if any(_authorised(name, words) for name in names):
            continue
        if text in approved:
            found = min(found, APPROVED)
        elif inside or text in owned_roots or not foreign or any(named(name, content) for name in names for content in own):
            found = min(found, OWNED)
        else:
            return UNTRUSTED
    return found


def named(value: str, words: str) -> bool:
    """Whether `value` stands in `words` as a whole: `data.txt` does not name `a.txt`, nor do `50`, `5.5`, `-5` or `5 000` name 5."""
    number = _is_number(value)
    if not number and len(value.strip()) < _SHORTEST:
        return False
    at = words.find(value)
    while at >= 0:
        before, after = words[:at][-2:][::-1], words[at + len(value) :][:2]
        longer = before[:1] == value[0] or (number and before[:1] in {".", ",", "+"})
        if not longer and not _joined(before, number=number) and not _joined(after, number=number):
            return True
        at = words.find(value, at + 1)
    return False


def refuses(text: str) -> bool:
    """Whether it has a word by which naming something authorises nothing."""
    return _REFUSAL.search(text) is not None


@lru_cache(maxsize=256)
def _authorised(value: str, words: str) -> bool:
    return any(named(value, sentence) and not _REFUSAL.search(sentence.replace(value, " ")) for sentence in _sentences(words))


@lru_cache(maxsize=8)
def _sentences(words: str) -> tuple[str, ...]:
    """A run's words are the same for each of its actions, and may be a plan of many pages."""
    return tuple(_SENTENCE.split(words))


def _joined(beside: str, *, number: bool) -> bool:
    """Whether the one or two characters beside a value, nearest first, make it part of something longer."""
    nearest, next_one = beside[:1], beside[1:]
    if not nearest:
        return False
    if nearest.isalnum() or nearest in _GLUE or category(nearest)[0] == "M" or category(nearest) == "Cf":
        return True
    if number and (nearest == "%" or (nearest.isspace() and next_one.isdigit())):
        return True
    return nearest in _SOFT and next_one.isalnum()


def _is_number(value: str) -> bool:
    return value.removeprefix("-").replace(".", "", 1).isdecimal()


def _path(target: str) -> str:
    if not target.startswith(_FILE):
        return ""
    return _ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "surrogateescape"), target.removeprefix(_FILE))


def _under(path: str, roots: Sequence[str]) -> bool:
    """Inside a root, by the text alone; a path with `.`, `..` or `//` in it is not believed."""
    clean = not {"", ".", ".."} & set(path.split("/")[1:])
    return clean and any((path + "/").startswith(root) for root in roots)


def _names(target: str, roots: Sequence[str]) -> Iterator[str]:
    """The ways a person may write a target: whole, an address without its scheme, a path from a root on; folders with `/` at the end."""
    path = _path(target)
    if not path:
        yield target
        yield from (target.removeprefix(_MAIL),) if target.startswith(_MAIL) else ()
        return
    short = [path[len(root) :] for root in roots if path.startswith(root) and _under(path, roots)]
    for name in (path, *short, *(f"./{name}" for name in short)):
        yield name
        yield f"{name}/"


def _texts(value: JsonValue) -> Iterator[str]:
    """The texts in a value. A boolean names no place; a number is written as in the arguments."""
    if isinstance(value, str):
        yield from (value,) if value else ()
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield canonical(value)
