"""Starts a bubblewrap, watches it and makes sure that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from remit.errors import ToolFailed, Unavailable
from remit.tools.shell.crowd import Fence, crowded, fence
from remit.tools.shell.output import Bounded, Output, drain

_DEATH_SECONDS: Final = 10
_WATCH_SECONDS: Final = 0.05
TIMED_OUT: Final = "it ran longer than it may"
CROWDED: Final = "it started more processes than it may"
_KILLED: Final = 128 + signal.SIGKILL
_WAIT: Final = 'read -r go || exit 125; exec "$@" </dev/null'
"""What stands before every command: it starts only when told to. A remit that was killed before tells it nothing, and it ends."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one command. `file_bytes` is per file; processes of one command count together."""

    seconds: float = 120
    output_bytes: int = 32 * 1024
    processes: int = 1024
    file_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended. `exit_code` is 128 + N after signal N; `stopped` says why remit ended it, '' when it ended by itself."""

    exit_code: int
    stdout: Output
    stderr: Output
    stopped: str = ""
    seconds: float = 0.0

    @property
    def timed_out(self) -> bool:
        return self.stopped == TIMED_OUT

    @property
    def clipped(self) -> bool:
        return bool(self.stdout.cut or self.stderr.cut)


async def confined(wrap: Sequence[str], command: Sequence[str], *, limits: Limits, fds: Sequence[int] = ()) -> Ran:
    """Run `command` in the sandbox that `wrap` describes (bwrap and its options), with empty input and bounded output.

    When it returns or raises, cancellation included, no process of the sandbox is left; when remit itself is killed, none is left
    either. Raises Unavailable when the sandbox does not start, ToolFailed when its end cannot be seen.
    """
    argv = (*wrap, "--", "/bin/sh", "-c", _WAIT, "remit", *command)
    # Until the first process is in our hands a cancellation would leave it to itself.
    running, cancelled = await _whole(_start(argv, fds, limits))
    try:
        if cancelled:
            raise asyncio.CancelledError
        return await running.to_end(limits)
    finally:
        await _whole(running.close())


class _Init:
    """The first process of the sandbox's process namespace. The kernel reports its end only after every other one there has ended."""

    def __init__(self, pid: int, most: int) -> None:
        self.pid = pid
        self.fd = os.pidfd_open(pid)
        self._most = most
        root = os.geteuid() == 0  # others are bound by their own ulimit
        self._fence: Fence | None = fence(pid, most) if root else None
        self._counts = root and self._fence is None
        self.gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.fd, self.gone.set)

    def crowded(self) -> bool:
        """Whether more was started than may be, where the kernel does not prevent that."""
        return self._counts and crowded(self.pid, self._most)

    async def end(self) -> None:
        """Kill it, and with it all others. Raises ToolFailed when they do not die."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)
        try:
            async with asyncio.timeout(_DEATH_SECONDS):
                await self.gone.wait()
        except TimeoutError:
            raise ToolFailed(
                f"the command's processes do not end (process {self.pid})", fix="see what the kernel waits for there"
            ) from None
        finally:
            asyncio.get_running_loop().remove_reader(self.fd)
            os.close(self.fd)
            if self._fence is not None:
                self._fence.remove()


@dataclass(kw_only=True)
class _Running:
    """A bubblewrap that was started; `init` is None when it ended before it made its namespaces."""

    process: asyncio.subprocess.Process
    lines: asyncio.StreamReader
    transport: asyncio.BaseTransport
    go: int
    """Where the command waits for a line: closed unwritten, it never starts."""
    init: _Init | None = None
    out: Bounded
    err: Bounded
    drains: Sequence[asyncio.Task[None]]

    async def to_end(self, limits: Limits) -> Ran:
        clock = asyncio.get_running_loop().time
        begun = clock()
        stopped = await self._watch(limits)
        await self.drained(_DEATH_SECONDS)
        async with asyncio.timeout(_DEATH_SECONDS):
            code = _exit_code(await self.lines.read())
        if code is None and not stopped:
            raise Unavailable(self.err.output().text.strip() or f"bwrap ended with {self.process.returncode}")
        return Ran(
            exit_code=_KILLED if stopped or code is None else code,
            stdout=self.out.output(),
            stderr=self.err.output(),
            stopped=stopped,
            seconds=round(clock() - begun, 3),
        )

    async def drained(self, seconds: float) -> None:
        """Both outputs are read to their end, which comes with that of the last process."""
        await asyncio.wait(self.drains, timeout=seconds)

    async def close(self) -> None:
        """End whatever is left and give everything back."""
        os.close(self.go)
        try:
            await self._end()
            async with asyncio.timeout(_DEATH_SECONDS):
                await self.process.wait()
        except TimeoutError:
            os.kill(self.process.pid, signal.SIGKILL)
        finally:
            await self.drained(_DEATH_SECONDS)
            self.transport.close()

    async def _watch(self, limits: Limits) -> str:
        """Let the command go and wait for its end; why we had to bring it about, or ''."""
        if self.init is None:
            return ""
        clock = asyncio.get_running_loop().time
        until = clock() + limits.seconds
        with contextlib.suppress(BrokenPipeError):
            os.write(self.go, b"go\n")
        stopped = ""
        while not stopped and not self.init.gone.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(_WATCH_SECONDS, max(until - clock(), 0.001))):
                    await self.init.gone.wait()
            if not self.init.gone.is_set():
                stopped = TIMED_OUT if clock() >= until else CROWDED if self.init.crowded() else ""
        await self._end()
        return stopped

    async def _end(self) -> None:
        init, self.init = self.init, None
        if init is not None:
            await init.end()


async def _start(argv: Sequence[str], fds: Sequence[int], limits: Limits) -> _Running:
    status, status_in = os.pipe()
    waits, go = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            argv[0],
            "--json-status-fd",
            str(status_in),
            *argv[1:],
            stdin=waits,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(*fds, status_in),
            start_new_session=True,  # a Ctrl-C at our terminal is ours to answer
            env={},
        )
    except OSError as error:
        os.close(status)
        os.close(go)
        raise Unavailable(f"{argv[0]}: {error.strerror}") from None
    finally:
        os.close(status_in)
        os.close(waits)
    lines = asyncio.StreamReader()
    pipe = os.fdopen(status, "rb", 0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), pipe)
    out, err = Bounded(limits.output_bytes), Bounded(limits.output_bytes)
    drains = [asyncio.ensure_future(drain(process.stdout, out)), asyncio.ensure_future(drain(process.stderr, err))]
    running = _Running(process=process, lines=lines, transport=transport, go=go, out=out, err=err, drains=drains)
    try:
        async with asyncio.timeout(_DEATH_SECONDS):
            line = await lines.readline()
        if line:
            running.init = _Init(int(json.loads(line)["child-pid"]), limits.processes)
    except (TimeoutError, OSError) as error:
        await running.close()
        raise Unavailable(f"bwrap did not start its first process: {error!r}") from None
    return running


async def _whole(work: Coroutine[Any, Any, _T]) -> tuple[_T, bool]:
    """Wait for `work` to its end even when cancelled meanwhile; its result, and whether we were cancelled."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    return task.result(), cancelled


def _exit_code(status: bytes) -> int | None:
    for line in status.splitlines():
        value = json.loads(line).get("exit-code")
        if isinstance(value, int):
            return value
    return None
