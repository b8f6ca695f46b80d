"""Where remit is at work. Apart from the ports, as whoever only answers a question needs this and none of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where remit keeps its state and where tools may work."""

    state: Path
    roots: tuple[Path, ...]
