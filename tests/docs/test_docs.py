"""The documentation tells the truth: plans in it run, the command reference is what the program says, links lead somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest

from claims import proves
from remit.cli import remit
from remit.plans.files import read_plan
from remit_program import program

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def reference() -> str:
    """Every command's help, as `docs/cli.md` has it."""
    parts = ["# The command line\n\nGenerated from the program; `UPDATE_DOCS=1 pytest tests/docs` writes it anew.\n"]
    top = click.Context(remit, info_name="remit")
    todo: list[tuple[click.Command, click.Context]] = [(remit, top)]
    while todo:
        command, ctx = todo.pop(0)
        ctx.terminal_width = ctx.max_content_width = 100
        parts.append(f"## {ctx.command_path}\n\n```\n{command.get_help(ctx)}\n```\n")
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                found = command.get_command(ctx, name)
                assert found is not None
                todo.append((found, click.Context(found, info_name=name, parent=ctx)))
    return "\n".join(parts)


@proves("docs.reference_is_generated")
def test_the_command_reference_is_what_the_program_says() -> None:
    """`docs/cli.md` is generated from the commands themselves and checked here."""
    page = ROOT / "docs" / "cli.md"
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(reference(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == reference()


@proves("docs.examples_run")
def test_the_readme_plan_runs_as_the_readme_says(tmp_path: Path) -> None:
    """The plan a newcomer copies runs, and can be undone."""
    (text,) = blocks(ROOT / "README.md", "toml")
    call = program(tmp_path)
    (call.folder / "a.txt").write_text("one\n", encoding="utf-8")
    ran = call("run", call.plan(text))
    assert ran.code == 0, ran
    assert "entries" in (call.folder / "NOTES.md").read_text(encoding="utf-8")
    run = call.json("runs", "--all", "--json")[0]["run"]
    assert call("undo", run, "--yes").code == 0
    assert sorted(p.name for p in call.folder.iterdir()) == ["a.txt"]


@proves("docs.examples_run")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_whole_plan_in_the_docs_can_be_read(page: Path) -> None:
    """What stands there as a plan file is one."""
    for text in blocks(page, "toml"):
        if "[[step]]" in text:
            assert read_plan(text, name=page.name.replace(".md", ".toml")).steps


@proves("docs.links_lead_somewhere")
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """No dead links inside the repository."""
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link
