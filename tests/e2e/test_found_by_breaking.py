"""Found by people who tried to break it, each with what was wrong: none of it is so any more."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from claims import proves
from http_world import serving
from loopback_openai import Loopback, Reply
from remit_program import Program, program
from story_model import Model, calls, step

CHECKED = """
goal = "write it"
level = "observer"
[[step]]
id = "svc"
tool = "files.write"
args = { path = "status.txt", text = "ready" }
check = [{ tool = "files.read", args = { path = "status.txt" }, at = "text", contains = "WORD" }]
"""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def run_id(remit: Program) -> str:
    return str(remit.json("runs", "--all", "--json")[0]["run"])


def waiting(remit: Program) -> list[str]:
    return [one["id"] for one in remit.json("inbox", "--json")]


@proves("plan.failed_stays_failed")
def test_an_attempt_that_was_taken_back_is_not_judged_again_by_a_mended_check(remit: Program) -> None:
    """The check was mended while the step was stuck: `retry` makes it anew, as the first attempt left nothing behind."""
    assert remit("run", remit.plan(CHECKED.replace("WORD", "never"))).code == 3
    run = run_id(remit)
    remit("runs", run, "plan", "--from", str(remit.plan(CHECKED.replace("WORD", "ready"))))
    done = remit("answer", waiting(remit)[0], "retry")
    assert done.code == 0, done.out
    assert (remit.folder / "status.txt").read_text(encoding="utf-8") == "ready"


@proves("steering.by_hand")
def test_a_step_that_a_person_did_while_it_was_asked_about_is_not_done_again(remit: Program) -> None:
    """The question is withdrawn, the model is told, and the command never runs."""
    plan = calls("plan", steps=[step("net", "shell-run_online", {"command": "touch by-model"})])
    with Model(plan, calls("shell-run_online", command="touch by-model"), Reply(text="it is done")) as model:
        assert remit("run", "touch by-model with `touch by-model`", **model.env).code == 3
        run = run_id(remit)
        remit("runs", run, "take", "net")
        remit("runs", run, "done", "net", "--result", '{"exit_code": 0}')
        ended = remit("resume", run, **model.env)
        assert "did this step by hand" in model.told(2)
    assert waiting(remit) == []
    assert ended.code == 0, ended.out
    assert not (remit.folder / "by-model").exists()


@proves("plan.stop_is_final")
def test_a_stop_that_was_answered_keeps_reads_from_beginning(remit: Program) -> None:
    """Also those that would be made together with the step that it answers."""
    with serving() as server:
        remit.configure(f'[http.shop]\nbase = "{server.base}"\nprivate = true\n')
        missing = '[[step]]\nid = "a"\ntool = "files.read"\nargs = { path = "missing" }\n'
        assert remit("run", remit.plan(f'goal = "x"\nlevel = "observer"\n{missing}')).code == 3
        more = f'{missing}[[step]]\nid = "c"\ntool = "files.list"\nargs = {{ path = "." }}\n'
        remit("runs", run_id(remit), "plan", "--from", str(remit.plan(f'goal = "x"\nlevel = "observer"\n{more}')))
        assert remit("answer", waiting(remit)[0], "stop").code == 1
    assert "c.1" not in remit("log", "--run", run_id(remit)).out


@proves("plan.checks_take_their_time")
def test_a_pause_and_a_stop_are_heard_while_a_check_waits(remit: Program) -> None:
    """Within a look, and not only when its time is up; the wait counts what the looks take."""
    slow = CHECKED.replace('contains = "WORD"', 'contains = "never", within = 500').replace("WORD", "x")
    running = remit.start("run", str(remit.plan(slow)))
    try:
        for _ in range(600):
            if any("check1x2" in str(one["action"]) for one in remit.json("log", "--json")):
                break
            threading.Event().wait(0.05)
        stopped = remit("stop", run_id(remit))
        assert stopped.code == 0, stopped
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(60)
        for pipe in (running.stdout, running.stderr):
            if pipe is not None:
                pipe.close()


@proves("plan.checks_take_their_time")
def test_what_can_never_hold_is_not_waited_for(remit: Program) -> None:
    """A check that would change something is refused before anything is done."""
    text = CHECKED.replace(
        'tool = "files.read", args = { path = "status.txt" }, at = "text", contains = "WORD"',
        'tool = "files.mkdir", args = { path = "d" }, contains = "x", within = 60',
    )
    refused = remit("run", remit.plan(text))
    assert (refused.code, "may change something" in refused.err) == (2, True)
    assert list(remit.folder.iterdir()) == []


@proves("shell.online_runs_once")
@pytest.mark.parametrize("point", ["acted", "step"])
def test_files_of_a_command_with_network_are_known_after_a_kill(remit: Program, point: str) -> None:
    """Its question says which were changed; with the person's word that it happened they can be taken back."""
    plan = 'goal = "x"\n[[step]]\nid = "a"\ntool = "shell.run_online"\nargs = { command = "echo x > f.txt" }\n'
    assert remit("run", remit.plan(plan)).code == 3
    assert remit("approve", waiting(remit)[0], REMIT_CRASH=point).code == -signal.SIGKILL
    ended = remit("resume")
    if ended.code == 3:
        (question,) = remit.json("inbox", "--json")
        assert "Files changed: " in question["body"]
        assert "f.txt" in question["body"]
        assert remit("answer", question["id"], "happened").code == 0
    assert remit("undo", run_id(remit), "--yes").code == 1
    assert not (remit.folder / "f.txt").exists()


@proves("agent.json_instead_of_tools")
@pytest.mark.parametrize(
    "answer",
    [
        'Sure!\n```json\n{"say":"","calls":[{"tool":"files-write","args":{"path":"a.txt","text":"x"}}]}\n```',
        '{"tool":"files-write","args":{"path":"a.txt","text":"x"}}',
        '[{"tool":"files-write","args":{"path":"a.txt","text":"x"}}]',
        '{"say":"cut off here, I wrote it all',
        '{"say": "a", "say": "b"}',
    ],
)
def test_an_answer_that_is_no_such_object_is_no_report(remit: Program, answer: str) -> None:
    """The model is told; the run does not end as if these words were all that it wanted."""
    good = json.dumps({"say": "", "calls": [{"tool": "files-write", "args": {"path": "a.txt", "text": "x"}}]})
    script = [Reply(text=answer), Reply(text=good), Reply(text='{"say": "written", "calls": []}')]
    with Loopback(script) as server:
        done = remit("run", "write x into a.txt", "--model", "json+openai-compatible:m", REMIT_BASE_URL=server.address)
    assert done.code == 0, done.out
    assert (remit.folder / "a.txt").read_text(encoding="utf-8") == "x"


@proves("agent.confidence")
def test_a_measurement_that_cannot_be_had_asks(remit: Program) -> None:
    """The other answers failed: one of three is no agreement. Likelihoods that nobody tells are none."""
    from loopback_openai import Fail

    write = Reply(calls=[("files-write", '{"path": "a.txt", "text": "x"}')])
    with Loopback([write, Fail(status=400), Fail(status=400), Reply(text="done")]) as server:
        env = {"REMIT_MODEL": "openai-compatible:m", "REMIT_BASE_URL": server.address}
        assert remit("run", "write x into a.txt", "--samples", "3", "--level", "approver", **env).code == 3
    assert "2 could not be had" in json.dumps(remit.json("inbox", "--json"))
    with Loopback([write, Reply(text="done")]) as server:
        env = {"REMIT_MODEL": "openai-compatible:m", "REMIT_BASE_URL": server.address}
        assert remit("run", "write x into a.txt", "--margin", "--level", "approver", **env).code == 3
    assert list(remit.folder.iterdir()) == []


@proves("agent.accuracy")
def test_an_endpoint_that_goes_away_is_no_bad_model(remit: Program) -> None:
    """Nothing is counted, kept or told of it."""
    from loopback_openai import Fail

    trials = [
        Reply(text="yes"),
        Reply(text="1 2 3"),
        Reply(text="42"),
        Reply(text="3 and 7"),
        Reply(calls=[("read", '{"path": "notes.txt"}')]),
    ]
    with Loopback([*trials, *[Fail(status=500)] * 20]) as server:
        tried = remit("model", "check", "openai-compatible:m", "--accuracy", REMIT_BASE_URL=server.address)
    assert (tried.code, "small tasks" in tried.out) == (6, False), tried
    assert not (remit.home / "models.json").exists()


@proves("cli.bad_input_is_said")
def test_what_cannot_be_read_is_said_in_one_line(remit: Program, tmp_path: Path) -> None:
    """Files that are none, numbers without end, names of nobody, addresses that are none: each with what to do, and no traceback."""
    (tmp_path / "latin.toml").write_bytes(b'goal = "\xe4"\n')
    endless = tmp_path / "endless.toml"
    endless.write_text(
        f'goal = "x"\n[[step]]\nid = "a"\ntool = "files.read"\nargs = {{ path = "a", limit = {"9" * 5000} }}\n', encoding="utf-8"
    )
    bomb = tmp_path / "bomb.yaml"
    lines = [
        "a: &a [x, x, x, x, x, x, x, x, x]",
        *(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    ]
    bomb.write_text("\n".join([*lines, "goal: x", "step: []"]), encoding="utf-8")
    os.mkfifo(tmp_path / "fifo.gguf")
    (tmp_path / "a,b.gguf").write_bytes(b"GGUF")
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    local = f"local:{tmp_path / 'm.gguf'}"
    assert remit("run", remit.plan(CHECKED.replace("WORD", "never"))).code == 3
    run = run_id(remit)
    for args, env in (
        (("runs", run, "plan", "--from", "/nonexistent.yaml"), {}),
        (("runs", run, "plan", "--from", str(tmp_path / "latin.toml")), {}),
        (("run", str(endless)), {}),
        (("run", str(bomb)), {}),
        (("run", "write it", "--model", "local:~nosuchuser/x.gguf"), {}),
        (("run", "write it", "--model", f"local:{tmp_path / 'a,b.gguf'}"), {}),
        (("model", "check", f"local:{tmp_path / 'fifo.gguf'}"), {}),
        (("run", "write it", "--model", local), {"REMIT_LOCAL_CONTEXT": "9" * 5000}),
        (("run", "write it", "--model", local), {"REMIT_LOCAL_CONTEXT": "99999999999999"}),
        (("run", "write it", "--model", "openai-compatible:m"), {"REMIT_BASE_URL": "http://[::1"}),
        (("run", "write it", "--model", "openai-compatible:m"), {"REMIT_BASE_URL": "http://a\x01b/"}),
    ):
        said = remit(*args, **env)
        assert said.code == 2, (args, said)
        assert said.err.startswith("remit: "), (args, said)


@proves("cli.bad_input_is_said")
def test_a_password_in_an_address_is_not_printed(remit: Program) -> None:
    """The endpoint is named without it."""
    down = remit("run", "say hello", "--model", "openai-compatible:m", REMIT_BASE_URL="http://u:hunter2@127.0.0.1:9/v1")
    assert down.code == 6
    assert "127.0.0.1:9/v1" in down.err
    assert "hunter2" not in down.err + down.out


@proves("chat.kept")
def test_what_is_written_down_of_a_conversation_is_what_was_done(remit: Program) -> None:
    """A person's edit of a proposal stands there as it ran, and what waits stands there, too."""
    with Model(
        calls("files-write", path="e.txt", text="from model"), Reply(text="Done."), calls("files-write", path="f.txt", text="y")
    ) as model:
        remit("chat", "write e", **model.env)
        (question,) = waiting(remit)
        remit("approve", question, "--edit", '{"path": "e.txt", "text": "BY PERSON"}', **model.env)
        remit("chat", "--last", "write f", **model.env)
    target = remit.home.parent / "talk.md"
    assert remit("chat", "--last", "--export", str(target)).code == 0
    text = target.read_text(encoding="utf-8")
    assert '"BY PERSON"' in text
    assert '"from model"' not in text
    assert "f.txt" in text
    assert "waits for you" in text
