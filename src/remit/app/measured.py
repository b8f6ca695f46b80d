"""How often models were right when they were tried: a small file beside the journal. Losing it costs a measurement and nothing else."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remit.errors import Unavailable

if TYPE_CHECKING:
    from remit.ports import Clock

_LOCAL: Final = "local:"


class Measured:
    """By the name that a model is asked for by; of a model file, as long as it stays the same file."""

    def __init__(self, state: Path, clock: Clock) -> None:
        self._file = state / "models.json"
        self._clock = clock

    def keep(self, name: str, right: int, of: int) -> None:
        """Raises Unavailable when it cannot be written."""
        day = datetime.fromtimestamp(self._clock.now() / 1000, UTC).date().isoformat()
        whole = {**self._read(), name: {"right": right, "of": of, "day": day, "file": _stamp(name)}}
        beside = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.write_text(json.dumps(whole, indent=1, ensure_ascii=False), encoding="utf-8")
            beside.replace(self._file)
        except OSError as error:
            raise Unavailable(f"{self._file} cannot be written: {error.strerror}", fix="set REMIT_HOME to a folder you may write") from None

    def told(self, name: str) -> str:
        """For whoever is about to rely on it; empty for an endpoint that was never measured."""
        found = self._read().get(name)
        if isinstance(found, dict) and found.get("file") == _stamp(name):
            return f"{name}: right in {found.get('right')} of {found.get('of')} small tasks, measured {found.get('day')}"
        return f"{name}: never measured; `remit model check {name}` says how often it is right" if _LOCAL in name else ""

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _stamp(name: str) -> str:
    """Of a model file: changes with its content."""
    _, local, path = name.partition(_LOCAL)
    try:
        found = os.stat(path) if local else None  # noqa: PTH116 - a name of a model, of which this may be a path
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}" if found else ""
