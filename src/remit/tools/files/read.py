"""Looking without touching: listing folders and reading files."""

from __future__ import annotations

import base64
import os
import stat
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import shown
from remit.errors import ToolFailed
from remit.ports import Call, Store, ToolSpec
from remit.tools.args import FLAG, PATH, described, flag, number, schema, text
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.folder import GONE, explained, joined, opened, place
from remit.tools.changes.roots import Roots
from remit.tools.changes.snapshot import names_in
from remit.tools.changes.tree import judged, said, uri

_ENTRIES: Final = 1000
_BYTES: Final = 64 * 1024
_BYTES_MAX: Final = 1024 * 1024
_KINDS: Final = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}


class LookTool(BaseTool):
    """A tool that only reads, at `path`."""

    verb: str

    def __init__(self, roots: Roots, store: Store | None = None) -> None:
        self.roots = roots
        self.store = store

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.place(args)),)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return {**super().visible(args), "path": judged(self.place(args))}

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{self.verb} {shown(self.place(args))}"

    def place(self, args: Mapping[str, JsonValue]) -> bytes:
        """What is read; a symbolic link is followed, and must lead inside the roots."""
        return self.roots.resolve(text(args, "path", "."), follow=True)


class ReadTool(LookTool):
    """A look that blocks: it runs in a thread."""

    @abstractmethod
    def read(self, call: Call) -> JsonValue:
        """Do it, blocking."""

    async def run(self, call: Call) -> JsonValue:
        return await uninterrupted(lambda: self.read(call))


class FilesList(ReadTool):
    """Lists a folder; links are named and never followed."""

    verb = "list"
    spec = ToolSpec(
        name="files.list",
        description="List a folder: kind and size of each entry; with recursive: true everything below it.",
        schema=schema(
            (),
            path={**PATH, "default": "."},
            recursive=FLAG,
            limit={"type": "integer", "minimum": 1, "maximum": 10 * _ENTRIES, "default": _ENTRIES},
        ),
        effect=Effect.PURE,
        visible=("path",),
    )

    def read(self, call: Call) -> JsonValue:
        path = self.place(call.args)
        limit = number(call.args, "limit", _ENTRIES)
        with explained("list", path):
            if entry(path)["kind"] != "dir":
                raise ToolFailed(f"{shown(path)} is not a folder", fix="read it with files.read")
            found = [place for place, _ in zip(below(path, self.roots, deep=flag(call.args, "recursive")), range(limit + 1), strict=False)]
            entries: list[JsonValue] = [entry(place) for place in found[:limit]]
        return {"path": said(path), "entries": entries, "count": len(entries), "clipped": len(found) > limit}


class FilesRead(ReadTool):
    """Reads a part of a file: text where it is UTF-8, base64 where it is not."""

    verb = "read"
    spec = ToolSpec(
        name="files.read",
        description="Read a file from byte `offset`, at most `limit` bytes. `next` is the offset to go on at, null at the end.",
        schema=schema(
            ("path",),
            path=PATH,
            offset={"type": "integer", "minimum": 0, "default": 0},
            limit=described({"type": "integer", "minimum": 4, "maximum": _BYTES_MAX, "default": _BYTES}, "bytes"),
        ),
        effect=Effect.PURE,
        visible=("path",),
    )

    def read(self, call: Call) -> JsonValue:
        path = self.place(call.args)
        offset, limit = number(call.args, "offset", 0), min(max(number(call.args, "limit", _BYTES), 4), _BYTES_MAX)
        with explained("read", path):
            data, size = part(path, offset, limit)
        kept, encoding = _decodable(data, last=offset + len(data) >= size)
        value = kept.decode("utf-8") if encoding == "utf-8" else base64.b64encode(kept).decode("ascii")
        following = offset + len(kept) if offset + len(kept) < size else None
        return {
            "path": said(path),
            "text" if encoding == "utf-8" else "base64": value,
            "encoding": encoding,
            "size": size,
            "offset": offset,
            "next": following,
            "clipped": following is not None,
        }


def below(path: bytes, roots: Roots, *, deep: bool = True, hidden: bool = True) -> Iterator[bytes]:
    """The places in a folder, sorted, with `deep` those in its folders too; without remit's own state. Raises OSError."""
    todo = [joined(path, name) for name in reversed(names_in(path))]
    while todo:
        here = todo.pop()
        if not roots.permits(here) or (not hidden and here.rpartition(b"/")[2].startswith(b".")):
            continue
        yield here
        if deep and is_folder(here):
            todo.extend(joined(here, name) for name in reversed(names_in(here)))


def entry(path: bytes) -> dict[str, JsonValue]:
    """Kind and size of what stands at a place, and where a link leads. Raises OSError."""
    with place(path) as (folder, name):
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        told: dict[str, JsonValue] = {"path": said(path), "kind": _KINDS.get(stat.S_IFMT(found.st_mode), "other")}
        if stat.S_ISREG(found.st_mode):
            told["size"] = found.st_size
        if stat.S_ISLNK(found.st_mode):
            told["to"] = said(os.readlink(name, dir_fd=folder))
    return told


def is_folder(path: bytes) -> bool:
    try:
        with opened(path):
            return True
    except GONE:
        return False


def part(path: bytes, offset: int, limit: int) -> tuple[bytes, int]:
    """Some bytes of a file, and how many it has. Raises OSError, or ToolFailed for what is no file."""
    with place(path) as (folder, name):
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ToolFailed(f"{shown(path)} is not a file", fix="list it with files.list if it is a folder")
            return os.pread(handle, limit, offset), found.st_size
        finally:
            os.close(handle)


def _decodable(data: bytes, *, last: bool) -> tuple[bytes, str]:
    """As much of `data` as is whole UTF-8 characters, or all of it as binary."""
    if b"\0" in data:
        return data, "binary"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if not last and error.start > 0 and error.start >= len(data) - 3 and error.reason == "unexpected end of data":
            return data[: error.start], "utf-8"
        return data, "binary"
    return data, "utf-8"
