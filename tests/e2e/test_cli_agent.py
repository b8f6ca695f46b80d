"""A goal pursued by a model behind a real endpoint (our own, on loopback), through the whole program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claims import proves
from loopback_openai import Fail, Loopback, Reply
from remit.plans.rules import rule_plan
from remit_program import Program, program

MODEL = "openai-compatible:tiny"
WRITE = ("files-write", '{"path": "a.txt", "text": "hello"}')
GO_ONLINE = ("shell-run_online", '{"command": "echo hi"}')


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


@proves("cli.goal_runs_with_a_model")
def test_a_goal_is_pursued_through_the_gate_and_undone(remit: Program) -> None:
    """The model's calls run alone where policy allows, the report is shown, and everything can be taken back."""
    with Loopback([Reply(calls=[WRITE]), Reply(text="wrote the file")]) as server:
        ran = remit("run", "write hello into a.txt", "--model", MODEL, REMIT_BASE_URL=server.address)
    assert ran.code == 0, ran
    assert "wrote the file" in ran.out
    assert (remit.folder / "a.txt").read_text(encoding="utf-8") == "hello"
    run = remit.json("runs", "--all", "--json")[0]["run"]
    assert remit("undo", run, "--yes").code == 0
    assert not (remit.folder / "a.txt").exists()


@proves("cli.goal_runs_with_a_model")
def test_what_must_be_asked_waits_and_the_model_is_told_of_the_no(remit: Program) -> None:
    """An irreversible call waits; after the denial the next leg tells the model, which cannot claim to be done."""
    with Loopback([Reply(calls=[WRITE, GO_ONLINE]), Reply(text="all done!")]) as server:
        ran = remit("run", "write hello into a.txt", "--model", MODEL, REMIT_BASE_URL=server.address)
        assert ran.code == 3, ran
        asked = remit.json("inbox", "--json")[0]
        assert "echo hi" in asked["title"] + asked["body"]
        denied = remit("deny", asked["id"], REMIT_BASE_URL=server.address)
        told = server.asked[-1]["messages"][-1]["content"]
    assert denied.code == 1
    assert "partly" in denied.out
    assert "no" in told
    assert (remit.folder / "a.txt").exists()


@proves("cli.goal_runs_with_a_model")
def test_an_endpoint_that_does_not_answer_keeps_the_run(remit: Program) -> None:
    """Exit code 6 and a clear message; the run stays open and `remit resume` goes on once the endpoint is back."""
    with Loopback([Fail(status=401, body='{"error": {"message": "bad key"}}')]) as server:
        failed = remit("run", "write hello", "--model", MODEL, REMIT_BASE_URL=server.address)
        assert failed.code == 6, failed
        assert "bad key" in failed.err
    with Loopback([Reply(calls=[WRITE]), Reply(text="done")]) as server:
        assert remit("resume", REMIT_BASE_URL=server.address).code == 0
    assert (remit.folder / "a.txt").exists()


@proves("cli.without_a_model_says_what_to_set")
def test_without_a_model_it_says_what_to_set_and_what_needs_none(remit: Program) -> None:
    """The message names the variable, plan files and the demo."""
    said = remit("run", "write hello")
    assert said.code == 2
    for word in ("REMIT_MODEL", "plan", "remit demo"):
        assert word in said.err


@proves("agent.plan_kept")
def test_what_an_agent_did_is_a_plan_that_runs_again_without_a_model(remit: Program) -> None:
    """Saved with what was really called, one text made an input; run in another place with another value, and undone."""
    steps = [
        {"id": "list", "tool": "files-list", "args": {"path": "."}, "reason": "to know"},
        {"id": "write", "tool": "files-write", "args": {"path": "october.txt"}, "reason": "to note", "needs": ["list"]},
        {"id": "never", "tool": "files-write", "args": {"path": "never.txt"}, "reason": "no"},
    ]
    script = [
        Reply(calls=[("plan", json.dumps({"steps": steps}))]),
        Reply(calls=[("files-list", '{"path": "."}')]),
        Reply(calls=[("files-write", '{"path": "october.txt", "text": "october: nothing"}'), WRITE], ids=("a", "b")),
        Reply(text="PARTLY: two of three"),
    ]
    with Loopback(script) as server:
        assert remit("run", "note October in october.txt", "--model", MODEL, REMIT_BASE_URL=server.address).code == 1
    run = remit.json("runs", "--all", "--json")[0]["run"]
    saved = str(remit.home.parent / "monthly.yaml")
    kept = remit("runs", run, "plan", "--save", saved, "--input", "month=october")
    assert kept.code == 0, kept.err
    assert kept.err == f"not in it: c3.1, which carried out no step of the plan (`remit show {run}/c3.1`)\n"
    assert "october.txt" in remit("undo", f"{run}/write").out, "a step names what carried it out"
    again = remit("run", saved, "--set", "month=november")
    assert again.code == 0, again.out
    assert (remit.folder / "november.txt").read_text(encoding="utf-8") == "november: nothing"
    assert not (remit.folder / "never.txt").exists()
    for wrong, said in (
        (("--save", saved), "cannot be written"),
        (("--save", "x.toml"), ".yaml"),
        (("--save", "x.yaml", "--input", "a=zzz"), "nowhere"),
    ):
        refused = remit("runs", run, "plan", *wrong)
        assert refused.code == 2
        assert said in refused.err


@proves("cli.model_check")
def test_what_an_endpoint_can_do_is_tried(remit: Program) -> None:
    """Each thing by a request of its own; what is missing and needed makes the exit code 1; an endpoint that is away is one line."""
    good = [
        Reply(text="yes"),
        Reply(text="one two three four five"),
        Reply(calls=[("add", '{"a": 19, "b": 23}')]),
        Reply(text="42"),
        Reply(calls=[("add", '{"a": 1, "b": 2}'), ("add", '{"a": 3, "b": 4}')], ids=("c1", "c2")),
    ]
    with Loopback(good) as server:
        fit = remit("model", "check", MODEL, REMIT_BASE_URL=server.address)
        assert server.asked[3]["messages"][-1]["role"] == "tool"
    assert fit.code == 0, fit.out
    assert [line.split("  ")[0] for line in fit.out.splitlines()] == [
        "answers",
        "streams",
        "calls tools",
        "reads answers of tools",
        "calls several at once",
    ]
    with Loopback([Reply(text="yes"), Reply(text="1"), Reply(text="It is 42."), Reply(text="3 and 7")]) as server:
        unfit = remit("model", "check", MODEL, "--json", REMIT_BASE_URL=server.address)
    assert unfit.code == 1
    assert [json.loads(line)["works"] for line in unfit.out.splitlines()] == [True, False, False, False]
    away = remit("model", "check", MODEL, REMIT_BASE_URL="http://127.0.0.1:9/v1")
    assert (away.code, len(away.out.splitlines())) == (1, 1)


@proves("planner.rules")
def test_a_goal_that_rules_know_needs_no_model_and_says_so(remit: Program) -> None:
    """Planned, shown, judged and undone like any plan; whatever else is wanted it does not know."""
    (remit.folder / "a.txt").write_text("one\n", encoding="utf-8")
    said = remit("run", 'copy a.txt to b.txt, then write "two words" to c.txt and then run `cat b.txt c.txt > d.txt`')
    assert said.code == 0, said.out + said.err
    assert "planned by rules, without a model" in said.err
    assert (remit.folder / "d.txt").read_text(encoding="utf-8") == "one\ntwo words\n"
    assert remit("undo", remit.last(), "--yes").code == 0
    assert [path.name for path in remit.folder.iterdir()] == ["a.txt"]
    unknown = remit("run", "make the world better", "--model", "rules")
    assert (unknown.code, "does not know" in unknown.err) == (2, True)
    assert "it knows: copy A to B" in unknown.err
    assert "no model is set" in remit("run", "make the world better").err


@proves("planner.rules")
@pytest.mark.parametrize(
    "goal",
    [
        "delete everything",
        "delete all old files",
        "copy a.txt to b.txt and more",
        "pay bob",
        "move a.txt",
        "run rm -rf /",
        "",
        "copy a.txt to",
    ],
)
def test_what_is_not_word_for_word_in_the_list_is_not_planned(goal: str) -> None:
    """In doubt it knows nothing."""
    assert rule_plan(goal) is None


@proves("agent.prompt_caching")
def test_what_stays_the_same_is_marked_to_be_kept_where_that_is_offered(remit: Program) -> None:
    """Anthropic is told what to keep; endpoints that know no such thing see nothing of it."""
    for name, marked in (("anthropic:x", True), ("openai-compatible:x", False)):
        with Loopback([Reply(text="hello")]) as server:
            address = server.address.removesuffix("/v1") if marked else server.address
            remit("chat", "hello", REMIT_MODEL=name, REMIT_BASE_URL=address, REMIT_API_KEY="k")
            assert ("cache_control" in json.dumps(server.asked[0])) == marked


@proves("planner.rules")
@pytest.mark.parametrize(
    ("goal", "path"), [("delete src/..", "src/.."), ("delete a/b/.", "a/b/."), ("delete a.txt.", "a.txt"), ("delete a.txt!", "a.txt")]
)
def test_the_end_of_a_path_is_not_the_end_of_a_sentence(goal: str, path: str) -> None:
    """What would be deleted is what was said."""
    plan = rule_plan(goal)
    assert plan is not None
    assert plan.steps[0].way.args == {"path": path}
