"""Lines for a terminal (colours, wrapped, a progress bar below) or a pipe (plain, one line each)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

_TAG: Final = 10
_NARROWEST: Final = 40
_STYLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "says": "italic cyan",
        "alone": "green",
        "done": "green",
        "known": "bold green",
        "failed": "yellow",
        "refused": "red",
        "asks": "bold magenta",
        "answer": "magenta",
        "$": "bold",
        "killed": "bold red",
        "opened": "bold",
        "held": "green",
        "BROKEN": "bold red",
    }
)
"""By the tag of a line; colour only repeats what the tag says."""
_WHOLE: Final = frozenset({"says", "killed", "BROKEN"})
"""Coloured as a whole line."""


class Screen:
    """Writes to `out`. Text of others is handed in clean; nothing is read as markup."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._lively = self._console.is_terminal and not self._console.is_dumb_terminal
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def line(self, tag: str, text: str) -> None:
        """A tagged line; long ones hang under their text."""
        head = "» " if tag == "says" else f"  {tag:<{_TAG - 3}} "
        style = _STYLES.get(tag, "")
        for part in self._wrapped(text, len(head)):
            self._console.print(Text.assemble((head, style), (part, style if tag in _WHOLE else "")))
            head = " " * len(head)

    def plain(self, text: str = "", *, bold: bool = False) -> None:
        """A paragraph."""
        for part in self._wrapped(text, 0):
            self._console.print(Text(part, style="bold" if bold else ""))

    def exact(self, text: str) -> None:
        """A line that is never wrapped: something to copy, or to be read by a program."""
        self._console.print(Text(text))

    @contextmanager
    def working(self, total: int) -> Iterator[None]:
        """A bar below the lines while the work goes on; nothing of it in a pipe or on a dumb terminal."""
        if not self._lively:
            yield
            return
        columns = (SpinnerColumn(), TextColumn("turn"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            self._progress, self._task = progress, progress.add_task("turn", total=total)
            try:
                yield
            finally:
                self._progress = None

    def at(self, turn: int) -> None:
        """How far it is."""
        if self._progress is not None:
            self._progress.update(self._task, completed=turn)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Without the bar, for as long as a person is asked."""
        if self._progress is not None:
            self._progress.stop()
        try:
            yield
        finally:
            if self._progress is not None:
                self._progress.start()

    def _wrapped(self, text: str, indent: int) -> list[str]:
        if not self._console.is_terminal:
            return [text]
        width = max(self._console.width - indent, _NARROWEST - indent)
        return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
