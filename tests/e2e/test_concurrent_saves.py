"""A person saves a file with a real editor process while remit undoes and redoes: whose save is lost?"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import saving_editor
from claims import proves
from files_world import World
from remit.tools.changes.change import apply
from remit.tools.changes.snapshot import look
from remit.tools.changes.tree import ABSENT, Change

SAVES = 3000
NAIVE_SAVES = 600


class Editor:
    """The editor process; `start` tells it to save and `wait` returns when it has."""

    def __init__(self, file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, saving_editor.__file__, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def start(self, style: str, delay_us: int, content: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{style} {delay_us} {content}\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "saved\n"

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def editing(file: Path) -> Iterator[Editor]:
    """An editor for one file, for as long as the block lasts."""
    editor = Editor(file)
    try:
        yield editor
    finally:
        editor.close()


def carefully(world: World, change: Change, tag: str) -> None:
    """The road of undo."""
    apply([change], world.store, tag=tag, roots=world.roots, keep_aside=False)


def naively(world: World, change: Change, tag: str) -> None:
    """Look, then replace: what a careful programmer writes at first."""
    if not look(change.path, None).same(change.before):
        return
    if change.after.kind is ABSENT.kind:
        (world.root / "file").unlink(missing_ok=True)
        return
    beside = world.root / f"{tag}.tmp"
    with world.store.open(change.after.content) as source:  # type: ignore[arg-type]
        beside.write_bytes(source.read())
    beside.replace(os.fsdecode(change.path))


def lost_saves(world: World, put: Callable[[World, Change, str], None], saves: int, seed: int) -> dict[str, int]:
    """Race `saves` saves against as many undos; a save is lost when it is neither the file nor kept in a conflict file."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    file = world.root / "file"
    lost = dict.fromkeys(saving_editor.STYLES, 0)
    with editing(file) as editor:
        for number in range(saves):
            file.write_bytes(b"ours %d" % number)
            path = world.path("file")
            after = ABSENT if dice.random() < 0.25 else world.file(b"before %d" % number)
            change = Change(path=path, before=look(path, world.store), after=after)
            style = dice.choice(sorted(saving_editor.STYLES))
            content = f"person{number}" + "x" * dice.randrange(20)
            editor.start(style, dice.randrange(dice.choice((400, 2000, 6000))), content)
            put(world, change, f"t{number}")
            editor.wait()
            kept = [beside.read_bytes() for beside in [*world.root.glob("file"), *world.root.glob("file.conflict-*")]]
            lost[style] += content.encode("ascii") not in kept
            for beside in world.root.glob("file.conflict-*"):
                beside.unlink()
    return lost


@proves("files.saves_survive")
@pytest.mark.timeout(600)
def test_no_concurrent_save_is_lost_to_undo(tmp_path: Path) -> None:
    """Of 3,000 saves by another process in four styles during undo and redo, each is the file or is kept aside."""
    world = World(tmp_path)
    assert sum(lost_saves(world, carefully, SAVES, seed=1).values()) == 0
    assert [path.name for path in world.root.glob(".~remit-*")] == []


@proves("files.saves_survive")
def test_the_race_is_real_because_look_then_replace_loses_saves(tmp_path: Path) -> None:
    """The same race against the usual check-then-replace does lose saves, so the test above can fail."""
    lost = lost_saves(World(tmp_path), naively, NAIVE_SAVES, seed=2)
    assert lost["held"] > 0
    assert sum(lost.values()) > NAIVE_SAVES // 100


@proves("files.saves_survive")
def test_a_program_that_keeps_the_file_open_for_writing_is_left_alone(tmp_path: Path) -> None:
    """Who holds a file open for writing may still write: the file stays as it is, and that is reported."""
    world = World(tmp_path)
    (world.root / "log").write_bytes(b"line 1\n")
    path = world.path("log")
    with (world.root / "log").open("ab") as log:
        change = Change(path=path, before=look(path, world.store), after=world.file(b"other"))
        applied = apply([change], world.store, tag="t", roots=world.roots, keep_aside=True)
        log.write(b"line 2\n")
    assert [clash.detail for clash in applied.conflicts] == ["another program has it open for writing"]
    assert (world.root / "log").read_bytes() == b"line 1\nline 2\n"
    assert (world.root / "log.conflict-t").read_bytes() == b"other"
