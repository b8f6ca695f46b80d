"""`remit stats` on the journal of a week: each number recomputed here from the raw log, in other words than the program's."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from claims import proves
from loopback_openai import Reply
from remit_program import Program, program
from story_model import Model, calls, step

PRICED = '[price."tiny"]\ninput = 1000\noutput = 10000\n'
ONLINE = '[[step]]\nid = "a"\ntool = "shell.run_online"\nargs = { command = "true" }\n'
WRITES = '[[step]]\nid = "a"\ntool = "files.write"\nargs = { path = "NAME", text = "x" }\n'


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Done alone, twice, once taken back by a person; approved; denied; a goal with a false start; a goal told more; one that is open."""
    remit = program(tmp_path_factory.mktemp("week"))
    remit.configure(PRICED)
    for name in ("good.txt", "bad.txt"):
        assert remit("run", str(remit.plan(f'goal = "write {name}"\nlevel = "approver"\n{WRITES.replace("NAME", name)}'))).code == 0
    (bad,) = [one["run"] for one in remit.json("runs", "--all", "--json") if one["goal"] == "write bad.txt"]
    assert remit("undo", bad, "--yes").code == 0
    for answer in ("approve", "deny"):
        remit("run", str(remit.plan(f'goal = "{answer}"\n{ONLINE}')))
        remit(answer, remit.json("inbox", "--json")[0]["id"])
    check = {"tool": "files-read", "args": {"path": "b.txt"}, "at": "text", "contains": "x"}
    script = [
        calls("plan", steps=[step("note", "files-write", {}, check)]),
        calls("files-write", path="a.txt", text="x"),
        calls("files-read", path="missing.txt"),
        calls("files-write", path="b.txt", text="x"),
        Reply(text="written"),
    ]
    with Model(*script) as model:
        assert remit("run", "write the note b.txt", **model.env).code == 0
    with Model(calls("shell-run_online", command="true"), Reply(text="done")) as model:
        remit("run", "go online with `true`", **model.env)
        run = remit.json("runs", "--json")[0]["run"]
        remit("runs", run, "say", "only once")
        remit("approve", remit.json("inbox", "--json")[0]["id"], **model.env)
    with Model(Reply(text="hello")) as model:
        remit("chat", "hello", **model.env)
    remit("run", str(remit.plan(f'goal = "open"\n{ONLINE}')))
    return remit


def lines(remit: Program) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in remit.json("log", "--json"):
        found[one["run"]].append(one)
    return found


def tasks(remit: Program) -> Iterator[list[dict[str, Any]]]:
    for run in lines(remit).values():
        body = run[0]["body"]
        if body["kind"] in {"plan", "agent"} and not body["spec"].get("chat"):
            yield run


def of(run: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [one for one in run if one["kind"] in kinds]


@proves("stats.recomputed")
def test_tasks_and_walks_away_are_what_the_log_says(week: Program) -> None:
    """Those that ended, those done, those that nobody had to look after, and how often people were needed."""
    (told,) = week.json("stats", "--json")
    ended = [run for run in tasks(week) if of(run, "closed")]
    helped = [len(of(run, "answered")) + sum(one["body"].get("who") == "root" for one in of(run, "said", "level")) for run in ended]
    done = [of(run, "closed")[0]["body"]["state"] == "done" for run in ended]
    assert (told["tasks"], told["ended"], told["done"]) == (len(list(tasks(week))), len(ended), sum(done)) == (7, 6, 5)
    assert told["walked_away"] == sum(good and not help_ for good, help_ in zip(done, helped, strict=True)) == 3
    assert told["walk_away_rate"] == 3 / 6
    assert told["interventions_per_task"] == sum(helped) / 6


@proves("stats.recomputed")
def test_what_was_done_alone_and_what_was_wrong_are_what_the_log_says(week: Program) -> None:
    """Started without a yes; taken back by a person or by its own check; asked about, and not wanted so."""
    (told,) = week.json("stats", "--json")
    alone, wrong = [], []
    for run in tasks(week):
        undoing = {one["action"] for one in of(run, "proposed") if "undoes" in one["body"]}
        mine = [one["action"] for one in of(run, "started") if "people" not in one["body"] and one["action"] not in undoing]
        alone += mine
        wrong += [one["action"] for one in of(run, "undone") if one["action"] in mine]
    assert (told["alone"], told["alone_wrong"]) == (len(alone), len(wrong)) == (4, 2)
    answers = [one["body"]["answer"] for run in tasks(week) for one in of(run, "answered")]
    assert (told["asked"], told["asked_wrong"]) == (len(answers), answers.count("deny")) == (3, 1)
    assert 1 / 3 < told["asked_wrong_bound"] < 1
    assert told["by_tool"]["files.write"]["alone"] == 4
    assert told["by_tool"]["shell.run_online"]["asked_wrong"] == 1


@proves("stats.recomputed")
def test_times_and_money_are_what_the_log_says(week: Program) -> None:
    """From question to answer, from failure to the next try, how long an undo took and how late it came; what models cost, shared out."""
    (told,) = week.json("stats", "--json", "--hour", "3600")
    waits, retries, money = [], [], 0
    for run in tasks(week):
        for answer in of(run, "answered"):
            question = f"{answer['action']}{answer['part'].partition('@')[0]}"
            asked = next(one for one in of(run, "asked") if f"{one['action']}{one['part']}" == question)
            waits.append(answer["at"] - asked["at"])
        failures = [one for one in of(run, "finished") if one["body"]["status"] == "failed"]
        retries += [next(one["at"] for one in of(run, "proposed") if one["n"] > bad["n"]) - bad["at"] for bad in failures]
        money += sum(one["body"].get("usage", {}).get("usd", 0) for one in of(run, "message"))
    assert (told["approval_ms"]["n"], told["approval_ms"]["p50"]) == (3, median(waits))
    assert (told["retry_ms"]["n"], told["retry_ms"]["p50"]) == (len(retries), median(retries))
    assert len(retries) == 2, "a look that did not hold, and a file that was missing"
    assert told["money_per_task"] == pytest.approx(money / 1e6 / 6)
    (undo,) = [run for run in lines(week).values() if run[0]["body"]["kind"] == "undo"]
    took = of(undo, "closed")[0]["at"] - undo[0]["at"]
    assert told["undo_ms"] == {"n": 1, "p50": took, "p95": took}
    false_start = next(run for run in tasks(week) if run[0]["body"]["goal"] == "write the note b.txt")
    share = sum(one["body"].get("usage", {}).get("usd", 0) for one in of(false_start, "message")) / 1e6 / len(of(false_start, "proposed"))
    wrong = told["wrong_action"]
    assert wrong["n"] == 2
    assert wrong["direct"] == pytest.approx(share / 2)
    assert wrong["cost"] == pytest.approx(share / 2 + took / 1000 / 2)


@proves("stats.recomputed")
def test_groups_add_up(week: Program) -> None:
    """By tool, model, level and week; the same in the terminal, and drawn."""
    (told,) = week.json("stats", "--json")
    for group in ("by_model", "by_level", "by_week"):
        assert sum(one["tasks"] for one in told[group].values()) == told["tasks"]
    assert sum(one["actions"] for one in told["by_tool"].values()) == told["actions"]
    assert set(told["by_model"]) == {"plan file", "openai-compatible:tiny"}
    plain = week("stats").out
    assert "50.0 % of 6 tasks" in plain
    assert week("stats", "--by", "tool").out.count("\n") == len(told["by_tool"])
    target = week.home.parent / "weeks.svg"
    assert week("stats", "--plot", str(target)).code == 0
    drawn = target.read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert all(name in drawn for name in told["by_week"])
    assert week("stats", "--plot", str(target)).code == 2


@proves("stats.recomputed")
def test_nothing_is_told_of_nothing(tmp_path: Path) -> None:
    """An empty journal, and a time in which nothing began."""
    remit = program(tmp_path)
    (told,) = remit.json("stats", "--json")
    assert (told["tasks"], told["walk_away_rate"], told["asked_wrong_bound"]) == (0, None, 1.0)
    assert "-" in remit("stats").out
    assert json.loads(remit("stats", "--since", "1d", "--json").out)["tasks"] == 0
    assert remit("stats", "--since", "never").code == 2
