"""What newcomers and breakers found in conversations, goals and steering: each once wrong, now held to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claims import proves
from loopback_openai import Loopback, Raw, Reply
from remit_program import Program, program
from story_model import calls, step

WRITE = calls("files-write", path="a.txt", text="hello")
DONE = Reply(text="all is done")


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def env(server: Loopback) -> dict[str, str]:
    return {"REMIT_MODEL": "openai-compatible:tiny", "REMIT_BASE_URL": server.address}


def run_id(remit: Program) -> str:
    return str(remit.json("runs", "--all", "--json")[0]["run"])


@proves("found.goals")
def test_a_long_goal_is_a_goal(remit: Program) -> None:
    """Longer than any file name may be."""
    with Loopback([WRITE, DONE]) as server:
        assert remit("run", f"write hello into a.txt {'and be careful ' * 300}", "--level", "approver", **env(server)).code == 0
    assert (remit.folder / "a.txt").exists()


@proves("found.goals")
@pytest.mark.parametrize("reply", [Reply(text="I refuse to do this."), Reply(text="It is done, trust me.")])
def test_words_alone_are_not_done(remit: Program, reply: Reply) -> None:
    """A model that did nothing gets no `done`, and what was done without a plan is said to be unverified."""
    with Loopback([reply]) as server:
        said = remit("run", "write hello into a.txt", **env(server))
    assert (said.code, "nothing was done" in said.out) == (1, True), said.out


@proves("found.goals")
def test_a_call_that_names_nothing_that_is_there_fails_and_ends_nothing(remit: Program) -> None:
    """A push outside a repository: the model hears it, and goes on."""
    with Loopback([calls("git-push", branch="main"), calls("git-worktree", repo=".", path="x", branch="x"), WRITE, DONE]) as server:
        said = remit("run", "write hello into a.txt", **env(server))
        told = [str(asked["messages"][-1]["content"]) for asked in server.asked[1:3]]
    assert said.code == 0, said.out + said.err
    assert all("repository" in one for one in told), told
    plan = remit.plan('goal = "x"\n[[step]]\nid = "p"\ntool = "git.push"\nargs = { branch = "main" }\n')
    assert remit("run", plan).code == 3
    assert "no repository" in remit.json("inbox", "--json")[0]["tried"]


@proves("found.goals")
def test_an_endpoint_that_speaks_another_language_is_said_to(remit: Program) -> None:
    """No traceback: the run is kept."""
    with Loopback([Raw(body='{"strange": true}')] * 6) as server:
        said = remit("model", "check", "anthropic:x", REMIT_BASE_URL=server.address)
    assert said.code != 0
    assert "not of the form" in said.out + said.err


@proves("found.goals")
def test_a_dry_run_is_at_the_level_of_the_run(remit: Program) -> None:
    """Which triage finds where the plan names none."""
    plan = remit.plan('goal = "x"\n[[step]]\nid = "p"\ntool = "shell.run_online"\nargs = { command = "true" }\n')
    dry = remit("run", plan, "--dry-run").out
    real = remit("run", plan).out
    (level,) = [word for word in ("operator", "collaborator", "consultant", "approver") if f"at level {word}" in real]
    assert level in dry


@proves("found.conversations")
def test_a_run_is_not_talked_into_acting(remit: Program) -> None:
    """`chat --continue` of a run would let it go on by itself: it is refused, and nothing was said."""
    with Loopback([calls("shell-run_online", command="true"), WRITE]) as server:
        assert remit("run", "write hello", "--level", "consultant", **env(server)).code == 3
        said = remit("chat", "--continue", run_id(remit), "hello", **env(server))
    assert (said.code, "acts by itself" in said.err) == (2, True)
    assert not (remit.folder / "a.txt").exists()
    assert "hello" not in remit("log", "--kind", "said").out


@proves("found.conversations")
def test_what_comes_through_a_pipe_stands_under_the_message(remit: Program) -> None:
    """Both are said."""
    with Loopback([Reply(text="3")]) as server:
        remit("chat", "sum this up", stdin="1\n2\n", **env(server))
        assert server.asked[0]["messages"][-1]["content"].startswith("sum this up\n\n1\n2")


@proves("found.conversations")
@pytest.mark.parametrize(
    ("opening", "words", "refused"), [("hello", "delete old files", True), ("clean up my disk", "", True), ("hello", "", False)]
)
def test_nothing_grave_is_handed_over_that_names_nothing(remit: Program, opening: str, words: str, refused: bool) -> None:
    """Neither by the words of handing over, nor by what was talked about."""
    with Loopback([Reply(text="What can I do?")]) as server:
        remit("chat", opening, **env(server))
    said = remit("runs", run_id(remit), "promote", "approver", *([words] if words else []))
    assert (said.code == 2) == refused, said
    assert remit("runs", run_id(remit), "promote", "approver", 'delete "notes.txt"').code == (0 if refused else 2)


@proves("found.taken")
def test_a_step_that_a_person_holds_is_waited_for(remit: Program) -> None:
    """The model says done; the run waits for the one step that is taken over, and ends when it is handed back and seen."""
    check = {"tool": "files-read", "args": {"path": "b.txt"}, "at": "text", "equals": "b"}
    plan = calls("plan", steps=[step("a", "files-write", {"path": "a.txt"}), step("b", "files-write", {"path": "b.txt"}, check)])
    ask = calls("shell-run_online", command="true")
    with Loopback([plan, ask, WRITE, DONE, DONE]) as server:
        remit("run", "write a.txt and b.txt", "--level", "consultant", **env(server))
        run = run_id(remit)
        assert remit("runs", run, "take", "b").code == 0
        waits = remit("deny", remit.json("inbox", "--json")[0]["id"], **env(server))
        assert (waits.code, "b is taken over by" in waits.out) == (3, True), waits.out
        (remit.folder / "b.txt").write_text("b", encoding="utf-8")
        remit("runs", run, "done", "b")
        ended = remit("resume", run, **env(server))
    assert "verified: b: done by" in ended.out, ended.out


@proves("found.memory")
def test_what_was_chosen_for_other_work_is_no_habit_for_this(remit: Program) -> None:
    """Three choices for renaming photos say nothing about counting lines."""
    with Loopback([Reply(text="COULD NOT: so")] * 3) as server:
        for number in range(3):
            remit("run", f"rename my photos number {number}", "--level", "operator", **env(server))
    plan = remit.plan('goal = "count"\n[[step]]\nid = "p"\ntool = "shell.run"\nargs = { command = "wc -l a > n.txt" }\n')
    assert json.loads(remit("triage", plan, "--json").out)["level"] != "operator"
    assert json.loads(remit("triage", "rename my photos number 9", "--json").out)["level"] == "operator"


@proves("cli.answers_together")
def test_questions_of_one_run_are_answered_together_or_not_at_all(remit: Program) -> None:
    """One wrong id and none is answered; the run goes on once, when all of it is."""
    steps = "".join(
        f'[[step]]\nid = "s{n}"\ntool = "files.write"\nneeds = []\nargs = {{ path = "{n}.txt", text = "x" }}\n' for n in range(3)
    )
    assert remit("run", remit.plan(f'goal = "three"\n{steps}'), "--level", "operator").code == 3
    ids = [one["id"] for one in remit.json("inbox", "--json")]
    assert len(ids) == 3
    shown = remit("inbox").out
    assert f"remit approve {' '.join(ids)}" in shown
    assert remit("approve", *ids[:2], "nonsense").code != 0
    assert remit("log", "--kind", "answered").out == ""
    said = remit("approve", *ids, ids[0])
    assert (said.code, said.out.count("3 of 3 steps passed")) == (0, 1), said.out
    assert "one question" in remit("approve", *ids, "--edit", "{}").err
