"""The tools of docs/tools.md are real: loaded from a file, checked, and used by a plan."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import remit
from claims import proves
from remit.domain.action import Effect
from remit.errors import BadInput
from remit.testing import Scenario, check_tool
from remit.tools.loading import tools_in
from remit_program import program

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"


def worked(folder: Path) -> list[Path]:
    """Each tool of the page in a file of its own, with its world in `folder`."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found = []
    for number, text in enumerate(blocks):
        path = folder / f"tools{number}.py"
        path.write_text(text.replace("/tmp/", f"{folder}/"), encoding="utf-8")
        found.append(path)
    return found


@proves("tools.of_ones_own")
def test_the_worked_tools_keep_their_promises(tmp_path: Path) -> None:
    """The shelf is undone exactly and spares others; the letter is not taken for undoable; the weather is not taken for harmless."""
    shelf, letter, weather = [tools_in(path)[0] for path in worked(tmp_path)]
    world = tmp_path / "shelf.json"

    def meddle() -> Callable[[], bool]:
        world.write_text('{"cup": 7}', encoding="utf-8")
        return lambda: json.loads(world.read_text(encoding="utf-8")) == {"cup": 7}

    scenario = Scenario(
        tools={"shelf.set": shelf},
        tool="shelf.set",
        args={"item": "cup", "count": 3},
        reset=lambda: world.write_text('{"cup": 1}', encoding="utf-8"),
        look=lambda: world.read_text(encoding="utf-8"),
        meddle=meddle,
    )
    assert check_tool(scenario) == []
    assert shelf.spec.effect is Effect.REVERSIBLE
    assert shelf.targets({"item": "cup", "count": 3}) == ("shelf:cup",)
    assert (letter.spec.effect, letter.spec.egress) == (Effect.COMPENSABLE, True)
    assert (weather.spec.effect, weather.spec.egress, weather.spec.reads_untrusted) == (Effect.PURE, True, True)


@proves("tools.of_ones_own")
def test_a_plan_uses_and_undoes_a_tool_of_ones_own(tmp_path: Path) -> None:
    """Named in the configuration, judged by its class, taken back by `remit undo`."""
    call = program(tmp_path)
    (path, letter, _) = worked(tmp_path)
    config = call.home / "config" / "remit" / "remit.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"tools = {json.dumps([str(path), str(letter)])}", encoding="utf-8")
    (tmp_path / "shelf.json").write_text('{"cup": 1}', encoding="utf-8")
    plan = "goal = 'x'\n[[step]]\nid = 's'\ntool = 'shelf.set'\nargs = { item = 'cup', count = 3 }\n"
    assert call("run", call.plan(plan)).code == 0
    assert call("undo", call.json("runs", "--all", "--json")[0]["run"], "--yes").code == 0
    assert json.loads((tmp_path / "shelf.json").read_text(encoding="utf-8")) == {"cup": 1}
    letters = "goal = 'x'\n[[step]]\nid = 's'\ntool = 'letter.send'\nargs = { to = 'ann', text = 'hello' }\n"
    assert call("run", call.plan(letters)).code == 3
    assert "to ann:" in call("inbox").out


@proves("tools.stricter_without")
@pytest.mark.parametrize(("effect", "counts"), [("reversible", "irreversible"), ("compensable", "irreversible"), ("pure", "pure")])
def test_what_is_missing_makes_a_tool_stricter_and_says_so(effect: str, counts: str) -> None:
    """A class that needs an undo is not kept without one; adding it keeps the class."""

    @remit.tool(effect=effect, name="thing.do")
    def do(what: str, often: int = 1) -> None:
        """Do a thing."""

    assert do.spec.effect == counts
    assert ("no undo" in do.spec.description) == (effect != counts)
    assert do.spec.schema["required"] == ["what"]
    do.undo_with(lambda args, captured, result: args)
    assert do.spec.effect == effect


def nothing(what: str) -> None: ...


def anything(what) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - that is the point
    """Do anything."""


def strange(what: Path) -> None:
    """Do something with a path."""


@proves("tools.stricter_without")
@pytest.mark.parametrize(("function", "effect"), [(nothing, "pure"), (anything, "pure"), (strange, "pure"), (strange, "harmless")])
def test_a_tool_that_nobody_could_use_is_refused(function: Callable[..., None], effect: str) -> None:
    """No docstring, no type, a type that JSON has not, no such class: said at once."""
    with pytest.raises(BadInput):
        remit.tool(effect=effect)(function)


@pytest.mark.parametrize("text", ["", "import nothing_like_this", "x = 1"])
def test_a_file_without_tools_is_explained(tmp_path: Path, text: str) -> None:
    """What is wrong with it, and what to do."""
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"mine\.py"):
        tools_in(path)


@proves("tools.of_ones_own")
def test_an_agent_cannot_rewrite_the_tools_it_is_given(tmp_path: Path) -> None:
    """They run with remit's rights: the file is closed to every tool, also where it lies in the workspace."""
    call = program(tmp_path)
    (path, *_) = worked(tmp_path)
    mine = call.folder / "mine.py"
    mine.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    config = call.home / "config" / "remit" / "remit.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"tools = {json.dumps([str(mine)])}", encoding="utf-8")
    for tool, args in (("files.write", "{ path = 'mine.py', text = 'x' }"), ("shell.run", "{ command = 'echo x >mine.py' }")):
        call("run", call.plan(f"goal = 'x'\n[[step]]\nid = 's'\ntool = '{tool}'\nargs = {args}\n"))
        assert mine.read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
