"""Where tools may work: every path a person or model names is turned into a place inside the roots, or refused.

Two steps guard it. Here the text is resolved through all symbolic links and compared with the roots; later every effect opens
its folder component by component without following any link (`remit.tools.changes.folder`), so a folder that is swapped for a link
between check and use makes the effect fail instead of escaping.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from remit.domain.visible import shown
from remit.errors import ArgsInvalid, OutsideRoots
from remit.tools.changes.folder import explained, joined

_STEPS: Final = 4096
"""Components of one path, those of its links included: links may lead in circles."""
_KERNEL: Final = (b"/proc", b"/sys", b"/dev")


class Roots:
    """The folders in which tools may work, without remit's own state (`private`), even where that lies inside them."""

    def __init__(self, roots: Sequence[Path], private: Sequence[Path] = ()) -> None:
        if not roots:
            raise ArgsInvalid("no folder is allowed", fix="name at least one root")
        self._roots = tuple(os.path.realpath(os.fsencode(root)) for root in roots)
        self._private = tuple(dict.fromkeys(place for path in private for place in _ways_to(os.fsencode(path.absolute()))))

    @property
    def all(self) -> tuple[bytes, ...]:
        """The roots as the system has them; relative paths start at the first."""
        return self._roots

    @property
    def private(self) -> tuple[bytes, ...]:
        """The folders that are off limits."""
        return self._private

    def resolve(self, text: str, *, follow: bool = False) -> bytes:
        """The absolute place that `text` names: a path, or a `file://` URI for names that are not UTF-8.

        Links in the parents are resolved; the last name is only with `follow` (for reading). Raises OutsideRoots.
        """
        raw = _raw(text)
        full = _join(self._roots[0], raw).rstrip(b"/") or b"/"
        parent, name = os.path.split(full)
        whole = follow or name in {b"", b".", b".."}
        with explained("resolve", full):
            real = os.path.realpath(full) if whole else joined(os.path.realpath(parent), name)
        self.check(real)
        return real

    def check(self, path: bytes) -> None:
        """Raises OutsideRoots unless the absolute `path` lies in a root by its name, and in nothing that is off limits."""
        if b"\0" in path or not path.startswith(b"/") or os.path.normpath(path) != path:
            raise OutsideRoots(f"{shown(path)} is not a plain absolute path", fix="write it without //, . and ..")
        root = next((root for root in self._roots if inside(path, root)), None)
        if root is None:
            allowed = ", ".join(shown(root) for root in self._roots)
            raise OutsideRoots(f"{shown(path)} is outside the allowed folders", fix=f"stay inside {allowed}")
        if any(inside(path, folder) for folder in self._private):
            raise OutsideRoots(f"{shown(path)} belongs to remit itself", fix="leave remit's own state to remit")
        if any(inside(path, kernel) and not inside(root, kernel) for kernel in _KERNEL):
            raise OutsideRoots(f"{shown(path)} belongs to the kernel", fix="stay out of /proc, /sys and /dev")

    def check_whole(self, path: bytes) -> None:
        """Raises OutsideRoots when the place itself, with all below it, may not be replaced: a root, or what holds remit's state."""
        self.check(path)
        for root in self._roots:
            if inside(root, path):
                raise OutsideRoots(f"{shown(path)} is an allowed folder itself", fix="name something inside it")
        for folder in self._private:
            if inside(folder, path):
                raise OutsideRoots(f"{shown(path)} contains remit's own state", fix="leave that folder where it is")

    def permits(self, path: bytes) -> bool:
        """Whether `check` would let it pass."""
        try:
            self.check(path)
        except OutsideRoots:
            return False
        return True


def _ways_to(path: bytes) -> list[bytes]:
    """The place itself and every link on the way to it: whoever changes one of these changes what stands there."""
    at, links = b"/", []
    todo = path.split(b"/")
    for _ in range(_STEPS):
        if not todo:
            break
        name, *todo = todo
        here = joined(at, name)
        if name in {b"", b"."}:
            continue
        if name == b"..":
            at = os.path.dirname(at)  # noqa: PTH120 - the path is bytes
        elif os.path.islink(here):  # noqa: PTH114
            links.append(here)
            target = os.readlink(here)  # noqa: PTH115
            at = b"/" if target.startswith(b"/") else at
            todo = [*target.split(b"/"), *todo]
        else:
            at = here
    return [at, *links]


def inside(path: bytes, folder: bytes) -> bool:
    """Whether `path` is `folder` or below it, by name."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _join(root: bytes, raw: bytes) -> bytes:
    return raw if raw.startswith(b"/") else joined(root, raw)


def _raw(text: str) -> bytes:
    if not text:
        raise ArgsInvalid("the path is empty", fix="name a file or folder; `.` is the first root")
    raw = unquote_to_bytes(text.removeprefix("file://")) if text.startswith("file://") else os.fsencode(text)
    if b"\0" in raw:
        raise OutsideRoots("the path contains a NUL character", fix="no file can be named so")
    return raw
