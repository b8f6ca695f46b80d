"""Commands with network: what they send cannot be taken back, so they run once, only when started, and in doubt a person is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import JsonValue, canonical, parse
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
        detail = await uninterrupted(lambda: self._settle(call))
        return Probed(happened=Happened.UNKNOWN, detail=f"what it did over the network cannot be seen from here. {detail}")

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - all that it needs is in the result
        back = result.get("back") if isinstance(result, Mapping) else None
        return Undo(tool="files.restore", args={"changes": back}, leaves="what it did over the network stays") if back else None

    def _commit(self, call: Call, done: Done) -> dict[str, JsonValue]:
        store, roots, changes = self._bench.store, self.roots, done.diff.changes
        packed = pack(changes, store)
        store.sync()
        noted = self._noted(call)
        noted.write_text(canonical(packed), encoding="utf-8")
        try:
            applied = apply(changes, store, tag=tag_of(call), roots=roots, keep_aside=True)
        finally:
            noted.unlink(missing_ok=True)
        there = [change for change in changes if change.path in set(applied.done)]
        told: dict[str, JsonValue] = {"changed": [said(path) for path in applied.done[:_NAMED]], "count": len(applied.done)}
        if there:
            told["back"] = pack([change.inverse() for change in there], store)
        if applied.conflicts:
            told["conflicts"] = tell(applied.conflicts)
        return told

    def _settle(self, call: Call) -> str:
        noted = self._noted(call)
        try:
            changes: Sequence[Change] = unpack(parse(noted.read_text(encoding="utf-8")), self._bench.store)
        except FileNotFoundError:
            return "No file was changed."
        found = settle(changes, self.roots, tag=tag_of(call), final=True)
        noted.unlink(missing_ok=True)
        return f"Files changed: {_some(found.done)}. Not changed: {_some((*found.untouched, *found.foreign))}."

    def _noted(self, call: Call) -> Path:
        """Where the list of changes stands while it is being applied, for whoever looks after a crash."""
        return self._bench.scratch / f"online-{tag_of(call)}.json"


def _some(paths: Sequence[bytes]) -> str:
    told = ", ".join(shown(path) for path in paths[:_NAMED])
    return (told + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")) or "none"
