"""kill -9 while a command runs or its changes are committed: nothing is left running, nothing is half done for good."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from claims import proves
from files_world import Did
from remit.domain.values import JsonValue
from remit.ports import Happened
from shell_world import ShellWorld, alive, picture, run_now, until

COMMAND = "echo new >a; rm -r gone op; mkdir -p op/deeper; echo n >op/deeper/n; mv sub moved; chmod 700 lots; ln -sf b link; : >empty-file"
CHILD = """
import json, sys
from dataclasses import replace
from pathlib import Path
from shell_world import ShellWorld, run_now
world = ShellWorld(Path(sys.argv[1]), fresh=False)
tool, call = world.tools[sys.argv[2]], world.call({"command": sys.argv[3]})
call = replace(call, captured=run_now(tool.capture(call)).data)
print(json.dumps(call.captured), flush=True)
print(json.dumps(run_now(tool.run(call))), flush=True)
"""
POINTS = [
    *(f"change.staged:{n}" for n in (1, 3, 6)),
    "change.part:2",
    *(f"change.created:{n}" for n in (1, 2, 3)),
    *(f"change.exchanged:{n}" for n in (1, 2)),
    "change.discarded",
    *(f"change.removed:{n}" for n in (1, 4)),
    *(f"change.dressed:{n}" for n in (1, 2)),
]


def child(world: ShellWorld, command: str, *, crash: str = "", tool: str = "shell.run") -> subprocess.Popen[str]:
    """Another process that does one call on the same folder."""
    environment = {**os.environ, "REMIT_CRASH": crash, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    argv = [sys.executable, "-c", CHILD, str(world.root.parent), tool, command]
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> list[JsonValue]:
    """What the child printed before it ended or was killed."""
    out, err = process.communicate(timeout=60)
    assert process.returncode in {0, -signal.SIGKILL}, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def world(tmp_path: Path) -> ShellWorld:
    made = ShellWorld(tmp_path)
    made.fill()
    return made


@proves("shell.crash_leaves_nothing")
def test_killed_while_a_command_runs_nothing_lives_on_and_nothing_was_changed(world: ShellWorld) -> None:
    """The command's processes die with remit; the overlay's folders are swept at the next start."""
    name, before = f"remit-orphan-{os.getpid()}", picture(world.root, times=True)

    async def killed() -> None:
        process = child(world, f"rm -rf ./*; : >/tmp/x; (setsid sleep 1000 {name} &); exec -a {name} sleep 1000")
        await until(lambda: [path for path in world.scratch.glob("run-*/upper/*") if path.name == "sub"])
        await until(lambda: alive(name))
        process.kill()
        process.communicate()
        await until(lambda: not alive(name))

    run_now(killed())
    assert picture(world.root, times=True) == before
    assert world.leftovers() != []
    again = ShellWorld(world.root.parent, fresh=False)
    assert again.leftovers() == []


def test_killed_between_the_command_and_its_record_nothing_has_happened(world: ShellWorld) -> None:
    """Until STARTED stands in the journal the real folder is untouched, so the action may simply be proposed again."""
    before = picture(world.root, times=True)
    assert said(child(world, COMMAND, crash="shell.ran")) == []
    assert picture(world.root, times=True) == before


@pytest.mark.parametrize("point", POINTS)
@proves("shell.crash_is_settled")
def test_killed_anywhere_in_the_commit_it_is_finished_without_running_again(world: ShellWorld, point: str, tmp_path: Path) -> None:
    """The probe says what stands; finishing gives exactly what was seen; undo of that gives exactly what was before."""
    before = picture(world.root, times=True)
    lines = said(child(world, COMMAND, crash=point))
    assert len(lines) == 1, "it was to die in the commit"
    again = ShellWorld(tmp_path, fresh=False)
    tool, call = again.tools["shell.run"], replace(again.call({"command": "exit 99 # must not run again"}), captured=lines[0], again=True)
    probed = run_now(tool.probe(call))
    assert probed.happened is not Happened.UNKNOWN, probed
    done = probed.result
    if probed.happened is Happened.NO:
        assert probed.again
        done = run_now(tool.run(call))
    assert isinstance(done, dict)
    assert (done["exit_code"], (again.root / "a").read_text(encoding="utf-8")) == (0, "new\n")
    assert sorted(path.name for path in again.root.iterdir() if path.name in {"gone", "sub", "moved", "empty-file"}) == [
        "empty-file",
        "moved",
    ]
    assert again.leftovers() == []
    again.undo("shell.run", Did(call=call, result=done))
    assert picture(again.root, times=True) == before


@proves("shell.online_in_doubt")
@pytest.mark.parametrize("point", ["shell.ran", "change.created:2"])
def test_killed_with_network_it_is_in_doubt_and_never_repeated(world: ShellWorld, point: str) -> None:
    """Nobody can see what went over the network; the file part is cleaned up and described for the person who decides."""
    lines = said(child(world, COMMAND, crash=point, tool="shell.run_online"))
    assert len(lines) == 1
    again = ShellWorld(world.root.parent, fresh=False)
    probed = run_now(again.tools["shell.run_online"].probe(again.call({"command": COMMAND})))
    assert (probed.happened, probed.again) == (Happened.UNKNOWN, False)
    assert ("No file was changed" if point == "shell.ran" else "Files changed: ") in probed.detail
    assert all(name.startswith("online-") for name in again.leftovers()), "what says which files it was about to change"


def test_cancelling_a_call_leaves_nothing(world: ShellWorld) -> None:
    """Ctrl-C while a command runs: no process, no folder, no change."""
    name, before = f"remit-cancel-{os.getpid()}", picture(world.root, times=True)

    async def cancelled() -> None:
        call = world.call({"command": f"rm -rf ./*; exec -a {name} sleep 1000"})
        task = asyncio.create_task(world.tools["shell.run"].preview(call))
        await until(lambda: alive(name))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_now(cancelled())
    assert not alive(name)
    assert picture(world.root, times=True) == before
    assert world.leftovers() == []
