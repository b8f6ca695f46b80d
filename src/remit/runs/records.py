"""How often earlier calls of a kind turned out wrong, by what people said of them: a look at the latest, not a statistic with a bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from remit.domain.entry import Kind
from remit.domain.values import JsonValue, fields, parse
from remit.ports import Clock, Journal

MOST: Final = 200
"""Earlier calls that are looked at, of each tool."""
DAYS_MS: Final = 90 * 24 * 3600 * 1000
_BINS: Final = (50, 67, 80, 100)
_WRONG: Final = frozenset({"deny", "edit", "undone"})


def answered_for(
    journal: Journal, clock: Clock, tool: str, fits: Callable[[Mapping[str, JsonValue]], bool] = lambda _: True
) -> tuple[int, int]:
    """How many of the latest calls of a tool a person answered for, and how many of them were denied, edited or undone.

    `fits` chooses by the facts that a call was judged on.
    """
    reviewed = wrong = 0
    naming = journal.search(text=tool, kinds=(Kind.PROPOSED,), since=clock.now() - DAYS_MS)
    calls = ((one, fields(parse(one.body_json))) for one in naming)
    fitting = (one for one, body in calls if body.get("tool") == tool and fits(fields(body.get("facts"))))
    for call in deque(fitting, maxlen=MOST):
        said = journal.read(call.run, action=call.action, kinds=(Kind.ANSWERED, Kind.UNDONE))
        answers = {str(fields(parse(one.body_json)).get("answer", "undone")) for one in said}
        reviewed += bool(answers)
        wrong += bool(answers & _WRONG)
    return reviewed, wrong


def as_sure(journal: Journal, clock: Clock, tool: str, percent: int) -> tuple[int, int]:
    """The same of those calls that were about as sure as this."""
    wanted = _bin(percent)

    def fits(facts: Mapping[str, JsonValue]) -> bool:
        sure = facts.get("confidence")
        return isinstance(sure, int) and _bin(sure) == wanted

    return answered_for(journal, clock, tool, fits)


def _bin(percent: int) -> int:
    return sum(percent >= least for least in _BINS)
