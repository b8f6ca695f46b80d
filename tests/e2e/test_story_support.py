"""The seed's story of a support desk: clear cases are answered, unclear ones handed over with how sure the model was. End to end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from desk_world import API, Desk, desk
from loopback_openai import Fail, Reply, Script
from remit_program import Program, program
from story_model import Model, calls, step

GOAL = "answer the open tickets at desk by faq.md, and leave to us what is not clear"
FAQ = "Invoices are in the account, under Orders. A forgotten password is set anew with the link at the sign-in.\n"
POLICY = """
@id("clear") @reason("a planned reply that the model wants every time it is asked")
permit (principal, action == Action::"http.desk.reply", resource)
when { context.level == "approver" && context.planned && context.confidence >= 100 };
@id("to-us") @reason("handing over to a person hurts nobody")
permit (principal, action == Action::"http.desk.hand_over", resource) when { context.planned };
"""
LOOK = {"tool": "http-desk-tickets", "args": {}, "at": "text", "lacks": '"open"'}
TO = {"id": "${read.text}", "body": "${read.text}"}
"""Both come from what the desk says: the plan says so, as it cannot say what."""
PLAN = calls(
    "plan",
    steps=[
        step("read", "http-desk-tickets", {}),
        step("answer", "http-desk-reply", TO, keep=True, times=20),
        step("leave", "http-desk-hand_over", TO, LOOK, keep=True, times=20),
    ],
)


def reply(ticket: str, text: str) -> Reply:
    return calls("http-desk-reply", id=ticket, body={"text": f"Hello! {text} Do write again if that does not help you."})


INVOICE = [reply("1", text) for text in ("Your invoice is under Orders.", "Look under Orders, please.", "Under Orders, there it is.")]
PASSWORD = [reply("2", text) for text in ("Set it anew at the sign-in.", "There is a link at the sign-in.", "The sign-in has a link.")]
OVER = calls("http-desk-hand_over", id="3", body={"text": "wants money back, and is angry"})
REFUND = reply("3", "You get your money back.")
UNSURE = [REFUND, OVER, calls("ask_person", question="May I promise a refund?")]
SCRIPT: tuple[Script, ...] = (
    PLAN,
    calls("files-read", path="faq.md"),
    calls("http-desk-tickets"),
    *INVOICE,
    *PASSWORD,
    *UNSURE,
    OVER,
    OVER,
    OVER,
    Reply(text="Two are answered; one was left to you, as you wanted."),
)


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    remit = program(tmp_path)
    (remit.folder / "faq.md").write_text(FAQ, encoding="utf-8")
    return remit


@pytest.fixture
def there(remit: Program) -> Iterator[Desk]:
    with desk() as there:
        document = remit.home / "config" / "remit" / "desk.json"
        remit.configure(f'[http.desk]\nbase = "{there.base}"\nprivate = true\nopenapi = "{document}"\n')
        document.write_text(json.dumps(API), encoding="utf-8")
        document.with_name("policy.cedar").write_text(POLICY, encoding="utf-8")
        yield there


def question(remit: Program) -> dict[str, Any]:
    (found,) = remit.json("inbox", "--json")
    return dict(found)


@proves("story.support")
def test_clear_tickets_are_answered_and_the_unclear_one_is_handed_over_with_how_sure_it_was(remit: Program, there: Desk) -> None:
    """Other words for the same reply agree; another act does not, asks, and says by how much and how such calls went before."""
    with Model(*SCRIPT) as model:
        said = remit("run", GOAL, "--level", "approver", "--samples", "3", **model.env)
        assert said.code == 3, said.out + said.err
        assert there.outline == [("reply", "1"), ("reply", "2")]
        unsure = question(remit)
        assert "1 of 3 answers want this" in unsure["why"]
        assert "unsure: asked again, the model was not sure" in unsure["why"]
        assert "nobody has answered for calls of http.desk.reply that were about as sure (33 %)" in unsure["record"]
        assert "so far: nobody" in remit("inbox").out
        ended = remit("deny", unsure["id"], "--note", "leave that one to us", **model.env)
    assert ended.code == 0, ended.out + ended.err
    assert there.outline == [("reply", "1"), ("reply", "2"), ("hand_over", "3")]
    assert "verified: leave: its checks held" in ended.out
    assert "refused: http.desk.reply" in ended.out


@proves("agent.confidence")
def test_a_record_of_such_calls_stands_with_the_next_question(remit: Program, there: Desk) -> None:
    """What people said of calls that were about as sure is counted; an answer that could not be had is none that wants it."""
    again = (PLAN, calls("http-desk-tickets"), REFUND, OVER, Fail(status=400))
    with Model(*again) as model:
        assert remit("run", GOAL, "--level", "approver", "--samples", "3", **model.env).code == 3
        first = question(remit)
        assert "1 of 3 answers want this (1 could not be had)" in first["why"]
        remit("deny", first["id"], "--no-resume")
    with Model(*again) as model:
        remit("run", GOAL, "--level", "approver", "--samples", "3", **model.env)
    assert "of 1 calls of http.desk.reply that were about as sure (33 %), 1 were denied" in remit.json("inbox", "--json")[-1]["record"]
    assert there.done == []


@pytest.mark.parametrize("args", [("--samples", "0"), ("--samples", "99")])
def test_what_cannot_be_measured_is_said(remit: Program, args: tuple[str, ...]) -> None:
    """Before anything is written down."""
    said = remit("run", "do it", *args, REMIT_MODEL="openai-compatible:x", REMIT_BASE_URL="http://127.0.0.1:9")
    assert (said.code, "samples cannot be taken" in said.err) == (2, True)
    assert remit.json("runs", "--all", "--json") == []
