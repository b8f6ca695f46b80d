"""Conversations: the real program against a streaming endpoint on loopback, in a pipe and on a real terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from claims import proves
from loopback_openai import Cut, Fail, Loopback, Reply
from pseudo_terminal import Terminal
from remit_program import Program, program

MODEL = "openai-compatible:tiny"
WRITE = ("files-write", '{"path": "a.txt", "text": "hello"}')
LOOK = ("files-list", '{"path": "."}')


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def env(server: Loopback) -> dict[str, str]:
    return {"REMIT_MODEL": MODEL, "REMIT_BASE_URL": server.address}


def only_run(remit: Program) -> str:
    (run,) = remit.json("runs", "--json")
    return str(run["run"])


@proves("chat.never_acts")
def test_a_conversation_looks_by_itself_and_only_proposes(remit: Program) -> None:
    """A write is a proposal in the inbox, at the level where nothing is done alone; when its person runs it, the model is told."""
    with Loopback([Reply(text="Let me look. ", calls=[LOOK, WRITE]), Reply(text="It is written.")]) as server:
        asked = remit("chat", "write hello into a.txt", **env(server))
        assert asked.code == 3
        assert "1 proposal" in asked.out
        assert list(remit.folder.iterdir()) == []
        (question,) = remit.json("inbox", "--json")
        done = remit("approve", question["id"], **env(server))
    assert done.code == 3
    assert "It is written." in done.out
    assert (remit.folder / "a.txt").read_text(encoding="utf-8") == "hello"
    assert [run["level"] for run in remit.json("runs", "--json")] == ["operator"]


@proves("chat.streams")
def test_answers_come_as_they_are_written_and_a_broken_one_is_asked_for_again(remit: Program) -> None:
    """Streamed; a stream that breaks off is no answer, and is said to be none."""
    with Loopback([Cut(), Fail(status=500), Reply(text="The whole answer, in pieces.")]) as server:
        said = remit("chat", "what is here?", **env(server))
        assert all(body["stream"] for body in server.asked)
    assert said.code == 0, said
    assert said.out.endswith("The whole answer, in pieces.\n")
    assert said.out.count("no whole answer; asking again") == 2
    exported = remit.home.parent / "talk.md"
    assert remit("chat", "--last", "--export", str(exported)).code == 0
    text = exported.read_text(encoding="utf-8")
    assert "**you**: what is here?" in text
    assert "The whole answer, in pieces." in text
    assert "half of" not in text


@proves("chat.kept")
def test_what_was_proposed_and_denied_stands_in_what_is_written_down(remit: Program) -> None:
    """By its tool and its arguments, and why it was not done."""
    with Loopback([Reply(calls=[("files-write", '{"path": "a.txt", "text": "hello"}')]), Reply(text="As you like.")]) as server:
        assert remit("chat", "write hello", **env(server)).code == 3
        (question,) = remit.json("inbox", "--json")
        assert remit("deny", question["id"], "--note", "not there", **env(server)).code == 3
    exported = remit.home.parent / "talk.md"
    assert remit("chat", "--last", "--export", str(exported)).code == 0
    text = exported.read_text(encoding="utf-8")
    assert '- files.write {"path":"a.txt"' in text
    assert "not done: by person: " in text
    assert "said no: not there" in text


@proves("chat.kept")
def test_a_conversation_is_kept_and_goes_on(remit: Program) -> None:
    """With all that was said, from any process; it is listed and can be searched, and stop closes it."""
    with Loopback([Reply(text="One file."), Reply(text="As I said: one file.")]) as server:
        remit("chat", "how many files are there?", **env(server))
        run = only_run(remit)
        again = remit("chat", "--continue", run[:5], stdin="and again?\n", **env(server))
        messages = [str(m["content"]) for m in server.asked[1]["messages"]]
    assert "As I said" in again.out
    assert any("how many files" in text for text in messages)
    assert any("One file." in text for text in messages)
    assert any("and again?" in text for text in messages)
    assert remit.json("runs", "--json")[0]["state"] == "talk"
    assert "how many files" in remit("log", "how many files").out
    assert remit("stop", run).code == 0
    assert "has ended" in remit("chat", "--continue", run, "hello?", **env(server)).err


@proves("chat.promoted")
def test_a_conversation_becomes_a_run_and_a_run_a_conversation(remit: Program) -> None:
    """With its context and at the level that its person says; back again, what it wants to do is a proposal."""
    script = [
        Reply(text="I would write a.txt."),
        Reply(calls=[WRITE]),
        Reply(text="Written."),
    ]
    with Loopback(script) as server:
        remit("chat", "what would you do?", **env(server))
        run = only_run(remit)
        assert remit("runs", run, "promote", "consultant", "do it").code == 0
        ended = remit("resume", run, **env(server))
        messages = [str(m["content"]) for m in server.asked[1]["messages"]]
    assert ended.code == 0, ended.out
    assert (remit.folder / "a.txt").exists()
    assert any("I would write a.txt." in text for text in messages)
    assert any("do it" in text for text in messages)
    with Loopback([Reply(calls=[("ask_person", '{"question": "Which?"}')]), Reply(calls=[WRITE])]) as server:
        remit("run", "write something into b.txt", **env(server))
        run = only_run(remit)
        assert remit("runs", run, "chat").code == 0
        (question,) = remit.json("inbox", "--json")
        assert remit("answer", question["id"], "a.txt", **env(server)).code == 3
    (proposal,) = remit.json("inbox", "--json")
    assert proposal["kind"] == "approve"
    assert "no run of a model" in remit("runs", run, "chat").err


@proves("chat.at_the_terminal")
def test_a_proposal_is_run_with_one_key(remit: Program) -> None:
    """On a real terminal: the whole proposal is shown, `y` runs it, and the conversation goes on."""
    with Loopback([Reply(calls=[WRITE]), Reply(text="There it is."), Reply(text="Bye.")]) as server:
        terminal = Terminal(remit, "chat", **env(server))
        terminal.wait_for("you> ")
        terminal.type("write hello\n")
        terminal.wait_for("hello")
        terminal.wait_for("approve? [y/n/edit/later]")
        assert not (remit.folder / "a.txt").exists()
        terminal.type("y\n")
        terminal.wait_for("There it is.")
        terminal.wait_for("you> ")
        terminal.type("/help\n")
        terminal.wait_for("/run LEVEL")
        terminal.wait_for("you> ")
        terminal.type("/run boss\n")
        terminal.wait_for("is no level")
        terminal.wait_for("you> ")
        terminal.type("/quit\n")
        terminal.wait_for("--continue")
        assert terminal.end() == 0
    assert (remit.folder / "a.txt").read_text(encoding="utf-8") == "hello"


@proves("chat.never_acts")
@pytest.mark.parametrize(
    ("args", "said"),
    [(("--last",), "no conversation yet"), (("--export", "x.md"), "no conversation is named"), ((" ",), "nothing was said")],
)
def test_what_makes_no_sense_is_said(remit: Program, args: tuple[str, ...], said: str) -> None:
    """Bad input, named: nothing is said to any model."""
    wrong = remit("chat", *args, REMIT_MODEL=MODEL, REMIT_BASE_URL="http://127.0.0.1:9/v1")
    assert wrong.code == 2
    assert said in wrong.err
