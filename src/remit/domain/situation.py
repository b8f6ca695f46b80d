"""What the run knows when it submits an action."""

from __future__ import annotations

from dataclasses import dataclass

from remit.domain.action import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The circumstances an action is judged in. The worker fills it; a model can make it stricter, never looser."""

    level: Level
    words: str = ""
    """The person's own words: goal, plan text, messages. A value named here literally has provenance 3."""
    untrusted: tuple[str, ...] = ()
    """Texts the run read from strangers."""
    own: tuple[str, ...] = ()
    """Texts from before it read any: plans, and what was read of the person's data. What they name is no stranger's."""
    tainted: bool = False
    planned: bool = False
    decided: bool = False
    """Planned with every argument it has: nothing in it can come from what was read since."""
    confidence: int = -1
    anomaly: int = 0
    budget_left: bool = True
    high_stakes: bool = False
    ordered_by: str = ""
    """The person who ordered this very call after seeing what it does, as with `remit undo --yes`: that is one yes."""
    where: str = ""
    """Shown with a question: which step of what."""
    tried: str = ""
    """Likewise: what was tried before this, and how it ended."""
