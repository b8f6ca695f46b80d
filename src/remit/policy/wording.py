"""What the words of a task give away: that it would leave traces, that it names nothing, that it needs judgement. English only.

A first, deliberately plain reading. It only ever makes remit ask: what is done is judged by what it is, whatever it was called.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

_VERBS: Final = """
pay transfer refund buy order purchase invest sell wire settle spend donate tip
wipe erase delete destroy drop purge remove reset revoke terminate kill nuke trash discard scrap uninstall truncate overwrite format
fire cancel deploy release publish announce send notify invite post tweet forward merge push migrate restart reboot
unsubscribe subscribe disable close archive ban block rotate sign submit book evict dismiss suspend grant
"""
_NOUNS: Final = frozenset({"booking", "posting", "closing", "wiring", "tipping", "mailing", "blocking", "formatting", "ordering"})
"""What would be a verb's form, and is mostly the name of a thing."""
_PHRASES: Final = (
    r"clean(?:ing)?[\s-]*(?:up|out)|clear(?:ing)?(?:[\s-]*(?:up|out))?|tidy(?:ing)?[\s-]*up|free(?:ing)?[\s-]*up|"
    r"mak(?:e|ing) (?:room|space)|get(?:ting)? rid of|throw(?:ing)? (?:away|out)|shut(?:ting)?[\s-]*down|roll(?:ing)?[\s-]*back|"
    r"take down|hand(?:ing)? over|hand\b[^.\n]{1,40}\bover|give\b[^.\n]{1,40}\baccess|let\b[^.\n]{1,40}\bin\b|"
    r"reply(?:ing)? (?:to )?(?:all|every\w*|them)|"
    r"(?:take care of|see to|make|do|handle|process|sort out) (?:the |my |our |all )*payments?|"
    r"(?:(?<=^)|(?<=and )|(?<=then )|(?<=to )|(?<=please ))(?:empty|dump|charge|share|wash|(?:e-?)?mail)"
)
"""Where one word alone would say too little."""


def _forms(verb: str) -> list[str]:
    """As it is told to somebody, and as what somebody is at."""
    stem = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb
    going = [f"{stem}ing", f"{stem}{stem[-1]}ing"]
    return [verb, *(form for form in going if form not in _NOUNS)]


_GRAVE: Final = re.compile(
    rf"\b({_PHRASES}|{'|'.join(form for verb in _VERBS.split() for form in _forms(verb))})\b", re.IGNORECASE | re.MULTILINE
)
"""Verbs whose mistakes others feel, or that cannot be taken back."""
_ALL: Final = re.compile(
    r"\b(all|every|everyone|everybody|everything|entire|whole|any|old|unused|inactive|production|prod|live)\b", re.IGNORECASE
)
_NAMED: Final = re.compile(
    r"""[\w.+-]+@[\w-]+\.\w+ | https?://\S+ | (?:[\w~.-]*/)+[\w.-]+ | \b[\w-]+\.[A-Za-z]\w{1,5}\b
    | \d | "[^"]+" | '[^']+' | `[^`]+` | \#\w+""",
    re.VERBOSE,
)
"""An address, a path, a file, a number, something in quotes: what a person can be held to."""
_JUDGED: Final = re.compile(
    r"\b(decide|choose|pick|best|better|appropriate|suitable|important|relevant|prioriti[sz]e|evaluate|assess|judge|review|negotiate|"
    r"recommend|improve|design|strategy|sensitive|complain\w*|apolog\w*|persua\w*|creative|tone|fair|should)\b",
    re.IGNORECASE,
)
_PLAIN: Final = re.compile(
    r"\b(list|count|sum|rename|move|copy|convert|sort|extract|download|format|find|search|fetch|run|check|compare|measure|collect)\b",
    re.IGNORECASE,
)


_MOST: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What was found, word by word."""

    grave: tuple[str, ...]
    sweeping: tuple[str, ...]
    names_something: bool
    judged: tuple[str, ...]
    plain: tuple[str, ...]

    @property
    def grave_and_vague(self) -> bool:
        """Something that others would feel, and to whom or what is left open."""
        return bool(self.grave) and (not self.names_something or bool(self.sweeping))


def read_words(text: str) -> Wording:
    """Each kind in the order it stands, once; of a long text only the beginning."""
    text = _plainly(text[:_MOST])
    return Wording(
        grave=_found(_GRAVE, text),
        sweeping=_found(_ALL, text),
        names_something=_NAMED.search(text) is not None,
        judged=_found(_JUDGED, text),
        plain=_found(_PLAIN, text),
    )


_IN_ORDER: Final = re.compile(r"\bin order to\b", re.IGNORECASE)
_ALIKE: Final = str.maketrans("аеорсухіјѕԁһӏοαενρτυκι", "aeopcyxijsdhloaevptuki")
"""Letters of other scripts that look like ours."""


def _plainly(text: str) -> str:
    """As it looks to a reader: whatever letters it is spelt with, and without what nobody sees."""
    text = _IN_ORDER.sub("to", text)
    spelt = "".join(one for one in unicodedata.normalize("NFKD", text) if unicodedata.category(one) not in {"Mn", "Cf"})
    return " ".join(_as_one_script(word) for word in spelt.split(" "))


def _as_one_script(word: str) -> str:
    """A word with letters of ours in it, or of look-alikes alone; another script's words stay what they are."""
    folded = word.translate(_ALIKE)
    return folded if folded.isascii() else word


def _found(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(match.group(1).lower() for match in pattern.finditer(text)))
