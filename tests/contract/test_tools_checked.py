"""Every shipped tool keeps what it promises, and a tool that does not is found out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from files_world import picture
from remit.domain.values import JsonValue
from remit.journal.store import DirStore
from remit.ports import Call, Happened, Probed, Tool, Undo
from remit.testing import Scenario, check_tool
from remit.tools.changes.roots import Roots
from remit.tools.files.tools import file_tools
from remit.tools.files.write import FilesWrite
from remit.tools.shell.run import shell_tools
from remit.tools.sql.tools import sql_tools
from sql_world import SHOP, Sqlite


class Folder:
    """A small tree that comes back as it was, and every tool on it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        roots, store = Roots([self.root], [base / "state"]), DirStore(base / "state" / "store")
        self.reset()
        made = [*file_tools(roots, store), *shell_tools(roots, store, base / "state" / "scratch")]
        self.tools: dict[str, Tool] = {tool.spec.name: tool for tool in made}

    def reset(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "docs").mkdir(parents=True)
        for name in ("a.txt", "docs/b.txt", "docs/c.txt"):
            (self.root / name).write_text(f"{name}\n", encoding="utf-8")

    def look(self) -> object:
        """Names, kinds, modes, owners, contents; not times, as each reset writes anew."""
        return {
            name: tuple(part for part in drawn if not isinstance(part, int) or part < 10**15) for name, drawn in picture(self.root).items()
        }

    def meddle(self, name: str) -> Callable[[], Callable[[], bool]]:
        """Somebody saves something there."""

        def save() -> Callable[[], bool]:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("a person's", encoding="utf-8")
            return lambda: path.exists() and path.read_text(encoding="utf-8") == "a person's"

        return save

    def scenario(self, tool: str, args: Mapping[str, JsonValue], touched: str | None) -> Scenario:
        meddle = self.meddle(touched) if touched else None
        return Scenario(tools=self.tools, tool=tool, args=args, reset=self.reset, look=self.look, meddle=meddle)


FILES: list[tuple[str, dict[str, JsonValue], str | None]] = [
    ("files.list", {"path": "."}, None),
    ("files.read", {"path": "a.txt"}, None),
    ("files.search", {"query": "txt"}, None),
    ("files.write", {"path": "a.txt", "text": "new"}, "a.txt"),
    ("files.write", {"path": "new/deep.txt", "text": "new", "parents": True}, "new/deep.txt"),
    ("files.edit", {"path": "a.txt", "old": "txt", "new": "md"}, "a.txt"),
    ("files.mkdir", {"path": "made"}, "made/theirs.txt"),
    ("files.move", {"path": "docs", "to": "moved"}, "moved/b.txt"),
    ("files.copy", {"path": "docs", "to": "copied"}, "copied/b.txt"),
    ("files.delete", {"path": "docs", "recursive": True}, "docs/b.txt"),
    ("shell.run", {"command": "rm docs/c.txt; echo x >new; sed -i s/txt/md/ a.txt"}, "a.txt"),
]


@proves("tools.checked")
@pytest.mark.parametrize(("tool", "args", "touched"), FILES)
def test_every_tool_on_files_keeps_its_promises(tmp_path: Path, tool: str, args: dict[str, JsonValue], touched: str | None) -> None:
    """Looking has no effect, undo brings back, others are spared, and every kill is settled."""
    folder = Folder(tmp_path)
    assert check_tool(folder.scenario(tool, args, touched)) == []


@proves("tools.checked")
@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("sql.query", {"sql": "SELECT * FROM invoice"}),
        ("sql.write", {"table": "invoice", "sql": "DELETE FROM invoice WHERE id = 10"}),
        ("sql.write", {"table": "customer", "sql": "INSERT INTO customer(name) VALUES ('new')"}),
        ("sql.write", {"table": "invoice", "sql": "UPDATE invoice SET cents = cents * 2"}),
    ],
)
def test_every_tool_on_databases_keeps_its_promises(tmp_path: Path, tool: str, args: dict[str, JsonValue]) -> None:
    """The same for rows."""
    shop = Sqlite(tmp_path)

    def reset() -> None:
        shop.path.unlink(missing_ok=True)
        shop.script(SHOP)

    def meddle() -> Callable[[], bool]:
        shop.script(
            "INSERT INTO invoice VALUES (10, 2, 1) ON CONFLICT DO UPDATE SET cents = 1; UPDATE customer SET name = 'theirs' WHERE id > 2;"
        )
        return lambda: any("VALUES(10,2,1)" in line or "VALUES(10,1,1)" in line for line in shop.dump())

    tools = {one.spec.name: one for one in sql_tools({"shop": shop.url}, DirStore(tmp_path / "store"))}
    found = check_tool(Scenario(tools=tools, tool=tool, args={"database": "shop", **args}, reset=reset, look=shop.dump, meddle=meddle))
    assert found == []


class Nothing(FilesWrite):
    """Its undo does nothing."""

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        return Undo(tool="files.mkdir", args={"path": "docs"})


class Overwriting(FilesWrite):
    """Its undo writes the old text over whatever stands there."""

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        return Undo(tool="files.write", args={"path": "a.txt", "text": "a.txt\n"})


class Guessing(FilesWrite):
    """Its probe always says yes."""

    async def probe(self, call: Call) -> Probed:
        return Probed(happened=Happened.YES)


class Denying(FilesWrite):
    """Its probe always says no."""

    async def probe(self, call: Call) -> Probed:
        return Probed(happened=Happened.NO)


class Eager(FilesWrite):
    """Its preview writes already."""

    async def preview(self, call: Call) -> Any:
        planned = await super().preview(call)
        (Path(self.roots.all[0].decode()) / "early.txt").write_text("x", encoding="utf-8")
        return planned


class Doubling(FilesWrite):
    """It says that it may always be finished, and counts each time."""

    async def run(self, call: Call) -> JsonValue:
        result = await super().run(call)
        with (Path(self.roots.all[0].decode()) / "count.txt").open("a", encoding="utf-8") as counted:
            counted.write("once\n")
        return result

    async def probe(self, call: Call) -> Probed:
        return Probed(happened=Happened.NO, again=True, begun=True)


class Final(FilesWrite):
    """It promises to be reversible, and has no undo."""

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        return None


@proves("tools.faults_are_found")
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Nothing, "does not bring back"),
        (Overwriting, "overwrites what somebody else changed"),
        (Guessing, "happened before it was run"),
        (Denying, "did not happen after it was run"),
        (Eager, "preview, capture or probe changes something"),
        (Final, "has no undo"),
        (Doubling, "does more than once"),
    ],
)
def test_a_tool_that_breaks_a_promise_is_found_out(tmp_path: Path, fault: type[FilesWrite], says: str) -> None:
    """An undo that does nothing or overwrites, a probe that guesses, a preview that acts, a class that is too good."""
    folder = Folder(tmp_path)
    honest = folder.tools["files.write"]
    assert isinstance(honest, FilesWrite)
    folder.tools["files.broken"] = fault(honest.roots, honest.store)
    found = check_tool(folder.scenario("files.broken", {"path": "a.txt", "text": "new"}, "a.txt"))
    assert any(says in problem for problem in found), found
