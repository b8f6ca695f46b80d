"""Applying lists of changes: what is in the way is spared and told, and failure leaves nothing half done."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - imported while root can still read it
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import no_exchange_child
from claims import proves
from files_world import World, leftovers, picture
from remit.errors import Conflict, OutsideRoots, ToolFailed
from remit.tools.changes.change import Applied, apply, pack, unpack
from remit.tools.changes.manifest import binding, touches
from remit.tools.changes.roots import Roots
from remit.tools.changes.snapshot import look, walk
from remit.tools.changes.tree import ABSENT, Change, Node, NodeKind

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount or to become somebody else")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def change(world: World, name: str, after: Node) -> Change:
    return Change(path=world.path(name), before=look(world.path(name), world.store), after=after)


def applied(world: World, *changes: Change, keep_aside: bool = False) -> Applied:
    return apply(changes, world.store, tag="t", roots=world.roots, keep_aside=keep_aside)


@proves("undo.spares_others")
def test_a_later_save_is_left_as_it_is_and_the_rest_is_done(world: World) -> None:
    """One path in conflict does not stop the others, and the result says exactly which are done."""
    for name in ("mine", "theirs"):
        (world.root / name).write_text("old", encoding="utf-8")
    changes = [change(world, name, world.file(b"new")) for name in ("mine", "theirs")]
    (world.root / "theirs").write_text("person", encoding="utf-8")
    found = applied(world, *changes, keep_aside=True)
    assert found.done == (world.path("mine"),)
    assert [(clash.path, clash.aside) for clash in found.conflicts] == [(world.path("theirs"), world.path("theirs.conflict-t"))]
    assert (world.root / "theirs").read_text(encoding="utf-8") == "person"
    assert (world.root / "theirs.conflict-t").read_text(encoding="utf-8") == "new"
    assert leftovers(world.root) == []


@proves("undo.spares_others")
def test_conflict_versions_never_replace_each_other(world: World) -> None:
    """A second conflict of the same action takes the next free name."""
    (world.root / "a").write_text("person", encoding="utf-8")
    wrong = Change(path=world.path("a"), before=world.file(b"old"), after=world.file(b"new"))
    applied(world, wrong, keep_aside=True)
    applied(world, replace(wrong, after=world.file(b"newer")), keep_aside=True)
    assert sorted(path.name for path in world.root.iterdir()) == ["a", "a.conflict-t", "a.conflict-t-2"]


@proves("undo.spares_others")
def test_nothing_is_made_over_what_somebody_made_meanwhile(world: World) -> None:
    """A file, a link and a folder that appeared since are all in the way."""
    changes = [change(world, name, world.file(b"ours")) for name in ("file", "link", "folder/in", "new/in")]
    changes += [change(world, "new", Node(kind=NodeKind.DIR, mode=0o755))]
    (world.root / "file").write_text("person", encoding="utf-8")
    (world.root / "link").symlink_to("/etc/passwd")
    (world.root / "new").write_text("person", encoding="utf-8")
    before = picture(world.root)
    found = applied(world, *changes)
    assert found.done == ()
    assert sorted(clash.path for clash in found.conflicts) == sorted(change.path for change in changes)
    assert picture(world.root) == before


@proves("undo.spares_others")
def test_a_folder_is_not_removed_with_what_somebody_put_into_it(world: World) -> None:
    """Removing what we made stops at a folder in which a person has saved something."""
    (world.root / "d").mkdir()
    (world.root / "d/ours").write_text("x", encoding="utf-8")
    changes = [change(world, name, ABSENT) for name in ("d/ours", "d")]
    (world.root / "d/theirs").write_text("person", encoding="utf-8")
    found = applied(world, *changes)
    assert found.done == (world.path("d/ours"),)
    assert [clash.detail for clash in found.conflicts] == ["the folder is not empty"]
    assert (world.root / "d/theirs").read_text(encoding="utf-8") == "person"


@proves("undo.spares_others")
@pytest.mark.parametrize("after", ["file", "absent"])
def test_a_new_mode_or_attribute_counts_as_somebody_elses_change(world: World, after: str) -> None:
    """Content is not all: who made a file executable or tagged it has changed it."""
    (world.root / "a").write_text("old", encoding="utf-8")
    planned = change(world, "a", world.file(b"new") if after == "file" else ABSENT)
    (world.root / "a").chmod(0o755)
    assert len(applied(world, planned).conflicts) == 1
    assert (world.root / "a").stat().st_mode & 0o777 == 0o755


def test_a_device_or_socket_is_never_replaced(world: World) -> None:
    """What remit cannot restore it does not touch."""
    os.mkfifo(world.root / "fifo")
    assert look(world.path("fifo"), world.store).kind is NodeKind.OTHER
    planned = Change(path=world.path("fifo"), before=look(world.path("fifo"), None), after=world.file(b"x"))
    assert len(applied(world, planned).conflicts) == 1
    assert [node.kind for _, node in walk(world.path("fifo"), None)] == [NodeKind.OTHER]


def test_owner_attributes_and_times_are_put_back(world: World) -> None:
    """What replaces a file looks like it in every respect that was recorded."""
    (world.root / "a").write_text("old", encoding="utf-8")
    os.setxattr(world.root / "a", "user.tag", b"\x00\xff")
    (world.root / "a").chmod(0o640)
    os.utime(world.root / "a", ns=(1, 7))
    if os.geteuid() == 0:
        os.chown(world.root / "a", 12345, 54321)
    before = picture(world.root)
    planned = change(world, "a", ABSENT)
    applied(world, planned)
    applied(world, planned.inverse())
    assert picture(world.root) == before


def test_a_change_of_mode_keeps_the_inode(world: World) -> None:
    """Mode, owner and time are changed in place: open files and hard links stay what they are."""
    (world.root / "a").write_text("x", encoding="utf-8")
    inode = (world.root / "a").stat().st_ino
    planned = change(world, "a", replace(look(world.path("a"), None), mode=0o400, mtime_ns=9))
    assert applied(world, planned).conflicts == ()
    found = (world.root / "a").stat()
    assert (found.st_ino, found.st_mode & 0o777, found.st_mtime_ns) == (inode, 0o400, 9)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system that is soon full."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@ROOT_ONLY
@proves("files.failure_changes_nothing")
def test_a_full_disk_is_found_before_anything_is_changed(tmp_path: Path, world: World) -> None:
    """Of a list that does not fit, nothing is done; the message says what to do."""
    with small_disk(tmp_path / "small", "1m") as disk:
        roots = Roots([disk])
        (disk / "a").write_text("old", encoding="utf-8")
        (disk / "gone").write_text("old", encoding="utf-8")
        path = os.fsencode(disk)
        before = picture(disk)
        changes = [
            Change(path=path + b"/a", before=look(path + b"/a", world.store), after=world.file(b"new")),
            Change(path=path + b"/d", before=ABSENT, after=Node(kind=NodeKind.DIR, mode=0o755)),
            Change(path=path + b"/d/big", before=ABSENT, after=world.file(b"x" * (2 << 20))),
            Change(path=path + b"/gone", before=look(path + b"/gone", world.store), after=ABSENT),
        ]
        with pytest.raises(ToolFailed, match="no space left on device — free some space"):
            apply(changes, world.store, tag="t", roots=roots, keep_aside=False)
        assert picture(disk) == before


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Without root's powers, owning `folder`."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that anybody can reach."""
    folder = Path(tempfile.mkdtemp(prefix="remit-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@ROOT_ONLY
@proves("files.failure_changes_nothing")
def test_a_read_only_folder_is_found_before_anything_is_changed() -> None:
    """An ordinary user without permission gets a sentence, and nothing is done elsewhere either."""
    with open_folder() as folder:
        world = World(folder)
        (world.root / "locked").mkdir(0o555)
        with as_nobody(folder):
            before = picture(world.root)
            changes = [change(world, name, world.file(b"new")) for name in ("a", "locked/b")]
            with pytest.raises(ToolFailed, match=r"cannot write .*locked/b: permission denied"):
                applied(world, *changes)
            assert picture(world.root) == before


@ROOT_ONLY
@proves("files.undo_is_exact")
def test_an_ordinary_user_removes_and_restores_folders_without_write_permission() -> None:
    """A read-only folder (as Go's module cache makes them) goes and comes back with its modes."""
    with open_folder() as folder:
        world = World(folder)
        (world.root / "ro").mkdir()
        (world.root / "ro/file").write_text("x", encoding="utf-8")
        (world.root / "ro/file").chmod(0o444)
        (world.root / "ro").chmod(0o555)
        with as_nobody(folder):
            before = picture(world.root)
            did = world.do("files.delete", path="ro", recursive=True)
            assert not (world.root / "ro").exists()
            world.undo("files.delete", did)
            assert picture(world.root) == before


@proves("files.failure_changes_nothing")
def test_a_file_system_that_cannot_exchange_names_is_refused(tmp_path: Path) -> None:
    """Without the atomic exchange remit does not fall back to something that can lose a save."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_text("old", encoding="utf-8")
    before = picture(tmp_path / "root")
    child = subprocess.run(
        [sys.executable, no_exchange_child.__file__, str(tmp_path / "state"), str(tmp_path / "root")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "cannot exchange two names atomically" in child.stdout
    assert picture(tmp_path / "root") == before


def test_changes_outside_the_roots_are_refused_whole(world: World, tmp_path: Path) -> None:
    """A forged list of changes reaches nothing outside, and nothing inside is done either."""
    outside = Change(path=os.fsencode(tmp_path) + b"/outside", before=ABSENT, after=world.file(b"x"))
    for path in (outside.path, world.path("../outside"), world.path("a//b"), os.fsencode(world.private) + b"/x"):
        with pytest.raises(OutsideRoots):
            applied(world, change(world, "fine", world.file(b"x")), replace(outside, path=path))
    assert list(world.root.iterdir()) == []


def test_small_lists_stand_inline_and_large_ones_in_the_store(world: World) -> None:
    """`pack` and `unpack` are exact both ways, names that are not UTF-8 included."""
    for count in (1, 100):
        changes = [Change(path=b"/x/\xff%d" % n, before=ABSENT, after=world.file(b"x")) for n in range(count)]
        packed = pack(changes, world.store)
        assert isinstance(packed, list) == (count == 1)
        assert unpack(packed, world.store) == changes


def test_the_binding_knows_places_and_contents_but_no_times(world: World) -> None:
    """Touching a file does not void an approval; changing it does."""
    (world.root / "a").write_text("x", encoding="utf-8")
    first = change(world, "a", ABSENT)
    os.utime(world.root / "a", ns=(1, 1))
    assert binding([change(world, "a", ABSENT)]) == binding([first])
    (world.root / "a").write_text("y", encoding="utf-8")
    assert binding([change(world, "a", ABSENT)]) != binding([first])


def test_many_touched_places_are_named_by_their_folders() -> None:
    """At most 50 targets, each place still inside one of them."""
    changes = [Change(path=b"/r/%d/%d" % (n % 60, n), before=ABSENT, after=ABSENT) for n in range(600)]
    changes += [Change(path=b"/r/q/a/b", before=ABSENT, after=ABSENT)]
    found = touches(changes)
    assert found == ("file:///r",)
    assert touches(changes[:50]) == tuple(sorted(f"file:///r/{n}/{n}" for n in range(50)))


def test_a_file_that_never_stops_changing_is_a_conflict(tmp_path: Path) -> None:
    """What changes while it is read is read again, and after a few times given up."""
    file = tmp_path / "busy"
    file.write_bytes(b"x" * 100)

    class Meddling:
        """A store during whose reading the file is written."""

        def put_from(self, source: object) -> str:
            file.write_bytes(file.read_bytes() + b"x")
            return "0" * 64

    with pytest.raises(Conflict, match="keeps changing"):
        look(os.fsencode(file), Meddling())  # type: ignore[arg-type]
