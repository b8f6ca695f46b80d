"""The shell: commands run isolated on an overlay, and what they changed is known, shown and stored before it becomes real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import Digest, JsonValue, canonical, digest, parse
from remit.errors import Conflict, ToolFailed
from remit.ports import Call, Captured, Store, Tool, ToolSpec
from remit.tools.changes.change import Clash, pack
from remit.tools.changes.change_tool import ChangeTool, Planned
from remit.tools.changes.roots import Roots
from remit.tools.shell.bench import Done, ShellBench
from remit.tools.shell.command import SCHEMA, Command, InWorkspace, facts, names, story, title, whole
from remit.tools.shell.online import ShellOnline
from remit.tools.shell.plain import ShellPlain
from remit.tools.shell.sandbox import Missing, find
from remit.tools.shell.scratch import sweep

_INLINE: Final = 1024
"""Bytes of output up to which a command's facts stand in the journal itself."""


def shell_tools(roots: Roots, store: Store, scratch: Path, *, visible: Sequence[Path] = ()) -> list[Tool]:
    """`shell.run` and `shell.run_online`. Tries the sandbox once (some 20 ms) and sweeps what dead processes left in `scratch`.

    Where commands cannot be isolated both are there all the same, but irreversible and not sandboxed, so that policy asks.
    """
    found = find(scratch, visible=visible)
    if isinstance(found, Missing):
        return [ShellPlain(roots, found, name=name) for name in ("shell.run", "shell.run_online")]
    sweep(scratch)
    bench = ShellBench(roots=roots, store=store, scratch=scratch, sandbox=found)
    return [ShellRun(bench), ShellOnline(bench)]


class ShellRun(InWorkspace, ChangeTool):
    """Runs a command before it is approved, on an overlay and without network; approving commits exactly what was seen.

    When anything in the workspace has changed since, the command may have read it: it is run again, and when it would do
    something else by now, nothing is done and the person is asked again.

    The exit code decides nothing here: as in any shell, what a failing command wrote counts too. A command that had to be ended
    changes nothing.
    """

    spec = ToolSpec(
        name="shell.run",
        description="Run a bash command in the workspace, isolated and without network. Only files in the workspace are kept.",
        schema=SCHEMA,
        effect=Effect.REVERSIBLE,
        salient=("command", "cwd"),
        visible=("command", "cwd"),
        slow=True,
    )

    def __init__(self, bench: ShellBench) -> None:
        super().__init__(bench.roots, bench.store)
        self._bench = bench

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return title("run", args)

    async def planned(self, call: Call) -> Planned:
        """Raises Conflict, with the result kept, when somebody changed a path that the command changed too."""
        wanted = self.wanted(call.args)
        done = await self._bench.run(wanted, network=False)
        crashpoint("shell.ran")
        if done.ran.stopped:
            raise ToolFailed(f"nothing was changed: {done.ran.stopped}. {story(done.ran, ())}", fix="give it more time, or less to do")
        if done.diff.conflicts:
            raise self._conflict(wanted, done)
        head = f"{whole(wanted)}\n{story(done.ran, done.warnings)}"
        kept = {**self._kept(facts(done.ran, done.warnings)), "exit": done.ran.exit_code, "seen": done.seen}
        return Planned(changes=done.diff.changes, facts=kept, headline=head)

    def bound(self, planned: Planned) -> str:
        return digest("remit.shell.1", super().bound(planned), str(planned.facts.get("exit")))

    async def capture(self, call: Call) -> Captured:
        """Raises Conflict when the command would do something else now than was shown."""
        return await super().capture(call if call.staged is None else replace(call, staged=await self._fresh(call)))

    async def _fresh(self, call: Call) -> JsonValue:
        shown = self._unpacked(call.staged)
        if await self._bench.seen(self.wanted(call.args)) == shown.facts.get("seen"):
            return call.staged
        now = await self.planned(call)
        if self.bound(now) != self.bound(shown):
            raise Conflict(
                "files were changed since this was shown, and the command would do something else by now", fix="look at it again"
            )
        return self._packed(now)

    def outcome(self, planned: Planned, conflicts: Sequence[Clash]) -> JsonValue:
        """Exit code and output first, then what changed."""
        changed = super().outcome(planned, conflicts)
        return {**self._told(planned.facts), **(changed if isinstance(changed, Mapping) else {})}

    def _kept(self, told: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Long output goes into the store: it would stand in the journal several times."""
        text = canonical(told).encode("utf-8", "surrogatepass")
        return told if len(text) <= _INLINE else {"in": self.store.put(text)}

    def _told(self, kept: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        if "in" not in kept:
            return {name: value for name, value in kept.items() if name not in {"exit", "seen"}}
        with self.store.open(Digest(str(kept["in"]))) as source:
            told = parse(source.read())
        return told if isinstance(told, Mapping) else {}

    def _conflict(self, wanted: Command, done: Done) -> Conflict:
        kept = canonical(pack(done.diff.changes, self.store))
        self.store.sync()
        return Conflict(
            f"while the command ran somebody changed {names(done.diff.conflicts, wanted.workspace)}; nothing was written",
            fix=f"run it again; or keep what it did, with the other versions beside it: files.restore with changes={kept}",
        )
