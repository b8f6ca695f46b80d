"""Models in a file, run in the program's own process by llama.cpp, and how often a model is right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from loopback_openai import Loopback, Reply, Script
from remit.agent.accuracy import TASKS
from remit_program import Program, program
from tiny_gguf import write

ROOM = "65536"
"""The tiny model spells letter by letter, so that a prompt takes four times the tokens it takes others."""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def said(say: str, *calls: tuple[str, Mapping[str, object]]) -> str:
    return json.dumps({"say": say, "calls": [{"tool": tool, "args": args} for tool, args in calls]}, separators=(",", ":"))


def whole(*answers: str) -> list[list[list[str]]]:
    """Of answers that are one word each."""
    return [[[answer]] for answer in answers]


WRITES = whole(
    said("first I look", ("files-list", {"path": "."})),
    said("", ("files-write", {"path": "a.txt", "text": "hello"})),
    said("it is written"),
)


@proves("agent.local")
def test_a_model_in_a_file_reaches_a_goal(remit: Program) -> None:
    """Loaded from a path that means the same from everywhere; its calls pass the gate; its report is its text."""
    write(remit.folder.parent / "tiny.gguf", WRITES)
    done = remit("run", "write hello into a.txt", "--model", "local:../tiny.gguf", REMIT_LOCAL_CONTEXT=ROOM)
    assert done.code == 0, done.out + done.err
    assert "it is written" in done.out
    assert (remit.folder / "a.txt").read_text(encoding="utf-8") == "hello"
    assert "never measured; `remit model check local:" in done.err
    (opened,) = [one for one in remit.json("log", "--json") if one["kind"] == "opened"]
    assert opened["body"]["spec"]["model"] == f"local:{remit.folder.parent / 'tiny.gguf'}"


@proves("agent.local")
def test_what_cannot_be_a_model_is_said_before_or_when_it_is_loaded(remit: Program, tmp_path: Path) -> None:
    """No file, another file, a file cut short, a context too small for the conversation, and one that is no number."""
    write(tmp_path / "tiny.gguf", WRITES)
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "tiny.gguf").read_bytes()[:5000])
    (tmp_path / "text.gguf").write_text("no model", encoding="utf-8")
    for name, code, what in (
        ("none.gguf", 2, "is no model file"),
        ("text.gguf", 2, "is no model file"),
        ("cut.gguf", 6, "cannot be loaded"),
        ("tiny.gguf", 1, "too long for tiny.gguf"),
    ):
        done = remit("run", "write hello into a.txt", "--model", f"local:{tmp_path / name}", REMIT_LOCAL_CONTEXT="512")
        assert (done.code, what in done.out + done.err) == (code, True), done.out + done.err
    wrong = remit("run", "write hello into a.txt", "--model", f"local:{tmp_path / 'tiny.gguf'}", REMIT_LOCAL_CONTEXT="much")
    assert (wrong.code, "REMIT_LOCAL_CONTEXT" in wrong.err) == (2, True)
    assert list(remit.folder.iterdir()) == []


_LISTENS = """
import asyncio, os, sys
from pathlib import Path
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from remit.agent.models import resolve
model = resolve(f"local:{sys.argv[1]}", env={})
said = asyncio.run(model.request([ModelRequest(parts=[UserPromptPart("x")])], None, ModelRequestParameters()))
own = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")}
ports = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]]
print(said.text, [row[1] for row in ports if row[3] == "0A" and f"socket:[{row[9]}]" in own])
rows = Path("/proc/self/net/unix").read_text().splitlines()
(socket,) = [Path(row.split()[-1]) for row in rows if row.split()[6] in {one[8:-1] for one in own} and row.endswith(".sock")]
print(oct(socket.parent.stat().st_mode)[-3:])
"""


@proves("agent.local")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nobody_else_can_ask_it(tmp_path: Path) -> None:
    """It listens on no port, only in a folder of ours that nobody else may enter."""
    write(tmp_path / "tiny.gguf", whole(said("here")))
    done = subprocess.run(
        [sys.executable, "-c", _LISTENS, str(tmp_path / "tiny.gguf")], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.stdout.splitlines() == ["here []", "700"], done.stderr


@proves("agent.local", "agent.confidence")
@pytest.mark.parametrize(
    ("places", "measure", "asks"),
    [(1, "--margin", ""), (2, "--margin", "0 points between this and the next likeliest"), (8, "--samples=15", "of 15 answers want this")],
)
def test_how_sure_it_is_is_measured(remit: Program, tmp_path: Path, places: int, measure: str, asks: str) -> None:
    """Where several places were as likely it asks; where there was one, it does not: by the likelihoods, and by asking again."""
    place = [f"{letter}.txt" for letter in "abcdefgh"[:places]]
    before, after = said("", ("files-write", {"path": "NAME", "text": "x"})).split("NAME")
    write(tmp_path / "tiny.gguf", [[[before], place, [after]], [[said("done")]]])
    done = remit("run", "write x into a file", measure, "--model", f"local:{tmp_path / 'tiny.gguf'}", REMIT_LOCAL_CONTEXT=ROOM)
    asked = [one for one in remit.json("log", "--json") if one["kind"] == "asked"]
    assert done.code == (3 if asks else 0), done.out
    assert bool(asked) == bool(asks)
    assert asks in json.dumps(asked)


def right(request: Mapping[str, Any]) -> Reply:
    """What the small tasks want, as an endpoint answers."""
    wanted = dict(TASKS)[request["messages"][-1]["content"]]
    return Reply(text=wanted) if isinstance(wanted, str) else Reply(calls=[(wanted[0], json.dumps(wanted[1]))])


@proves("cli.model_check", "agent.accuracy")
def test_how_often_a_model_is_right_is_counted_kept_and_said(remit: Program) -> None:
    """A dozen small tasks; what went wrong is shown; a run with the model begins with the count."""
    trials = [
        Reply(text="yes"),
        Reply(text="1 2 3"),
        Reply(calls=[("add", '{"a": 19, "b": 23}')]),
        Reply(text="42"),
        Reply(calls=[("add", '{"a": 1, "b": 2}'), ("add", '{"a": 3, "b": 4}')], ids=("c1", "c2")),
    ]
    name = "openai-compatible:some"
    script: list[Script] = [
        *trials,
        *[right] * 10,
        Reply(calls=[("delete", '{"path": "list.txt"}')]),
        Reply(text="I will not"),
        Reply(text="ok"),
    ]
    with Loopback(script) as server:
        tried = remit("model", "check", name, "--accuracy", REMIT_BASE_URL=server.address)
        assert tried.code == 0, tried.out
        *_, wrong, also, count = tried.out.splitlines()
        assert count.split("  ")[-1].strip() == "10 of 12 right"
        assert "delete {'path': 'list.txt'}" in wrong
        assert also.endswith("I will not")
        run = remit("run", "say ok", "--model", name, REMIT_BASE_URL=server.address)
        assert f"{name}: right in 10 of 12 small tasks, measured 2" in run.err
    with Loopback([Reply(text="ok")]) as other:
        assert "small tasks" not in remit("run", "say ok", "--model", name, REMIT_BASE_URL=other.address).err, (
            "another address, another model"
        )


@proves("agent.accuracy")
def test_a_count_is_of_one_file(remit: Program, tmp_path: Path) -> None:
    """A local model is counted without being told to; another file under the same name was never measured."""
    file = write(tmp_path / "tiny.gguf", whole(said("Paris")))
    tried = remit("model", "check", f"local:{file}", "--json")
    *_, last = map(json.loads, tried.out.splitlines())
    assert (last["what"], last["seen"]) == ("small tasks", "1 of 12 right")
    assert "right in 1 of 12" in remit("chat", "hello", REMIT_MODEL=f"local:{file}", REMIT_LOCAL_CONTEXT=ROOM).err
    write(file, whole(said("I am another model")))
    assert "never measured" in remit("chat", "hello", REMIT_MODEL=f"local:{file}", REMIT_LOCAL_CONTEXT=ROOM).err
