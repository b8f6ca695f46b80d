"""Keeps secrets out of memory: what is remembered is shown to models for a long time.

It knows the secrets of the configuration by their values, and others by their look. It is a net, and nets have holes: it says so nowhere
that a text is clean, only that it found something.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

_LOOKS: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant|or)?[-_A-Za-z0-9]{16,}"), "an API key"),
    (re.compile(r"\b(?:ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs])[-_][A-Za-z0-9_-]{16,}"), "an access token"),
    (re.compile(r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b"), "a cloud key"),
    (re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"), "a signed token"),
    (re.compile(r"\b\w+://[^/\s:@]+:[^/\s@]+@"), "an address with a password in it"),
    (
        re.compile(
            r"\b(?:pass(?:word|wort|phrase)?|pwd|secret|token|api[ _-]?key|pin|kennwort)\b[\"']?\s*"
            r"(?:[:=]|is|ist|lautet)\s*[\"']?\S{4,}",
            re.IGNORECASE,
        ),
        "what looks like a password",
    ),
    (re.compile(r"\b(?:\d[ -]?){13,19}\b"), "what looks like the number of a card"),
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_BITS: Final = 4.0
"""Per character: above what words and paths have."""
_SHORTEST: Final = 6
"""Characters of a configured secret that is looked for; shorter ones stand in too many texts."""


def secret_in(text: str, known: Iterable[str] = ()) -> str:
    """What kind of secret the text seems to hold, '' for none that is seen. `known` are values that must never be in it."""
    if any(len(value) >= _SHORTEST and value in text for value in known):
        return "a secret of your configuration"
    for look, name in _LOOKS:
        found = look.search(text)
        if found and (name != "what looks like the number of a card" or _luhn(found.group())):
            return name
    return next(("what looks like a key" for token in _TOKEN.findall(text) if _random(token)), "")


def _random(token: str) -> bool:
    """Letters of both cases and digits, mixed as no word is."""
    if not (any(c.isdigit() for c in token) and any(c.islower() for c in token) and any(c.isupper() for c in token)):
        return False
    return -sum(n / len(token) * math.log2(n / len(token)) for n in Counter(token).values()) >= _BITS


def _luhn(text: str) -> bool:
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = [d if n % 2 == 0 else d * 2 - 9 * (d > 4) for n, d in enumerate(digits)]  # noqa: PLR2004 - the checksum's own rule
    return sum(doubled) % 10 == 0
