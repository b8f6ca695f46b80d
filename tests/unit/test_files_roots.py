"""No path leads out of the allowed folders."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import swapping_child
from claims import proves
from files_world import World, picture
from remit.errors import ArgsInvalid, OutsideRoots, RemitError
from remit.tools.changes.roots import Roots


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret", encoding="utf-8")
    (found.root / "out").symlink_to("../outside")
    (found.root / "out-file").symlink_to(tmp_path / "outside/secret")
    (found.root / "loop").symlink_to("loop")
    (found.root / "in").mkdir()
    (found.root / "in-link").symlink_to("in")
    return found


ESCAPES = [
    "../outside/secret",
    "in/../../outside/secret",
    "out/secret",
    "out/new",
    "out/../root/../outside/secret",
    "/etc/passwd",
    "/proc/self/root/etc/passwd",
    "/proc/self/environ",
    "a\0b",
    "../root-but-longer/x",
    "../state/journal",
    "file:///etc/passwd",
    "file:///../etc/passwd",
    "file:///%2e%2e/etc/passwd",
    "..",
    "/",
]


@proves("files.never_outside_roots")
@pytest.mark.parametrize("path", ESCAPES)
def test_a_path_that_leads_out_is_refused_by_every_tool(world: World, tmp_path: Path, path: str) -> None:
    """Reading, writing, deleting, moving and copying: in the preview already, from the target's computation on."""
    (tmp_path / "root-but-longer").mkdir()
    before = picture(tmp_path)
    for tool, args in {
        "files.read": {"path": path},
        "files.list": {"path": path},
        "files.search": {"path": path, "query": "x"},
        "files.write": {"path": path, "text": "x", "parents": True},
        "files.edit": {"path": path, "old": "secret", "new": "x"},
        "files.delete": {"path": path, "recursive": True},
        "files.mkdir": {"path": path, "parents": True},
        "files.move": {"path": "in", "to": path},
        "files.copy": {"path": path, "to": "copy"},
    }.items():
        with pytest.raises(OutsideRoots):
            world.do(tool, **args)  # type: ignore[arg-type]
    assert picture(tmp_path) == before


@proves("files.never_outside_roots")
def test_a_link_that_leads_out_is_not_read_through_and_not_written_through(world: World, tmp_path: Path) -> None:
    """The link itself may be deleted; what it leads to is neither read nor changed."""
    with pytest.raises(OutsideRoots):
        world.do("files.read", path="out-file")
    with pytest.raises(RemitError):
        world.do("files.write", path="out-file", text="x")
    world.do("files.delete", path="out-file")
    world.do("files.delete", path="out")
    assert (tmp_path / "outside/secret").read_text(encoding="utf-8") == "secret"


def test_links_inside_the_roots_are_followed_for_reading(world: World) -> None:
    """A link in the middle or at the end of a path is fine as long as everything stays inside."""
    (world.root / "in/a").write_text("x", encoding="utf-8")
    assert world.roots.resolve("in-link/a") == world.path("in/a")
    assert world.roots.resolve("in-link") == world.path("in-link")
    assert world.roots.resolve("in-link", follow=True) == world.path("in")
    assert world.roots.resolve(".") == os.fsencode(world.root)
    assert world.roots.resolve("file://" + str(world.root) + "/n%FF") == world.path(b"n\xff")


def test_remits_own_state_is_off_limits_inside_a_root(tmp_path: Path) -> None:
    """Neither it, nor what is in it, nor a folder that holds it can be changed; it is not listed either."""
    (tmp_path / "keep/state").mkdir(parents=True)
    roots = Roots([tmp_path], [tmp_path / "keep/state"])
    base = os.fsencode(tmp_path)
    for path in (b"/keep/state", b"/keep/state/x"):
        with pytest.raises(OutsideRoots, match="belongs to remit itself"):
            roots.check(base + path)
    with pytest.raises(OutsideRoots, match="contains remit's own state"):
        roots.check_whole(base + b"/keep")
    with pytest.raises(OutsideRoots, match="is an allowed folder itself"):
        roots.check_whole(base)
    with pytest.raises(ArgsInvalid):
        roots.resolve("")


@contextlib.contextmanager
def swapping(folder: Path, target: Path) -> Iterator[None]:
    """A hostile process at work for as long as the block lasts."""
    child = subprocess.Popen([sys.executable, swapping_child.__file__, str(folder), str(target)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "swapping\n"
    try:
        yield
    finally:
        child.kill()
        child.communicate()


@proves("files.never_outside_roots")
def test_a_folder_swapped_for_a_link_between_check_and_use_lets_nothing_escape(world: World, tmp_path: Path) -> None:
    """While another process swaps a folder for a link that leads out, nothing outside is read, made, changed or deleted."""
    outside = picture(tmp_path / "outside")
    written = refused = 0
    with swapping(world.root / "in", tmp_path / "outside"):
        for number in range(300):
            for tool, args in {
                "files.write": {"path": f"in/secret{number}", "text": "x"},
                "files.delete": {"path": "in/secret"},
                "files.read": {"path": "in/secret"},
            }.items():
                try:
                    did = world.do(tool, **args)
                    assert "secret" not in str(did.result.get("text", ""))  # type: ignore[union-attr]
                    written += 1
                except RemitError:
                    refused += 1
    assert picture(tmp_path / "outside") == outside
    assert written > 0
    assert refused > 0
