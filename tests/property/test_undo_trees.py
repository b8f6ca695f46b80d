"""Random trees, random calls, and everything undone newest first: the tree is what it was, bit by bit."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from claims import proves
from files_world import Did, Picture, World, leftovers, picture
from remit.errors import RemitError
from remit.tools.changes.change import pack
from remit.tools.changes.snapshot import look, walk
from remit.tools.changes.tree import ABSENT, Change, Node, NodeKind, uri

NAMES = st.sampled_from([b"a", b"b", b"c", b"d", b"\xff\xfe", "ü ñ".encode(), b"new\nline", b".hidden", b"-rf", b"x" * 200])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
DATA = st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8"))
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o444, 0o000, 0o4755, 0o2755, 0o1777])
TIMES = st.sampled_from([1, 1_000_000_000_123_456_789, 1_700_000_000_000_000_001])
TARGETS = st.sampled_from([b"a", b"nowhere", b"..", b"/", b"loop", b"\xff\xfe", b"./b/c"])
XATTRS = st.sampled_from([(), (("user.note", "00ff"),)])
FILES = st.builds(lambda data, mode, time, xattrs: ("file", data, mode, time, xattrs), DATA, MODES, TIMES, XATTRS)
LINKS = st.builds(lambda target, time: ("link", target, 0, time, ()), TARGETS, TIMES)
FOLDERS = st.builds(lambda mode, xattrs: ("dir", b"", mode, 0, xattrs), MODES, XATTRS)
THINGS = FILES | LINKS | FOLDERS


class Undoing(RuleBasedStateMachine):
    """Calls of the real tools, and arbitrary lists of changes as a shell command makes them; each undo is checked on its own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.world = World(self.folder)
        self.past: list[tuple[Picture, str, Did]] = []

    @initialize(tree=st.lists(st.tuples(PATHS, THINGS), max_size=8))
    def plant(self, tree: list[tuple[bytes, tuple]]) -> None:  # type: ignore[type-arg]
        """Grow a tree with plain system calls."""
        for name, thing in tree:
            path = Path(os.fsdecode(self.world.path(name)))
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._grow(path, *thing)

    def _grow(self, path: Path, kind: str, data: bytes, mode: int, time: int, xattrs: tuple[tuple[str, str], ...]) -> None:
        if kind == "link":
            path.symlink_to(os.fsdecode(data))
        elif kind == "dir":
            path.mkdir()
        else:
            with path.open("xb") as file:
                file.write(data)
        for name, value in xattrs:
            os.setxattr(path, name, bytes.fromhex(value))
        if kind != "link":
            path.chmod(mode)
        if time:
            os.utime(path, ns=(time, time), follow_symlinks=False)

    def do(self, tool: str, **args: object) -> None:
        """Call a tool; a refusal is fine and must have changed nothing."""
        before = picture(self.world.root)
        try:
            did = self.world.do(tool, **args)  # type: ignore[arg-type]
        except RemitError:
            assert picture(self.world.root) == before
            return
        assert leftovers(self.world.root) == []
        self.past.append((before, tool, did))

    @rule(name=PATHS, data=DATA, parents=st.booleans())
    def write(self, name: bytes, data: bytes, parents: bool) -> None:
        self.do("files.write", path=self._said(name), base64=b64encode(data).decode("ascii"), parents=parents)

    @rule(number=st.integers(0, 30), new=st.text(max_size=5))
    def edit(self, number: int, new: str) -> None:
        """Edit a file that is there, replacing all of its text."""
        files = [path for path in sorted(self.world.root.rglob("*")) if path.is_file() and not path.is_symlink() and path.stat().st_size]
        if files:
            file = files[number % len(files)]
            old = file.read_bytes().decode("utf-8", "replace")
            self.do("files.edit", path=uri(os.fsencode(file)), old=old, new=new)

    @rule(name=PATHS)
    def delete(self, name: bytes) -> None:
        self.do("files.delete", path=self._said(name), recursive=True)

    @rule(name=PATHS, parents=st.booleans())
    def mkdir(self, name: bytes, parents: bool) -> None:
        self.do("files.mkdir", path=self._said(name), parents=parents)

    @rule(name=PATHS, to=PATHS, tool=st.sampled_from(["files.move", "files.copy"]), overwrite=st.booleans())
    def transfer(self, name: bytes, to: bytes, tool: str, overwrite: bool) -> None:
        self.do(tool, path=self._said(name), to=self._said(to), parents=True, overwrite=overwrite)

    @rule(picks=st.lists(st.tuples(st.integers(0, 30), THINGS | st.none(), PATHS), min_size=1, max_size=3))
    def reshape(self, picks: list) -> None:  # type: ignore[type-arg]
        """What a shell command may do: change kinds, modes, times and attributes of anything, with everything below."""
        changes: dict[bytes, Change] = {}
        for number, thing, name in picks:
            there = [path for path, _ in walk(self.world.path(b"a").rpartition(b"/")[0], None)][1:]
            path = there[number % len(there)] if there and number < 25 else self.world.path(name)
            if any(path.startswith(other + b"/") or other.startswith(path + b"/") or other == path for other in changes):
                continue
            if look(path.rpartition(b"/")[0], None).kind is not NodeKind.DIR:
                continue
            after = self._node(thing)
            for below, node in walk(path, self.world.store)[1:]:
                if after.kind is not NodeKind.DIR:
                    changes[below] = Change(path=below, before=node, after=ABSENT)
            changes[path] = Change(path=path, before=look(path, self.world.store), after=after)
        self.do("files.restore", changes=pack(list(changes.values()), self.world.store))

    def _node(self, thing: tuple | None) -> Node:  # type: ignore[type-arg]
        if thing is None:
            return ABSENT
        kind, data, mode, time, xattrs = thing
        if kind == "dir":
            return Node(kind=NodeKind.DIR, mode=mode, xattrs=xattrs)
        if kind == "link":
            target = quote_from_bytes(data)
            return Node(kind=NodeKind.LINK, size=len(data), content=target, mtime_ns=time)
        return replace(self.world.file(data, mode=mode), mtime_ns=time, xattrs=xattrs)

    @precondition(lambda self: self.past)
    @rule()
    def undo(self) -> None:
        """The newest call is taken back: the tree is what it was before it."""
        before, tool, did = self.past.pop()
        self.world.undo(tool, did)
        now = picture(self.world.root)
        assert now == before
        assert leftovers(self.world.root) == []

    def teardown(self) -> None:
        try:
            while self.past:
                self.undo()
        finally:
            shutil.rmtree(self.folder)

    def _said(self, name: bytes) -> str:
        return uri(self.world.path(name))


TestUndoing = proves("files.undo_is_exact")(Undoing.TestCase)
TestUndoing.settings = settings(
    max_examples=60, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@proves("files.undo_is_exact", "files.large")
def test_a_file_of_200_megabytes_is_written_deleted_and_restored(tmp_path: Path) -> None:
    """Content of any size streams through the store; delete and overwrite are undone to the byte."""
    world = World(tmp_path)
    big = world.root / "big"
    block = os.urandom(1 << 20)
    with big.open("wb") as file:
        for number in range(200):
            file.write(number.to_bytes(4, "big") + block[4:])
    os.utime(big, ns=(5, 5))
    before = look(os.fsencode(big), None)
    deleted = world.do("files.delete", path="big")
    assert not big.exists()
    world.undo("files.delete", deleted)
    overwritten = world.do("files.write", path="big", text="small")
    assert big.read_bytes() == b"small"
    world.undo("files.write", overwritten)
    after = look(os.fsencode(big), None)
    assert (after.content, after.size, after.mtime_ns, after.mode) == (before.content, 200 << 20, 5, before.mode)


@proves("files.undo_is_exact")
def test_an_undo_can_be_undone(tmp_path: Path) -> None:
    """Undo is an action like every other: taking it back gives what the first action had made."""
    world = World(tmp_path)
    (world.root / "a").write_text("one", encoding="utf-8")
    did = world.do("files.write", path="a", text="two")
    undone = world.undo("files.write", did)
    assert (world.root / "a").read_text(encoding="utf-8") == "one"
    world.undo("files.restore", undone)
    assert (world.root / "a").read_text(encoding="utf-8") == "two"


@proves("files.undo_is_exact")
def test_hard_links_come_back_as_files_of_their_own(tmp_path: Path) -> None:
    """The documented limit: content, mode and time are exact, the shared inode is not."""
    world = World(tmp_path)
    (world.root / "d").mkdir()
    (world.root / "d/a").write_text("x", encoding="utf-8")
    (world.root / "d/b").hardlink_to(world.root / "d/a")
    before = picture(world.root)
    world.undo("files.delete", world.do("files.delete", path="d", recursive=True))
    assert picture(world.root) == before
    assert not (world.root / "d/a").samefile(world.root / "d/b")


@pytest.mark.parametrize("count", [2000])
@proves("files.undo_is_exact", "files.large")
def test_a_folder_of_thousands_of_files_is_deleted_and_restored(tmp_path: Path, count: int) -> None:
    """Large lists of changes stand in the store, not in the journal."""
    world = World(tmp_path)
    for number in range(count):
        file = world.root / "many" / str(number % 10) / str(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number), encoding="utf-8")
    before = picture(world.root)
    did = world.do("files.delete", path="many", recursive=True)
    assert len(str(did.call.captured)) < 300
    assert picture(world.root) == {b".": before[b"."]}
    world.undo("files.delete", did)
    assert picture(world.root) == before
