"""Files of the browser that only this user reads."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What visits remember (cookies and the like, as Playwright keeps them), in a file that only this user reads."""

    path: Path

    def read(self) -> Any:
        """A damaged one is begun anew."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        return found if isinstance(found, dict) else {"cookies": [], "origins": []}

    def write(self, state: Any) -> None:
        """For the next visit; of two at the same time the later one is kept."""
        fresh = self.path.with_suffix(f".{os.getpid()}-{id(state)}")
        written(fresh, json.dumps(state).encode())
        fresh.replace(self.path)


def written(path: Path, data: bytes) -> None:
    """Not to be relied on after a power failure."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as sink:
        sink.write(data)
