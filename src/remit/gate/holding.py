"""Which runs this gate advances at the moment, and what that lets it know without asking the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from remit.domain.action import Action
from remit.domain.entry import Kind
from remit.domain.values import RunId
from remit.ports import Journal


@dataclass(slots=True, kw_only=True)
class _Held:
    stack: ExitStack
    holders: int = 0
    seen: set[str] | None = None
    """Names of actions submitted since the run was taken; None until the first."""
    new: bool = False
    """It had no action when it was taken."""


class Holding:
    """The right to advance a run is taken from the journal once, however many tasks of one gate share it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._held: dict[RunId, _Held] = {}

    @contextmanager
    def hold(self, run: RunId) -> Iterator[None]:
        """Raises RunBusy when another process advances the run."""
        held = self._held.get(run)
        if held is None:
            stack = ExitStack()
            stack.enter_context(self._journal.hold(run))
            held = self._held[run] = _Held(stack=stack)
        held.holders += 1
        try:
            yield
        finally:
            held.holders -= 1
            if not held.holders:
                del self._held[run]
                held.stack.close()

    def never_seen(self, action: Action) -> bool:
        """Whether the journal surely knows nothing of an action of a held run: then it need not be read.

        It is certain where the run had no action yet when it was taken, as nobody else may advance it; other processes
        only write answers to what was asked here. Asking about an action counts as submitting it.
        """
        held = self._held[action.run]
        if held.holders == 1:
            return False  # held for one call only: to find out would cost more than it saves
        if held.seen is None:
            held.seen, held.new = set(), next(self._journal.read(action.run, kinds=(Kind.PROPOSED,), limit=1), None) is None
        known = action.name in held.seen
        held.seen.add(action.name)
        return held.new and not known
