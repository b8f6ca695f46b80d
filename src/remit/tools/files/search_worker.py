"""Searching file contents. As a program it serves one search in a process of its own, which can be killed.

A regular expression can take for ever on one short line, and nothing inside the process can stop it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from remit.domain.values import JsonValue
from remit.tools.changes.folder import place
from remit.tools.changes.roots import Roots
from remit.tools.changes.tree import said
from remit.tools.files.read import below

FILE_MAX: Final = 10 * 1024 * 1024
_LINE_MAX: Final = 10_000
_SHOWN_MAX: Final = 500


@dataclass(slots=True)
class Search:
    """One search: where, for what, and what was found so far."""

    path: bytes
    query: str
    regex: bool
    ignore_case: bool
    hidden: bool
    limit: int
    matches: list[JsonValue] = field(default_factory=list)
    files: int = 0
    skipped: int = 0
    clipped: bool = False

    def run(self, roots: Roots) -> dict[str, JsonValue]:
        """Search until done or `limit` lines are found. Raises re.error for a broken expression, OSError."""
        matches = self._matcher()
        for here in self._places(roots):
            if self.clipped:
                break
            self._file(here, matches)
        told: dict[str, JsonValue] = {"matches": self.matches, "files": self.files, "skipped": self.skipped, "clipped": self.clipped}
        return told

    def _matcher(self) -> Callable[[str], object]:
        pattern = self.query if self.regex else re.escape(self.query)
        return re.compile(pattern, re.IGNORECASE if self.ignore_case else 0).search

    def _places(self, roots: Roots) -> Iterator[bytes]:
        yield self.path
        yield from below(self.path, roots, hidden=self.hidden)

    def _file(self, path: bytes, matches: Callable[[str], object]) -> None:
        data = _read(path)
        if data is None:
            return
        if len(data) > FILE_MAX or b"\0" in data[:8192]:
            self.skipped += 1
            return
        self.files += 1
        for at, line in enumerate(data.split(b"\n"), start=1):
            text = line[:_LINE_MAX].decode("utf-8", "replace")
            if matches(text):
                if len(self.matches) >= self.limit:
                    self.clipped = True
                    return
                self.matches.append({"path": said(path), "line": at, "text": text[:_SHOWN_MAX]})


def _read(path: bytes) -> bytes | None:
    """The content, one byte more than the limit at most; None for what is no readable file."""
    try:
        with place(path) as (folder, name):
            if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                return None
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with os.fdopen(handle, "rb") as source:
                return source.read(FILE_MAX + 1)
    except OSError:
        return None


def _path(encoded: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(encoded)))


def main() -> None:
    """Read a request from standard input, write the answer to standard output."""
    request = json.loads(sys.stdin.buffer.read())
    roots = Roots([_path(root) for root in request.pop("roots")], [_path(folder) for folder in request.pop("private")])
    search = Search(path=bytes.fromhex(request.pop("path")), **request)
    try:
        answer = search.run(roots)
    except (re.error, RecursionError, OverflowError) as error:
        answer = {"broken": str(error)}
    except OSError as error:
        answer = {"failed": str(error)}
    sys.stdout.buffer.write(json.dumps(answer).encode("utf-8"))


if __name__ == "__main__":
    main()
