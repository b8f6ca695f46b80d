"""What is remembered from one run to the next, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Matter(StrEnum):
    """What kind of thing is remembered."""

    FACT = "fact"
    PREFERENCE = "preference"
    """How the person wants things done. It holds in every folder; the others only where they were learnt."""
    OUTCOME = "outcome"
    """How an earlier goal ended; remit itself writes these."""
    LESSON = "lesson"


class Trust(StrEnum):
    """How much of it is the person's. It never grows by being remembered."""

    WORDS = "words"
    """They said it, or said yes to it after they saw it."""
    OWN = "own"
    """Found or concluded in a run that had read nothing from strangers."""
    UNTRUSTED = "untrusted"
    """Learnt after reading what strangers wrote: never recalled by itself, and reading it taints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One thing that is remembered."""

    id: str
    matter: Matter
    text: str
    about: str = ""
    """Words by which it is found again, beside its own; a preference without any always counts."""
    goal: str = ""
    """Of the run in which it was learnt."""
    trust: Trust
    who: str
    """`person:ann`, `agent:MODEL`, or `remit`."""
    run: str = ""
    at: int
    """Milliseconds since 1970, UTC."""
    roots: tuple[str, ...] = ()
    """The folders in which it counts; none for everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """Something remembered that fits, and the words for which it does; none for what always counts."""

    item: Remembered
    because: tuple[str, ...]
