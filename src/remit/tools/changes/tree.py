"""One place in a file tree, before and after: the currency of files, shell and undo.

A `Change` says that `path` was `before` and shall be `after`. Every tool that writes files plans a list of changes,
has it applied (`remit.tools.changes.change`), and takes it back by applying the inverse list.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote_from_bytes, unquote_to_bytes

from remit.domain.values import JsonValue


class NodeKind(StrEnum):
    ABSENT = "absent"
    FILE = "file"
    DIR = "dir"
    LINK = "link"
    OTHER = "other"
    """Sockets, FIFOs, devices: remit neither changes nor restores them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What stands at a path. Two nodes are the same content when `same` says so; `identity` also tells whether it is untouched."""

    kind: NodeKind
    mode: int = 0
    """Permission bits (0o7777); 0 for links and absent."""
    mtime_ns: int = 0
    """Files and links only; folders' times follow their contents."""
    size: int = 0
    content: str = ""
    """Store digest for files, base of what is stored; percent-encoded target for links."""
    xattrs: tuple[tuple[str, str], ...] = ()
    """`user.*` attributes as (name, hex)."""
    identity: str = ""
    """Device, inode, size, mtime and ctime as one text: equal means nobody has touched it since we looked."""
    owner: str = ""
    """`UID:GID`, restored where the system lets us; '' leaves whoever creates it. Does not count for `same`."""
    acl: str = ""
    """A file's POSIX access list as hex, restored likewise; '' leaves what the folder gives. Does not count for `same`."""

    def same(self, other: Node) -> bool:
        """Same kind, permissions, content and attributes; times do not count."""
        return (self.kind, self.mode, self.size, self.content, self.xattrs) == (
            other.kind,
            other.mode,
            other.size,
            other.content,
            other.xattrs,
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Only what differs from the default, to keep journals small."""
        short: dict[str, JsonValue] = {"k": str(self.kind)}
        for key, value in self._fields():
            if value:
                short[key] = value
        if self.xattrs:
            short["x"] = [list(pair) for pair in self.xattrs]
        return short

    def _fields(self) -> tuple[tuple[str, int | str], ...]:
        texts = (("c", self.content), ("i", self.identity), ("o", self.owner), ("l", self.acl))
        return (("m", self.mode), ("t", self.mtime_ns), ("s", self.size), *texts)

    @classmethod
    def from_json(cls, value: JsonValue) -> Node:
        if not isinstance(value, Mapping):
            raise TypeError("a node is a JSON object")
        pairs = value.get("x", [])
        return cls(
            kind=NodeKind(str(value["k"])),
            mode=_int(value.get("m", 0)),
            mtime_ns=_int(value.get("t", 0)),
            size=_int(value.get("s", 0)),
            content=str(value.get("c", "")),
            xattrs=tuple((str(p[0]), str(p[1])) for p in pairs if isinstance(p, Sequence)) if isinstance(pairs, Sequence) else (),
            identity=str(value.get("i", "")),
            owner=str(value.get("o", "")),
            acl=str(value.get("l", "")),
        )


ABSENT = Node(kind=NodeKind.ABSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`path` was `before` and shall be `after`."""

    path: bytes
    """Absolute, as the system has it; need not be UTF-8."""
    before: Node
    after: Node

    def inverse(self) -> Change:
        return Change(path=self.path, before=self.after, after=self.before)

    def to_json(self) -> dict[str, JsonValue]:
        return {"p": quote_from_bytes(self.path), "b": self.before.to_json(), "a": self.after.to_json()}

    @classmethod
    def from_json(cls, value: JsonValue) -> Change:
        if not isinstance(value, Mapping):
            raise TypeError("a change is a JSON object")
        return cls(path=unquote_to_bytes(str(value["p"])), before=Node.from_json(value["b"]), after=Node.from_json(value["a"]))


def uri(path: bytes | str) -> str:
    """`file:///a/b%20c`: how file targets are written everywhere."""
    return "file://" + quote_from_bytes(os.fsencode(path))


def said(path: bytes) -> str:
    """A path as results carry it: plain text, or a `file://` URI where it is not UTF-8. `Roots.resolve` takes both."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return uri(path)


def judged(path: bytes) -> str:
    """A path as policy sees it, in one form only: absolute, with a backslash, x and two digits for each byte that is no UTF-8."""
    return path.decode("utf-8", "backslashreplace")


def _int(value: JsonValue) -> int:
    if not isinstance(value, int):
        raise TypeError("expected a whole number")
    return value
