"""What the words of a task give away: that it would leave traces, that it names nothing, that it needs judgement. English only.

A first, deliberately plain reading. It only ever makes remit ask: what is done is judged by what it is, whatever it was called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_GRAVE: Final = re.compile(
    r"\b(pay|transfer|refund|buy|order|purchase|invest|sell|wipe|erase|delete|destroy|drop|purge|remove|clean\s?up|clear|reset|revoke|"
    r"terminate|fire|cancel|deploy|release|publish|announce|send|e-?mail|notify|invite|post|tweet|merge|push|migrate|restart|shut\s?down|"
    r"format|overwrite|truncate|unsubscribe|disable|close|archive|ban|block|rotate|roll\s?back|terminate|sign|submit|book)\b",
    re.IGNORECASE,
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
    text = text[:_MOST]
    return Wording(
        grave=_found(_GRAVE, text),
        sweeping=_found(_ALL, text),
        names_something=_NAMED.search(text) is not None,
        judged=_found(_JUDGED, text),
        plain=_found(_PLAIN, text),
    )


def _found(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(match.group(1).lower() for match in pattern.finditer(text)))
