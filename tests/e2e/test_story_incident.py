"""The seed's story of an incident: a service that really is down, and who keeps it; a scripted model behind a real endpoint. End to end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from loopback_openai import Reply
from ops_world import API, BROKEN, GOOD, Ops, supervising
from remit_program import Program, Said, program
from story_model import Model, calls, step, together

GOAL = "shop is down: find out why and bring it back"
HEALTH = {"service": "shop", "path": "health"}
STATUS = {"service": "ops", "path": "services/shop"}
RESTART = {"service": "ops", "method": "POST", "path": "services/shop/restart"}
OURS = """
@id("our-services") @reason("looking at our own services is fine")
permit (principal, action == Action::"http.get", resource)
when { context.args has service && ["shop", "ops"].contains(context.args.service) };
"""
PLAN = [
    step("status", "http-get", STATUS),
    step("restart", "http-send", RESTART, {"tool": "http-get", "args": HEALTH, "at": "status", "equals": 200}),
    step("health", "http-get", HEALTH, {"at": "text", "equals": "the shop is open"}),
]
LOOK = together(calls("http-get", **HEALTH), calls("http-get", **STATUS))
START = (calls("plan", steps=PLAN), LOOK, calls("http-send", **RESTART))


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


@pytest.fixture
def ops(remit: Program) -> Iterator[Ops]:
    """The shop was open, and is not any more."""
    with supervising(remit.folder) as ops:
        remit.configure(ops.config)
        (remit.home / "config" / "remit" / "policy.cedar").write_text(OURS, encoding="utf-8")
        ops.stop()
        assert not ops.up
        yield ops


def run(remit: Program, model: Model) -> Said:
    return remit("run", GOAL, "--level", "consultant", **model.env)


def the_question(remit: Program) -> dict[str, Any]:
    (found,) = remit.json("inbox", "--json")
    return dict(found)


def approved(remit: Program, model: Model, what: str, **env: str) -> Said:
    """The one question that waits is about this."""
    question = the_question(remit)
    assert what in question["title"], question
    return remit("approve", question["id"], **model.env, **env)


@proves("story.incident")
def test_a_service_is_started_anew_once_and_seen_to_be_up(remit: Program, ops: Ops) -> None:
    """Looking goes alone, the restart asks; what is verified was seen at the service itself."""
    with Model(*START, calls("http-get", **HEALTH), Reply(text="The shop had been killed. It was started anew and is open.")) as model:
        assert run(remit, model).code == 3
        assert ops.starts == 1
        done = approved(remit, model, "services/shop/restart")
    assert done.code == 0, done.out + done.err
    assert (ops.up, ops.starts) == (True, 2)
    assert [line.strip().split(":")[:2] for line in done.out.splitlines() if "verified: " in line] == [
        ["verified", " status"],
        ["verified", " restart"],
        ["verified", " health"],
    ]


@proves("story.incident")
def test_what_a_restart_does_not_mend_is_brought_to_a_person(remit: Program, ops: Ops) -> None:
    """Its check fails, and a word that it is done does not count; a person says what to use; it is mended, seen to be up, and undone."""
    conf = remit.folder / "shop.conf"
    conf.write_text(BROKEN, encoding="utf-8")
    (remit.folder / "shop.conf.bak").write_text(GOOD, encoding="utf-8")
    asks = calls("ask_person", question="How many workers shall the shop have?", why="A restart did not help: shop.conf says `four`.")
    script = (
        *START,
        Reply(text="The shop was started anew."),
        together(calls("http-get", **STATUS), calls("files-read", path="shop.conf")),
        asks,
        calls("files-copy", path="shop.conf.bak", to="shop.conf", overwrite=True),
        calls("http-send", **RESTART),
        calls("http-get", **HEALTH),
        Reply(text="shop.conf was broken. With the old one, the shop is open."),
    )
    with Model(*script) as model:
        run(remit, model)
        assert approved(remit, model, "services/shop/restart").code == 3
        assert (ops.up, ops.starts) == (False, 2)
        assert "what it did stays, as it cannot be taken back exactly" in model.told(3)
        assert "done, but its check failed" in model.told(3)
        assert "not seen to be done:\n- restart: " in model.told(4)
        assert "workers is 'four', which is no number" in model.told(5)
        question = the_question(remit)
        assert "A restart did not help" in question["body"]
        remit("answer", question["id"], "use the old config: copy shop.conf.bak to shop.conf", **model.env)
        approved(remit, model, "copy ")  # asked although the person just said it: what strangers wrote was read, and no plan had it
        done = approved(remit, model, "services/shop/restart")
    assert done.code == 0, done.out + done.err
    assert (ops.up, ops.starts, conf.read_text(encoding="utf-8")) == (True, 3, GOOD)
    assert "not verified" not in done.out
    undone = remit("undo", remit.json("runs", "--all", "--json")[0]["run"], "--yes")
    assert conf.read_text(encoding="utf-8") == BROKEN
    assert undone.out.count("http.send cannot be undone") == 2
    assert "http.get" not in undone.out


@proves("story.incident")
@pytest.mark.parametrize("trouble", ["500", "close", "killed"])
def test_a_restart_whose_answer_was_lost_is_not_made_again(remit: Program, ops: Ops, trouble: str) -> None:
    """It was made: a person is asked whether, nothing is sent until they say so, and then the check looks at the service."""
    with Model(*START, calls("http-get", **HEALTH), Reply(text="The shop is open.")) as model:
        run(remit, model)
        ops.trouble = [trouble] * (trouble != "killed")
        crash = {"REMIT_CRASH": "acted"} if trouble == "killed" else {}
        assert approved(remit, model, "services/shop/restart", **crash).code == (-signal.SIGKILL if crash else 3)
        assert remit("resume", **model.env).code == 3
        doubt = the_question(remit)
        assert doubt["kind"] == "in_doubt"
        done = remit("answer", doubt["id"], "happened", **model.env)
    assert done.code == 0, done.out + done.err
    assert (ops.up, ops.starts) == (True, 2)
    assert "  verified: restart: its checks held" in done.out


@proves("story.incident")
def test_a_restart_that_is_not_seen_to_help_is_not_followed_by_a_stop(remit: Program, ops: Ops) -> None:
    """Stopping is how a restart is compensated, which is not exact: whoever approved the one has not approved the other."""
    document = remit.home / "ops.json"
    document.write_text(json.dumps(API), encoding="utf-8")
    remit.configure(f'{ops.config}openapi = "{document}"\nundo.restart = {{ operation = "stop", args = {{}} }}\n')
    check = {"tool": "http-get", "args": HEALTH, "at": "text", "equals": "the shop is open, with 4 workers"}
    plan = calls("plan", steps=[step("restart", "http-ops-restart", {}, check)])
    with Model(plan, calls("http-ops-restart"), Reply(text="PARTLY: it is open, but does not say with how many workers.")) as model:
        run(remit, model)
        approved(remit, model, "services/shop/restart")
    assert ops.asked == ["POST /services/shop/restart"]
    assert ops.up
