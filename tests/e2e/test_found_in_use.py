"""What people who used and read remit found wrong, each as the way it showed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from claims import proves
from remit_program import Program, program

NOTE = """goal = "write a note"
[[step]]
id = "note"
tool = "files.write"
args = { path = "note.txt", text = "hello" }
"""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def one(command: str, more: str = "") -> str:
    """A plan of one shell step."""
    return f"goal = 'x'\n[[step]]\nid = 's'\ntool = 'shell.run'\nargs = {{ command = '''{command}''' }}\n{more}"


def waiting(remit: Program) -> list[str]:
    return [str(question["id"]) for question in remit.json("inbox", "--json")]


def last(remit: Program) -> str:
    return str(next(run["run"] for run in remit.json("runs", "--all", "--json") if not run["goal"].startswith("undo")))


def rule(remit: Program, text: str) -> None:
    """The person's own policy."""
    path = remit.home / "config" / "remit" / "policy.cedar"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@proves("gate.late_bad_input_fails")
@pytest.mark.parametrize(
    ("tool", "args"), [("files.copy", "{ path = 'src', to = 'src/backup' }"), ("files.write", "{ path = 'a', base64 = '!!!' }")]
)
@pytest.mark.parametrize("level", ["consultant", "operator"])
def test_arguments_that_show_to_be_bad_only_when_the_tool_looks_are_a_failure_and_no_dead_end(
    remit: Program, tool: str, args: str, level: str
) -> None:
    """The step fails and asks what now; the run can be answered, and nothing is stuck."""
    (remit.folder / "src").mkdir()
    said = remit("run", remit.plan(f"goal = 'x'\n[[step]]\nid = 's'\ntool = '{tool}'\nargs = {args}\n"), "--level", level)
    assert said.code == 3, said
    (asked,) = waiting(remit)
    assert "stuck" in asked
    assert remit("answer", asked, "stop").code == 1
    assert waiting(remit) == []


@proves("plan.stop_is_final")
def test_stop_is_not_revoked_by_a_skip_and_takes_the_other_questions_along(remit: Program) -> None:
    """Three questions answered before the leg: stop, skip and yes. Nothing is begun after the stop, and the inbox is empty."""
    steps = "".join(f"[[step]]\nid = '{name}'\ntool = 'shell.run'\nargs = {{ command = 'exit 3' }}\n" for name in "ab")
    text = f"goal = 'x'\n{steps}[[step]]\nid = 'c'\ntool = 'shell.run_online'\nargs = {{ command = 'touch c.txt' }}\n"
    remit("run", remit.plan(text))
    run = last(remit)
    assert len(waiting(remit)) == 3
    remit("answer", f"{run}/a.stuck1:1", "stop", "--no-resume")
    remit("answer", f"{run}/b.stuck1:1", "skip", "--no-resume")
    remit("approve", f"{run}/c.1:1", "--no-resume")
    assert remit("resume", run).code == 1
    assert not (remit.folder / "c.txt").exists()
    assert waiting(remit) == []


@proves("undo.leaves_said")
def test_the_files_of_a_command_with_network_come_back_and_what_it_sent_is_said_to_stay(remit: Program) -> None:
    """In the preview and in the end; the exit code says that not all of it is gone."""
    remit("run", remit.plan("goal = 'x'\n[[step]]\nid = 'o'\ntool = 'shell.run_online'\nargs = { command = 'echo new > a.txt' }\n"))
    assert remit("approve", waiting(remit)[0]).code == 0
    assert (remit.folder / "a.txt").exists()
    run = last(remit)
    seen = remit("undo", run)
    assert "what it did over the network stays" in seen.out
    assert (remit.folder / "a.txt").exists()
    undone = remit("undo", run, "--yes")
    assert (undone.code, "1 of 1 actions taken back" in undone.out, "what it did over the network stays" in undone.out) == (1, True, True)
    assert not (remit.folder / "a.txt").exists()


@proves("run.stop_looks_after_what_is_in_flight")
def test_stopping_a_run_that_was_killed_in_mid_effect_finds_out_what_happened(remit: Program) -> None:
    """The write had happened: it is recorded as done and can be taken back; nothing stays in flight for ever."""
    killed = remit("run", remit.plan(NOTE), REMIT_CRASH="acted")
    assert killed.code == -signal.SIGKILL
    run = last(remit)
    assert remit("stop", run).code == 0
    assert "succeeded" in remit("log", "--run", run).out
    assert remit("undo", run, "--yes").code == 0
    assert not (remit.folder / "note.txt").exists()


@proves("undo.reasons_hide_nothing")
def test_a_reason_that_talks_of_undoing_hides_no_action_from_undo(remit: Program) -> None:
    """Why an actor wants something is shown, and decides nothing."""
    remit("run", remit.plan(NOTE + "reason = 'undo the mess of yesterday'\n"))
    assert "note.txt" in remit("undo", "--since", "10m").out


@proves("undo.since_is_here")
def test_undo_since_stays_in_this_folder_and_names_what_was_really_touched(remit: Program, tmp_path: Path) -> None:
    """Work in other folders needs --all; each action is named by the place it really changed."""
    other = Program(home=remit.home, folder=tmp_path / "other")
    other.folder.mkdir()
    remit("run", remit.plan(NOTE))
    other("run", remit.plan(NOTE))
    here = remit("undo", "--since", "10m").out
    assert str(remit.folder / "note.txt") in here
    assert str(other.folder) not in here
    everywhere = remit("undo", "--since", "10m", "--all").out
    assert f"files.write {other.folder / 'note.txt'}" in everywhere
    assert remit("undo", "--since", "10m", "--yes").code == 0
    assert (other.folder / "note.txt").exists()


@proves("undo.says_what_it_stops")
def test_undoing_a_step_of_an_open_run_says_beforehand_that_the_run_ends(remit: Program) -> None:
    """A person who looks first is not surprised."""
    remit("run", remit.plan(NOTE + "[[step]]\nid = 'o'\ntool = 'shell.run_online'\nargs = { command = 'true' }\n"))
    run = last(remit)
    assert f"run {run} is still open: it would be stopped" in remit("undo", f"{run}/note.1").out
    assert remit("undo", f"{run}/note.1", "--yes").code == 0
    assert waiting(remit) == []


@proves("undo.not_a_deletion")
def test_a_rule_against_deleting_names_the_file_and_leaves_undo_alone(remit: Program) -> None:
    """What remit made it may take back; what a command would delete is refused by name, and explained beforehand."""
    rule(remit, '@id("no-delete") @reason("nothing is deleted") forbid (principal, action == Action::"files.delete", resource);')
    (remit.folder / "keep.txt").write_text("keep", encoding="utf-8")
    refused = remit("run", remit.plan(one("rm keep.txt")))
    assert "no-delete" in refused.out
    assert f'it would be files.delete {{"path":"{remit.folder / "keep.txt"}"}}' in remit("show", f"{last(remit)}/s").out
    explained = remit("policy", "explain", "shell.run", '{"command": "rm keep.txt"}').out
    assert "with all that it would do: never" in explained
    remit("run", remit.plan(NOTE))
    run = last(remit)
    assert "refused" not in remit("undo", run).out
    assert remit("undo", run, "--yes").code == 0
    assert not (remit.folder / "note.txt").exists()


PRIVATE = """
@id("secret") @reason("secrets are asked for") forbid (principal, action in Action::"files", resource)
when { context.args has path && context.args.path like "*/secret/*" } unless { context.approvals >= 1 };
"""


@proves("policy.no_way_around")
@pytest.mark.parametrize(
    "step",
    [
        "tool = 'files.copy'\nargs = { path = 'secret', to = 'public' }",
        "tool = 'files.copy'\nargs = { path = 'secret/key.txt', to = 'key.txt' }",
        "tool = 'files.search'\nargs = { query = 'top' }",
        "tool = 'files.move'\nargs = { path = 'secret', to = 'public' }",
    ],
)
def test_a_rule_on_reading_a_folder_reaches_copies_and_searches(remit: Program, step: str) -> None:
    """Whoever may not read a file alone may not have it copied, moved or searched alone."""
    rule(remit, PRIVATE)
    (remit.folder / "secret").mkdir()
    (remit.folder / "secret" / "key.txt").write_text("top secret", encoding="utf-8")
    said = remit("run", remit.plan(f"goal = 'x'\n[[step]]\nid = 's'\n{step}\n"))
    assert said.code == 3, said
    assert "secret" in remit("inbox").out
    assert not (remit.folder / "public").exists()


@proves("policy.matrix_says_depends")
def test_the_table_of_levels_says_that_it_depends_instead_of_never(remit: Program) -> None:
    """A rule on arguments cannot be evaluated without a call; the table does not make a no of that."""
    rule(
        remit,
        '@id("s") @reason("r") forbid (principal, action == Action::"files.read", resource) '
        'when { context.args.path like "*/secret/*" } unless { context.approvals >= 1 };',
    )
    table = remit("policy", "check").out
    row = next(line for line in table.splitlines() if line.startswith("files.read"))
    assert "never" not in row
    assert "depends on its arguments" in row


@proves("shell.stale_reading_is_asked_again")
@pytest.mark.parametrize("command", ["cat in.txt | wc -l >n.txt", "if [ -f flag ]; then touch n.txt; fi"])
def test_a_command_whose_input_changed_since_it_was_shown_is_asked_again(remit: Program, command: str) -> None:
    """Approving what an old file gave does not commit it: the command is run again, and another outcome is shown first."""
    (remit.folder / "in.txt").write_text("a\n", encoding="utf-8")
    remit("run", remit.plan(one(command)), "--level", "operator")
    (first,) = waiting(remit)
    (remit.folder / "in.txt").write_text("a\nb\nc\n", encoding="utf-8")
    (remit.folder / "flag").touch()
    assert remit("approve", first).code == 3
    (second,) = waiting(remit)
    assert "asked again: files were changed" in remit("inbox").out
    assert remit("approve", second).code == 0
    assert (remit.folder / "n.txt").read_text(encoding="utf-8").strip() == ("3" if "wc" in command else "")


@proves("shell.stale_reading_is_asked_again")
def test_a_change_that_makes_no_difference_to_the_command_is_no_reason_to_ask_again(remit: Program) -> None:
    """Other people's work beside it goes on, and the yes still counts."""
    remit("run", remit.plan(one("echo x >out.txt")), "--level", "operator")
    (remit.folder / "other.txt").write_text("new", encoding="utf-8")
    (asked,) = waiting(remit)
    assert remit("approve", asked).code == 0
    assert (remit.folder / "out.txt").exists()


@proves("plan.take_back_needs_no_second_yes")
def test_at_operator_an_approved_attempt_that_failed_is_taken_back_before_the_alternative_is_shown(remit: Program) -> None:
    """Whoever approved the attempt approved getting rid of it; the alternative is previewed on the clean folder and works."""
    text = one("mkdir made && false", "otherwise = [{ tool = 'shell.run', args = { command = 'mkdir made' } }]\n")
    remit("run", remit.plan(text), "--level", "operator")
    (first,) = waiting(remit)
    assert remit("approve", first).code == 3
    assert not (remit.folder / "made").exists()
    (second,) = waiting(remit)
    assert "File exists" not in remit("inbox").out
    assert remit("approve", second).code == 0
    assert (remit.folder / "made").is_dir()


@proves("cli.answered_is_shown")
def test_a_question_that_was_answered_says_so_until_it_is_carried_out(remit: Program) -> None:
    """Nobody answers twice because the list looks as before."""
    remit("run", remit.plan(NOTE), "--level", "operator")
    (asked,) = waiting(remit)
    remit("approve", asked, "--as", "ann", "--note", "fine", "--no-resume")
    shown = remit("inbox").out
    assert "ann said approve: fine" in shown
    assert "to carry it out: remit resume" in shown


@proves("plan.shell_variables")
def test_two_dollars_stand_for_a_variable_of_the_shell(remit: Program) -> None:
    """And without them the message says how to write it."""
    assert remit("run", remit.plan(one("f=a.b; echo $${f%.b} >out; echo $${f} >>out"))).code == 0
    assert (remit.folder / "out").read_text(encoding="utf-8") == "a\na.b\n"
    wrong = remit("run", remit.plan(one("echo ${HOME}")))
    assert wrong.code == 2
    assert "$${HOME}" in wrong.err


@proves("cli.dry_run")
def test_a_dry_run_says_what_would_be_allowed_and_does_nothing(remit: Program) -> None:
    """Each step with its verdict at that level; nothing is run, and nothing is recorded."""
    text = NOTE + "[[step]]\nid = 'o'\ntool = 'shell.run_online'\nargs = { command = 'echo ${note.count}' }\n"
    said = remit("run", remit.plan(text), "--dry-run")
    assert said.code == 0
    assert "alone" in said.out
    assert "known once note has passed" in said.out
    assert "one person's yes" in remit("run", remit.plan(NOTE), "--dry-run", "--level", "operator").out
    assert not (remit.folder / "note.txt").exists()
    assert remit.json("runs", "--all", "--json") == []
    outside = NOTE.replace("note.txt", "/etc/note.txt").replace("[[step]]", '[inputs]\nwho = "Ann"\n[[step]]', 1)
    refused = remit("run", remit.plan(outside), "--dry-run")
    assert "refused" in refused.out
    assert refused.code == 1


@proves("cli.edits_are_checked_at_once")
def test_an_edit_names_only_what_changes(remit: Program) -> None:
    """The other arguments stay; the line that confirms it has the new ones."""
    remit("run", remit.plan(NOTE), "--level", "operator")
    (asked,) = waiting(remit)
    said = remit("approve", asked, "--edit", '{"path": "other.txt"}')
    assert said.code == 0, said
    assert "other.txt" in said.out.splitlines()[0]
    assert (remit.folder / "other.txt").read_text(encoding="utf-8") == "hello"


@proves("cli.run_states")
def test_a_killed_run_is_told_from_a_running_one_and_steps_are_found_without_their_number(remit: Program) -> None:
    """`interrupted` needs a resume; `running` does not."""
    remit("run", remit.plan(NOTE), REMIT_CRASH="started")
    run = last(remit)
    assert "interrupted" in remit("runs").out
    assert remit("resume", run).code == 0
    assert "note.txt" in remit("show", f"{run}/note").out
    missing = remit("show", f"{run}/nothing")
    assert missing.code == 2
    assert "note.1" in missing.err
    slow = remit.start("run", remit.plan(one("sleep 30")))
    try:
        assert slow.stdout is not None
        while "proposed" not in slow.stdout.readline():  # ends with the process
            assert slow.poll() is None
        assert "running" in remit("runs").out
    finally:
        slow.send_signal(signal.SIGINT)
        slow.communicate(timeout=30)


@proves("question.moves_are_moves")
def test_a_move_is_shown_as_a_move(remit: Program) -> None:
    """One line instead of the whole text twice."""
    (remit.folder / "a.txt").write_text("line\n" * 500, encoding="utf-8")
    text = "goal = 'x'\n[[step]]\nid = 'm'\ntool = 'files.move'\nargs = { path = 'a.txt', to = 'b.txt' }\n"
    remit("run", remit.plan(text), "--level", "operator")
    shown = remit("inbox").out
    assert f"move {remit.folder / 'a.txt'} to {remit.folder / 'b.txt'}" in shown
    assert "-line" not in shown


OWN = """
import asyncio, sys
from pathlib import Path
from remit.app import App, places
from remit.domain.action import Action, Level
from remit.domain.situation import Situation
from remit.domain.values import RunId, action_id

app = App(places([Path.cwd()]))
for name, tool, level in (("c1.0", "files.write", Level.CONSULTANT), ("c1.1", "files.delete", Level.OPERATOR)):
    args = {"path": "made.txt", **({"text": "x"} if tool == "files.write" else {})}
    action = Action.wanting(action_id(RunId("conv1"), name), actor="agent:own", tool=tool, args=args)
    asyncio.run(app.gate.submit(action, Situation(level=level)))
app.close()
"""


@proves("cli.own_runs")
def test_what_a_persons_own_program_did_through_the_gate_is_listed_answered_and_undone(remit: Program) -> None:
    """There is no run that remit could continue, and no command stumbles over that."""
    done = subprocess.run([sys.executable, "-c", OWN], cwd=remit.folder, env=remit.env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "conv1" in remit("runs", "--all").out
    (asked,) = waiting(remit)
    answered = remit("approve", asked, "--as", "ann")
    assert answered.code == 0, answered
    assert "goes on by itself" in answered.out
    assert remit("undo", "conv1/c1.0", "--yes").code == 0
    assert not (remit.folder / "made.txt").exists()


def test_a_policy_that_is_no_plain_file_is_explained(remit: Program) -> None:
    """A folder, a FIFO or a huge file in the place of a policy: a message, and nothing hangs."""
    place = remit.folder / ".remit" / "policy.cedar"
    place.parent.mkdir()
    os.mkfifo(place)
    said = remit("policy", "check")
    assert said.code == 2
    assert "plain file" in said.err
