"""Starting remit and killing it: as a program of its own, or forked from a process that has imported it already."""

from __future__ import annotations

import importlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import fault_door

import remit.cli  # all of these once, so that a fork starts at once
import remit.cli.inbox
import remit.cli.run
import remit.cli.undo
import remit.crashpoint
import remit.gate.gate
import remit.journal.sqlite
import remit.plans.files
import remit.policy.cedar
import remit.runs.plan_worker
import remit.runs.undo_worker
import remit.tools.files.tools
import remit.tools.shell.run

KILLED = -signal.SIGKILL
_PATIENCE = 60.0
_PROGRAMS = {
    "remit": ["-m", "remit"],
    "door": [str(Path(fault_door.__file__))],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """When to die: at a named crash point, or so many seconds after the start."""

    point: str = ""
    after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One call of a program: `remit`, or `door` for the one with more tools."""

    program: str
    argv: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a call ended; `code` is KILLED when it was."""

    code: int
    seconds: float
    out: str


def call(command: Command, *, folder: Path, environment: Mapping[str, str], fork: bool, kill: Kill | None = None) -> Ended:
    """Run it to its end or its kill. Its output is returned; a call that hangs is killed and raises."""
    env = {**environment, "REMIT_CRASH": kill.point if kill else ""}
    with (folder / "out.txt").open("w+", encoding="utf-8") as out:
        began = time.monotonic()
        pid = _forked(command, folder, env, out.fileno()) if fork else _started(command, folder, env, out.fileno())
        watch = os.pidfd_open(pid)
        try:
            after = kill.after if kill and kill.after is not None else _PATIENCE
            ended = bool(select.select([watch], [], [], after)[0])
            if not ended:
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(watch)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        seconds = time.monotonic() - began
        if not ended and after == _PATIENCE:
            raise TimeoutError(f"{command.argv} hangs in {folder}")
        out.seek(0)
        return Ended(code=code, seconds=seconds, out=out.read())


def _started(command: Command, folder: Path, env: Mapping[str, str], out: int) -> int:
    argv = [sys.executable, *_PROGRAMS[command.program], *command.argv]
    return subprocess.Popen(argv, cwd=folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=out, stderr=out).pid


def _forked(command: Command, folder: Path, env: Mapping[str, str], out: int) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    return pid or _child(command, folder, env, out)


def _child(command: Command, folder: Path, env: Mapping[str, str], out: int) -> NoReturn:
    """From here on this process is the program, as if it had just been started."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(folder)
        os.environ.update(env)
        importlib.reload(remit.crashpoint)  # reads REMIT_CRASH; its functions share the module's variables
        sys.argv = [command.program, *command.argv]
        code = fault_door.main(list(command.argv)) if command.program == "door" else remit.cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - like an interpreter's top level: said, and never back into the benchmark
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
