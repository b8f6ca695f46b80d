"""kill -9 at every point of an apply, then looking, then finishing or taking back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import changing_child
from claims import proves
from files_world import Picture, World, leftovers, picture
from remit.domain.values import canonical
from remit.tools.changes.change import Settled, apply, pack, settle
from remit.tools.changes.snapshot import look
from remit.tools.changes.tree import ABSENT, Change, Node, NodeKind

POINTS = ["part", "staged", "exchanged", "discarded", "created", "removed", "dressed"]


def messy(world: World) -> list[Change]:
    """A tree, and changes that do everything: replace, create, delete, change kinds both ways, change modes and times."""
    root = world.root
    for name in ("gone/deep/x", "gone/y", "becomes-file/z", "becomes-folder", "text", "locked/inner"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    (root / "link").symlink_to("text")
    (root / "mode").write_text("mode", encoding="utf-8")
    (root / "time").write_text("time", encoding="utf-8")
    (root / "locked").chmod(0o500)

    def change(name: str, after: Node) -> Change:
        return Change(path=world.path(name), before=look(world.path(name), world.store), after=after)

    folder = Node(kind=NodeKind.DIR, mode=0o755)
    mode, time = look(world.path("mode"), world.store), look(world.path("time"), world.store)
    return [
        *(change(name, ABSENT) for name in ("gone/deep/x", "gone/deep", "gone/y", "gone", "becomes-file/z", "locked/inner", "locked")),
        change("becomes-file", world.file(b"a file now")),
        change("becomes-folder", replace(folder, mode=0o550)),
        change("becomes-folder/in", world.file(b"inside", mode=0o600)),
        change("text", world.file(b"new text", mode=0o755)),
        change("link", Node(kind=NodeKind.LINK, size=7, content="nowhere")),
        change("mode", replace(mode, mode=0o4711)),
        change("time", replace(time, mtime_ns=1_000_000_007)),
        *(change(name, folder) for name in ("new", "new/a", "new/b")),
        *(change(f"new/{name}", world.file(name.encode("utf-8"))) for name in ("one", "a/two", "b/three")),
        change("alone", world.file(b"alone")),
    ]


def killed(world: World, changes: Sequence[Change], crash: str) -> bool:
    """Apply in a process of its own that dies at `crash`; False when it never got there."""
    child = subprocess.run(
        [sys.executable, changing_child.__file__, str(world.private), str(world.root), "tag"],
        input=canonical(pack(changes, world.store)),
        text=True,
        check=False,
        env={**os.environ, "REMIT_CRASH": crash},
    )
    assert child.returncode in {0, -signal.SIGKILL}
    return child.returncode != 0


def timeless(drawn: Picture) -> Picture:
    """Without the times of change of fresh files, which are natural."""
    return {path: tuple(part for part in parts if not (isinstance(part, int) and part > 1 << 40)) for path, parts in drawn.items()}


def look_again(world: World, changes: Sequence[Change]) -> Settled:
    return settle(changes, world.roots, tag="tag")


@proves("files.crash_is_settled")
@pytest.mark.parametrize("point", POINTS)
def test_after_kill_at_every_point_all_paths_are_told_right_and_the_rest_is_finished(tmp_path: Path, point: str) -> None:
    """Every path is done or untouched, exactly; applying again finishes; undo restores the tree; nothing hidden is left."""
    reached = 0
    for number in range(1, 100):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(folder)
        changes = messy(world)
        before = picture(world.root)
        if not killed(world, changes, f"change.{point}:{number}"):
            break
        reached = number
        found = look_again(world, changes)
        assert found.foreign == ()
        assert len(leftovers(world.root)) <= 1  # the mark of what is still to be done
        assert look_again(world, changes) == found
        drawn = picture(world.root)
        assert [path for path in found.untouched if not stands(before, drawn, world, path)] == []
        applied = apply(changes, world.store, tag="tag", roots=world.roots, keep_aside=False)
        assert applied.conflicts == ()
        assert len(look_again(world, changes).done) == len(changes)
        apply([change.inverse() for change in changes], world.store, tag="back", roots=world.roots, keep_aside=False)
        assert picture(world.root) == before
        assert leftovers(world.root) == []
    assert reached > 0


@proves("crash.half_done_is_finished")
@pytest.mark.parametrize("second", ["part", "staged", "exchanged", "discarded", "created", "removed", "dressed"])
def test_killed_again_while_it_is_finished_it_is_told_right_again(tmp_path: Path, second: str) -> None:
    """A first kill in the middle, a look, a second kill anywhere: still no path is in doubt, and a third attempt finishes."""
    reached = 0
    for first in ("change.part:3", "change.created:1", "change.created:2"):
        for number in range(1, 30, 3):
            folder = tmp_path / f"{first}-{number}"
            folder.mkdir()
            world = World(folder)
            changes = messy(world)
            before = picture(world.root)
            assert killed(world, changes, first)
            assert look_again(world, changes) == look_again(world, changes)
            if not killed(world, changes, f"change.{second}:{number}"):
                break
            reached += 1
            assert look_again(world, changes).foreign == ()
            apply(changes, world.store, tag="tag", roots=world.roots, keep_aside=False)
            assert leftovers(world.root) == []
            apply([change.inverse() for change in changes], world.store, tag="back", roots=world.roots, keep_aside=False)
            assert picture(world.root) == before
    assert reached > 0


@proves("crash.half_done_is_finished")
def test_the_mark_goes_where_a_person_is_asked(tmp_path: Path) -> None:
    """Nothing of remit's is left beside somebody's files when nothing more will be done."""
    world = World(tmp_path)
    changes = messy(world)
    assert killed(world, changes, "change.created:1")
    (world.root / "text").write_text("theirs", encoding="utf-8")
    assert look_again(world, changes).foreign == (world.path("text"),)
    assert leftovers(world.root) == []


def stands(before: Picture, now: Picture, world: World, path: bytes) -> bool:
    """Whether a path is as it was, but for the mode of a folder whose owner was let in."""
    name = os.path.relpath(path, os.fsencode(world.root))
    was, is_now = before.get(name), now.get(name)
    if was is None or is_now is None:
        return was is is_now
    return was[0] == is_now[0] == 0o040000 or was == is_now or name == b"becomes-folder"


def begun(tmp_path: Path, content: bytes | None, after: bytes | None, crash: str) -> tuple[World, Change]:
    """One change of one file, killed at a point."""
    world = World(tmp_path)
    if content is not None:
        (world.root / "file").write_bytes(content)
    path = world.path("file")
    change = Change(path=path, before=look(path, world.store), after=world.file(after) if after is not None else ABSENT)
    assert killed(world, [change], crash)
    return world, change


@proves("files.crash_is_settled")
def test_a_file_that_a_person_set_back_after_the_crash_is_not_called_untouched(tmp_path: Path) -> None:
    """A→B→A: the content is as before, yet the action did happen; only a person can say what to do."""
    world, change = begun(tmp_path, b"A", b"B", "change.exchanged")
    (world.root / "file").write_bytes(b"A")
    assert look_again(world, [change]).foreign == (change.path,)


@proves("files.crash_is_settled")
def test_a_file_that_was_made_and_then_deleted_by_a_person_is_not_made_again(tmp_path: Path) -> None:
    """Absent before, made, deleted by a person: absent again, but not untouched."""
    world, change = begun(tmp_path, None, b"B", "change.created")
    (world.root / "file").unlink()
    assert look_again(world, [change]).foreign == (change.path,)


@proves("files.crash_is_settled", "files.saves_survive")
@pytest.mark.parametrize(("crash", "after"), [("change.exchanged", b"B"), ("change.removed", None)])
def test_a_save_into_the_old_file_during_the_crash_comes_back_under_its_name(tmp_path: Path, crash: str, after: bytes | None) -> None:
    """The process died between exchanging and verifying, and a program wrote into the file that came out."""
    world, change = begun(tmp_path, b"A", after, crash)
    (hidden,) = world.root.glob(".~remit-*")
    hidden.write_bytes(b"person")
    assert look_again(world, [change]).foreign == (change.path,)
    assert (world.root / "file").read_bytes() == b"person"
    assert leftovers(world.root) == []


@proves("files.crash_is_settled", "files.saves_survive")
def test_both_versions_survive_when_somebody_saved_after_the_crash_too(tmp_path: Path) -> None:
    """One version in the file that came out, a later one under the name: the later stays, the other is kept aside."""
    world, change = begun(tmp_path, b"A", b"B", "change.exchanged")
    (hidden,) = world.root.glob(".~remit-*")
    hidden.write_bytes(b"early")
    (world.root / "file").write_bytes(b"late")
    found = look_again(world, [change])
    assert found.foreign == (change.path,)
    assert (world.root / "file").read_bytes() == b"late"
    assert [Path(os.fsdecode(clash.aside)).read_bytes() for clash in found.asides if clash.aside] == [b"early"]


@proves("files.crash_is_settled")
def test_a_half_written_file_is_never_put_in_place(tmp_path: Path) -> None:
    """What was not complete when the process died is thrown away."""
    world, change = begun(tmp_path, b"A", b"B" * 100, "change.part")
    (part,) = world.root.glob(".~remit-*.part")
    part.write_bytes(b"BBB")
    assert look_again(world, [change]).untouched == (change.path,)
    assert (world.root / "file").read_bytes() == b"A"
    apply([change], world.store, tag="tag", roots=world.roots, keep_aside=False)
    assert (world.root / "file").read_bytes() == b"B" * 100
    assert leftovers(world.root) == []


def test_packed_changes_survive_json() -> None:
    """The child gets exactly the changes that the parent has."""
    change = Change(
        path=b"/a\xff", before=ABSENT, after=Node(kind=NodeKind.FILE, mode=0o644, size=1, content="c", xattrs=(("user.a", "00"),))
    )
    assert Change.from_json(json.loads(canonical(change.to_json()))) == change
