"""Bad worlds and bad moments: folders and disks that cannot be written, locked journals, floods of output, signals in every state."""

from __future__ import annotations

import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from claims import proves
from remit_program import Program, Said, program

PATIENCE = 30.0
"""Seconds that anything here may take to come about."""
TICK = 0.02
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
WRITE = """
goal = "write a note"
[[step]]
id = "note"
tool = "files.write"
args = { path = "note.txt", text = "hello" }
"""
LONG = """
goal = "wait for a file"
[[step]]
id = "go"
tool = "shell.run"
args = { command = "echo one > one.txt; if [ ! -e go ]; then sleep 60; fi; echo two > two.txt" }
"""
ASKED_THEN_LONG = WRITE + LONG.partition("\n[[step]]")[2].join(("[[step]]", ""))
ASK_NOTES = """
@id("ask") @reason("notes are asked about")
forbid (principal, action == Action::"files.write", resource)
when { context.args.path like "*/note.txt" } unless { context.approvals >= 1 };
"""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


# ---- The world cannot be written -------------------------------------------------------------------------------


@proves("cli.read_only_folder_is_explained")
def test_in_a_read_only_folder_nothing_happens_and_the_reason_is_told(remit: Program) -> None:
    """A write that cannot be made is reported with its reason, and works once the folder can be written."""
    with read_only(remit.folder):
        for plan in (WRITE, LONG.replace("if [ ! -e go ]; then sleep 60; fi; ", "")):
            said = remit("run", remit.plan(plan))
            assert said.code == 3, said
            assert "read-only" in said.out.lower() or "permission" in said.out.lower(), said
        assert list(remit.folder.iterdir()) == []
    for _ in range(2):
        assert remit("answer", question(remit), "retry").code == 0
    assert (remit.folder / "note.txt").read_text(encoding="utf-8") == "hello"
    assert (remit.folder / "two.txt").exists()
    sound(remit)


@proves("cli.read_only_state_is_explained")
def test_a_state_folder_that_cannot_be_written_ends_with_exit_code_seven(remit: Program) -> None:
    """Without a journal nothing is done, and the message names the folder."""
    remit("inbox")
    with read_only(remit.home):
        for args in (("run", remit.plan(WRITE)), ("inbox",), ("undo", "--since", "1h")):
            said = remit(*args)
            assert said.code == 7, said
            assert str(remit.home) in said.err
    assert not (remit.folder / "note.txt").exists()
    assert remit("run", remit.plan(WRITE)).code == 0


@proves("cli.full_state_disk_is_explained")
@pytest.mark.parametrize("left", [0, 64, 256, 450])
def test_when_the_disk_of_the_journal_is_full_nothing_is_done_unrecorded(remit: Program, left: int) -> None:
    """However much space was left: what was done is recorded or found out later, the message says what is full, and resume completes."""
    with small_disk(remit.home, 8) as fill:
        remit("inbox")
        balloon = fill(left)
        said = remit("run", remit.plan(BIG.replace("SIZE", "300000")))
        assert said.code in {3, 6, 7}, said
        assert "space" in said.err + said.out, said
        balloon.unlink()
        finished(remit)
        assert (remit.folder / "big.txt").stat().st_size == 300_000
        assert (remit.folder / "small.txt").read_text(encoding="utf-8") == "small\n"
        sound(remit)


@proves("cli.full_work_disk_is_explained")
def test_when_the_disk_of_the_workspace_is_full_the_step_fails_and_leaves_nothing_half(remit: Program) -> None:
    """No half file, no hidden file; with space again the same question's retry does it."""
    with small_disk(remit.folder, 2) as fill:
        balloon = fill(100)
        said = remit("run", remit.plan(BIG.replace("SIZE", "1000000")))
        assert said.code == 3, said
        assert "space" in said.out, said
        assert sorted(names(remit.folder)) == [balloon.name, "small.txt"]
        balloon.unlink()
        assert remit("answer", question(remit), "retry").code == 0
        assert (remit.folder / "big.txt").stat().st_size == 1_000_000
        remit("undo", remit.json("runs", "--all", "--json")[0]["run"], "--yes")
        assert names(remit.folder) == []
        sound(remit)


@proves("undo.failed_attempts_do_not_count")
def test_an_undo_of_a_run_that_failed_once_is_complete(remit: Program) -> None:
    """An attempt that changed nothing is nothing to take back: no complaint, exit code 0."""
    with small_disk(remit.folder, 2) as fill:
        balloon = fill(100)
        assert remit("run", remit.plan(BIG.replace("SIZE", "1000000"))).code == 3
        balloon.unlink()
        assert remit("answer", question(remit), "retry").code == 0
        said = remit("undo", remit.json("runs", "--all", "--json")[0]["run"], "--yes")
    assert "cannot take back" not in said.out
    assert said.code == 0, said


@proves("cli.locked_journal_is_explained")
@pytest.mark.parametrize("mode", ["NORMAL", "EXCLUSIVE"])
def test_a_journal_that_another_process_keeps_locked_is_exit_code_seven(remit: Program, mode: str) -> None:
    """After a bounded wait the message says that it is locked; nothing was done, and once free everything works."""
    remit("inbox")
    with closing(sqlite3.connect(remit.home / "journal.db", isolation_level=None)) as other:
        other.execute(f"PRAGMA locking_mode = {mode}")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE IF NOT EXISTS foreign_lock(x)")
        said = remit("run", remit.plan(WRITE))
        assert said.code == 7, said
        assert "locked" in said.err
        assert not (remit.folder / "note.txt").exists()
        other.execute("ROLLBACK")
    assert remit("run", remit.plan(WRITE)).code == 0
    sound(remit)


# ---- Output ----------------------------------------------------------------------------------------------------


@proves("cli.binary_output_is_shown")
def test_binary_output_of_a_step_neither_breaks_nor_paints_the_terminal(remit: Program) -> None:
    """All 256 bytes, and escape sequences: recorded so that each can be told, and printed without control characters."""
    line = "import sys; sys.stdout.buffer.write(bytes(range(256)) + b'\\x1b[2Jred\\xff')"
    plan = f"goal = 'x'\n[[step]]\nid = 'b'\ntool = 'shell.run'\nargs = {{ command = \"{sys.executable} -c \\\"{line}\\\"\" }}\n"
    said = remit("run", remit.plan(plan.replace("\\x", "\\\\x")))
    assert said.code == 0, said
    kept = remit.json("log", "--kind", "finished", "--json")[0]["body"]["result"]["stdout"]
    assert kept["binary"]
    assert all(sign in kept["text"] for sign in ("\\x00", "\\xff", "red"))
    for text in (said.out, remit("log").out, remit("runs", "--all").out):
        assert not [char for char in text if ord(char) < 32 and char not in "\n\t"]
    sound(remit)


@proves("cli.huge_output_is_bounded")
def test_a_hundred_megabytes_of_output_are_cut_and_said_so_in_bounded_memory(remit: Program) -> None:
    """The result keeps the beginning and the end and counts what it left out; the program stays below 300 MB."""
    plan = (
        "goal = 'x'\n[[step]]\nid = 'b'\ntool = 'shell.run'\n"
        "args = { command = 'echo first; head -c 100000000 /dev/zero | tr \"\\\\0\" x; echo; echo last' }\n"
    )
    # A process of its own starts it: Linux counts the memory of whoever forks to the child, and this test's process may be large.
    watch = "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode"
    watch += "; print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    argv = [sys.executable, "-c", watch, *remit.argv("run", remit.plan(plan))]
    done = subprocess.run(argv, cwd=remit.folder, env=remit.env(), capture_output=True, text=True, timeout=PATIENCE * 4, check=True)
    code, kilobytes = map(int, done.stdout.split())
    assert code == 0, done.stderr
    assert kilobytes < 300 * 1024
    kept = remit.json("log", "--kind", "finished", "--json")[0]["body"]["result"]["stdout"]
    assert kept["bytes_cut"] > 99_000_000
    assert kept["text"].startswith("first\n")
    assert kept["text"].endswith("last\n")
    assert f"{kept['bytes_cut']} bytes cut" in kept["text"]
    assert (remit.home / "journal.db").stat().st_size < 2_000_000


# ---- Signals in every state ------------------------------------------------------------------------------------


@proves("cli.interrupt_while_starting")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("after", [0.1, 0.2, 0.3, 0.4, 0.5])
def test_interrupted_while_it_starts_it_says_so_and_nothing_is_lost(
    remit: Program, number: signal.Signals, code: int, after: float
) -> None:
    """A message and the documented exit code (before Python is up, the system's own); what was opened is completed by resume."""
    running = remit.start("run", remit.plan(LONG))
    with ended(running):
        with suppressed_timeout():
            running.wait(timeout=after)
        said = signalled(running, number)
    assert said.code == code or (said.code == -number and after < 0.4), said
    assert "interrupted" in said.err or said.code == -number, said
    (remit.folder / "go").touch()
    assert remit("resume").code == 0
    sound(remit)


@proves("cli.interrupt_is_safe")
def test_a_job_in_the_background_does_not_end_by_the_terminals_ctrl_c(remit: Program) -> None:
    """A shell starts it with SIGINT ignored, and that stays so; SIGTERM ends it."""
    argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *remit.argv("run", remit.plan(LONG))]
    running = subprocess.Popen(argv, cwd=remit.folder, env=remit.env(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with ended(running):
        until(lambda: below(running.pid, "sleep") or running.poll() is not None)
        running.send_signal(signal.SIGINT)
        with suppressed_timeout():
            running.wait(1)
        assert running.poll() is None
        assert signalled(running, signal.SIGTERM).code == 143


LOSES = """
import gc, os, signal, sys, weakref
from remit.cli import driving, interrupts, main

number = int(sys.argv.pop())

class Lost: pass

def lose(app, run, own=driving._answers):
    left = weakref.ref(one := Lost(), lambda _: os.kill(os.getpid(), number) or sum(range(1000)))
    del one
    driving._answers = own
    return own(app, run)

driving._answers = lose
sys.exit(main())
"""


@proves("cli.interrupt_while_starting")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_whose_error_python_throws_away_ends_it_all_the_same(remit: Program, number: signal.Signals, code: int) -> None:
    """It comes while something is collected: what it raises there is printed and forgotten, the signal is not."""
    argv = [sys.executable, "-c", LOSES, "run", remit.plan(LONG), str(int(number))]
    done = subprocess.run(argv, cwd=remit.folder, env=remit.env(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "Exception ignored in" in done.stderr
    assert done.returncode == code, done


@proves("cli.interrupt_while_waiting")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_interrupted_while_it_waits_for_an_answer_the_question_stays(remit: Program, number: signal.Signals, code: int) -> None:
    """`--wait` ends at once; the question is still open and approving it later completes the run."""
    running = remit.start("run", remit.plan(WRITE), "--level", "operator", "--wait", "100")
    with ended(running):
        until(lambda: bool(asked(remit)))
        with suppressed_timeout():
            running.wait(timeout=0.5)
        said = signalled(running, number)
    assert said.code == code, said
    assert "resume" in said.err
    assert remit("approve", question(remit)).code == 0
    assert (remit.folder / "note.txt").exists()
    sound(remit)


@proves("terminal.interrupt_at_a_question")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_interrupted_at_a_question_on_the_terminal_nothing_is_answered(remit: Program, number: signal.Signals, code: int) -> None:
    """It ends without waiting for a key; a y typed afterwards approves nothing; the question stays open."""
    pid, screen = at_terminal(remit, "run", remit.plan(WRITE), "--level", "operator")
    try:
        read_until(screen, "approve? [y/n/edit/later]")
        os.kill(pid, number)
        until(lambda: is_over(pid), seconds=5)
    finally:
        if not is_over(pid):
            os.write(screen, b"y\n")
        ended_with = end_of(pid, screen)
    assert ended_with == code
    assert not (remit.folder / "note.txt").exists()
    assert remit("approve", question(remit)).code == 0
    sound(remit)


@proves("cli.interrupt_during_undo")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_interrupted_in_the_middle_of_an_undo_resume_completes_it(remit: Program, number: signal.Signals, code: int) -> None:
    """Nothing is half restored for good: the undo is a run, and goes on where it stopped."""
    many = (
        "goal = 'x'\n[[step]]\nid = 'm'\ntool = 'shell.run'\n"
        "args = { command = 'mkdir d; for i in $(seq 3000); do echo $i > d/$i; done; for i in $(seq 500); do echo new > $i; done' }\n"
    )
    for name in range(1, 501):
        (remit.folder / str(name)).write_text("old", encoding="utf-8")
    assert remit("run", remit.plan(many)).code == 0
    run = remit.json("runs", "--all", "--json")[0]["run"]
    running = subprocess.Popen(  # its preview is long, and nobody reads it
        remit.argv("undo", run, "--yes"), cwd=remit.folder, env=remit.env(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with ended(running):
        until(lambda: any(name.startswith(".~remit-") for name in names(remit.folder)) or running.poll() is not None)
        said = signalled(running, number)
    assert said.code == code, said
    assert "resume" in said.err
    assert remit("resume").code == 0
    assert sorted(names(remit.folder)) == sorted(map(str, range(1, 501)))
    assert {(remit.folder / str(name)).read_text(encoding="utf-8") for name in range(1, 501)} == {"old"}
    sound(remit)


@proves("cli.interrupt_while_following")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_interrupting_a_followed_log_ends_it_cleanly(remit: Program, number: signal.Signals, code: int) -> None:
    """Ctrl-C is how one leaves it: documented exit code, no traceback, no claim that something has to be resumed."""
    remit("run", remit.plan(WRITE))
    running = remit.start("log", "--follow")
    with ended(running):
        assert running.stdout is not None
        assert "opened" in running.stdout.readline()
        said = signalled(running, number)
    assert said.code == code, said
    assert "Traceback" not in said.err
    assert "resume" not in said.err


ASKED_WHETHER_IT_IS_A_TERMINAL = """
import io, os, sys
from remit.cli import main

number = int(sys.argv.pop())

class Out(io.TextIOWrapper):
    def isatty(self):
        os.kill(os.getpid(), number)
        return sum(range(1000)) < 0

sys.stdout = Out(sys.stdout.buffer)
sys.exit(main())
"""


PANICS = ASKED_WHETHER_IT_IS_A_TERMINAL.replace(
    "        os.kill(os.getpid(), number)\n        return sum(range(1000)) < 0",
    "        try:\n            os.kill(os.getpid(), number)\n            return sum(range(1000)) < 0\n"
    "        except KeyboardInterrupt:\n            raise Panic from None",
).replace("class Out", "class Panic(BaseException):\n    pass\n\nclass Out")


@proves("cli.interrupt_while_following")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_that_comes_where_a_library_forgives_every_exception_is_not_forgiven(
    remit: Program, number: signal.Signals, code: int
) -> None:
    """Click asks the stream whether it is a terminal, and takes whatever is raised then for a no."""
    remit("run", remit.plan(WRITE))
    argv = [sys.executable, "-c", ASKED_WHETHER_IT_IS_A_TERMINAL, "log", "--follow", str(int(number))]
    done = subprocess.run(argv, cwd=remit.folder, env=remit.env(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == code, done


@proves("cli.interrupt_while_following")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_of_which_a_library_makes_a_panic_of_its_own_is_an_interrupt(remit: Program, number: signal.Signals, code: int) -> None:
    """As those in Rust do; a panic without a signal is no interrupt."""
    remit("run", remit.plan(WRITE))
    for kills, expected in ((True, code), (False, 1)):
        text = PANICS if kills else PANICS.replace("os.kill(os.getpid(), number)", "raise KeyboardInterrupt")
        argv = [sys.executable, "-c", text, "log", "--follow", str(int(number))]
        done = subprocess.run(argv, cwd=remit.folder, env=remit.env(), capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == expected, done
        assert ("interrupted" in done.stderr) == kills


@proves("cli.interrupt_during_approve")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_interrupted_while_approve_goes_on_with_the_run_the_approval_counts(remit: Program, number: signal.Signals, code: int) -> None:
    """The approved step is done once, the interrupted one leaves nothing, and resume does the rest."""
    asks_about_notes(remit)
    remit("run", remit.plan(ASKED_THEN_LONG.replace('id = "go"', 'id = "go"\nneeds = ["note"]')))
    running = remit.start("approve", question(remit))
    with ended(running):
        until(lambda: below(running.pid, "sleep") or running.poll() is not None)
        said = signalled(running, number)
    assert said.code == code, said
    assert "resume" in said.err
    assert (remit.folder / "note.txt").exists()
    assert not (remit.folder / "one.txt").exists()
    (remit.folder / "go").touch()
    assert remit("resume").code == 0
    assert (remit.folder / "two.txt").exists()
    assert len([e for e in remit.json("log", "--kind", "started", "--json") if e["action"] == "note.1"]) == 1
    sound(remit)


# ---- Several at once -------------------------------------------------------------------------------------------


@proves("cli.second_resume_is_busy")
def test_a_second_resume_says_who_is_at_it_and_does_nothing(remit: Program) -> None:
    """Exit code 6 and the process that advances the run; the first one completes."""
    running = remit.start("run", remit.plan(LONG))
    with ended(running):
        until(lambda: below(running.pid, "sleep") or running.poll() is not None)
        second = remit("resume")
        assert second.code == 6, second
        assert f"process {running.pid}" in second.err
        said = signalled(running, signal.SIGTERM)
        assert said.code == 143
    (remit.folder / "go").touch()
    assert remit("resume").code == 0
    assert remit("resume").code == 0


@proves("cli.two_approve_at_once")
def test_two_terminals_that_approve_at_once_do_it_once(remit: Program) -> None:
    """Each says what became of its answer; the effect is there once, and nobody sees a traceback."""
    for turn in range(6):
        remit("run", remit.plan(WRITE.replace("note.txt", f"note{turn}.txt")), "--level", "operator")
        which = question(remit)
        both = [remit.start("approve", which, "--as", name) for name in (("ann", "bob") if turn % 2 else ("ann", "ann"))]
        said = [finish(one) for one in both]
        assert all("Traceback" not in one.err for one in said), said
        assert {one.code for one in said} <= {0, 1, 2}, said
        assert 0 in {one.code for one in said}, said
        assert remit("resume").code == 0, said
        assert (remit.folder / f"note{turn}.txt").read_text(encoding="utf-8") == "hello"
    assert len(remit.json("log", "--kind", "started", "--json")) == 6
    sound(remit)


@proves("cli.answer_during_a_leg_is_not_lost")
def test_an_answer_given_while_the_run_is_busy_elsewhere_is_acted_on(remit: Program) -> None:
    """`approve` says that the running process goes on by itself: then that one must not end as waiting for the very answer."""
    asks_about_notes(remit)
    running = remit.start(
        "run", remit.plan(ASKED_THEN_LONG.replace("sleep 60", "while [ ! -e /nowhere ] && [ $SECONDS -lt 4 ]; do sleep 0.1; done"))
    )
    with ended(running):
        until(lambda: below(running.pid, "sleep") or running.poll() is not None)
        approved = remit("approve", question(remit))
        said = finish(running)
    assert approved.code == 0, approved
    assert "goes on by itself" in approved.out
    assert said.code == 0, said
    assert (remit.folder / "note.txt").exists()


@proves("terminal.answered_elsewhere")
def test_a_question_that_was_answered_elsewhere_meanwhile_does_not_fail_the_run(remit: Program) -> None:
    """The terminal still asks; a late y there is told that it is settled, and the run's real end is reported."""
    pid, screen = at_terminal(remit, "run", remit.plan(WRITE), "--level", "operator")
    try:
        read_until(screen, "approve? [y/n/edit/later]")
        assert remit("approve", question(remit), "--as", "bob").code == 0
        os.write(screen, b"y\n")
        read_until(screen, ": done")
    finally:
        ended_with = end_of(pid, screen)
    assert ended_with == 0
    sound(remit)


# ---- What the tests above share --------------------------------------------------------------------------------

BIG = """
goal = "write much"
[[step]]
id = "small"
tool = "shell.run"
args = { command = "echo small > small.txt" }
[[step]]
id = "big"
tool = "shell.run"
args = { command = "head -c SIZE /dev/urandom > big.txt" }
"""


def question(remit: Program) -> str:
    return asked(remit)[0]


def asked(remit: Program) -> list[str]:
    return [str(item["id"]) for item in remit.json("inbox", "--json")]


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def asks_about_notes(remit: Program) -> None:
    """Files may be written only after a yes; the shell may go on alone."""
    (remit.home / "config" / "remit").mkdir(parents=True, exist_ok=True)
    (remit.home / "config" / "remit" / "policy.cedar").write_text(ASK_NOTES, encoding="utf-8")


def sound(remit: Program) -> None:
    said = remit("log", "--verify")
    assert said.code == 0, said
    assert not [name for name in names(remit.folder) if name.startswith(".~remit-")]


def finished(remit: Program) -> None:
    """Resume what is open, start anew what was never opened, retry what got stuck, until all of it is done."""
    if not remit.json("runs", "--all", "--json"):
        assert remit("run", remit.plan(BIG.replace("SIZE", "300000"))).code == 0
        return
    remit("resume")
    for _ in range(4):
        for which in asked(remit):
            remit("answer", which, "retry")
    assert [row["state"] for row in remit.json("runs", "--all", "--json")] == ["done"]


def until(true: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + seconds
    pause = subprocess.Popen(["sleep", str(seconds)])
    try:
        while not true():
            assert time.monotonic() < deadline, "it did not come about"
            with suppressed_timeout():
                pause.wait(timeout=TICK)
    finally:
        pause.kill()
        pause.wait()


@contextmanager
def suppressed_timeout() -> Iterator[None]:
    try:
        yield
    except subprocess.TimeoutExpired:
        return


@contextmanager
def ended(running: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever happens, the process does not outlive the test."""
    try:
        yield
    finally:
        if running.poll() is None:
            running.kill()
            running.communicate(timeout=PATIENCE)


def signalled(running: subprocess.Popen[str], number: signal.Signals) -> Said:
    running.send_signal(number)
    return finish(running)


def finish(running: subprocess.Popen[str]) -> Said:
    out, err = running.communicate(timeout=PATIENCE)
    return Said(running.returncode, out, err)


def at_terminal(remit: Program, *args: str) -> tuple[int, int]:
    """The program on a pseudo-terminal: its process id and the handle to type into and read from."""
    argv = remit.argv(*args)
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(remit.folder)
        os.execve(argv[0], argv, remit.env(TERM="xterm"))  # noqa: S606 - the program itself, in the forked child
    return pid, screen


def read_until(screen: int, text: str) -> None:
    seen = ""
    while text not in seen:
        assert select.select([screen], [], [], PATIENCE)[0], f"{text!r} did not appear in {seen!r}"
        seen += read_some(screen, seen)


def read_some(screen: int, seen: str) -> str:
    try:
        return os.read(screen, 65536).decode("utf-8", "replace")
    except OSError:  # Linux reports the end of a pseudo-terminal so
        raise AssertionError(f"it ended: {seen!r}") from None


def end_of(pid: int, screen: int) -> int:
    """How it ended, after reading all it says; killed when it does not end."""
    try:
        while select.select([screen], [], [], PATIENCE)[0] and read_some(screen, ""):
            pass
    except AssertionError:
        pass
    if not is_over(pid):
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    os.close(screen)
    return os.waitstatus_to_exitcode(status)


def is_over(pid: int) -> bool:
    """Whether the child has ended, without taking its exit status from whoever will ask for it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def below(pid: int, name: str) -> bool:
    """Whether a process called `name` runs below `pid`."""
    parents: dict[int, int] = {}
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            parents[int(entry.name)] = int(text.rpartition(")")[2].split()[1])
            found += [int(entry.name)] if f"({name}" in text else []
    return any(pid in ancestors(one, parents) for one in found)


def ancestors(pid: int, parents: dict[int, int]) -> set[int]:
    seen: set[int] = set()
    while pid in parents and pid not in seen:
        seen.add(pid)
        pid = parents[pid]
    return seen


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Skips where this user may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Callable[[int], Path]]:
    """A file system of its own; the function given fills it but for some KiB, by a file that can be removed again."""
    with mounted(folder, "-t", "tmpfs", "-o", f"size={megabytes}m", "none"):

        def fill(left: int) -> Path:
            balloon = folder / "balloon"
            room = os.statvfs(folder)
            balloon.write_bytes(bytes(max(room.f_bavail * room.f_frsize - left * 1024, 0)))
            return balloon

        yield fill


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """For root by a read-only mount, as permissions do not hold root back."""
    if os.geteuid() == 0:
        with mounted(folder, "--bind", str(folder)):
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
            yield
        return
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)
