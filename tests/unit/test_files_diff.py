"""What a person is shown before saying yes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from claims import proves
from files_world import World
from remit.domain.visible import shown, visible
from remit.tools.changes.change import diff_text
from remit.tools.changes.snapshot import look
from remit.tools.changes.tree import ABSENT, Change, Node, NodeKind


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def diff(world: World, before: bytes, after: bytes, *, limit: int = 10_000) -> tuple[str, bool]:
    return diff_text([Change(path=b"/a", before=world.file(before), after=world.file(after))], world.store, limit=limit)


@proves("files.preview_hides_nothing")
@pytest.mark.parametrize(
    "hidden", ["\x1b[2K", "\u202e", "\u200b", "\r", "\x00\x01"[1:], "\u2028", "\u3164", "\ue000", "\u00ad", "\ufeff", "\u00a0"]
)
def test_what_hides_or_moves_text_is_shown_as_its_code_point(world: World, hidden: str) -> None:
    """ANSI sequences, bidi overrides, zero-width and look-alike blanks cannot hide a part of a change."""
    text, clipped = diff(world, b"", f"safe{hidden}rm -rf /\n".encode())
    assert f"+safe⟨U+{ord(hidden[0]):04X}⟩" in text
    assert "rm -rf /" in text
    assert hidden[0] not in text
    assert not clipped


@proves("files.preview_hides_nothing")
def test_a_name_cannot_disguise_itself_either() -> None:
    """Names with line breaks, escapes or bytes that are not UTF-8 are told apart."""
    assert shown(b"/a\nb\x1b\xff") == "/a⟨U+000A⟩b⟨U+001B⟩⟨xFF⟩"
    assert visible("déjà vu 漢字 👍") == "déjà vu 漢字 👍"


@proves("files.preview_hides_nothing")
def test_a_preview_that_is_too_long_says_so(world: World) -> None:
    """Cut text is marked as cut, in the text and for the gate."""
    text, clipped = diff(world, b"", b"line\n" * 1000, limit=500)
    assert clipped
    assert "1 of 1 changes are not shown whole" in text
    _, clipped = diff(world, b"", b"x" * 5000)
    assert clipped


def test_binary_files_modes_links_and_folders_are_summed_up(world: World) -> None:
    """What has no lines has a size, a digest, a target or a mode."""
    text, _ = diff(world, b"\x00a", b"\x00bc")
    old, new = (world.file(data).content[:12] for data in (b"\x00a", b"\x00bc"))
    assert text == f"change /a (2 bytes, sha256 {old} → 3 bytes, sha256 {new})\n  (not text)"
    file = world.file(b"x")
    link = Node(kind=NodeKind.LINK, size=1, content="b%FF")
    folder = Node(kind=NodeKind.DIR, mode=0o755)
    changes = [
        Change(path=b"/mode", before=file, after=replace(file, mode=0o755)),
        Change(path=b"/link", before=ABSENT, after=link),
        Change(path=b"/dir", before=folder, after=ABSENT),
        Change(path=b"/time", before=replace(file, mtime_ns=1), after=replace(file, mtime_ns=2)),
        Change(path=b"/tag", before=file, after=replace(file, xattrs=(("user.x", "00"),))),
        Change(path=b"/run", before=ABSENT, after=world.file(b"", mode=0o755)),
    ]
    lines = diff_text(changes, world.store, limit=1000)[0].splitlines()
    assert lines == [
        "change /mode (mode 0644 → 0755)",
        "create /link (link to b⟨xFF⟩)",
        "delete /dir (folder)",
        "change /time (time of change only)",
        "change /tag (attributes user.x)",
        f"create /run (0 bytes, sha256 {world.file(b'').content[:12]}; mode 0755)",
    ]


def test_a_missing_newline_at_the_end_is_shown(world: World) -> None:
    """Two texts that differ only there do not look alike."""
    assert "⟨no newline at end⟩" in diff(world, b"a\n", b"a")[0]


def test_the_preview_of_a_restore_is_the_diff_against_now(world: World) -> None:
    """What undo would lose is shown; what it cannot put back is named as a conflict beforehand."""
    (world.root / "a").write_text("one\n", encoding="utf-8")
    (world.root / "b").mkdir()
    did = world.do("files.write", path="a", text="two\n")
    (world.root / "a").write_text("person\n", encoding="utf-8")
    back = world.tools["files.write"].undo(did.call, did.result)
    assert back is not None
    call = world.call(back.args)
    import asyncio

    text = asyncio.run(world.tools["files.restore"].preview(call)).text
    assert "1 in conflict" in text
    assert "-person" in text
    assert "+one" in text


def test_a_look_records_what_is_there(world: World) -> None:
    """Digest of the content alone: the same content has the same digest whoever made it."""
    (world.root / "a").write_bytes(b"x")
    assert look(world.path("a"), None).content == world.store.put(b"x")
    (world.root / "l").symlink_to(os.fsdecode(b"t\xff o"))
    assert look(world.path("l"), None).content == "t%FF%20o"
