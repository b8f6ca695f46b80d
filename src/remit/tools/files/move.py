"""Moving, copying and deleting files, links and whole folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import shown
from remit.errors import ArgsInvalid, Conflict, ToolFailed
from remit.ports import Call, ToolSpec
from remit.tools.args import FLAG, PATH, described, flag, schema, text
from remit.tools.changes.change_tool import Planned
from remit.tools.changes.roots import inside
from remit.tools.changes.snapshot import look, walk
from remit.tools.changes.tree import ABSENT, Change, Node, NodeKind, judged, uri
from remit.tools.files.write import PathTool, missing_folders

_TWO_PATHS: Final = schema(
    ("path", "to"),
    path=PATH,
    to=described(PATH, "the new path itself, not a folder to put it in"),
    parents=described(FLAG, "make missing folders"),
    overwrite=described(FLAG, "replace a file or link that stands there"),
)


class FilesDelete(PathTool):
    """Deletes a file or link, or with `recursive` a folder and everything in it."""

    verb = "delete"
    spec = ToolSpec(
        name="files.delete",
        description="Delete a file or symbolic link (not what it leads to), or with recursive: true a folder with all that is in it.",
        schema=schema(("path",), path=PATH, recursive=FLAG),
        effect=Effect.REVERSIBLE,
        salient=("path",),
        visible=("path", "recursive"),
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return super().title(args) + (" and everything in it" if flag(args, "recursive") else "")

    def plan(self, call: Call) -> Planned:
        found = self.tree(call.args)
        if found[0][1].kind is NodeKind.DIR and not flag(call.args, "recursive"):
            raise ToolFailed(f"{shown(found[0][0])} is a folder", fix="send recursive: true to delete it with everything in it")
        return Planned(changes=[Change(path=path, before=node, after=ABSENT) for path, node in found])

    def tree(self, args: Mapping[str, JsonValue]) -> list[tuple[bytes, Node]]:
        """Everything at and below `path`, with its pre-image stored. Raises ToolFailed for what cannot be restored."""
        path = self.roots.resolve(text(args, "path"))
        self.roots.check_whole(path)
        found = walk(path, self.store)
        if not found:
            raise ToolFailed(f"{shown(path)} does not exist", fix="list the folder")
        odd = next((place for place, node in found if node.kind is NodeKind.OTHER), None)
        if odd is not None:
            raise ToolFailed(f"{shown(odd)} is a socket, FIFO or device, which remit can neither copy nor restore", fix="leave it out")
        return found


class FilesCopy(FilesDelete):
    """Copies a file, link or folder; links are copied as links."""

    verb = "copy"
    spec = ToolSpec(
        name="files.copy",
        description="Copy a file, symbolic link or whole folder to a new path.",
        schema=_TWO_PATHS,
        effect=Effect.REVERSIBLE,
        salient=("path", "to"),
        visible=("path", "to"),
    )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.roots.resolve(text(args, "to"))),)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        source, to = (shown(self.roots.resolve(text(args, name))) for name in ("path", "to"))
        return f"{self.verb} {source} to {to}"

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:
        """What comes is written, and each file that it comes from was read."""
        source, to = (judged(self.roots.resolve(text(call.args, name))) for name in ("path", "to"))
        written = super().amounts_to(call)
        return [
            *written,
            *(("files.read", {"path": source + str(args["path"])[len(to) :]}) for name, args in written if name == "files.write"),
        ]

    def plan(self, call: Call) -> Planned:
        return Planned(changes=self.copies(call, self.tree(call.args)))

    def copies(self, call: Call, found: Sequence[tuple[bytes, Node]]) -> list[Change]:
        """What was found at `path`, at `to`."""
        to = self.roots.resolve(text(call.args, "to"))
        self._check_target(found[0], to, overwrite=flag(call.args, "overwrite"))
        copies = [
            Change(path=place, before=look(place, self.store), after=replace(node, identity=""))
            for place, node in ((to + path[len(found[0][0]) :], node) for path, node in found)
        ]
        return [*missing_folders(to, make=flag(call.args, "parents")), *copies]

    def _check_target(self, source: tuple[bytes, Node], to: bytes, *, overwrite: bool) -> None:
        self.roots.check_whole(to)
        if inside(to, source[0]) or inside(source[0], to):
            raise ArgsInvalid(f"{shown(to)} and {shown(source[0])} lie in each other", fix="choose a target outside")
        there = look(to, None)
        if there.kind is NodeKind.ABSENT:
            return
        if not overwrite or NodeKind.DIR in {there.kind, source[1].kind} or there.kind is NodeKind.OTHER:
            raise Conflict(f"{shown(to)} exists", fix="choose another name; files and links can be replaced with overwrite: true")


class FilesMove(FilesCopy):
    """Moves or renames a file, link or folder; modes, owners and times move along."""

    verb = "move"
    spec = ToolSpec(
        name="files.move",
        description="Move or rename a file, symbolic link or whole folder.",
        schema=_TWO_PATHS,
        effect=Effect.REVERSIBLE,
        salient=("path", "to"),
        visible=("path", "to"),
    )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.roots.resolve(text(args, "path"))), *super().targets(args))

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:
        """What goes away here is not lost but moved; what comes is written."""
        source, to = (judged(self.roots.resolve(text(call.args, name))) for name in ("path", "to"))
        found: list[tuple[str, Mapping[str, JsonValue]]] = []
        for name, args in PathTool.amounts_to(self, call):
            moved = {**args, "to": str(args["path"]).replace(source, to, 1)}
            found.append(("files.move", moved) if name == "files.delete" else (name, args))
        return found

    def plan(self, call: Call) -> Planned:
        found = self.tree(call.args)  # once: what is saved between two looks would go and not arrive
        gone = [Change(path=path, before=node, after=ABSENT) for path, node in found]
        return Planned(changes=[*self.copies(call, found), *gone])
