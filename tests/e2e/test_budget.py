"""What a run may use up: each limit stops it with its state, a raise lets it go on, and no more is overshot than by one thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claims import proves
from loopback_openai import Reply
from remit.domain.budget import Budget, read_budget, told
from remit.errors import BadInput
from remit_program import Program, Said, program
from story_model import Model, calls

GOAL = "write the notes"
PLAN = 'goal = "write them"\nlevel = "observer"\n' + "".join(
    f'[[step]]\nid = "s{n}"\ntool = "files.write"\nargs = {{ path = "a{n}.txt", text = "x" }}\n' for n in range(6)
)
PRICED = '[price."tiny"]\ninput = 1000\noutput = 10000\n'
"""A response of the loopback endpoint counts 11 tokens in and 7 out."""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def writing(times: int = 6) -> list[Any]:
    return [*(calls("files-write", path=f"a{n}.txt", text="x") for n in range(times)), Reply(text="written")]


def run_id(remit: Program) -> str:
    return str(remit.json("runs", "--all", "--json")[-1]["run"])


def question(remit: Program) -> dict[str, Any]:
    (found,) = remit.json("inbox", "--json")
    return dict(found)


def written(remit: Program) -> int:
    return len(list(remit.folder.glob("a*.txt")))


def stopped(remit: Program, said: Said, what: str) -> None:
    assert said.code == 3, said.out + said.err
    asked = question(remit)
    assert (asked["kind"], what in asked["title"]) == ("anomaly", True), asked["title"]


@proves("budget.stops_with_state")
@pytest.mark.parametrize(
    ("limit", "config", "what", "done"),
    [
        ("tokens=40", "", "of 40 tokens", 2),
        ("steps=3", "", "3 of 3 actions", 3),
        ("money=0.20", PRICED, "$ 0.24 of 0.20", 2),
    ],
)
def test_a_model_run_stops_at_its_limit_and_goes_on_after_a_raise(remit: Program, limit: str, config: str, what: str, done: int) -> None:
    """At most one thing more than the limit; nothing is asked of the model or begun while it waits; twice as much by the answer."""
    remit.configure(config)
    with Model(*writing()) as model:
        said = remit("run", GOAL, "--budget", limit, **model.env)
        stopped(remit, said, what)
        assert written(remit) == done
        asked = len(model.asked)
        assert remit("resume", run_id(remit), **model.env).code == 3
        assert (len(model.asked), written(remit)) == (asked, done)
        assert "are used" in remit("log", "--run", run_id(remit)).out
        remit("answer", question(remit)["id"], "more", **model.env)
        assert written(remit) > done
        shown = remit("runs", run_id(remit), "budget", f"{limit.partition('=')[0]}=100000").out
        assert "of 100,000" in shown
        assert remit("resume", run_id(remit), **model.env).code == 0
    assert written(remit) == 6
    assert remit.json("inbox", "--json") == []


@proves("budget.stops_with_state")
def test_a_plan_run_stops_at_its_limit_too_and_an_answer_names_another(remit: Program) -> None:
    """What was done stays done; `stop` ends it instead."""
    plan = str(remit.plan(PLAN))
    stopped(remit, remit("run", plan, "--budget", "steps=2"), "2 of 2 actions")
    assert written(remit) == 2
    stopped(remit, remit("answer", question(remit)["id"], "steps=4"), "4 of 4 actions")
    assert written(remit) == 4
    ended = remit("answer", question(remit)["id"], "stop")
    assert ended.code == 1
    assert written(remit) == 4
    assert remit.json("runs", "--all", "--json")[0]["state"] == "stopped"


@proves("budget.stops_with_state")
def test_time_at_work_counts_and_waiting_does_not(remit: Program) -> None:
    """A step that takes its time uses it up; a day of waiting for a person would not."""
    slow = PLAN.replace(
        'id = "s0"\ntool = "files.write"\nargs = { path = "a0.txt", text = "x" }',
        'id = "s0"\ntool = "shell.run"\nargs = { command = "sleep 1.2" }',
    )
    stopped(remit, remit("run", str(remit.plan(slow)), "--budget", "minutes=0.02"), "seconds at work")
    assert written(remit) == 0
    assert remit("answer", question(remit)["id"], "minutes=60").code == 0
    assert written(remit) == 5


@proves("budget.asks_an_hour")
def test_people_are_not_asked_more_often_than_they_want(remit: Program) -> None:
    """The third question of the hour is not put: its run waits with its state, and asks once more are allowed. Nothing ran unasked."""
    remit.configure("[budget]\nasks = 2\n")
    asks = [f'goal = "x{n}"\n[[step]]\nid = "a"\ntool = "shell.run_online"\nargs = {{ command = "touch done{n}" }}\n' for n in range(3)]
    for text in asks[:2]:
        assert remit("run", str(remit.plan(text))).code == 3
    third = remit("run", str(remit.plan(asks[2])))
    assert (third.code, "2 times within an hour" in third.out) == (3, True), third.out
    assert len(remit.json("inbox", "--json")) == 2
    remit.configure("[budget]\nasks = 3\n")
    (waits,) = [one["run"] for one in remit.json("runs", "--json") if one["goal"] == "x2"]
    assert remit("resume", waits).code == 3
    assert len(remit.json("inbox", "--json")) == 3
    assert not list(remit.folder.glob("done*"))


@proves("budget.stops_with_state")
def test_where_money_is_limited_an_unknown_price_is_no_price(remit: Program) -> None:
    """The run does not begin; where the endpoint answers as another model than it was asked for, it stops after that answer."""
    with Model(*writing()) as model:
        refused = remit("run", GOAL, "--budget", "money=5", **model.env)
        assert (refused.code, "what tiny costs is not known" in refused.err, model.asked) == (2, True, [])
    assert remit.json("runs", "--all", "--json") == []


@proves("budget.stops_with_state")
def test_samples_are_paid_for(remit: Program) -> None:
    """The answers by which sureness is measured count like the first."""
    with Model(*[calls("files-write", path="a0.txt", text="x")] * 3, Reply(text="done")) as model:
        remit("run", GOAL, "--samples", "3", **model.env)
    usage = [one["body"]["usage"] for one in remit.json("log", "--json") if one["kind"] == "message" and "usage" in one["body"]]
    assert [one["in"] for one in usage] == [33, 11]


@proves("budget.read")
@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("money=2.50", Budget(money=2_500_000)),
        ("tokens=100000, steps=40", Budget(tokens=100_000, steps=40)),
        ("minutes=0.5 asks=6", Budget(seconds=30, asks=6)),
    ],
)
def test_limits_are_read(text: str, budget: Budget) -> None:
    """With commas or blanks; they survive the journal."""
    assert read_budget(text) == budget
    assert Budget.of(json.loads(json.dumps(budget.to_spec()))) == budget


@proves("budget.read")
@pytest.mark.parametrize(
    "text", ["", "money", "money=0", "money=-1", "tokens=1.5", "steps=x", "dollars=3", "money=NaN", "minutes=1e99", "tokens=9" * 20]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(BadInput):
        read_budget(text)


def test_amounts_read_well() -> None:
    """For people."""
    assert [told("money", 1_250_000, 2_000_000), told("tokens", 12_000), told("seconds", 90, 120)] == [
        "$ 1.25 of 2.00",
        "12,000 tokens",
        "1.5 of 2.0 minutes at work",
    ]
