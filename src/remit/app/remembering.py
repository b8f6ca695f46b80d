"""Memory over this process's parts: where what is remembered comes from, and what must never get into it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remit.domain.memory import Trust
from remit.domain.record import fold
from remit.domain.values import ActionId, fields, split_id
from remit.errors import BadInput, NotFound, Unavailable
from remit.policy.provenance import WORDS
from remit.runs.learning import learnt
from remit.runs.runs import Runs
from remit.tools.memory.remember import Keeping, Origin
from remit.tools.memory.screen import secret_in
from remit.tools.memory.store import MemoryFile

if TYPE_CHECKING:
    from remit.config import Config
    from remit.domain.run import LegEnd, Run
    from remit.ports import Clock, Journal, Memory

_KEYS: Final = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
"""How variables end that hold secrets."""


def keeping(state: Path, journal: Callable[[], Journal], clock: Clock, config: Config) -> Keeping:
    """What the tools of memory share in this process."""

    def origin(action: ActionId) -> Origin:
        return origin_of(action, journal())

    return Keeping(file=MemoryFile(state / "memory.db"), clock=clock, origin=origin, secrets=lambda: secrets(config))


def origin_of(action: ActionId, journal: Journal) -> Origin:
    """Of what an action remembers: judged on what is written ahead of it. Of one that nobody judged, nothing is known."""
    name, part = split_id(action)
    record = fold(action, journal.read(name, action=part))
    if record.proposed is None:
        return Origin(trust=Trust.UNTRUSTED, who="")
    facts = fields(record.proposed.get("facts"))
    said = facts.get("provenance") == WORDS or bool(record.people)
    trust = Trust.WORDS if said else Trust.UNTRUSTED if facts.get("tainted") else Trust.OWN
    try:
        run = Runs(journal).load(name)
    except NotFound:
        return Origin(trust=trust, who=record.actor)
    return Origin(trust=trust, who=record.actor, goal=run.goal, roots=run.roots)


def refuse_secrets(text: str, config: Config) -> None:
    """Raises BadInput where the text seems to hold one."""
    if found := secret_in(text, secrets(config)):
        raise BadInput(f"it holds {found}, and secrets are not remembered", fix="say it without the secret")


def learn(run: Run, end: LegEnd, *, memory: Memory, journal: Journal, clock: Clock, config: Config) -> None:
    """Remember how a model's run ended. What seems to hold a secret, or cannot be kept, is left out: no run fails for it."""
    for item in learnt(run, end, journal, clock.now()):
        with suppress(BadInput, Unavailable):
            refuse_secrets(item.text, config)
            memory.put(item)


def secrets(config: Config) -> Iterator[str]:
    """The values of the configuration that must not be remembered, and those of the environment."""
    yield from config.secrets
    yield from (value for name, value in os.environ.items() if name.endswith(_KEYS) and value)
