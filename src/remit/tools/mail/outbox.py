"""Letters on their way: each is one file that is only ever moved, so that it is held, called back, on the wire or gone, never two of these.

From `held` it goes to `cancelled` (called back: a rename that only one can win), or to `sending` (the moment before its text goes; what
a crash leaves there nobody knows) and then to `sent`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Final

from remit.domain.held import Held
from remit.errors import NotFound, ToolFailed

_END: Final = b"\n\n"


class Where(StrEnum):
    HELD = "held"
    CANCELLED = "cancelled"
    SENDING = "sending"
    SENT = "sent"


class Outbox:
    """A folder of remit's own state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, held: Held, message: bytes) -> None:
        """Hold a letter; one that is here already, wherever it stands by now, stays as it is. Durable."""
        if self.where(held.id) is not None:
            return
        path = self._path(held.id, Where.HELD)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = path.with_name(f".{held.id}.{os.getpid()}")
        try:
            with made.open("wb") as file:
                file.write(json.dumps({"v": 1, **asdict(held)}, sort_keys=True).encode("utf-8") + _END + message)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            made.unlink(missing_ok=True)
            raise ToolFailed(f"{path} cannot be written: {error.strerror}", fix="see whether the disk is full") from error
        made.rename(path)
        _sync(path.parent)

    def where(self, ident: str) -> Where | None:
        """Where a letter stands now; looked at in the order in which letters move, so that one on its way is not missed."""
        for _ in range(2):
            for place in Where:
                if self._path(ident, place).exists():
                    return place
        return None

    def move(self, ident: str, start: Where, end: Where) -> bool:
        """Whether it was there, and is now here: of several who try, one can. Durable."""
        there, here = self._path(ident, start), self._path(ident, end)
        here.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            there.rename(here)
        except FileNotFoundError:
            return False
        _sync(here.parent)
        _sync(there.parent)
        return True

    def read(self, ident: str) -> tuple[Held, bytes]:
        """Envelope and letter, wherever it stands. Raises NotFound."""
        for place in Where:
            try:
                head, _, message = self._path(ident, place).read_bytes().partition(_END)
            except FileNotFoundError:
                continue
            return _held(head), message
        raise NotFound(f"there is no letter {ident!r} in the outbox", fix="`remit outbox` lists them")

    def all(self, *places: Where) -> Iterator[tuple[Where, Held]]:
        """Letters in some places, the first to go first."""
        found = []
        for place in places:
            folder = self._folder / place
            for path in folder.glob("[0-9a-f]*") if folder.is_dir() else ():
                try:
                    found.append((place, _held(path.read_bytes().partition(_END)[0])))
                except (OSError, ToolFailed):
                    continue  # it moved on just now, or is damaged
        yield from sorted(found, key=lambda one: (one[1].goes_at, one[1].id))

    def damaged(self) -> list[Path]:
        """Files that cannot be read, and so never go."""
        found = []
        for place in (Where.HELD, Where.SENDING):
            folder = self._folder / place
            for path in folder.glob("[0-9a-f]*") if folder.is_dir() else ():
                try:
                    _held(path.read_bytes().partition(_END)[0])
                except FileNotFoundError:
                    continue
                except (OSError, ToolFailed):
                    found.append(path)
        return found

    def _path(self, ident: str, place: Where) -> Path:
        if not ident or not all(c in "0123456789abcdef" for c in ident):
            raise NotFound(f"{ident!r} is no letter", fix="`remit outbox` lists them")
        return self._folder / place / ident


def _held(head: bytes) -> Held:
    try:
        found = json.loads(head)
        found.pop("v")
        return Held(**{**found, "recipients": tuple(found["recipients"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ToolFailed(f"a letter in the outbox is damaged: {error}", fix="`remit outbox` names its file") from None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
