"""The shell: commands run isolated on an overlay, and what they changed is known, shown and stored before it becomes real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import Digest, JsonValue, canonical, parse
from remit.errors import Conflict, ToolFailed
from remit.ports import Call, Store, Tool, ToolSpec
from remit.tools.changes.change import Clash, pack
from remit.tools.changes.change_tool import ChangeTool, Planned
from remit.tools.changes.roots import Roots
from remit.tools.changes.tree import uri
from remit.tools.shell.bench import Done, ShellBench
from remit.tools.shell.command import SCHEMA, Command, command, facts, names, story, title, whole
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


class ShellRun(ChangeTool):
    """Runs a command before it is approved, on an overlay and without network; approving commits exactly what was seen.

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
    )

    def __init__(self, bench: ShellBench) -> None:
        super().__init__(bench.roots, bench.store)
        self._bench = bench

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(command(args, self.roots).workspace),)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return title("run", args)

    async def planned(self, call: Call) -> Planned:
        """Raises Conflict, with the result kept, when somebody changed a path that the command changed too."""
        wanted = command(call.args, self.roots)
        done = await self._bench.run(wanted, network=False)
        crashpoint("shell.ran")
        if done.ran.stopped:
            raise ToolFailed(f"nothing was changed: {done.ran.stopped}. {story(done.ran, ())}", fix="give it more time, or less to do")
        if done.diff.conflicts:
            raise self._conflict(wanted, done)
        head = f"{whole(wanted)}\n{story(done.ran, done.warnings)}"
        return Planned(changes=done.diff.changes, facts=self._kept(facts(done.ran, done.warnings)), headline=head)

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
            return kept
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
