"""The index follows a ref that moves: only the files that moved with it, and only where nobody has staged anything else since."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, ToolFailed
from remit.tools.git.repository import Repository

_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file in the index: what stood there ('MODE ID', '' for nothing), and what shall. Written down its path is percent-encoded."""

    path: bytes
    before: str
    after: str

    @property
    def back(self) -> Entry:
        return Entry(path=self.path, before=self.after, after=self.before)

    def to_json(self) -> list[JsonValue]:
        return [quote(self.path), self.before, self.after]

    @classmethod
    def from_json(cls, value: JsonValue) -> Entry:
        """Raises ArgsInvalid for anything else than `to_json` made."""
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != _PARTS:
            raise ArgsInvalid("what was kept is no entry of an index", fix="hand over what the action recorded, unchanged")
        path, before, after = map(str, value)
        return cls(path=unquote_to_bytes(path), before=before, after=after)


def staged(repo: Repository, paths: Iterable[bytes]) -> dict[bytes, str]:
    """What the index has for files. Raises ToolFailed where a merge left one of them open."""
    wanted = set(paths)
    there: dict[bytes, str] = {}
    for line in repo.whole("ls-files", "--stage", "-z").out.split(b"\0"):
        facts, _, path = line.partition(b"\t")
        if path in wanted:
            mode, found, stage = facts.decode().split(" ")
            if stage != "0":
                raise ToolFailed(f"{os.fsdecode(path)!r} has a conflict of a merge", fix="resolve it with git first")
            there[path] = f"{mode} {found}"
    return there


def follow(repo: Repository, entries: Sequence[Entry]) -> str:
    """Set each entry that is still as it was seen; what could not be done, for the actor, or ''."""
    now = staged(repo, [entry.path for entry in entries])
    todo = [entry for entry in entries if now.get(entry.path, "") == entry.before and entry.before != entry.after]
    lines = [f"{entry.after or f'0 {40 * chr(48)}'}\t".encode() + entry.path for entry in todo]
    if not lines:
        return ""
    ran = repo.changing(repo.common, repo.inner).call("update-index", "-z", "--index-info", given=b"\0".join(lines) + b"\0")
    return f"what is staged could not follow: {ran.err}" if ran.code else ""
