"""A run of a plan is steered while it is under way, from another terminal: level, pause, plan, steps taken over. Real processes."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from claims import proves
from remit_program import program

HOLD = '''
import asyncio
from pathlib import Path

import remit


@remit.tool(name="hold.until", effect="pure")
async def until(path: str) -> str:
    """Wait until a file is there."""
    Path(f"{path}.waits").touch()
    for _ in range(3000):
        if Path(path).exists():
            return "there"
        await asyncio.sleep(0.02)
    raise RuntimeError("nobody let go")
'''
ONCE = """
from pathlib import Path

import remit


@remit.tool(name="once.send", effect="irreversible")
def send(text: str) -> str:
    \"\"\"Send it.\"\"\"
    with (Path(__file__).parent / "sent").open("a", encoding="utf-8") as out:
        out.write(f"{text}\\n")
    return "sent"
"""
STEPS = {"look": 'tool = "files.list"\nargs = { path = "." }', "send": 'tool = "once.send"\nargs = { text = "x" }'}
HELD = """
goal = "three notes"
level = "approver"
[[step]]
id = "first"
tool = "hold.until"
args = {{ path = "{let_go}" }}
[[step]]
id = "second"
tool = "files.write"
args = {{ path = "second.txt", text = "2" }}
needs = ["first"]
[[step]]
id = "third"
tool = "files.write"
args = {{ path = "third.txt", text = "3" }}
needs = ["first"]
check = [{{ tool = "files.read", args = {{ path = "third.txt" }}, at = "text", equals = "3" }}]
"""


class World:
    """A run that is held in its first step until a file appears."""

    def __init__(self, tmp_path: Path) -> None:
        self.remit = program(tmp_path)
        tool = tmp_path / "hold.py"
        tool.write_text(HOLD, encoding="utf-8")
        self.remit.configure(f'tools = ["{tool}"]\n')
        self.let_go = tmp_path / "go"
        self.plan = self.remit.plan(HELD.format(let_go=self.let_go))

    @contextmanager
    def under_way(self, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """The run in a process of its own, in its first step; and its id."""
        process = self.remit.start("run", self.plan, *options)
        try:
            end = time.monotonic() + 60
            while not Path(f"{self.let_go}.waits").exists() and time.monotonic() < end:
                threading.Event().wait(0.05)
            yield process, self.remit.last()
        finally:
            self.let_go.touch()
            process.communicate(timeout=60)

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        self.let_go.touch()
        out, _ = process.communicate(timeout=60)
        return process.returncode, out

    def there(self) -> list[str]:
        return sorted(path.name for path in self.remit.folder.iterdir())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@proves("steering.level")
def test_a_level_counts_from_the_next_decision(world: World) -> None:
    """Lowered while the first step runs, the others ask; raised again, what waits goes on waiting for its answer."""
    with world.under_way() as (process, run):
        assert world.remit("runs", run, "level", "operator", "--why", "not sure any more").code == 0
        code, out = world.end(process)
    assert (code, world.there()) == (3, []), out
    assert world.remit("runs", run, "level", "approver").code == 0
    questions = [q["id"] for q in world.remit.json("inbox", "--json")]
    assert len(questions) == 2
    for question in questions:
        world.remit("approve", question)
    assert world.there() == ["second.txt", "third.txt"]
    assert "not sure any more" in world.remit("runs", run).out


@proves("steering.level")
def test_a_level_raised_while_a_run_is_under_way_lets_the_rest_go_alone(world: World) -> None:
    """Begun at operator, nothing is asked any more once its person raises it."""
    with world.under_way("--level", "operator") as (process, run):
        assert world.remit("runs", run, "level", "approver").code == 0
        code, out = world.end(process)
    assert (code, world.there()) == (0, ["second.txt", "third.txt"]), out


@proves("steering.pause")
def test_a_pause_ends_what_is_under_way_and_begins_nothing(world: World) -> None:
    """The held step is finished; `remit resume` passes a paused run over unless it is named."""
    with world.under_way() as (process, run):
        assert world.remit("runs", run, "pause").code == 0
        code, out = world.end(process)
    assert code == 3
    assert "paused by" in out
    assert "nothing waits for an answer" in out
    assert world.there() == []
    every = world.remit("resume")
    assert (every.code, world.there()) == (3, [])
    assert "paused by" in every.out
    assert world.remit("resume", run).code == 0
    assert world.there() == ["second.txt", "third.txt"]


@proves("steering.stop")
def test_a_run_under_way_is_stopped(world: World) -> None:
    """Nothing more is begun, what is under way is waited for, and then the run is closed; a second time it is said to have ended."""
    with world.under_way() as (process, run):
        stopping = world.remit.start("stop", run)
        assert stopping.stderr is not None
        assert "nothing more is begun" in stopping.stderr.readline()
        world.end(process)
        out, _ = stopping.communicate(timeout=60)
    assert (stopping.returncode, out.startswith("stopped: stopped by ")) == (0, True)
    assert world.there() == []
    assert "has ended already" in world.remit("stop", run).err


@proves("steering.plan")
def test_a_plan_is_changed_while_it_runs(world: World) -> None:
    """What has not begun is as the new plan says, and what nobody plans any more is not done. It is kept as a plan file."""
    with world.under_way() as (process, run):
        saved = world.remit.home.parent / "saved.yaml"
        assert world.remit("runs", run, "plan", "--save", str(saved)).code == 0
        text = saved.read_text(encoding="utf-8").replace("second.txt", "other.txt")
        (world.remit.home.parent / "new.yaml").write_text(text[: text.index("- id: third")], encoding="utf-8")
        changed = world.remit("runs", run, "plan", "--from", str(world.remit.home.parent / "new.yaml"))
        assert changed.code == 0, changed.err
        code, out = world.end(process)
    assert (code, world.there()) == (0, ["other.txt"]), out
    assert "second" in world.remit("runs", run, "plan").out
    world.remit("undo", run, "--yes")
    assert world.remit("run", str(saved)).code == 0
    assert world.there() == ["second.txt", "third.txt"]


@proves("steering.plan")
def test_a_plan_that_is_wrong_changes_nothing(world: World) -> None:
    """A tool that is none is said, with the one that was meant; the run goes on by its plan."""
    with world.under_way() as (process, run):
        wrong = world.remit.plan('goal = "x"\n[[step]]\nid = "a"\ntool = "files.wriet"\nargs = {}\n', "wrong.toml")
        said = world.remit("runs", run, "plan", "--from", wrong)
        assert said.code == 2
        assert "files.write" in said.err
        code, _ = world.end(process)
    assert (code, world.there()) == (0, ["second.txt", "third.txt"])


@proves("steering.by_hand")
def test_a_step_taken_over_is_the_persons_and_its_checks_look_all_the_same(world: World) -> None:
    """The others go on; handed back as done while it is not, it is stuck; done, the run is done, and undo spares what a person did."""
    with world.under_way() as (process, run):
        assert world.remit("runs", run, "take", "third").code == 0
        code, out = world.end(process)
    assert (code, world.there()) == (3, ["second.txt"]), out
    assert "third taken over by" in out
    world.remit("runs", run, "done", "third")
    assert world.remit("resume", run).code == 3
    (stuck,) = world.remit.json("inbox", "--json")
    assert "by hand" in stuck["tried"]
    (world.remit.folder / "third.txt").write_text("3", encoding="utf-8")
    world.remit("runs", run, "done", "third", "--note", "wrote it myself")
    done = world.remit("resume", run)
    assert done.code == 0, done.out
    assert "wrote it myself" in world.remit("runs", run).out
    world.remit("undo", run, "--yes")
    assert world.there() == ["third.txt"]


@proves("steering.by_hand")
def test_a_step_handed_back_undone_is_the_runs_again(world: World) -> None:
    """Taken and given back, it is done like the others, once."""
    with world.under_way() as (process, run):
        world.remit("runs", run, "take", "third")
        world.end(process)
    assert world.remit("runs", run, "back", "third").code == 0
    assert world.remit("resume", run).code == 0
    assert world.there() == ["second.txt", "third.txt"]


@proves("steering.plan")
def test_a_stuck_step_is_mended_in_the_plan(tmp_path: Path) -> None:
    """The plan is changed while a question waits; `retry` does what it says now, and what was tried before stays what it was."""
    remit = program(tmp_path)
    plan = 'goal = "x"\n[[step]]\nid = "s"\ntool = "files.read"\nargs = {{ path = "{}" }}\n'
    assert remit("run", remit.plan(plan.format("no.txt"))).code == 3
    (remit.folder / "yes.txt").write_text("here", encoding="utf-8")
    run = remit.last()
    assert remit("runs", run, "plan", "--from", remit.plan(plan.format("yes.txt"), "new.toml")).code == 0
    (question,) = remit.json("inbox", "--json")
    assert remit("answer", question["id"], "retry").code == 0
    assert "no.txt" in remit("show", f"{run}/s.1").out
    assert "yes.txt" in remit("show", f"{run}/s.2").out


@proves("steering.by_hand")
@pytest.mark.parametrize("how", ["take", "plan"])
def test_what_was_in_flight_is_found_out_before_a_run_ends_without_it(tmp_path: Path, how: str) -> None:
    """Killed in a request that nobody can look for; then the step is taken over, or planned no more: the run asks what became of it."""
    tool = tmp_path / "once.py"
    tool.write_text(ONCE, encoding="utf-8")
    remit = program(tmp_path)
    remit.configure(f'tools = ["{tool}"]\n')
    text = 'goal = "send x"\n' + "".join(f'[[step]]\nid = "{one}"\n{rest}\n' for one, rest in STEPS.items())
    remit("run", remit.plan(text))
    (question,) = remit.json("inbox", "--json")
    assert remit("approve", question["id"], REMIT_CRASH="acted").code == -9
    run = remit.last()
    if how == "take":
        remit("runs", run, "take", "send")
        remit("runs", run, "done", "send")
    else:
        only = 'goal = "x"\n[[step]]\nid = "look"\n' + STEPS["look"]
        assert remit("runs", run, "plan", "--from", remit.plan(only, "new.toml")).code == 0
    assert remit("resume", run).code == 3
    (doubt,) = remit.json("inbox", "--json")
    assert doubt["kind"] == "in_doubt"
    assert remit("answer", doubt["id"], "happened").code == 0
    assert (tmp_path / "sent").read_text(encoding="utf-8") == "x\n"


@proves("steering.killed")
@pytest.mark.parametrize("crash", ["started", "acted", "step", "step:2"])
def test_a_run_that_is_killed_between_two_words_of_its_person_ends_as_they_said(tmp_path: Path, crash: str) -> None:
    """Kill -9, then level, plan, take over and hand back while nothing runs, and again: each effect once, and the plan as it is now."""
    remit = program(tmp_path)
    text = 'goal = "x"\nlevel = "approver"\n' + "".join(
        f'[[step]]\nid = "s{n}"\ntool = "files.write"\nargs = {{ path = "{n}.txt", text = "x" }}\n' for n in (1, 2, 3)
    )
    assert remit("run", remit.plan(text), REMIT_CRASH=crash).code == -9
    run = remit.last()
    remit("runs", run, "level", "consultant")
    remit("runs", run, "take", "s3")
    remit("runs", run, "plan", "--from", remit.plan(text.replace("2.txt", "two.txt"), "new.toml"))
    assert remit("resume", run, REMIT_CRASH="step:2").code == -9
    remit("runs", run, "back", "s3")
    assert remit("resume", run).code == 0
    names = sorted(path.name for path in remit.folder.iterdir())
    assert names in (["1.txt", "3.txt", "two.txt"], ["1.txt", "2.txt", "3.txt"])  # a step that began is what it was then
    finished = [e["action"] for e in remit.json("log", "--run", run, "--json") if e["kind"] == "finished"]
    assert finished == ["s1.1", "s2.1", "s3.1"]
    assert remit("undo", run, "--yes").code == 0
    assert list(remit.folder.iterdir()) == []


@proves("steering.level")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("level", "boss"), "is not one of"),
        (("say", "faster"), "no model works on"),
        (("take", "nine"), "has no step"),
        (("dance",), "No such command"),
    ],
)
def test_what_makes_no_sense_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """On an open run; one that ended is not steered at all."""
    remit = program(tmp_path)
    plan = 'goal = "x"\n[[step]]\nid = "s"\ntool = "files.read"\nargs = {{ path = "{}" }}\n'
    remit("run", remit.plan(plan.format("no.txt")))
    run = remit.last()
    wrong = remit("runs", run, *words)
    assert wrong.code == 2 or said == "has no step"
    assert said in wrong.err
    remit("stop", run)
    assert "has ended" in remit("runs", run, "pause").err
