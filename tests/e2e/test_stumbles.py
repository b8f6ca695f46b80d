"""Where newcomers stumbled once: each of these was a surprise, and is not any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims import proves
from remit_program import Program, program

STUCK = """
goal = "one works, one does not"
[[step]]
id = "works"
tool = "files.write"
args = { path = "works.txt", text = "x" }
[[step]]
id = "stuck"
tool = "shell.run"
args = { command = "exit 4" }
[[step]]
id = "after"
tool = "files.write"
args = { path = "after.txt", text = "x" }
"""
WRITE = "goal = 'x'\n[[step]]\nid = 's'\ntool = 'files.write'\nargs = { path = 'a.txt', text = 'x' }\n"


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def question(remit: Program) -> str:
    return str(remit.json("inbox", "--json")[0]["id"])


@proves("policy.project_policy_is_out_of_reach")
@pytest.mark.parametrize(
    "step",
    [
        "tool = 'files.write'\nargs = { path = '.remit/policy.cedar', text = '' }",
        "tool = 'shell.run'\nargs = { command = 'rm -rf .remit; mkdir .remit; echo > .remit/policy.cedar' }",
        "tool = 'files.move'\nargs = { path = '.remit', to = 'elsewhere' }",
    ],
)
def test_a_run_cannot_change_the_policy_that_judges_it(remit: Program, step: str) -> None:
    """The project's policy folder is closed to every tool, the shell included."""
    (remit.folder / ".remit").mkdir()
    rule = '@id("a") @reason("r") forbid (principal, action == Action::"files.copy", resource);'
    (remit.folder / ".remit" / "policy.cedar").write_text(rule, encoding="utf-8")
    remit("run", remit.plan(f"goal = 'x'\n[[step]]\nid = 's'\n{step}\n"), "--level", "observer")
    assert (remit.folder / ".remit" / "policy.cedar").read_text(encoding="utf-8") == rule


@proves("undo.spares_others")
def test_undo_takes_a_step_as_show_does(remit: Program) -> None:
    """The latest attempt at it; of one that is not there it says what there is."""
    remit("run", remit.plan(WRITE))
    run = remit.last()
    assert "it has s.1" in remit("undo", f"{run}/t").err
    assert remit("undo", f"{run}/s", "--yes").code == 0
    assert not (remit.folder / "a.txt").exists()


@proves("cli.stopped_run_tells_what_was_done")
def test_a_stopped_run_still_counts_what_was_done(remit: Program) -> None:
    """After `stop` the summary names what passed; only what never began is called not reached."""
    remit("run", remit.plan(STUCK))
    said = remit("answer", question(remit), "stop")
    assert said.code == 1
    assert "2 of 3 steps passed" in said.out
    assert "stuck failed" in said.out


@proves("cli.replies_are_checked")
def test_a_reply_that_means_nothing_leaves_the_question_open(remit: Program) -> None:
    """A typo of `retry` does not end the run."""
    remit("run", remit.plan(STUCK))
    said = remit("answer", question(remit), "retyr")
    assert said.code == 2
    assert "retry, skip, stop" in said.err
    assert question(remit)


@proves("cli.edits_are_checked_at_once")
@pytest.mark.parametrize("edit", ['{"path": "a.txt", "text": "x", "bogus": 1}', '{"path": "../a.txt", "text": "x"}', "[]", "{"])
def test_a_slip_in_an_edit_is_said_and_the_question_stays(remit: Program, edit: str) -> None:
    """Nothing is recorded, and a correct edit still works."""
    remit("run", remit.plan(WRITE), "--level", "operator")
    waiting = question(remit)
    assert remit("approve", waiting, "--edit", edit).code != 0
    assert question(remit) == waiting
    assert remit("approve", waiting, "--edit", '{"path": "b.txt", "text": "y"}').code == 0
    assert (remit.folder / "b.txt").exists()


@proves("cli.progress_is_complete")
def test_every_line_of_a_quick_run_is_shown(remit: Program) -> None:
    """What was proposed, refused and asked in the first instant is on the screen too."""
    said = remit("run", remit.plan("goal = 'x'\n[[step]]\nid = 's'\ntool = 'files.read'\nargs = { path = '../x' }\n"))
    assert "s.1" in said.out
    assert "refused" in said.out
    assert "asked" in said.out


@proves("cli.show_has_everything")
def test_show_prints_the_whole_output_of_a_step(remit: Program) -> None:
    """Output is not cut to a line: `remit show RUN/STEP` has all of it."""
    said = remit("run", remit.plan("goal = 'x'\n[[step]]\nid = 's'\ntool = 'shell.run'\nargs = { command = 'seq 1 50' }\n"))
    assert said.code == 0
    run = remit.json("runs", "--all", "--json")[0]["run"]
    shown = remit("show", f"{run}/s.1")
    assert "seq 1 50" in shown.out
    assert all(f" {number}\n" in shown.out for number in range(2, 50))


@proves("cli.log_limit_is_the_end")
def test_log_limit_shows_the_last_lines(remit: Program) -> None:
    """The newest entries are what people look for."""
    remit("run", remit.plan(WRITE))
    assert [entry["kind"] for entry in remit.json("log", "--limit", "1", "--json")] == ["closed"]


@proves("plan.errors_say_where")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (WRITE.replace("'x' }", "'${inputs.zz}' }"), "'zz'"),
        (WRITE + "check = [{ at = 'count', matches = '(' }]\n", "regular expression"),
    ],
)
def test_what_can_be_known_beforehand_is_said_beforehand(remit: Program, text: str, says: str) -> None:
    """An input that is not there and an expression that cannot be read are found before anything runs."""
    said = remit("run", remit.plan(text))
    assert said.code == 2
    assert says in said.err


TWICE = """goal = "write, change, move"
[[step]]
id = "a"
tool = "files.write"
args = { path = "x.txt", text = "one\\n" }
[[step]]
id = "b"
needs = ["a"]
tool = "files.edit"
args = { path = "x.txt", old = "one", new = "two" }
[[step]]
id = "c"
needs = ["b"]
tool = "files.move"
args = { path = "x.txt", to = "y.txt" }
"""


@proves("undo.preview_in_sequence")
def test_the_preview_of_an_undo_shows_what_is_left_when_all_of_it_is_taken_back(remit: Program) -> None:
    """Steps that follow on one another are no conflicts of each other: the preview has the one file that goes, and no more."""
    remit("run", remit.plan(TWICE))
    shown = remit("undo", last_run(remit)).out
    assert "conflict" not in shown
    assert shown.count("  | delete ") == 1
    assert "y.txt (4 bytes" in shown
    assert "create" not in shown
    assert remit("undo", last_run(remit), "--yes").code == 0
    assert not list(remit.folder.iterdir())


@proves("undo.rest_of_a_conflict")
def test_a_second_undo_takes_back_only_what_the_first_could_not(remit: Program) -> None:
    """What was restored then, and taken further back since, does not come to life again; kept versions do not pile up."""
    remit("run", remit.plan(TWICE))
    run = last_run(remit)
    moved = remit.folder / "y.txt"
    moved.write_text("a person's\n", encoding="utf-8")
    for _ in range(2):
        assert remit("undo", run, "--yes").code == 5
        assert [path.name for path in remit.folder.iterdir()] == ["y.txt"]
    moved.unlink()
    assert remit("undo", run, "--yes").code == 0
    assert not list(remit.folder.iterdir())
    assert "nothing to take back" in remit("undo", run).out


@proves("undo.rest_of_a_conflict")
def test_the_version_kept_aside_is_kept_once(remit: Program) -> None:
    """However often an undo meets the same conflict, there is one copy of the old version."""
    note = remit.folder / "n.txt"
    note.write_text("old\n", encoding="utf-8")
    remit(
        "run",
        remit.plan("goal = 'x'\n[[step]]\nid = 's'\ntool = 'files.write'\nargs = { path = 'n.txt', text = 'new', overwrite = true }\n"),
    )
    run = last_run(remit)
    note.write_text("a person's\n", encoding="utf-8")
    for _ in range(3):
        assert remit("undo", run, "--yes").code == 5
    assert [path.read_text(encoding="utf-8") for path in remit.folder.glob("n.txt.conflict-*")] == ["old\n"]


def last_run(remit: Program) -> str:
    """The id of the run that was opened last and is no undo."""
    return str(next(run["run"] for run in remit.json("runs", "--all", "--json") if not run["goal"].startswith("undo")))


@proves("cli.stumbles")
def test_a_command_that_is_none_names_the_one_that_was_meant(remit: Program) -> None:
    """Or where they are listed."""
    near, far = remit("inbxo"), remit("frobnicate")
    assert (near.code, "did you mean `remit inbox`?" in near.err) == (2, True)
    assert (far.code, "`remit --help` lists them" in far.err) == (2, True)


@proves("cli.stumbles")
def test_an_endpoint_that_is_down_is_named_and_so_is_how_to_go_on(remit: Program) -> None:
    """Its address, and the run's id."""
    down = remit("run", "say hello", "--model", "openai-compatible:m", REMIT_BASE_URL="http://127.0.0.1:9/v1")
    (run,) = remit.json("runs", "--json")
    assert down.code == 6
    assert "m at http://127.0.0.1:9/v1" in down.err
    assert f"`remit resume {run['run']}` goes on" in down.err


@proves("cli.stumbles")
def test_what_is_not_known_of_a_task_is_not_told_as_a_number(remit: Program) -> None:
    """Half of a hundred would look like a finding."""
    told = remit("triage", "frobnicate the quux")
    assert told.code == 3
    assert "judgement    not known" in told.out
    assert "tolerance    not known" in told.out
