"""What a hostile tester broke, each as it was broken."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from claims import proves
from remit_program import Program, program

ALL = '@id("all") @reason("e") permit (principal, action, resource);'
MANY = """goal = "x"
[[step]]
id = "z"
tool = "files.write"
args = { path = "z", text = "z" }
[[step]]
id = "a"
needs = ["z"]
tool = "shell.run"
args = { command = "echo agent >a; echo agent >b; echo agent >new; rm gone" }
"""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def step(tool: str, args: str) -> str:
    return f"goal = 'x'\n[[step]]\nid = 's'\ntool = '{tool}'\nargs = {args}\n"


def waiting(remit: Program) -> list[str]:
    return [str(question["id"]) for question in remit.json("inbox", "--json")]


def last(remit: Program, kind: str = "plan") -> str:
    return str(next(run["run"] for run in remit.json("runs", "--all", "--json") if run["kind"] == kind))


def tree(remit: Program) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in remit.folder.iterdir() if path.is_file()}


@pytest.fixture
def messy(remit: Program) -> Program:
    """A folder with three files that the plan changes."""
    for name in ("a", "b", "gone"):
        (remit.folder / name).write_text(f"{name}\n", encoding="utf-8")
    return remit


@proves("policy.project_policy_is_out_of_reach")
@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("files.write", f"{{ path = 'dots/policy.cedar', text = '''{ALL}''' }}"),
        ("files.delete", "{ path = 'dots/policy.cedar' }"),
        ("files.move", "{ path = 'dots', to = 'elsewhere' }"),
        ("shell.run", f"{{ command = '''echo '{ALL}' >dots/policy.cedar''' }}"),
    ],
)
@pytest.mark.parametrize("whose", ["user", "project"])
def test_a_policy_that_is_a_link_into_the_workspace_is_out_of_reach(remit: Program, tool: str, args: str, whose: str) -> None:
    """As dotfile managers make them: neither the link nor what it leads to can be changed by what it judges."""
    real = remit.folder / "dots" / "policy.cedar"
    real.parent.mkdir()
    real.write_text("// nothing yet\n", encoding="utf-8")
    link = remit.home / "config" / "remit" / "policy.cedar" if whose == "user" else remit.folder / ".remit" / "policy.cedar"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    remit("run", remit.plan(step(tool, args)))
    assert real.read_text(encoding="utf-8") == "// nothing yet\n"


@proves("policy.project_policy_is_out_of_reach")
def test_the_links_on_the_way_to_policy_and_state_are_out_of_reach(remit: Program) -> None:
    """Replacing a parent that is a link would put another policy, or an empty journal, in the place of the real one."""
    (remit.folder / "dots").mkdir()
    (remit.folder / ".config").symlink_to("dots")
    away = {"XDG_CONFIG_HOME": str(remit.folder / ".config")}
    command = f"rm .config; mkdir -p .config/remit; echo '{ALL}' >.config/remit/policy.cedar"
    remit("run", remit.plan(step("shell.run", f"{{ command = '''{command}''' }}")), **away)
    assert (remit.folder / ".config").is_symlink()
    (remit.folder / "real").mkdir()
    (remit.folder / "var").symlink_to("real")
    state = {"REMIT_HOME": str(remit.folder / "var" / "remit")}
    assert remit("run", remit.plan(step("files.delete", "{ path = 'var' }")), **state).code != 0
    assert (remit.folder / "var").is_symlink()


@proves("policy.broken_file_names_line")
def test_a_policy_that_is_a_link_to_nothing_is_no_empty_policy(remit: Program) -> None:
    """What was forbidden stays forbidden until somebody mends the link."""
    link = remit.folder / ".remit" / "policy.cedar"
    link.parent.mkdir()
    link.symlink_to("gone.cedar")
    said = remit("run", remit.plan(step("files.list", "{ path = '.' }")))
    assert said.code == 2
    assert "link must lead to one" in said.err


@proves("policy.no_way_around")
@pytest.mark.parametrize(("tool", "more"), [("files.read", ""), ("files.write", ", text = 'x'"), ("files.delete", "")])
def test_a_rule_on_a_folder_holds_for_names_that_are_not_text(remit: Program, tool: str, more: str) -> None:
    """Policy sees the absolute path in plain letters, blanks and umlauts too, whatever bytes are in it."""
    folder = remit.folder / "my döcs"
    folder.mkdir()
    odd = os.fsencode(folder) + b"/\xff.txt"
    Path(os.fsdecode(odd)).write_text("secret", encoding="utf-8")
    rule = remit.home / "config" / "remit" / "policy.cedar"
    rule.parent.mkdir(parents=True)
    text = f'when {{ context.args has path && context.args.path like "{folder}/*" }}'
    rule.write_text(f'@id("docs") @reason("mine") forbid (principal, action, resource) {text};', encoding="utf-8")
    said = remit("run", remit.plan(step(tool, f"{{ path = 'file://{remit.folder}/my%20d%C3%B6cs/%FF.txt'{more} }}")))
    assert "docs: mine" in said.out, said
    assert Path(os.fsdecode(odd)).read_text(encoding="utf-8") == "secret"


@proves("run.stop_looks_after_what_is_in_flight")
@pytest.mark.parametrize("stop", [True, False])
def test_a_half_done_change_of_a_killed_run_is_finished_and_can_be_taken_back(messy: Program, stop: bool) -> None:
    """Whether the run is stopped first or undone at once: nothing stays in flight, no hidden file stays, and all is as before."""
    before = tree(messy)
    assert messy("run", messy.plan(MANY), REMIT_CRASH="change.exchanged").code == -signal.SIGKILL
    run = last(messy)
    if stop:
        assert messy("stop", run).code == 0
    assert messy("undo", run, "--yes").code == 0
    assert tree(messy) == before


@proves("crash.doubt_says_what_is_known")
def test_a_question_in_doubt_says_how_every_file_stands_and_either_answer_can_be_undone(messy: Program) -> None:
    """One file done, one not, one saved by a person since: all three are named; after `not_happened` what stands can be taken back."""
    assert messy("run", messy.plan(MANY), REMIT_CRASH="change.exchanged:2").code == -signal.SIGKILL
    (messy.folder / "gone").write_text("a person's\n", encoding="utf-8")
    assert messy("resume").code == 3
    (asked,) = waiting(messy)
    shown = messy("inbox").out
    assert "as it was to become" in shown
    assert "gone: something else" in shown
    assert messy("answer", asked, "not_happened").code in {1, 3}
    undone = messy("undo", last(messy), "--yes")
    assert (messy.folder / "a").read_text(encoding="utf-8") == "a\n"
    assert (messy.folder / "gone").read_text(encoding="utf-8") == "a person's\n"
    assert undone.code == 5


@proves("crash.doubt_says_what_is_known")
def test_a_person_who_says_that_it_happened_gives_the_step_its_result(messy: Program) -> None:
    """What the command had printed and returned is known, so later steps can use it."""
    more = "[[step]]\nid = 'n'\nneeds = ['a']\ntool = 'files.write'\nargs = { path = 'code', text = 'code ${a.exit_code}' }\n"
    assert messy("run", messy.plan(MANY + more), REMIT_CRASH="change.exchanged:2").code == -signal.SIGKILL
    (messy.folder / "gone").write_text("a person's\n", encoding="utf-8")
    messy("resume")
    (asked,) = waiting(messy)
    assert messy("answer", asked, "happened").code == 0
    assert (messy.folder / "code").read_text(encoding="utf-8") == "code 0"


@proves("undo.reports_the_truth")
@pytest.mark.parametrize("point", ["change.exchanged", "change.exchanged:2", "started", "acted"])
def test_an_undo_that_was_killed_while_a_person_saved_goes_on_and_names_the_conflict(messy: Program, point: str) -> None:
    """No question that nobody may answer, and no claim that all was restored: the rest is, and the person's file is spared."""
    assert messy("run", messy.plan(MANY)).code == 0
    run = last(messy)
    assert messy("undo", run, "--yes", REMIT_CRASH=point).code == -signal.SIGKILL
    (messy.folder / "b").write_text("a person's\n", encoding="utf-8")
    resumed = messy("resume")
    assert waiting(messy) == []
    assert resumed.code == 1
    assert f"kept a later change: {messy.folder / 'b'}" in resumed.out
    kept = {name: text for name, text in tree(messy).items() if ".conflict-" not in name}
    assert kept == {"a": "a\n", "b": "a person's\n", "gone": "gone\n"}


@proves("shell.stale_reading_is_asked_again")
def test_an_approved_online_command_is_asked_again_when_the_workspace_changed(remit: Program) -> None:
    """The yes was to the script as it was then."""
    (remit.folder / "s.sh").write_text("echo good >out", encoding="utf-8")
    remit("run", remit.plan(step("shell.run_online", "{ command = 'sh s.sh' }")))
    (asked,) = waiting(remit)
    (remit.folder / "s.sh").write_text("echo evil >out", encoding="utf-8")
    assert remit("approve", asked).code == 3
    assert not (remit.folder / "out").exists()
    assert "asked again" in remit("inbox").out


@proves("undo.access_lists")
def test_the_access_list_of_a_file_survives_a_write_and_its_undo(remit: Program) -> None:
    """Rewriting a file must not let in whom its list kept out."""
    note = remit.folder / "n.txt"
    note.write_text("old", encoding="utf-8")
    note.chmod(0o640)
    # version 2: owner rw, user 1000 rw, group nothing, mask rw, others nothing
    entries = ((1, 6, 0xFFFFFFFF), (2, 6, 1000), (4, 0, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
    acl = (2).to_bytes(4, "little") + b"".join(
        t.to_bytes(2, "little") + p.to_bytes(2, "little") + i.to_bytes(4, "little") for t, p, i in entries
    )
    try:
        os.setxattr(note, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("no access lists on this file system")
    assert remit("run", remit.plan(step("files.write", "{ path = 'n.txt', text = 'new' }"))).code == 0
    assert os.getxattr(note, "system.posix_acl_access") == acl
    assert remit("undo", last(remit), "--yes").code == 0
    assert os.getxattr(note, "system.posix_acl_access") == acl
    assert note.read_text(encoding="utf-8") == "old"


@proves("plan.checks_end")
def test_a_pattern_that_takes_for_ever_fails_its_check(remit: Program) -> None:
    """It is ended, said, and the run can be answered."""
    text = step("shell.run", "{ command = 'echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' }")
    said = remit("run", remit.plan(text + "check = [{ at = 'stdout', matches = '^(a+)+$' }]\n"))
    assert said.code == 3
    assert "takes longer than" in remit("inbox").out


@proves("question.shows_everything")
def test_one_changed_line_of_a_large_file_is_shown(remit: Program) -> None:
    """And what cannot be compared is marked as not shown whole."""
    big = remit.folder / "big.js"
    big.write_text("".join(f"line {n} is ok\n" for n in range(40_000)), encoding="utf-8")
    remit("run", remit.plan(step("shell.run", "{ command = \"sed -i '777s/ok/steal_keys/' big.js\" }")), "--level", "operator")
    (asked,) = remit.json("inbox", "--json")
    assert "+line 776 is steal_keys" in asked["body"]
    assert "@@ -774,7 +774,7 @@" in asked["body"]
    assert not asked["clipped"]
    remit("deny", asked["id"])
    remit("run", remit.plan(step("shell.run", "{ command = \"sed -i 's/ok/no/' big.js\" }")), "--level", "operator")
    (asked,) = remit.json("inbox", "--json")
    assert asked["clipped"]


@pytest.mark.parametrize("ending", ["toml", "yaml"])
def test_a_plan_nested_without_end_and_one_that_is_a_pipe_are_explained(remit: Program, ending: str) -> None:
    """No traceback and no hanging."""
    assert remit("run", remit.plan("x = " + "[" * 5000, f"deep.{ending}")).code == 2
    os.mkfifo(remit.folder / f"pipe.{ending}")
    assert remit("run", f"pipe.{ending}").code == 2


def test_doctor_explains_a_state_folder_that_is_a_file(remit: Program) -> None:
    """It names the folder and how to mend it."""
    remit.home.write_text("", encoding="utf-8")
    done = subprocess.run(remit.argv("doctor"), cwd=remit.folder, env=remit.env(), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "REMIT_HOME" in done.stdout
