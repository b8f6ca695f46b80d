"""Making and changing one file, and making folders."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import Digest, JsonValue
from remit.domain.visible import shown, visible
from remit.errors import ArgsInvalid, Conflict, ToolFailed
from remit.ports import Call, ToolSpec
from remit.tools.args import FLAG, PATH, described, flag, number, schema, text
from remit.tools.changes.change_tool import Planned, PlanTool
from remit.tools.changes.folder import parent_of
from remit.tools.changes.snapshot import look
from remit.tools.changes.tree import Change, Node, NodeKind, judged, uri

_FILE_MODE: Final = 0o644
_DIR_MODE: Final = 0o755
_EDIT_MAX: Final = 16 * 1024 * 1024
_TEXT: Final[Mapping[str, JsonValue]] = {"type": "string"}


class PathTool(PlanTool):
    """A tool whose effect lands at its `path`."""

    verb: str

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.roots.resolve(text(args, "path"))),)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        shown_to_policy = dict(super().visible(args))
        for name in ("path", "to"):
            if name in shown_to_policy:
                shown_to_policy[name] = judged(self.roots.resolve(text(args, name)))
        return shown_to_policy

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{self.verb} {shown(self.roots.resolve(text(args, 'path')))}"


class FilesWrite(PathTool):
    """Creates a file or replaces what is in it. Mode, owner and attributes of an existing file stay."""

    verb = "write"
    spec = ToolSpec(
        name="files.write",
        description="Write a whole file, as text (UTF-8) or base64. Creates it, or replaces its content.",
        schema={
            **schema(
                ("path",),
                path=PATH,
                text=described(_TEXT, "the new content"),
                base64=described(_TEXT, "the new content, for what is not UTF-8 text"),
                parents=described(FLAG, "make missing folders"),
                overwrite={"type": "boolean", "default": True, "description": "false: fail when it exists"},
            ),
            "oneOf": [{"required": ["text"]}, {"required": ["base64"]}],
        },
        effect=Effect.REVERSIBLE,
        salient=("path",),
        visible=("path",),
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{super().title(args)} ({len(_content(args))} bytes)"

    def plan(self, call: Call) -> Planned:
        data = _content(call.args)
        path = self.roots.resolve(text(call.args, "path"))
        before = look(path, self.store)
        _writable(path, before)
        if before.kind is NodeKind.FILE and not flag(call.args, "overwrite", default=True):
            raise Conflict(f"{shown(path)} exists", fix="send overwrite: true, or choose another name")
        folders = missing_folders(path, make=flag(call.args, "parents"))
        return Planned(changes=unless_same([*folders, Change(path=path, before=before, after=self._after(before, data))]))

    def _after(self, before: Node, data: bytes) -> Node:
        return written(before, self.store.put(data), len(data))


class FilesEdit(PathTool):
    """Replaces an exact passage of a text file."""

    verb = "edit"
    spec = ToolSpec(
        name="files.edit",
        description="Replace `old` by `new` in a UTF-8 text file. `old` must occur exactly `count` times (default once).",
        schema=schema(
            ("path", "old", "new"),
            path=PATH,
            old={"type": "string", "minLength": 1},
            new=_TEXT,
            count={"type": "integer", "minimum": 1, "default": 1},
        ),
        effect=Effect.REVERSIBLE,
        salient=("path",),
        visible=("path",),
    )

    def plan(self, call: Call) -> Planned:
        path = self.roots.resolve(text(call.args, "path"))
        before = look(path, self.store)
        _writable(path, before)
        if before.kind is NodeKind.ABSENT:
            raise ToolFailed(f"{shown(path)} does not exist", fix="write it with files.write")
        if before.size > _EDIT_MAX:
            raise ToolFailed(f"{shown(path)} has {before.size} bytes; files up to {_EDIT_MAX} can be edited", fix="use the shell tool")
        data = self._edited(call.args, path, before)
        after = written(before, self.store.put(data), len(data))
        return Planned(changes=unless_same([Change(path=path, before=before, after=after)]))

    def _edited(self, args: Mapping[str, JsonValue], path: bytes, before: Node) -> bytes:
        old, new = text(args, "old").encode("utf-8"), text(args, "new").encode("utf-8")
        with self.store.open(Digest(before.content)) as source:
            data = source.read()
        wanted, found = number(args, "count", 1), data.count(old) if old else 0
        if not old or found != wanted:
            excerpt = visible(text(args, "old")[:60], keep="")
            raise ToolFailed(
                f"{excerpt!r} occurs {found} times in {shown(path)}, not {wanted}", fix="read the file and send the exact text"
            )
        return data.replace(old, new)


class FilesMkdir(PathTool):
    """Makes a folder."""

    verb = "make folder"
    spec = ToolSpec(
        name="files.mkdir",
        description="Make a folder; with `parents` also those above it, and it may exist already.",
        schema=schema(("path",), path=PATH, parents=FLAG),
        effect=Effect.REVERSIBLE,
        salient=("path",),
        visible=("path",),
    )

    def plan(self, call: Call) -> Planned:
        path = self.roots.resolve(text(call.args, "path"))
        parents = flag(call.args, "parents")
        before = look(path, None)
        if before.kind is NodeKind.DIR and parents:
            return Planned(changes=[])
        if before.kind is not NodeKind.ABSENT:
            raise Conflict(f"{shown(path)} exists", fix="choose another name")
        change = Change(path=path, before=before, after=Node(kind=NodeKind.DIR, mode=_DIR_MODE))
        return Planned(changes=[*missing_folders(path, make=parents), change])


def written(before: Node, content: str, size: int) -> Node:
    """A file with new content and everything else as it was, or as new files are."""
    if before.kind is NodeKind.FILE:
        return Node(
            kind=NodeKind.FILE, mode=before.mode, size=size, content=content, xattrs=before.xattrs, owner=before.owner, acl=before.acl
        )
    return Node(kind=NodeKind.FILE, mode=_FILE_MODE, size=size, content=content)


def missing_folders(path: bytes, *, make: bool) -> list[Change]:
    """The folders above `path` that would have to be made. Raises ToolFailed when they may not or cannot be."""
    found: list[Change] = []
    here = parent_of(path)
    while (now := look(here, None)).kind is NodeKind.ABSENT:
        if not make:
            raise ToolFailed(f"the folder {shown(here)} does not exist", fix="send parents: true to make it")
        found.append(Change(path=here, before=now, after=Node(kind=NodeKind.DIR, mode=_DIR_MODE)))
        here = parent_of(here)
    if now.kind is not NodeKind.DIR:
        raise ToolFailed(f"{shown(here)} is not a folder", fix="choose another place")
    return found[::-1]


def unless_same(changes: list[Change]) -> list[Change]:
    """Only those that change anything."""
    return [change for change in changes if not change.before.same(change.after)]


def _content(args: Mapping[str, JsonValue]) -> bytes:
    if ("text" in args) == ("base64" in args):
        raise ArgsInvalid("send exactly one of text and base64", fix="text for UTF-8 text, base64 for anything else")
    if "text" in args:
        return text(args, "text").encode("utf-8")
    try:
        return base64.b64decode(text(args, "base64"), validate=True)
    except (binascii.Error, ValueError):
        raise ArgsInvalid("base64 is not valid", fix="send standard base64 with padding") from None


def _writable(path: bytes, before: Node) -> None:
    if before.kind is NodeKind.LINK:
        raise ToolFailed(f"{shown(path)} is a symbolic link", fix="name the file it leads to, or delete the link first")
    if before.kind not in {NodeKind.FILE, NodeKind.ABSENT}:
        raise ToolFailed(f"{shown(path)} is not a file but {before.kind}", fix="choose another name")
