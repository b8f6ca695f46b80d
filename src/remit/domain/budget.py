"""What a run may use up, and what it has: money, tokens, actions, time at work, and questions to people an hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Final

from remit.domain.values import JsonValue
from remit.errors import BadInput

MILLION: Final = 1_000_000
_FEW: Final = 120
"""Seconds that are told as such."""
_WARN: Final = 80
"""Per cent from which on it is said."""
_WORDS: Final[Mapping[str, str]] = {
    "money": "US dollars",
    "tokens": "tokens",
    "steps": "actions",
    "minutes": "minutes at work",
    "asks": "questions an hour",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """0 is no limit. It is a number of whole things each: money in millionths of a US dollar, time in seconds."""

    money: int = 0
    tokens: int = 0
    steps: int = 0
    seconds: int = 0
    asks: int = 0
    """Questions that people may be asked within an hour, by all runs together."""

    @classmethod
    def of(cls, value: JsonValue) -> Budget:
        """As it is journalled; what is no number is no limit."""
        body = value if isinstance(value, Mapping) else {}
        found = {one.name: body.get(one.name, 0) for one in fields(cls)}
        return cls(**{name: number if isinstance(number, int) and not isinstance(number, bool) else 0 for name, number in found.items()})

    def to_spec(self) -> dict[str, JsonValue]:
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name))}

    def with_(self, other: Budget) -> Budget:
        """The same, with what `other` limits."""
        return Budget(**{one.name: getattr(other, one.name) or getattr(self, one.name) for one in fields(self)})

    def doubled(self, names: list[str]) -> Budget:
        """Twice as much of each of these, and nothing of the rest."""
        return Budget(**{name: 2 * getattr(self, name) for name in names})

    def used_up(self, spent: Budget) -> list[str]:
        """The names of what is used up; questions are no part of it, as they come back with time."""
        return [one.name for one in fields(self) if one.name != "asks" and 0 < getattr(self, one.name) <= getattr(spent, one.name)]

    def nearly(self, spent: Budget) -> list[str]:
        """The names of what soon will be."""
        limits = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "asks"}
        return [name for name, limit in limits.items() if limit and getattr(spent, name) * 100 >= limit * _WARN]


def read_budget(text: str) -> Budget:
    """`money=2.50,tokens=100000,steps=40,minutes=30,asks=6`, any of them. Raises BadInput."""
    found: dict[str, int] = {}
    for part in (one.strip() for one in text.replace(" ", ",").split(",")):
        if not part:
            continue
        name, _, said = part.partition("=")
        if name not in _WORDS:
            raise BadInput(f"{name!r} is nothing that can be limited", fix=f"known are {', '.join(_WORDS)}")
        found |= {"seconds" if name == "minutes" else name: _whole(name, said)}
    if not found:
        raise BadInput("no limit is named", fix="e.g. --budget money=2,tokens=200000")
    return Budget(**found)


def told(name: str, amount: int, limit: int = 0) -> str:
    """An amount, and of how much it is, for people."""
    if name == "money":
        return f"$ {amount / MILLION:,.2f}" + (f" of {limit / MILLION:,.2f}" if limit else "")
    if name == "seconds" and max(amount, limit) < _FEW:
        return f"{amount}{f' of {limit}' if limit else ''} seconds at work"
    if name == "seconds":
        return f"{amount / 60:.1f}{f' of {limit / 60:.1f}' if limit else ''} {_WORDS['minutes']}"
    return f"{amount:,}{f' of {limit:,}' if limit else ''} {_WORDS[name]}"


def _whole(name: str, said: str) -> int:
    try:
        value = Decimal(said)
    except InvalidOperation:
        value = Decimal(0)
    factor = {"money": MILLION, "minutes": 60}.get(name, 1)
    whole = int(value * factor) if value.is_finite() else 0
    if not 0 < whole < 10**15 or (factor == 1 and value != whole):
        raise BadInput(f"{name}={said} is no limit", fix=f"give a number of {_WORDS[name]} over 0")
    return whole
