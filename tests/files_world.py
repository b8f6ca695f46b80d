"""What the tests of files stand on: a folder with the real tools on it, and a picture of a tree drawn without remit's own code."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from remit.domain.values import ActionId, JsonValue
from remit.journal.store import DirStore
from remit.ports import Call, Tool
from remit.tools.changes.roots import Roots
from remit.tools.changes.tree import Node, NodeKind
from remit.tools.files.tools import file_tools

Picture: TypeAlias = dict[bytes, tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """A call that ran, and what it returned."""

    call: Call
    result: JsonValue


class World:
    """A root folder, a store beside it, and every file tool."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.private = folder / "state"
        self.store = DirStore(self.private / "store")
        self.roots = Roots([self.root], [self.private])
        self.tools: dict[str, Tool] = {tool.spec.name: tool for tool in file_tools(self.roots, self.store)}
        self._count = 0

    def path(self, name: str | bytes) -> bytes:
        """The absolute path of a name in the root, as remit has it."""
        return os.fsencode(self.root) + b"/" + os.fsencode(name)

    def call(self, args: Mapping[str, JsonValue]) -> Call:
        """A call with an id of its own."""
        self._count += 1
        return Call(action=ActionId(f"run/{self._count}"), args=dict(args))

    def begin(self, tool: str, **args: JsonValue) -> Call:
        """Preview and capture, as the gate does before it starts an action."""
        return asyncio.run(self._begin(self.tools[tool], self.call(args)))

    def run(self, tool: str, call: Call) -> Did:
        """The effect of a call that has begun."""
        return Did(call=call, result=asyncio.run(self.tools[tool].run(call)))

    def do(self, tool: str, **args: JsonValue) -> Did:
        """The whole road of one call."""
        return self.run(tool, self.begin(tool, **args))

    def undo(self, tool: str, did: Did) -> Did:
        """Take a call back, by the road of undo."""
        back = self.tools[tool].undo(did.call, did.result)
        assert back is not None
        return self.do(back.tool, **back.args)

    def file(self, data: bytes, *, mode: int = 0o644) -> Node:
        """A node of a file with this content, which is in the store."""
        return Node(kind=NodeKind.FILE, mode=mode, size=len(data), content=self.store.put(data))

    async def _begin(self, tool: Tool, call: Call) -> Call:
        preview = await tool.preview(call)
        call = replace(call, staged=preview.staged)
        captured = await tool.capture(call)
        return replace(call, captured=captured.data)


def picture(root: Path) -> Picture:
    """Everything below `root`: kind, mode, owner, content, target, attributes; times of files and links. remit has no part in it."""
    return {os.fsencode(path.relative_to(root)): _drawn(path) for path in [root, *root.rglob("*")]}


def leftovers(root: Path) -> list[str]:
    """Hidden files of remit that should not be there any more."""
    return [str(path) for path in root.rglob(".~remit-*")]


def _drawn(path: Path) -> tuple[object, ...]:
    there = path.lstat()
    kind = stat.S_IFMT(there.st_mode)
    plain: tuple[object, ...] = (kind, stat.S_IMODE(there.st_mode), there.st_uid, there.st_gid)
    if kind == stat.S_IFLNK:
        return (*plain, os.fsencode(path.readlink()), there.st_mtime_ns)
    attributes = tuple(sorted((name, os.getxattr(path, name)) for name in os.listxattr(path) if name.startswith("user.")))
    if kind == stat.S_IFREG:
        return (*plain, path.read_bytes(), there.st_mtime_ns, attributes)
    return (*plain, attributes)
