"""The parent: makes the folder, starts the work in a process of its own, kills it, answers its questions, takes everything back."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remit.app import App
from remit.demo.folder import make
from remit.demo.numbers import Numbers, count, records
from remit.demo.promises import Story, judge
from remit.demo.screen import Screen
from remit.demo.script import GOAL, GOAL_WITHOUT_SHELL, chapters, kill_after
from remit.demo.seal import seal, whole
from remit.demo.telling import Teller
from remit.domain.entry import Entry
from remit.domain.question import Question
from remit.domain.values import JsonValue, RunId
from remit.errors import RemitError
from remit.ports import Places

_TICK: Final = 0.03
_PATIENCE: Final = 120.0
"""Seconds in which something has to happen; a person who answers may take longer."""
_LAST: Final = 12
"""Lines of a broken process's last words."""
_PERSON: Final = "ann"
_NO: Final = "keep it, the tax office wants ten years"

Ask = Callable[[App, Question], None]
"""Puts a question to whoever sits at the terminal, and records the answer."""


class DemoBroken(RemitError):
    """The demo itself went wrong: a process ended that should not have."""

    code = "demo_broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where the demo takes place."""

    base: Path
    shell: bool

    @property
    def root(self) -> Path:
        return self.base / "october"

    @property
    def state(self) -> Path:
        return self.base / "state"

    def env(self) -> dict[str, str]:
        """The environment of our processes: state of their own, and none of the person's own policy, model or modules."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}
        env |= {"REMIT_HOME": str(self.state), "XDG_CONFIG_HOME": str(self.base / "config"), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
        try:
            getpass.getuser()
        except (KeyError, OSError):  # a container may run as a user that it has no name for
            env["LOGNAME"] = "you"
        return env


class Play:
    """One performance: `work`, `take_back`, `verdict`, in this order; then `close`."""

    def __init__(self, scene: Scene, screen: Screen, *, ask: Ask | None = None) -> None:
        self.scene = scene
        self.screen = screen
        self._ask = ask
        self._files = _made(scene.root)
        self._app = App(Places(state=scene.state, roots=(scene.root,)))
        self._child: subprocess.Popen[bytes] | None = None
        self._run = RunId("")
        self._answered: set[str] = set()
        self.story = Story(root=scene.root, shell=scene.shell, before=seal(scene.root))

    def close(self) -> None:
        """End what still runs; nothing of it is left behind."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._app.close()

    def work(self) -> Numbers:
        """Pursue the goal to its end: killed once, asked about, gone on with."""
        screen, scene = self.screen, self.scene
        screen.plain(f"Goal    {GOAL if scene.shell else GOAL_WITHOUT_SHELL}", bold=True)
        screen.plain(f"Folder  {scene.root}: {self._files} files, several encodings, duplicates, a database, a policy of its own")
        screen.plain("Level   consultant: alone what can be undone exactly, within the folder's policy")
        screen.plain(f"sha256  {whole(self.story.before)}")
        screen.plain()
        story = self.story
        with screen.working(len(chapters(scene.root, shell=scene.shell))):
            crash = kill_after(scene.root, shell=scene.shell)
            story.death = self._leg({"REMIT_CRASH": f"acted:{crash}"})
            if story.death != -signal.SIGKILL:
                raise self._broken("the process was to be killed, and ended by itself")
            self._show_kill()
            if self._leg({}, str(self._run)) != 0:
                raise self._broken("the work did not come to its end")
        story.look_at_work(self._entries())
        return count(story.lines)

    def take_back(self) -> None:
        """Undo the whole run, and verify the journal, by the commands that anybody would use."""
        undo = self._remit("undo", self._run, "--yes")
        self.story.undo_code = undo.returncode
        self.screen.line("", next((line.strip() for line in undo.stdout.splitlines() if "taken back" in line), ""))
        self.story.after_undo = seal(self.scene.root)
        verify = self._remit("log", "--verify")
        self.story.verify_code = verify.returncode
        self.screen.line("", verify.stdout.strip())
        for done in (undo, verify):
            if done.returncode:
                self.screen.plain(f"{done.stdout}\n{done.stderr}")

    def verdict(self) -> bool:
        """Show every promise, and whether it held; true when all did."""
        promises = list(judge(self.story))
        for promise in promises:
            text = promise.text if promise.held else f"{promise.text} — {self._short(promise.seen)}"
            self.screen.line("held" if promise.held else "BROKEN", text)
        return all(promise.held for promise in promises)

    def seals(self) -> Iterator[tuple[str, str]]:
        """The folder's checksum before, after the work, and after the undo."""
        story = self.story
        yield from (("before", whole(story.before)), ("worked", whole(story.after_work)), ("undone", whole(story.after_undo)))

    def to_json(self, numbers: Numbers, *, held: bool) -> dict[str, JsonValue]:
        return {"held": held, "run": self._run, "shell": self.scene.shell, **numbers.to_json(), "sha256": dict(self.seals())}

    def _leg(self, more_env: Mapping[str, str], *run: str) -> int:
        """Run the work in a process of its own until that ends; returns its exit status."""
        scene = self.scene
        kind = "shell" if scene.shell else "files"
        argv = [sys.executable, "-m", "remit.demo.child", str(scene.state), str(scene.root), kind, *run]
        with (scene.base / "child.log").open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - ours
                argv, env={**scene.env(), **more_env}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=scene.base
            )
        self._run = self._run or self._opened()
        teller = self._teller
        last, deadline = -1, time.monotonic() + _PATIENCE
        while (status := self._child.poll()) is None:
            version = self._app.journal.version()
            if version != last:
                self._show(teller)
                self._answer_next()
                last, deadline = version, time.monotonic() + _PATIENCE
            if time.monotonic() > deadline:
                raise self._broken(f"nothing happened for {_PATIENCE:g} s")
            time.sleep(_TICK)
        self._show(teller)
        return status

    def _opened(self) -> RunId:
        deadline = time.monotonic() + _PATIENCE
        while not (found := self._app.journal.find_runs("")):
            if self._child is None or self._child.poll() is not None or time.monotonic() > deadline:
                raise self._broken("the run was not opened")
            time.sleep(_TICK)
        self._teller = Teller(self._app, found[0], self.scene.root)
        return found[0]

    def _show(self, teller: Teller) -> None:
        for line in teller.news():
            self.screen.line(line.tag, line.text)
        self.screen.at(teller.turns)

    def _show_kill(self) -> None:
        """Which effect is in flight now, as the journal has it."""
        lost = [r for r in records(self._entries()) if r.started is not None and r.finished is None]
        if len(lost) != 1:
            raise self._broken(f"{len(lost)} actions are in flight after the kill")
        self.story.killed = lost[0].id
        self.screen.line("killed", f"with -9, after the effect and before its record: {self._teller.title(lost[0])}")
        self.screen.line("opened", "again in a new process: it looks whether that happened, before anything else")

    def _answer_next(self) -> None:
        """The person's side, one question at a time: somebody at another terminal, or whoever watches."""
        question = next((q for q in self._app.inbox.pending() if q.id not in self._answered), None)
        if question is None:
            return
        self._answered.add(question.id)
        if self._ask is not None:
            with self.screen.still():
                self._ask(self._app, question)
            return
        said = ("deny", question.id, "--note", _NO) if "archive/" in question.title else ("approve", question.id)
        done = self._remit(*said, "--as", _PERSON, "--no-resume")
        if done.returncode:
            raise self._broken(f"the answer was not taken: {done.stderr}")

    def _remit(self, *args: str) -> subprocess.CompletedProcess[str]:
        """The command line, as anybody would use it, in a process of its own."""
        self.screen.line("$", shlex.join(["remit", *args]))
        argv = [sys.executable, "-m", "remit", *args]
        return subprocess.run(  # noqa: S603 - ours
            argv,
            env=self.scene.env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=_PATIENCE,
            check=False,
            cwd=self.scene.base,
        )

    def _entries(self) -> list[Entry]:
        return list(self._app.journal.read(self._run))

    def _short(self, text: str) -> str:
        return self._teller.short(text)

    def _broken(self, what: str) -> DemoBroken:
        log = self.scene.base / "child.log"
        said = log.read_text(encoding="utf-8", errors="backslashreplace").splitlines()[-_LAST:] if log.exists() else []
        return DemoBroken("\n".join([what, *said]), fix="please report this; `remit doctor` says whether this machine lacks something")


def _made(root: Path) -> int:
    try:
        return make(root)
    except OSError as error:
        raise DemoBroken(
            f"the demo's folder cannot be made in {root.parent}: {error.strerror}",
            fix="name another place with --keep DIR; one of its file names is not UTF-8, which some file systems do not take",
        ) from None


def lacking(scene: Scene) -> str:
    """Why commands cannot be isolated on this machine and how to change that, or nothing."""
    app = App(Places(state=scene.state, roots=(scene.base,)))
    try:
        said, fix = next((said, fix) for what, said, fix in app.examine() if what == "sandbox")
        return f"{said}. To change that: {fix}" if fix else ""
    finally:
        app.close()


@contextmanager
def swept(base: Path, *, keep: bool) -> Iterator[None]:
    """Remove the whole place at the end unless it is kept, whatever happened."""
    try:
        yield
    finally:
        if not keep:
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            _open_up(base)
            shutil.rmtree(base, ignore_errors=True)
            signal.signal(signal.SIGINT, before)


def _open_up(base: Path) -> None:
    """A killed sandbox leaves folders without permissions behind, which could not be entered."""
    for folder, folders, _ in os.walk(base):
        for name in folders:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o700)
