"""The whole demo from the banner to the last word, on one screen."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from remit.demo.numbers import Numbers
from remit.demo.screen import Screen
from remit.demo.stage import Ask, Play, Scene, lacking, swept
from remit.domain.values import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How somebody wants to see it."""

    keep: bool = False
    files_only: bool = False
    ask: Ask | None = None
    program: str = "remit"
    """How remit is called from where the person is."""


def show(base: Path, screen: Screen, wish: Wish) -> tuple[bool, dict[str, JsonValue]]:
    """Perform in the empty folder `base`, which is removed afterwards unless kept: whether all promises held, and the numbers.

    Raises DemoBroken, and KeyboardInterrupt after tidying up.
    """
    began = time.monotonic()
    with swept(base, keep=wish.keep):
        screen.plain("remit demo", bold=True)
        screen.plain("The model is a script. The gate, the journal, the tools, the kill and the undo are real.")
        scene = Scene(base=base, shell=not wish.files_only and not _missing(base, screen))
        screen.plain()
        play = Play(scene, screen, ask=wish.ask)
        try:
            numbers = play.work()
            _heading(screen, "Numbers, counted from the journal")
            for name, value in _table(numbers):
                screen.line(name, value)
            _heading(screen, "Now everything is taken back")
            play.take_back()
            for name, sha in play.seals():
                screen.line(name, sha)
            _heading(screen, "What was promised")
            held = play.verdict()
            told = play.to_json(numbers, held=held)
        finally:
            play.close()
        _heading(screen, f"{'Every promise held' if held else 'NOT EVERY PROMISE HELD'} ({time.monotonic() - began:.0f} s)")
        if wish.keep:
            screen.exact(f"  folder and journal are in {base}; look with")
            screen.exact(f"  REMIT_HOME={shlex.quote(str(scene.state))} {wish.program} log")
        _next(screen, wish.program)
        return held, told


def _missing(base: Path, screen: Screen) -> str:
    """Say what this machine lacks for the shell; the demo then goes on with files alone, and promises nothing about the rest."""
    missing = lacking(Scene(base=base, shell=False))
    if missing:
        screen.plain(f"This machine cannot isolate commands: {missing}")
        screen.plain("So shell and database are left out here; everything else is shown.")
    return missing


def _table(numbers: Numbers) -> Iterator[tuple[str, str]]:
    yield "alone", f"{numbers.alone} of {numbers.actions} actions; {numbers.looked} of them only looked"
    yield "asked", f"{numbers.asked}: {numbers.approved} approved, {numbers.denied} denied"
    yield "refused", f"{numbers.refused} by policy, without asking anybody"
    cycles = ", ".join(f"{ms} ms" for ms in numbers.retry_ms)
    yield (
        "retried",
        f"{len(numbers.retry_ms)} of {numbers.failed} failures; from failure to the next attempt {cycles} (a script thinks in no time)",
    )
    yield "doubt", f"{numbers.in_doubt}; {numbers.settled} in flight at the kill, known by looking"
    yield "legs", f"{numbers.legs}, in 2 processes; between them the run was rows on disk"


def _heading(screen: Screen, text: str) -> None:
    screen.plain()
    screen.plain(text, bold=True)


def _next(screen: Screen, program: str) -> None:
    _heading(screen, "Next, on a folder of your own")
    for command, what in (
        ('run "list all duplicates in duplicates.md" --root FOLDER --model PROVIDER:NAME', "or a plan file, which needs no model"),
        ("inbox", "what waits for you, whole; approve or deny it"),
        ("undo RUN", "shows what it would take back; --yes does it"),
    ):
        screen.exact(f"  {program} {command}")
        screen.exact(f"      {what}")
