"""The program as a person uses it: plan files, questions answered from another terminal, undo, log, errors."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from claims import proves
from remit_program import Program, program

WRITE = """
goal = "write a note"
[[step]]
id = "note"
tool = "files.write"
args = { path = "note.txt", text = "hello" }
"""

STUCK = """
goal = "run something that fails"
[[step]]
id = "try"
tool = "shell.run"
args = { command = "echo half > half.txt; exit 4" }
retries = 1
otherwise = [{ tool = "shell.run", args = { command = "exit 5" } }]
[[step]]
id = "other"
tool = "files.write"
args = { path = "other.txt", text = "independent" }
"""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def question(remit: Program) -> str:
    return str(remit.json("inbox", "--json")[0]["id"])


@proves("cli.plan_runs_without_a_model")
def test_a_plan_runs_and_is_undone(remit: Program) -> None:
    """A plan file runs without any model; undo shows first, does it with --yes, and the log verifies."""
    ran = remit("run", remit.plan(WRITE))
    assert ran.code == 0, ran
    assert (remit.folder / "note.txt").read_text(encoding="utf-8") == "hello"
    run = remit.json("runs", "--all", "--json")[0]["run"]
    shown = remit("undo", run)
    assert "delete" in shown.out
    assert (remit.folder / "note.txt").exists()
    assert remit("undo", run, "--yes").code == 0
    assert not (remit.folder / "note.txt").exists()
    assert remit("log", "--verify").code == 0


@proves("cli.waits_and_goes_on")
def test_a_question_waits_and_an_answer_from_another_terminal_goes_on(remit: Program) -> None:
    """At operator level a write asks: exit 3, nothing done; `remit approve` in another process does it."""
    ran = remit("run", remit.plan(WRITE), "--level", "operator")
    assert ran.code == 3
    assert not (remit.folder / "note.txt").exists()
    asked = remit("inbox").out
    assert "hello" in asked
    assert "note.txt" in asked
    approved = remit("approve", question(remit))
    assert approved.code == 0, approved
    assert (remit.folder / "note.txt").read_text(encoding="utf-8") == "hello"
    assert remit("inbox").out.strip() == "nothing waits for you"
    assert remit("resume").code == 0


@proves("cli.denied_is_final")
def test_a_denied_step_is_not_done_and_the_run_says_so(remit: Program) -> None:
    """No means no: the run ends with what was refused, exit code 1."""
    remit("run", remit.plan(WRITE), "--level", "operator")
    denied = remit("deny", question(remit), "--note", "not now")
    assert denied.code == 1
    assert "not now" in denied.out
    assert not (remit.folder / "note.txt").exists()


@proves("cli.shortened_ids_are_shown_first")
def test_a_shortened_id_is_not_approved_unseen(remit: Program) -> None:
    """Without a terminal a shortened id is refused, as it might by now mean another question."""
    remit("run", remit.plan(WRITE), "--level", "operator")
    short = question(remit)[:6]
    refused = remit("approve", short)
    assert refused.code == 2
    assert not (remit.folder / "note.txt").exists()
    assert remit("approve", short, "--yes").code == 0


@proves("gate.edits_are_judged_again")
def test_an_edited_approval_runs_as_edited(remit: Program) -> None:
    """`--edit` replaces the arguments; what runs is what the person wrote."""
    remit("run", remit.plan(WRITE), "--level", "operator")
    done = remit("approve", question(remit), "--edit", '{"path": "note.txt", "text": "better"}')
    assert done.code == 0, done
    assert (remit.folder / "note.txt").read_text(encoding="utf-8") == "better"


@proves("plan.escalates_with_what_was_tried")
def test_when_every_way_failed_the_person_is_asked_with_what_was_tried(remit: Program) -> None:
    """Retries and alternatives first, each taken back; then one question that lists them; independent steps go on."""
    ran = remit("run", remit.plan(STUCK))
    assert ran.code == 3, ran
    assert not (remit.folder / "half.txt").exists()
    assert (remit.folder / "other.txt").exists()
    asked = remit("inbox").out
    assert asked.count("exit code 4") == 2
    assert "exit code 5" in asked
    skipped = remit("answer", question(remit), "skip")
    assert skipped.code == 1
    assert "partly" in skipped.out


@proves("cli.bad_input_is_explained")
@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("run", "missing.toml"), 2, "no file"),
        (("run", "tidy up my folder"), 2, "model"),
        (("approve", "nothing/here:1"), 2, "no open question"),
        (("undo", "nosuchrun"), 2, "no run"),
        (("undo",), 2, "say what to take back"),
        (("undo", "--since", "yesterday-ish"), 2, "not a time"),
        (("tools", "rocket"), 2, "no tool"),
        (("log", "--run", "nope"), 2, "no run"),
        (("policy", "explain", "files.read", "{'x'}"), 2, "JSON"),
        (("frobnicate",), 2, "frobnicate"),
    ],
)
def test_bad_input_gets_a_clear_message_and_exit_code_two(remit: Program, args: tuple[str, ...], code: int, says: str) -> None:
    """Every mistake is one message with a way out, never a traceback."""
    said = remit(*args)
    assert said.code == code, said
    assert says in said.err


@proves("cli.bad_input_is_explained")
@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("tool = 'files.wriet'\nargs = { path = 'a' }", "did you mean files.write"),
        ("tool = 'files.write'\nargs = { pth = 'a' }", "pth"),
        ("tool = 'files.read'\nargs = { path = '${nothing.x}' }", "not a step"),
    ],
)
def test_a_plan_that_cannot_work_is_refused_before_anything_runs(remit: Program, step: str, says: str) -> None:
    """Unknown tools, wrong arguments and unknown references are found before the first step."""
    text = (
        f"goal = 'x'\n[[step]]\nid = 'first'\ntool = 'files.write'\nargs = {{ path = 'a.txt', text = 'x' }}\n[[step]]\nid = 's'\n{step}\n"
    )
    said = remit("run", remit.plan(text))
    assert said.code == 2, said
    assert says in said.err
    assert list(remit.folder.iterdir()) == []


@proves("files.never_outside_roots")
@pytest.mark.parametrize("path", ["../out.txt", "/etc/out.txt", "link/out.txt"])
def test_a_path_out_of_the_roots_is_refused(remit: Program, path: str) -> None:
    """Neither .., nor an absolute path, nor a symlink leads out."""
    (remit.folder / "link").symlink_to(remit.folder.parent)
    text = f"goal = 'x'\n[[step]]\nid = 's'\ntool = 'files.write'\nargs = {{ path = '{path}', text = 'x' }}\n"
    said = remit("run", remit.plan(text))
    assert said.code in {1, 3}, said
    assert not (remit.folder.parent / "out.txt").exists()
    assert not Path("/etc/out.txt").exists()


@proves("policy.broken_file_names_line")
def test_with_a_broken_policy_nothing_runs(remit: Program) -> None:
    """The program refuses to start and says which file and line."""
    (remit.folder / ".remit").mkdir()
    (remit.folder / ".remit" / "policy.cedar").write_text(
        '@id("a") @reason("r")\nforbid (principal, action, resource) when { contxt.x };', encoding="utf-8"
    )
    said = remit("run", remit.plan(WRITE))
    assert said.code == 2
    assert "policy.cedar" in said.err
    assert not (remit.folder / "note.txt").exists()


@proves("policy.project_only_tightens")
def test_a_cloned_projects_policy_cannot_loosen_the_gate(remit: Program) -> None:
    """A permit in a project's file is refused at load; a forbid there holds (hazard 25)."""
    (remit.folder / ".remit").mkdir()
    file = remit.folder / ".remit" / "policy.cedar"
    file.write_text('@id("all") @reason("r") permit (principal, action, resource);', encoding="utf-8")
    assert remit("run", remit.plan(WRITE)).code == 2
    file.write_text(
        '@id("no-notes") @reason("notes are sacred") forbid (principal, action == Action::"files.write", resource);', encoding="utf-8"
    )
    said = remit("run", remit.plan(WRITE), "--level", "observer")
    assert said.code == 3
    assert "notes are sacred" in remit("inbox").out
    assert not (remit.folder / "note.txt").exists()


@proves("cli.journal_trouble_is_explained")
def test_a_corrupt_journal_is_named_and_left_alone(remit: Program) -> None:
    """Exit code 7, a clear message, and the damaged file stays for rescue."""
    remit("inbox")
    (remit.home / "journal.db").write_bytes(b"this is no database" * 100)
    for wal in remit.home.glob("journal.db-*"):
        wal.unlink()
    said = remit("inbox")
    assert said.code == 7, said
    assert "journal" in said.err
    assert (remit.home / "journal.db").read_bytes().startswith(b"this is no database")


@proves("cli.tampering_is_found")
def test_verify_names_the_entry_that_was_changed(remit: Program) -> None:
    """One changed byte in a body is found, with run and entry."""
    remit("run", remit.plan(WRITE))
    with sqlite3.connect(remit.home / "journal.db") as db:
        db.execute("UPDATE entries SET body = replace(body, 'hello', 'jello')")
    db.close()
    said = remit("log", "--verify")
    assert said.code == 7
    run = remit.json("runs", "--all", "--json")[0]["run"]
    assert f"{run} entry" in said.out


@proves("cli.interrupt_is_safe")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_end_tidily_and_lose_nothing(remit: Program, number: signal.Signals, code: int) -> None:
    """Interrupted in the middle of a long command: the exit code says so, nothing half done stays, resume finishes."""
    plan = remit.plan(
        "goal = 'long'\n[[step]]\nid = 'go'\ntool = 'shell.run'\n"
        "args = { command = 'echo one > one.txt; if [ ! -e go ]; then sleep 60; fi; echo two > two.txt' }\n"
    )
    running = remit.start("run", plan)
    try:
        while not remit.json("runs", "--json") and running.poll() is None:
            pass
        assert running.stdout is not None
        assert "run " in running.stdout.readline()
        wait_for_sandbox(running.pid)
        running.send_signal(number)
        _, err = running.communicate(timeout=30)
    finally:
        running.kill()
    assert running.returncode == code, err
    assert "resume" in err
    assert not (remit.folder / "one.txt").exists()
    (remit.folder / "go").touch()
    assert remit("resume").code == 0
    assert (remit.folder / "two.txt").exists()


def wait_for_sandbox(pid: int) -> None:
    """Until the command is running in its sandbox: then a `sleep` stands below the process. Bounded by the test's timeout."""
    while True:
        listed = subprocess.run(["ps", "-eo", "pid,ppid,comm"], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
        below = {str(pid)}
        for _ in range(6):
            below |= {row[0] for row in rows if row[1] in below}
        if any(row[2].startswith("sleep") for row in rows if row[0] in below):
            return
        assert Path(f"/proc/{pid}").exists()


@proves("cli.json_for_scripts")
def test_json_output_is_one_object_and_nothing_else(remit: Program) -> None:
    """Scripts read `--json` without scraping."""
    said = remit("run", remit.plan(WRITE), "--json")
    assert json.loads(said.out)["state"] == "done"


@proves("cli.stop")
def test_stop_closes_a_waiting_run_and_its_questions(remit: Program) -> None:
    """A stopped run asks nothing any more and cannot be resumed into action."""
    remit("run", remit.plan(WRITE), "--level", "operator")
    run = remit.json("runs", "--json")[0]["run"]
    assert remit("stop", run).code == 0
    assert remit("inbox").out.strip() == "nothing waits for you"
    assert "no run is open" in remit("resume").out
    assert not (remit.folder / "note.txt").exists()
