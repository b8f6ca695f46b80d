"""The file tools as an agent meets them."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from claims import proves
from files_world import World, leftovers, picture
from remit.domain.action import Effect
from remit.domain.values import ActionId, Digest, JsonValue
from remit.errors import ArgsInvalid, Conflict, ToolFailed
from remit.journal.store import DirStore
from remit.ports import Call, Happened
from remit.tools.changes.roots import Roots
from remit.tools.files.tools import file_tools


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def told(world: World, tool: str, **args: JsonValue) -> dict[str, JsonValue]:
    result = world.do(tool, **args).result
    assert isinstance(result, dict)
    return result


def test_a_long_text_is_read_in_parts_that_join_exactly(world: World) -> None:
    """Parts end between characters, say that they are clipped, and name where to go on."""
    content = "aé漢👍\n" * 500
    (world.root / "a").write_text(content, encoding="utf-8")
    parts: list[str] = []
    offset: JsonValue = 0
    while offset is not None:
        part = told(world, "files.read", path="a", offset=offset, limit=37)
        assert part["encoding"] == "utf-8"
        assert part["clipped"] == (part["next"] is not None)
        parts.append(str(part["text"]))
        offset = part["next"]
    assert "".join(parts) == content


def test_what_is_not_text_is_read_as_base64(world: World) -> None:
    """Binary content is flagged, whole and exact."""
    for data in (b"\xff\xfe\x00", b"a\x00b", b"caf\xe9"):
        (world.root / "a").write_bytes(data)
        found = told(world, "files.read", path="a")
        assert found["encoding"] == "binary"
        assert base64.b64decode(str(found["base64"])) == data
    with pytest.raises(ToolFailed, match="is not a file"):
        world.do("files.read", path=".")
    with pytest.raises(ToolFailed, match="no such file"):
        world.do("files.read", path="missing")


def test_a_fifo_does_not_hang_a_reader(world: World) -> None:
    """Reading and searching skip what could block for ever."""
    os.mkfifo(world.root / "fifo")
    with pytest.raises(ToolFailed, match="is not a file"):
        world.do("files.read", path="fifo")
    assert told(world, "files.search", query="x")["files"] == 0


def test_a_listing_names_kinds_and_sizes_and_says_when_it_is_clipped(world: World) -> None:
    """Links are named with their target and not followed."""
    (world.root / "d").mkdir()
    (world.root / "d/f").write_bytes(b"123")
    (world.root / "l").symlink_to("d")
    (world.root / os.fsdecode(b"n\xff")).touch()
    base = str(world.root)
    flat = told(world, "files.list")
    assert flat["entries"] == [
        {"path": f"{base}/d", "kind": "dir"},
        {"path": f"{base}/l", "kind": "link", "to": "d"},
        {"path": f"file://{base}/n%FF", "kind": "file", "size": 0},
    ]
    assert {"path": f"{base}/d/f", "kind": "file", "size": 3} in told(world, "files.list", recursive=True)["entries"]  # type: ignore[operator]
    clipped = told(world, "files.list", limit=1)
    assert clipped["clipped"] is True
    assert len(clipped["entries"]) == 1  # type: ignore[arg-type]


def test_a_search_finds_lines_by_text_and_by_expression(world: World) -> None:
    """Literal unless asked otherwise; hidden names, binary and huge files are left out and counted."""
    (world.root / "a.txt").write_text("one\nt.o\ntwo\n", encoding="utf-8")
    (world.root / ".hidden").write_text("two\n", encoding="utf-8")
    (world.root / "binary").write_bytes(b"two\x00")
    found = told(world, "files.search", query="t.o")
    assert found["matches"] == [{"path": f"{world.root}/a.txt", "line": 2, "text": "t.o"}]
    assert found["skipped"] == 1
    assert len(told(world, "files.search", query="t.o", regex=True)["matches"]) == 2  # type: ignore[arg-type]
    assert len(told(world, "files.search", query="TWO", ignore_case=True, hidden=True)["matches"]) == 2  # type: ignore[arg-type]
    assert told(world, "files.search", query="t", limit=1)["clipped"] is True
    with pytest.raises(ArgsInvalid, match="the expression is broken"):
        world.do("files.search", query="(", regex=True)


@proves("files.search_is_bounded")
def test_an_expression_that_would_take_for_ever_is_stopped(world: World) -> None:
    """A catastrophic regular expression runs in a process of its own, which is killed."""
    (world.root / "a").write_text("a" * 60 + "!", encoding="utf-8")
    tool = world.tools["files.search"]
    tool.seconds = 0.5  # type: ignore[attr-defined]
    with pytest.raises(ToolFailed, match="took longer than"):
        world.do("files.search", query="(a+)+$", regex=True)


def test_writing_keeps_mode_and_attributes_and_makes_parents_only_when_asked(world: World) -> None:
    """An overwritten script stays executable."""
    (world.root / "run").write_text("old", encoding="utf-8")
    (world.root / "run").chmod(0o750)
    told(world, "files.write", path="run", text="new")
    assert (world.root / "run").stat().st_mode & 0o777 == 0o750
    with pytest.raises(ToolFailed, match="does not exist — send parents: true"):
        world.do("files.write", path="x/y", text="")
    assert told(world, "files.write", path="x/y", base64="AP8=", parents=True)["count"] == 2
    assert (world.root / "x/y").read_bytes() == b"\x00\xff"
    with pytest.raises(Conflict, match="exists"):
        world.do("files.write", path="run", text="x", overwrite=False)
    for args in ({"text": "a", "base64": "AA=="}, {}, {"base64": "%"}):
        with pytest.raises(ArgsInvalid):
            world.do("files.write", path="bad", **args)


def test_an_edit_must_match_exactly_as_often_as_said(world: World) -> None:
    """Otherwise nothing is changed and the number of matches is told."""
    (world.root / "a").write_text("x x y", encoding="utf-8")
    with pytest.raises(ToolFailed, match=r"occurs 2 times in .*, not 1"):
        world.do("files.edit", path="a", old="x", new="z")
    with pytest.raises(ToolFailed, match="occurs 0 times"):
        world.do("files.edit", path="a", old="q", new="z")
    told(world, "files.edit", path="a", old="x", new="z", count=2)
    assert (world.root / "a").read_text(encoding="utf-8") == "z z y"
    assert told(world, "files.edit", path="a", old="y", new="y")["count"] == 0


def test_folders_are_deleted_only_when_said_and_moved_whole(world: World) -> None:
    """Moving keeps modes and times; a target that exists, lies inside, or a folder without `recursive` is refused."""
    (world.root / "d/e").mkdir(parents=True)
    (world.root / "d/e/f").write_text("x", encoding="utf-8")
    os.utime(world.root / "d/e/f", ns=(1, 5))
    with pytest.raises(ToolFailed, match="send recursive: true"):
        world.do("files.delete", path="d")
    with pytest.raises(ArgsInvalid, match="lie in each other"):
        world.do("files.move", path="d", to="d/e/g")
    told(world, "files.move", path="d", to="m")
    assert (world.root / "m/e/f").stat().st_mtime_ns == 5
    assert not (world.root / "d").exists()
    (world.root / "there").touch()
    with pytest.raises(Conflict, match="exists"):
        world.do("files.copy", path="m", to="there")
    with pytest.raises(Conflict, match="exists"):
        world.do("files.mkdir", path="there")
    with pytest.raises(ToolFailed, match="does not exist"):
        world.do("files.delete", path="missing")


@proves("undo.spares_others")
def test_undo_refuses_when_a_person_saved_the_file_since(world: World) -> None:
    """Undo never overwrites a later edit by someone else; the old version is kept beside it."""
    (world.root / "a").write_text("one", encoding="utf-8")
    did = world.do("files.write", path="a", text="two")
    (world.root / "a").write_text("person", encoding="utf-8")
    with pytest.raises(Conflict, match="somebody changed it meanwhile"):
        world.undo("files.write", did)
    assert (world.root / "a").read_text(encoding="utf-8") == "person"
    (aside,) = world.root.glob("a.conflict-*")
    assert aside.read_text(encoding="utf-8") == "one"


@proves("undo.spares_others")
def test_undo_restores_the_rest_and_tells_what_it_could_not(world: World) -> None:
    """Of three deleted files one name is taken again: two come back, one is reported."""
    (world.root / "d").mkdir()
    for name in "abc":
        (world.root / "d" / name).write_text(name, encoding="utf-8")
    did = world.do("files.delete", path="d", recursive=True)
    (world.root / "d").mkdir()
    (world.root / "d/b").write_text("person", encoding="utf-8")
    result = world.undo("files.delete", did).result
    assert isinstance(result, dict)
    assert result["restored"] == [f"{world.root}/d/a", f"{world.root}/d/c"]
    assert [clash["path"] for clash in result["conflicts"]] == [f"{world.root}/d/b"]
    assert (world.root / "d/b").read_text(encoding="utf-8") == "person"


@proves("files.judged_is_done")
def test_what_changed_between_preview_and_start_is_not_overwritten(world: World) -> None:
    """The approval was for a diff against another content: capture refuses, and so does run."""
    (world.root / "a").write_text("one", encoding="utf-8")
    tool = world.tools["files.write"]
    call = world.call({"path": "a", "text": "two"})
    preview = asyncio.run(tool.preview(call))
    (world.root / "a").write_text("person", encoding="utf-8")
    staged = type(call)(action=call.action, args=call.args, staged=preview.staged)
    with pytest.raises(Conflict, match="was changed since this was shown"):
        asyncio.run(tool.capture(staged))
    assert asyncio.run(tool.preview(call)).binding != preview.binding
    begun = world.begin("files.write", path="a", text="two")
    (world.root / "a").write_text("later", encoding="utf-8")
    with pytest.raises(Conflict, match="nothing was changed"):
        world.run("files.write", begun)
    assert (world.root / "a").read_text(encoding="utf-8") == "later"


@proves("files.judged_is_done")
def test_a_conflict_in_the_middle_of_many_takes_all_back(world: World) -> None:
    """A move whose source somebody saves meanwhile leaves no copy behind."""
    (world.root / "a").write_text("one", encoding="utf-8")
    begun = world.begin("files.move", path="a", to="b")
    (world.root / "a").write_text("person", encoding="utf-8")
    before = picture(world.root)
    with pytest.raises(Conflict, match="nothing was changed"):
        world.run("files.move", begun)
    assert picture(world.root) == before
    assert leftovers(world.root) == []


@proves("files.judged_is_done")
def test_a_conflict_after_a_part_was_done_takes_that_part_back(world: World) -> None:
    """The copy of a moved folder was made already when one of its files turns out to be open for writing elsewhere."""
    (world.root / "d").mkdir()
    for name in "ab":
        (world.root / "d" / name).write_text(name, encoding="utf-8")
    begun = world.begin("files.move", path="d", to="e")
    before = picture(world.root)
    with (world.root / "d/a").open("ab"), pytest.raises(Conflict, match="has it open for writing"):
        world.run("files.move", begun)
    assert picture(world.root) == before
    assert leftovers(world.root) == []


def test_a_probe_tells_done_from_not_begun(world: World) -> None:
    """Before the effect: not happened, and safe to run. After it: happened, with the same result."""
    begun = world.begin("files.write", path="x/a", text="new", parents=True)
    tool = world.tools["files.write"]
    found = asyncio.run(tool.probe(begun))
    assert (found.happened, found.again) == (Happened.NO, True)
    did = world.run("files.write", begun)
    found = asyncio.run(tool.probe(begun))
    assert (found.happened, found.result) == (Happened.YES, did.result)
    (world.root / "x/a").write_text("person", encoding="utf-8")
    assert asyncio.run(tool.probe(begun)).happened is Happened.UNKNOWN


def test_running_twice_under_one_id_is_one_effect(world: World) -> None:
    """After an end that nobody knows, what is done already counts as done."""
    begun = world.begin("files.write", path="a", text="new")
    assert world.run("files.write", begun).result == world.run("files.write", replace(begun, again=True)).result


@proves("files.judged_is_done")
def test_two_actions_that_make_the_same_content_do_not_both_claim_it(world: World) -> None:
    """Both counted from one and both wrote two: the second meets somebody else's change and says so; no update is lost silently."""
    first, second = (world.begin("files.write", path="count", text="2") for _ in range(2))
    world.run("files.write", first)
    with pytest.raises(Conflict):
        world.run("files.write", second)


def test_titles_and_targets_come_from_the_arguments(world: World) -> None:
    """Verb and absolute path; nothing an agent says about itself."""
    base = str(world.root)
    titles = {
        ("files.write", "write {b}/a (3 bytes)"): {"path": "a", "text": "abc"},
        ("files.delete", "delete {b}/a and everything in it"): {"path": "a", "recursive": True},
        ("files.move", "move {b}/a to {b}/c"): {"path": "a", "to": "c"},
        ("files.read", "read {b}/a"): {"path": "a"},
    }
    for (tool, title), args in titles.items():
        assert world.tools[tool].title(args) == title.format(b=base)  # type: ignore[arg-type]
        assert f"file://{base}/a" in world.tools[tool].targets(args)  # type: ignore[arg-type]


def test_only_looking_is_pure(world: World) -> None:
    """Everything else is reversible, and says where it lands."""
    pure = {"files.list", "files.read", "files.search"}
    for name, tool in world.tools.items():
        assert (tool.spec.effect is Effect.PURE) == (name in pure)
        assert tool.spec.schema["additionalProperties"] is False


class Meanwhile(DirStore):
    """A store during whose first `put_from` somebody saves a file."""

    def __init__(self, path: Path, save: Callable[[], object]) -> None:
        super().__init__(path)
        self._saves = [save]

    def put_from(self, source: BinaryIO) -> Digest:
        if self._saves:
            self._saves.pop()()
        return super().put_from(source)


@proves("files.move_looks_once")
def test_what_is_saved_while_a_move_looks_stays_where_it_was_saved(tmp_path: Path) -> None:
    """A file that appears between two looks would go from the source and never arrive."""
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "a.txt").write_text("a", encoding="utf-8")
    store = Meanwhile(tmp_path / "store", lambda: (root / "docs" / "new.txt").write_text("new", encoding="utf-8"))
    tool = next(t for t in file_tools(Roots([root]), store) if t.spec.name == "files.move")
    preview = asyncio.run(tool.preview(Call(action=ActionId("r/a"), args={"path": "docs", "to": "archive"})))
    assert "new.txt" not in preview.text
