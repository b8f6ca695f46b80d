"""How often models were right when they were tried: a small file beside the journal. Losing it costs a measurement and nothing else."""

from __future__ import annotations

import json
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remit.errors import Unavailable

if TYPE_CHECKING:
    from remit.ports import Clock

LOCAL: Final = "local:"


class Measured:
    """By the name that a model is asked for by; of a model file, as long as it stays the same file."""

    def __init__(self, state: Path, clock: Clock) -> None:
        self._file = state / "models.json"
        self._clock = clock

    def keep(self, name: str, right: int, of: int) -> None:
        """Raises Unavailable when it cannot be written."""
        day = datetime.fromtimestamp(self._clock.now() / 1000, UTC).date().isoformat()
        whole = {**self._read(), _key(name): {"right": right, "of": of, "day": day, "file": _stamp(name)}}
        beside = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.write_text(json.dumps(whole, indent=1, ensure_ascii=False), encoding="utf-8")
            beside.replace(self._file)
        except OSError as error:
            raise Unavailable(f"{self._file} cannot be written: {error.strerror}", fix="set REMIT_HOME to a folder you may write") from None

    def told(self, name: str) -> str:
        """For whoever is about to rely on it; empty for an endpoint that was never measured."""
        found = self._read().get(_key(name))
        if isinstance(found, dict) and found.get("file") == _stamp(name):
            return f"{name}: right in {found.get('right')} of {found.get('of')} small tasks, measured {found.get('day')}"
        return f"{name}: never measured; `remit model check {shlex.quote(name)}` says how often it is right" if LOCAL in name else ""

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _stamp(name: str) -> str:
    """Of the model files in it: changes with their content."""
    return " ".join(_file_stamp(part.partition(LOCAL)[2]) for part in name.split(",") if LOCAL in part)


def _file_stamp(path: str) -> str:
    try:
        found = Path(path).stat()
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}"


def _key(name: str) -> str:
    """The same name at another address is another model."""
    address = os.environ.get("REMIT_BASE_URL", "")
    return f"{name} at {address.rpartition('@')[2]}" if address and not name.removeprefix("json+").startswith(LOCAL) else name
