from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from claims import proves
from remit.demo.script import chapters, kill_after, model
from remit.domain.values import JsonValue
from remit.errors import BadInput
from remit.testing import ScriptedModel

ASKED: dict[str, JsonValue] = {"role": "user", "text": "count"}
SAID: dict[str, JsonValue] = {"role": "model", "text": "one", "calls": []}


def respond(scripted: ScriptedModel, *history: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    return asyncio.run(scripted.respond(history, []))


@proves("testing.scripted_model")
def test_a_scripted_model_finds_its_place_in_the_conversation() -> None:
    """The same script in another process goes on where the conversation stands, whatever this one was asked before."""
    scripted = ScriptedModel({"text": "one"}, lambda history: {"text": f"two after {len(history)}"}, name="counts")
    assert respond(scripted, ASKED) == {"text": "one"}
    assert respond(scripted, ASKED) == {"text": "one"}
    assert respond(ScriptedModel({"text": "one"}, {"text": "two"}), ASKED, SAID) == {"text": "two"}
    assert respond(scripted, ASKED, SAID) == {"text": "two after 2"}


@proves("testing.scripted_model")
def test_a_script_that_runs_out_says_so() -> None:
    """One turn more than there are is an error that names the script and its length, not silence."""
    with pytest.raises(BadInput, match="the script of 'counts' has 1 turns"):
        respond(ScriptedModel({"text": "one"}, name="counts"), ASKED, SAID)


@pytest.mark.parametrize("shell", [True, False])
def test_the_demo_is_killed_before_anybody_is_asked(tmp_path: Path, shell: bool) -> None:
    """The effect to die after is counted, so nothing whose number depends on a person's answer may come before it."""
    turns = chapters(tmp_path, shell=shell)
    killed = next(number for number, chapter in enumerate(turns) if chapter.killed)
    assert kill_after(tmp_path, shell=shell) == sum(chapter.effects for chapter in turns[: killed + 1])
    assert not any("inbox/" in str(c.turn) and "files.delete" in str(c.turn) for c in turns[: killed + 1])
    assert model(tmp_path, shell=shell).name == "scripted"
