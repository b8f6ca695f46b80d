"""Runs a command on an overlay and reads what it did, while others may be at work in the same folder."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remit.domain.values import digest
from remit.domain.visible import shown
from remit.errors import ToolFailed, ToolUncertain, Unavailable
from remit.ports import Store
from remit.tools.base import uninterrupted
from remit.tools.changes.roots import Roots
from remit.tools.shell.command import Command, names
from remit.tools.shell.overlay import Diff, Seen, difference, moved, survey
from remit.tools.shell.process import Ran
from remit.tools.shell.sandbox import Job, Sandbox
from remit.tools.shell.scratch import layers

_TICK: Final = 0.02
"""Seconds: longer than the kernel's coarsest clock tick for ctime, so that a later save cannot look like an earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ran, what it changed on its overlay, and what should be known about both."""

    ran: Ran
    diff: Diff
    warnings: tuple[str, ...]
    seen: str = ""
    """Fingerprint of the workspace as the command found it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellBench:
    """Where commands run: nothing they do reaches the real folder from here."""

    roots: Roots
    store: Store
    scratch: Path
    sandbox: Sandbox

    async def run(self, command: Command, *, network: bool) -> Done:
        """Run the command and read the difference. What a command did that remit ended is thrown away (`diff` is empty).

        Raises ToolFailed where the difference cannot be read (with network ToolUncertain, as the command did run), Unavailable
        where the sandbox does not start.
        """
        before = await asyncio.to_thread(self._survey, command)
        await _settled(before)
        workspace = Path(os.fsdecode(command.workspace))
        hidden = tuple(Path(os.fsdecode(path)) for path in before.private)
        async with layers(self.scratch, workspace, hidden) as over:
            job = Job(command=command.line, cwd=command.folder, network=network, limits=command.limits)
            try:
                ran = await self.sandbox.run(job, over)
                if ran.stopped:
                    return Done(ran=ran, diff=Diff(), warnings=())
                diff = await uninterrupted(lambda: difference(os.fsencode(over.upper), command.workspace, self.store, before=before))
            except ToolFailed as error:
                if network and not isinstance(error, Unavailable):
                    raise ToolUncertain(f"the command ran with network, then: {error.message}", fix=error.fix) from error
                raise
        after = await asyncio.to_thread(survey, command.workspace, self.roots.permits)
        return Done(ran=ran, diff=diff, warnings=tuple(_warnings(command, ran, diff, (before, after))), seen=_fingerprint(before))

    async def seen(self, command: Command) -> str:
        """Fingerprint of the workspace now: another one than a command found means that it might do something else now."""
        return _fingerprint(await asyncio.to_thread(self._survey, command))

    def _survey(self, command: Command) -> Seen:
        if not os.path.isdir(command.cwd):  # noqa: PTH112 - the path is bytes
            raise ToolFailed(f"{shown(command.cwd)} is no folder", fix="create it first, or leave cwd out")
        return survey(command.workspace, self.roots.permits)


def _fingerprint(seen: Seen) -> str:
    return digest("remit.workspace.1", *(part for path, identity in sorted(seen.identities.items()) for part in (path, identity)))


async def _settled(before: Seen) -> None:
    """Wait out the clock tick of the latest change, so that every save from now on has another ctime."""
    young = time.time() - before.newest_ns / 1e9
    if young < _TICK:
        await asyncio.sleep(min(_TICK - young, _TICK))


def _warnings(command: Command, ran: Ran, diff: Diff, surveys: tuple[Seen, Seen]) -> Sequence[str]:
    before, after = surveys
    ours = {change.path for change in diff.changes} | set(diff.conflicts)
    others = [path for path in moved(before, after) if path not in ours]
    found = []
    if others:
        found.append(f"while it ran somebody changed {names(others, command.workspace)}: it may have read a mixture of old and new")
    if diff.left_out:
        found.append(f"not carried over (special file, or the workspace's own permissions): {names(diff.left_out, command.workspace)}")
    if diff.relinked:
        found.append(
            f"each of these is now a file of its own, no longer one with its other names: {names(diff.relinked, command.workspace)}"
        )
    if before.mounts:
        found.append(f"other file systems look empty to commands: {names(before.mounts, command.workspace)}")
    if before.foreign and ran.exit_code:
        found.append(f"{before.foreign} files belong to another user or group; a command cannot change those")
    return found
