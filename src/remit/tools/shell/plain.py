"""Commands where the machine cannot isolate them: nothing is promised, so everything is asked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import Unavailable
from remit.ports import Call, Preview, ToolSpec
from remit.tools.base import BaseTool
from remit.tools.changes.roots import Roots
from remit.tools.shell.command import SCHEMA, SECONDS_MAX, Command, InWorkspace, facts, title, whole
from remit.tools.shell.output import Bounded, drain, shell_path
from remit.tools.shell.process import TIMED_OUT, Ran
from remit.tools.shell.sandbox import Missing


class ShellPlain(InWorkspace, BaseTool):
    """Runs a command as this user, with network, anywhere: no diff before, no undo after. Declared so, policy asks for each.

    A timeout ends the command's process group; a process that left the group lives on.
    """

    def __init__(self, roots: Roots, missing: Missing, *, name: str) -> None:
        self.roots = roots
        self._missing = missing
        self.spec = ToolSpec(
            name=name,
            description="Run a bash command without isolation (this machine cannot isolate it): everything it does is for good.",
            schema=SCHEMA,
            effect=Effect.IRREVERSIBLE,
            egress=True,
            reads_untrusted=True,
            sandboxed=False,
            salient=("command", "cwd"),
            visible=("command", "cwd"),
            seconds=SECONDS_MAX + 60,
            slow=True,
        )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return title("run WITHOUT ISOLATION OR UNDO", args)

    async def preview(self, call: Call) -> Preview:
        missing = f"Not isolated, because {visible(self._missing.reason)}.\nTo change that: {visible(self._missing.fix)}."
        note = "It can read and change everything that you can, and use the network. There is no diff before and no undo after."
        return Preview(text=f"{whole(self.wanted(call.args))}\n{note}\n{missing}")

    async def run(self, call: Call) -> JsonValue:
        return facts(await _plain(self.wanted(call.args)), ["it ran without isolation; its changes cannot be undone by remit"])


async def _plain(wanted: Command) -> Ran:
    clock = asyncio.get_running_loop().time
    begun = clock()
    out, err = Bounded(wanted.limits.output_bytes), Bounded(wanted.limits.output_bytes)
    try:
        process = await asyncio.create_subprocess_exec(
            shell_path(),
            "-c",
            wanted.line,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            cwd=wanted.cwd,
        )
    except (OSError, ValueError) as error:
        raise Unavailable(f"the command did not start: {error}") from None
    stopped = ""
    try:
        async with asyncio.timeout(wanted.seconds):
            await asyncio.gather(drain(process.stdout, out), drain(process.stderr, err), process.wait())
    except TimeoutError:
        stopped = TIMED_OUT
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    code = await process.wait()
    return Ran(
        exit_code=code if code >= 0 else 128 - code, stdout=out.output(), stderr=err.output(), stopped=stopped, seconds=clock() - begun
    )
