"""Text as a person can trust it: what would hide, move or imitate other text is shown as its code point."""

from __future__ import annotations

import unicodedata
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Controls (ANSI escapes among them), formats (bidi, zero width), private, lone surrogates, unassigned, line separators."""
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
"""Letters and marks that are drawn as nothing."""


def visible(text: str, *, keep: str = "\t") -> str:
    """The same text with every unprintable or invisible character as `⟨U+202E⟩`; those in `keep` stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or not _hides(c) else f"⟨U+{ord(c):04X}⟩" for c in text)


def shown(path: bytes) -> str:
    """A path for messages: UTF-8 where it is, `⟨xFF⟩` for other bytes, code points for what hides."""
    text = path.decode("utf-8", "surrogateescape")
    return "".join(f"⟨x{ord(c) - 0xDC00:02X}⟩" if "\udc80" <= c <= "\udcff" else visible(c, keep="") for c in text)


def _hides(c: str) -> bool:
    return unicodedata.category(c) in _HIDDEN or c in _BLANK or "\ufe00" <= c <= "\ufe0f" or (unicodedata.category(c) == "Zs" and c != " ")
