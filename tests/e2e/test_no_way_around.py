"""A rule on files holds whichever road leads to them: other spellings, links, whole folders, the shell, undo."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims import proves
from remit_program import Program, program

RULES = """
@id("originals") @reason("originals stay as they are")
forbid (principal, action in Action::"files", resource)
when { context.args has path && context.args.path like "*/originals/*" && action != Action::"files.read" };
@id("archive") @reason("the archive is touched only after a yes")
forbid (principal, action in Action::"files", resource)
when { context.args has path && context.args.path like "*/archive/*" } unless { context.approvals >= 1 };
"""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    made = program(tmp_path)
    for name in ("originals", "archive", "other", ".remit"):
        (made.folder / name).mkdir()
    (made.folder / "originals" / "deed.txt").write_text("signed", encoding="utf-8")
    (made.folder / "archive" / "old.txt").write_text("old", encoding="utf-8")
    (made.folder / "link").symlink_to("originals")
    (made.folder / ".remit" / "policy.cedar").write_text(RULES, encoding="utf-8")
    return made


def step(tool: str, **args: str) -> str:
    given = ", ".join(f'{name} = "{value}"' for name, value in args.items())
    return f'goal = "x"\n[[step]]\nid = "s"\ntool = "{tool}"\nargs = {{ {given} }}\n'


@proves("policy.no_way_around")
@pytest.mark.parametrize(
    "plan",
    [
        step("files.write", path="originals/deed.txt", text="forged"),
        step("files.write", path="other/../originals/deed.txt", text="forged"),
        step("files.write", path="link/deed.txt", text="forged"),
        step("files.write", path="file://HERE/%6Friginals/deed.txt", text="forged"),
        step("shell.run", command="echo forged > originals/deed.txt"),
        step("shell.run", command="cd link && echo forged > deed.txt"),
        step("shell.run", command="mv originals elsewhere"),
        step("shell.run", command="rm -rf *"),
        step("files.move", path="originals", to="elsewhere"),
        step("files.delete", path="originals").replace(" }", ", recursive = true }"),
    ],
)
def test_no_spelling_link_folder_or_shell_leads_around_a_forbid(remit: Program, plan: str) -> None:
    """Policy sees the real path, and judges what a call turns out to amount to before it starts."""
    said = remit("run", remit.plan(plan.replace("HERE", str(remit.folder))), "--level", "observer")
    assert said.code in {1, 3}, said
    assert "originals stay as they are" in said.out + remit("inbox").out
    assert (remit.folder / "originals" / "deed.txt").read_text(encoding="utf-8") == "signed"


@proves("policy.no_way_around")
def test_what_a_command_touches_is_asked_about_like_the_same_change_by_a_tool(remit: Program) -> None:
    """A shell command that turns out to touch the archive waits for a yes, with its exact diff, and then runs."""
    said = remit("run", remit.plan(step("shell.run", command="echo new > archive/old.txt; echo fine > other/a.txt")))
    assert said.code == 3, said
    asked = remit.json("inbox", "--json")[0]
    assert "archive/old.txt" in asked["body"]
    assert "after a yes" in asked["why"]
    assert (remit.folder / "archive" / "old.txt").read_text(encoding="utf-8") == "old"
    assert remit("approve", asked["id"]).code == 0
    assert (remit.folder / "archive" / "old.txt").read_text(encoding="utf-8") == "new\n"


@proves("undo.order_is_a_yes")
def test_an_undo_that_a_person_orders_counts_as_that_persons_yes(remit: Program) -> None:
    """Whoever runs `remit undo --yes` has seen and ordered it: a rule that wants one yes is satisfied by it."""
    remit("run", remit.plan(step("shell.run", command="echo new > archive/old.txt")))
    remit("approve", remit.json("inbox", "--json")[0]["id"])
    run = remit.json("runs", "--all", "--json")[0]["run"]
    undone = remit("undo", run, "--yes")
    assert undone.code == 0, undone
    assert (remit.folder / "archive" / "old.txt").read_text(encoding="utf-8") == "old"
