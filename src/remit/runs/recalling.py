"""What a run is told of earlier ones when it begins: looked up once, written down, and the same for every leg.

The journal keeps which memories were recalled and why, and not what they say: that stays where it can be forgotten. What was forgotten or
changed since is left out, and the run's fingerprints show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from remit.domain.entry import Draft, Entry, Kind
from remit.domain.memory import Remembered, Trust
from remit.domain.run import Run
from remit.domain.values import JsonValue, canonical, digest, fields, items, parse
from remit.errors import Unavailable
from remit.ports import Clock, Journal, Memory

PART: Final = "recalled"
_MOST: Final = 8
_PRINT: Final = 16
_FROM: Final[Mapping[Trust, str]] = {Trust.WORDS: "in your person's words", Trust.OWN: "found in an earlier run"}


def with_recalled(run: Run, journal: Journal, clock: Clock, memory: Memory) -> Run:
    """The run, with what counts for it. Looked up once, when it begins; a memory that cannot be read is noted, and stops nothing."""
    lines = list(journal.read(run.id, kinds=(Kind.NOTE, Kind.MESSAGE)))
    noted = next((one for one in lines if one.kind == Kind.NOTE and one.part == PART), None)
    if noted is None:
        if any(one.kind == Kind.MESSAGE for one in lines):
            return run  # it began under a remit that had no memory
        body: Mapping[str, JsonValue] = _look(run, memory)
        journal.append([Draft(run=run.id, kind=Kind.NOTE, part=PART, at=clock.now(), body=body)], durable=False).result()
    else:
        body = fields(parse(noted.body_json))
    found = [f"{one.matter}, {_FROM[one.trust]}: {one.text}" for one, _ in _counting(body, memory)]
    return replace(run, spec={**run.spec, "known": found}) if found else run


def because(note: Entry, memory: Memory) -> list[tuple[Remembered, str]]:
    """For people: what a note of this kind says was recalled, as far as it is still there, and the words for which it was."""
    return _counting(fields(parse(note.body_json)), memory)


def _counting(body: Mapping[str, JsonValue], memory: Memory) -> list[tuple[Remembered, str]]:
    found = []
    for one in map(fields, items(body.get(PART))):
        item = _got(str(one.get("id")), memory)
        if item is not None and _print(item) == one.get("print"):
            found.append((item, ", ".join(map(str, items(one.get("because"))))))
    return found


def _got(name: str, memory: Memory) -> Remembered | None:
    try:
        return memory.get(name)
    except Unavailable:
        return None


def _print(item: Remembered) -> str:
    """Changes with what it says, and with how far it is trusted."""
    return digest(canonical([item.matter, item.text, item.about, item.trust]))[:_PRINT]


def _look(run: Run, memory: Memory) -> dict[str, JsonValue]:
    try:
        found = memory.recall(run.goal, roots=run.roots, most=_MOST)
    except Unavailable as error:
        return {"v": 1, PART: [], "trouble": error.message}
    listed: list[JsonValue] = [{"id": one.item.id, "print": _print(one.item), "because": list(one.because)} for one in found]
    return {"v": 1, PART: listed}
