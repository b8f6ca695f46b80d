"""Changes as a person can judge them: unified diffs for text, sizes and digests for the rest, nothing invisible left invisible."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from remit.domain.values import Digest
from remit.domain.visible import shown, visible
from remit.ports import Store
from remit.tools.changes.tree import Change, Node, NodeKind

_TEXT_MAX: Final = 16 * 1024 * 1024
"""Bytes up to which a file is compared line by line; larger ones are summed up."""
_MIDDLE_MAX: Final = 4000
"""Lines between what both versions begin and end with, up to which they are compared: the cost grows with their square."""
_AROUND: Final = 3
_HUNK: Final = re.compile(r"([-+])(\d+)")
_LINE_MAX: Final = 2000


def diff_text(changes: Sequence[Change], store: Store, *, limit: int) -> tuple[str, bool]:
    """The changes as text of at most about `limit` characters, and whether anything had to be left out."""
    parts: list[str] = []
    used, clipped = 0, False
    origins = _moved(changes)
    gone = set(origins.values())
    for number, change in enumerate(changes):
        if change.path in gone:
            continue
        for line, whole in _change(change, store, origins.get(change.path)):
            clipped = clipped or not whole
            if used + len(line) > limit:
                parts.append(f"… {len(changes) - number} of {len(changes)} changes are not shown whole")
                return "\n".join(parts), True
            parts.append(line)
            used += len(line) + 1
    return "\n".join(parts), clipped


def _moved(changes: Sequence[Change]) -> dict[bytes, bytes]:
    """Where files that appear came from, when exactly one that goes is the same in all that is recorded."""
    going: dict[tuple[str, int, str], list[bytes]] = {}
    for change in changes:
        if change.before.kind is NodeKind.FILE and change.after.kind is NodeKind.ABSENT and change.before.size:
            going.setdefault((change.before.content, change.before.mode, str(change.before.xattrs)), []).append(change.path)
    found: dict[bytes, bytes] = {}
    for change in changes:
        sources = going.get((change.after.content, change.after.mode, str(change.after.xattrs)), [])
        if change.before.kind is NodeKind.ABSENT and change.after.kind is NodeKind.FILE and len(sources) == 1:
            found[change.path] = sources.pop()
    return found


def _change(change: Change, store: Store, origin: bytes | None) -> Iterator[tuple[str, bool]]:
    before, after = change.before, change.after
    if origin is not None:
        yield f"move {shown(origin)} to {shown(change.path)} ({_what(after)})", True
        return
    yield f"{_verb(before, after)} {shown(change.path)}{_facts(before, after)}", True
    if before.content == after.content and before.kind is after.kind:
        return
    old, new = _lines(before, store), _lines(after, store)
    if old is None or new is None:
        big = max(before.size, after.size) > _TEXT_MAX
        yield "  (too large to be compared line by line)" if big else "  (not text)", not big
        return
    for line, whole in _compared(old, new):
        text = visible(line)
        yield f"  {text[:_LINE_MAX]}" + ("…" if len(text) > _LINE_MAX else ""), whole and len(text) <= _LINE_MAX


def _compared(old: list[str], new: list[str]) -> Iterator[tuple[str, bool]]:
    """A unified diff of what is not the same at both ends, and whether that is all."""
    shortest = min(len(old), len(new))
    head = next((at for at in range(shortest) if old[at] != new[at]), shortest)
    tail = next((at for at in range(shortest - head) if old[-1 - at] != new[-1 - at]), shortest - head)
    first = max(0, head - _AROUND)
    one, two = (lines[first : len(lines) - max(0, tail - _AROUND)] for lines in (old, new))
    if max(len(one), len(two)) > _MIDDLE_MAX:
        yield f"(lines {head + 1} to {len(old) - tail} become {len(new) - tail - head} others: too many to be compared)", False
        return
    for line in difflib.unified_diff(one, two, "before", "after", lineterm="", n=_AROUND):
        yield _HUNK.sub(lambda found: f"{found[1]}{int(found[2]) + first}", line) if line.startswith("@@ ") else line, True


def _verb(before: Node, after: Node) -> str:
    if before.kind is NodeKind.ABSENT:
        return "nothing at" if after.kind is NodeKind.ABSENT else "create"
    if after.kind is NodeKind.ABSENT:
        return "delete"
    return "change" if before.kind is after.kind else "replace"


def _facts(before: Node, after: Node) -> str:
    facts: list[str] = []
    if before.kind is not after.kind or before.content != after.content:
        facts.append(" → ".join(_what(node) for node in (before, after) if node.kind is not NodeKind.ABSENT))
    elif before.kind is not NodeKind.FILE:
        facts.append(str(before.kind))
    if before.mode != after.mode and NodeKind.ABSENT not in {before.kind, after.kind}:
        facts.append(f"mode {before.mode:04o} → {after.mode:04o}")
    if before.kind is NodeKind.ABSENT and after.mode & 0o7111 and after.kind is NodeKind.FILE:
        facts.append(f"mode {after.mode:04o}")
    if before.xattrs != after.xattrs:
        facts.append("attributes " + visible(", ".join(sorted({name for name, _ in set(before.xattrs) ^ set(after.xattrs)})), keep=""))
    if before.same(after) and after.mtime_ns not in {0, before.mtime_ns}:
        facts.append("time of change only")
    return f" ({'; '.join(facts)})" if facts else ""


def _what(node: Node) -> str:
    if node.kind is NodeKind.LINK:
        return f"link to {shown(unquote_to_bytes(node.content))}"
    if node.kind is NodeKind.FILE:
        return f"{node.size} bytes, sha256 {node.content[:12]}"
    return "folder" if node.kind is NodeKind.DIR else str(node.kind)


def _lines(node: Node, store: Store) -> list[str] | None:
    """The lines of a text; none for what is no file; None where lines say nothing (binary or large)."""
    if node.kind is not NodeKind.FILE:
        return []
    if node.size > _TEXT_MAX:
        return None
    with store.open(Digest(node.content)) as source:
        data = source.read()
    if b"\0" in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], lines[-1] + "⟨no newline at end⟩"]
