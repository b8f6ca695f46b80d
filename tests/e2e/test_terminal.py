"""Questions at a real terminal (a pseudo-terminal): what counts as an answer, and what a person gets to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims import proves
from pseudo_terminal import Terminal
from remit_program import Program, program

WRITE = """
goal = "write a note"
[[step]]
id = "note"
tool = "files.write"
args = { path = "note.txt", text = "hello" }
"""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


@proves("terminal.early_keys_do_not_answer")
def test_keys_typed_before_the_question_and_enter_alone_answer_nothing(remit: Program) -> None:
    """A y typed while the program starts, and Enter on its own, are no approval; a y after the question is (hazard 26)."""
    terminal = Terminal(remit, "run", remit.plan(WRITE), "--level", "operator")
    terminal.type("y\ny\n")
    terminal.wait_for("approve? [y/n/edit/later]")
    terminal.type("\n")
    terminal.wait_for("approve? [y/n/edit/later]")
    assert not (remit.folder / "note.txt").exists()
    terminal.type("\n")
    terminal.wait_for("approve? [y/n/edit/later]")
    assert not (remit.folder / "note.txt").exists()
    terminal.type("y\n")
    terminal.wait_for("done")
    assert terminal.end() == 0
    assert (remit.folder / "note.txt").exists()


@proves("terminal.edit_and_reason")
def test_arguments_can_be_edited_and_a_no_explained_at_the_prompt(remit: Program, tmp_path: Path) -> None:
    """A slip in the editor is said and the question stays; what fits runs instead; the reason of a no is recorded."""
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\ncp {tmp_path}/wanted.json "$1"\n', encoding="utf-8")
    editor.chmod(0o755)
    wanted = tmp_path / "wanted.json"
    wanted.write_text('{"path": 5}', encoding="utf-8")
    terminal = Terminal(remit, "run", remit.plan(WRITE), "--level", "operator", EDITOR=str(editor), VISUAL=str(editor))
    terminal.wait_for("approve? [y/n/edit/later]")
    terminal.type("edit\n")
    terminal.wait_for("files.write")
    terminal.wait_for("approve? [y/n/edit/later]")
    wanted.write_text('{"path": "other.txt", "text": "edited"}', encoding="utf-8")
    terminal.type("edit\n")
    terminal.wait_for("approve this instead?")
    terminal.type("y\n")
    terminal.wait_for("done")
    assert terminal.end() == 0
    assert [path.name for path in remit.folder.iterdir()] == ["other.txt"]
    terminal = Terminal(remit, "run", remit.plan(WRITE), "--level", "operator")
    terminal.wait_for("approve? [y/n/edit/later]")
    terminal.type("n Not before Monday\n")
    assert terminal.end() == 1
    assert "Not before Monday" in remit("log", "--kind", "answered").out


@proves("terminal.later_is_possible")
def test_later_leaves_the_question_open(remit: Program) -> None:
    """Putting off is neither yes nor no: the run waits, exit code 3."""
    terminal = Terminal(remit, "run", remit.plan(WRITE), "--level", "operator")
    terminal.wait_for("approve? [y/n/edit/later]")
    terminal.type("later\n")
    terminal.wait_for("waiting")
    assert terminal.end() == 3
    assert remit.json("inbox", "--json")


@proves("question.shows_everything")
def test_hidden_characters_and_long_tails_are_shown(remit: Program) -> None:
    """A command is shown whole, with bidi, zero-width and control characters as code points (hazard 27)."""
    command = "echo harmless " + "x" * 3000 + " ; rm -rf tail-of-it # \u202e\u200b\x1b[2K"
    text = f"goal = 'x'\n[[step]]\nid = 's'\ntool = 'shell.run'\nargs = {{ command = {escaped(command)} }}\n"
    assert remit("run", remit.plan(text), "--level", "operator").code == 3
    shown = remit("inbox").out
    assert "rm -rf tail-of-it" in shown
    for point in ("U+202E", "U+200B", "U+001B"):
        assert point in shown
    for raw in ("\u202e", "\u200b", "\x1b"):
        assert raw not in shown


@proves("question.title_is_computed")
def test_the_headline_comes_from_the_arguments_and_not_from_the_actor(remit: Program) -> None:
    """A soothing reason does not hide the target: verb and path stand in the title (hazard 28)."""
    text = "goal = 'x'\n[[step]]\nid = 's'\ntool = 'files.delete'\nreason = 'update the README'\nargs = { path = 'passwords.txt' }\n"
    (remit.folder / "passwords.txt").write_text("secret", encoding="utf-8")
    remit("run", remit.plan(text), "--level", "operator")
    title = remit.json("inbox", "--json")[0]["title"]
    assert "passwords.txt" in title
    assert "delete" in title
    assert "README" not in title


@proves("undo.reports_the_truth")
def test_an_undo_that_meets_a_later_change_says_so_and_spares_it(remit: Program) -> None:
    """The person's edit stays, the rest is taken back, and nothing claims that all was (hazards 14 and 16)."""
    two = WRITE + "[[step]]\nid = 'more'\ntool = 'files.write'\nargs = { path = 'more.txt', text = 'x' }\n"
    remit("run", remit.plan(two))
    (remit.folder / "note.txt").write_text("mine now", encoding="utf-8")
    run = remit.json("runs", "--all", "--json")[0]["run"]
    said = remit("undo", run, "--yes")
    assert said.code == 5, said
    assert "partly" in said.out
    assert (remit.folder / "note.txt").read_text(encoding="utf-8") == "mine now"
    assert not (remit.folder / "more.txt").exists()


@proves("undo.covers_the_shell")
def test_a_change_made_through_the_shell_is_taken_back_like_one_made_by_a_tool(remit: Program) -> None:
    """The shell is no way around undo (hazard 15)."""
    (remit.folder / "a.txt").write_text("old", encoding="utf-8")
    command = "echo new > a.txt; mkdir -p d/e; touch d/e/f; chmod 700 d"
    text = f"goal = 'x'\n[[step]]\nid = 's'\ntool = 'shell.run'\nargs = {{ command = '{command}' }}\n"
    assert remit("run", remit.plan(text)).code == 0
    assert (remit.folder / "d" / "e" / "f").exists()
    run = remit.json("runs", "--all", "--json")[0]["run"]
    assert remit("undo", run, "--yes").code == 0
    assert (remit.folder / "a.txt").read_text(encoding="utf-8") == "old"
    assert not (remit.folder / "d").exists()


@proves("undo.names_dependants")
def test_an_action_under_later_ones_names_them_and_takes_them_along_on_request(remit: Program) -> None:
    """Undoing the first of two writes to one file lists the second; --with-dependants takes both back."""
    remit("run", remit.plan(WRITE))
    remit("run", remit.plan(WRITE.replace("hello", "again")))
    older = remit.json("runs", "--all", "--json")[-1]["run"]
    newer = remit.json("runs", "--all", "--json")[0]["run"]
    refused = remit("undo", f"{older}/note.1", "--yes")
    assert refused.code == 5
    assert f"{newer}/note.1" in refused.err
    assert remit("undo", f"{older}/note.1", "--with-dependants", "--yes").code == 0
    assert not (remit.folder / "note.txt").exists()


@proves("undo.since")
def test_undo_since_a_time_takes_back_every_run(remit: Program) -> None:
    """Everything since ten minutes ago, newest first, over all runs; undoing that undo brings it back."""
    remit("run", remit.plan(WRITE))
    remit("run", remit.plan(WRITE.replace("hello", "again")))
    assert remit("undo", "--since", "10m", "--yes").code == 0
    assert not (remit.folder / "note.txt").exists()
    undo_run = remit.json("runs", "--all", "--json")[0]["run"]
    assert remit("undo", undo_run, "--yes").code == 0
    assert (remit.folder / "note.txt").read_text(encoding="utf-8") == "again"


def escaped(text: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04X}" for c in text) + '"'


@proves("terminal.ctrl_c_answers_nothing")
def test_ctrl_c_at_the_question_ends_the_program_and_records_no_answer(remit: Program) -> None:
    """Interrupting is neither yes nor no: exit code 130, and the question is still open."""
    terminal = Terminal(remit, "run", remit.plan(WRITE), "--level", "operator")
    terminal.wait_for("approve? [y/n/edit/later]")
    terminal.type("\x03")
    assert terminal.end(press="\x03") == 130
    assert len(remit.json("inbox", "--json")) == 1
    assert not (remit.folder / "note.txt").exists()
