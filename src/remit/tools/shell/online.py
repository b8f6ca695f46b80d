"""Commands with network: what they send cannot be taken back, so they run once, only when started, and in doubt a person is asked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import Digest, JsonValue, canonical, fields, parse
from remit.domain.visible import shown
from remit.errors import ToolFailed, ToolUncertain
from remit.ports import Call, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.change import apply, pack, settle, unpack
from remit.tools.changes.change_tool import tag_of, tell
from remit.tools.changes.tree import Change, said
from remit.tools.shell.bench import Done, ShellBench
from remit.tools.shell.command import SCHEMA, SECONDS_MAX, InWorkspace, facts, title, whole

_NAMED = 50
_KEPT = 30 * 86400
"""Seconds for which it is known what a call was about to change."""


class ShellOnline(InWorkspace, BaseTool):
    """The command itself is the effect. Its files are committed afterwards; where somebody else saved meanwhile, ours is kept beside.

    Undo puts its files back, and says that what went over the network stays.
    """

    spec = ToolSpec(
        name="shell.run_online",
        description="Run a bash command in the workspace with network, otherwise isolated. Only files in the workspace are kept.",
        schema=SCHEMA,
        effect=Effect.IRREVERSIBLE,
        egress=True,
        reads_untrusted=True,
        salient=("command", "cwd"),
        visible=("command", "cwd"),
        seconds=SECONDS_MAX + 60,
        slow=True,
    )

    def __init__(self, bench: ShellBench) -> None:
        self._bench = bench
        self.roots = bench.roots

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return title("run with network", args)

    async def preview(self, call: Call) -> Preview:
        wanted = self.wanted(call.args)
        note = "It has network access. What it sends cannot be taken back, so it runs only when approved, and no diff can be shown before."
        # What it does may hang on every file here, so a yes is to the workspace as it is now.
        return Preview(text=f"{whole(wanted)}\n{note}", binding=await self._bench.seen(wanted))

    async def run(self, call: Call) -> JsonValue:
        done = await self._bench.run(self.wanted(call.args), network=True)
        crashpoint("shell.ran")
        told = facts(done.ran, done.warnings)
        try:
            return {**told, **await uninterrupted(lambda: self._commit(call, done))}
        except ToolFailed as error:
            raise ToolUncertain(
                f"the command ran with network, but its files could not be written: {error.message}", fix=error.fix
            ) from error

    async def probe(self, call: Call) -> Probed:
        """Whether the network part happened nobody can see; what is left of the file part is cleaned up and described."""
        detail, result = await uninterrupted(lambda: self._settle(call))
        detail = f"what it did over the network cannot be seen from here. {detail}"
        return Probed(happened=Happened.UNKNOWN, detail=detail, result=result)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - all that it needs is in the result
        """Raises NotFound when what it needs is not kept any more."""
        back = fields(result).get("back")
        if not back:
            return None
        with self._bench.store.open(Digest(str(back))) as kept:
            changes = parse(kept.read())
        return Undo(tool="files.restore", args={"changes": changes}, leaves="what it did over the network stays")

    def _commit(self, call: Call, done: Done) -> dict[str, JsonValue]:
        changes = done.diff.changes
        packed = pack(changes, self._bench.store)
        self._bench.store.sync()
        self._tidy()
        self._noted(call).write_text(canonical(packed), encoding="utf-8")
        applied = apply(changes, self._bench.store, tag=tag_of(call), roots=self.roots, keep_aside=True)
        told = self._told(changes, applied.done)
        return told | {"conflicts": tell(applied.conflicts)} if applied.conflicts else told

    def _settle(self, call: Call) -> tuple[str, JsonValue]:
        """What became of its files, and what undoes it."""
        try:
            changes = unpack(parse(self._noted(call).read_text(encoding="utf-8")), self._bench.store)
        except FileNotFoundError:
            return "No file was changed.", None
        found = settle(changes, self.roots, tag=tag_of(call), final=True)
        told = f"Files changed: {_some(found.done)}. Not changed: {_some((*found.untouched, *found.foreign))}."
        return told, self._told(changes, found.done)

    def _told(self, changes: Sequence[Change], done: Sequence[bytes]) -> dict[str, JsonValue]:
        """How the files were changed; what puts them back is kept in the store, as nobody reads it but undo."""
        told: dict[str, JsonValue] = {"changed": [said(path) for path in done[:_NAMED]], "count": len(done)}
        there = [change.inverse() for change in changes if change.path in set(done)]
        if there:
            told["back"] = self._bench.store.put(canonical(pack(there, self._bench.store)).encode())
            self._bench.store.sync()
        return told

    def _tidy(self) -> None:
        """Lists of calls so old that nobody is asked about them any more."""
        for old in self._bench.scratch.glob("online-*.json"):
            if time.time() - old.stat().st_mtime > _KEPT:
                old.unlink(missing_ok=True)

    def _noted(self, call: Call) -> Path:
        """Where the list of changes stands, for whoever looks after a crash: it may come before the outcome is on the disk."""
        return self._bench.scratch / f"online-{tag_of(call)}.json"


def _some(paths: Sequence[bytes]) -> str:
    told = ", ".join(shown(path) for path in paths[:_NAMED])
    return (told + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")) or "none"
