"""An agent with a plan: made first, followed, looked at, changed; and a person who steers it in the middle. Real tools and journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from claims import proves
from course_world import ByTurn, Course, Turn, call, holds, step, turn
from remit.domain.action import Action, Level
from remit.domain.question import Answer, QuestionKind
from remit.domain.run import RunState
from remit.domain.situation import Situation
from remit.domain.values import JsonValue, action_id
from remit.errors import ArgsInvalid, BadInput
from remit.plans.files import read_plan

HERE = Path(__file__).parent.parent
DONE = {"text": "all is written"}
WRITE_A = call("files.write", path="a.txt", text="a")
WRITE_B = call("files.write", path="b.txt", text="b")
TWO = call(
    "plan",
    steps=[
        step("a", "files.write", {"path": "a.txt"}, holds("a.txt", "a")),
        step("b", "files.write", {"path": "b.txt", "text": "b"}, holds("b.txt", "b"), expect="the second note", confidence=90),
    ],
)


@proves("agent.plan_verified")
def test_a_run_says_done_with_what_was_seen(tmp_path: Path) -> None:
    """Each step's own check looks at the world; the report says so, step by step."""
    course = Course(tmp_path, ByTurn(turn(TWO), turn(WRITE_A, WRITE_B), DONE))
    end = course.leg()
    assert end.state is RunState.DONE
    assert end.summary.splitlines() == ["all is written", "", "verified: a: its checks held", "verified: b: its checks held"]
    assert course.there() == {"a.txt": "a", "b.txt": "b"}


@proves("agent.plan_verified")
@pytest.mark.parametrize("does_it", [True, False])
def test_no_false_done(tmp_path: Path, does_it: bool) -> None:
    """A model that says done while a step is not is told so, once; then it does it, or the run says partly."""
    after: list[Turn] = [turn(WRITE_B), DONE] if does_it else [DONE]
    course = Course(tmp_path, ByTurn(turn(TWO), turn(WRITE_A), DONE, *after))
    end = course.leg()
    assert end.state is (RunState.DONE if does_it else RunState.PARTLY)
    assert ("not verified: b: " in end.summary) != does_it
    assert any("not seen to be done" in str(item["text"]) for item in course.model.seen[3])


@proves("agent.plan_verified")
def test_what_was_done_in_another_way_is_seen_to_be_so(tmp_path: Path) -> None:
    """The step planned a write, the model copied: the check looks at the file, not at how it came."""
    course = Course(
        tmp_path,
        ByTurn(
            turn(TWO), turn(WRITE_A, call("files.write", path="c.txt", text="b")), turn(call("files.move", path="c.txt", to="b.txt")), DONE
        ),
    )
    end = course.leg()
    assert (end.state, "verified: b: seen to be so" in end.summary) == (RunState.DONE, True)


@proves("agent.retry_from_the_same_place")
def test_an_attempt_that_did_not_do_it_is_taken_back_before_the_next(tmp_path: Path) -> None:
    """The first try writes the wrong text: its check says so, the old file is back, the model is told why, and tries otherwise."""
    plan = call("plan", steps=[step("a", "files.write", {"path": "a.txt"}, holds("a.txt", "right"))])

    def seen() -> Mapping[str, JsonValue]:
        assert course.there() == {"a.txt": "old"}
        assert "taken back" in course.model.told()
        assert 'should equal \\"right\\"' in course.model.told()
        return turn(call("files.write", path="a.txt", text="right"))

    course = Course(tmp_path, ByTurn(turn(plan), turn(call("files.write", path="a.txt", text="wrong")), seen, DONE))
    (course.work / "a.txt").write_text("old", encoding="utf-8")
    assert course.leg().state is RunState.DONE
    assert course.there() == {"a.txt": "right"}
    assert [note.get("failed", "") != "" for note in course.lines("note") if "step" in note] == [True, False]


@proves("agent.planned_before_untrusted")
@pytest.mark.parametrize(("order", "alone"), [("plan first", True), ("read first", False), ("no plan", False), ("person's plan", True)])
def test_only_what_was_planned_before_a_strangers_words_goes_alone_after_them(tmp_path: Path, order: str, alone: bool) -> None:
    """A plan made after reading them counts for nothing at the gate, unless a person wrote it."""

    def mine() -> Mapping[str, JsonValue]:
        text = 'goal = "x"\n[[step]]\nid = "a"\ntool = "files.write"\nargs = { path = "a.txt", text = "a" }\n'
        course.person("replan", read_plan(text, name="plan.toml"))
        return turn(call("files.list", path="."))

    read = turn(call("stranger.read"))
    plans: dict[str, list[Turn]] = {
        "plan first": [turn(TWO), read],
        "read first": [read, turn(TWO)],
        "no plan": [read],
        "person's plan": [read, mine],
    }
    course = Course(tmp_path, ByTurn(*plans[order], turn(WRITE_A), {"text": "PARTLY: one of them"}))
    end = course.leg()
    assert (end.state is RunState.PARTLY) == alone
    assert (end.state is RunState.WAITING) != alone
    assert course.there() == ({"a.txt": "a"} if alone else {})


@proves("agent.planned_before_untrusted")
def test_a_planned_step_is_not_another_one(tmp_path: Path) -> None:
    """The path that the plan names counts, not the tool alone."""
    course = Course(tmp_path, ByTurn(turn(TWO), turn(call("stranger.read")), turn(call("files.write", path="z.txt", text="z"))))
    assert course.leg().state is RunState.WAITING


@proves("agent.own_before_untrusted")
@pytest.mark.parametrize(
    ("to", "alone"),
    [("planned@example.org", True), ("mine@example.org", True), ("mallory@evil.example", False), ("new@example.org", False)],
)
def test_a_value_known_before_a_strangers_words_is_not_theirs(tmp_path: Path, to: str, alone: bool) -> None:
    """It stood in the plan, or in the person's own file that was read before; what came up later asks."""
    plan = [
        step("c", "files.read", {"path": "me.txt"}),
        step("a", "letter.post", {"to": "${c.text}"}),
        step("b", "letter.post", {"to": "planned@example.org"}),
    ]
    first, then = turn(call("plan", steps=plan)), turn(call("files.read", path="me.txt"))
    course = Course(
        tmp_path,
        ByTurn(first, then, turn(call("stranger.read")), turn(call("letter.post", to=to)), {"text": "PARTLY: so"}),
        level=Level.APPROVER,
    )
    (course.work / "me.txt").write_text("I am mine@example.org\n", encoding="utf-8")
    assert (course.leg().state is RunState.PARTLY) == alone
    assert course.sent.exists() == alone


@proves("agent.planned_before_untrusted")
def test_what_a_check_saw_taints_like_what_a_tool_read(tmp_path: Path) -> None:
    """A check that looks at a stranger's page tells the model what it saw: from then on only what was planned before goes alone."""
    strange = step("a", "files.write", {"path": "a.txt"}, {"tool": "stranger.read", "args": {}, "at": "text", "equals": "fine"}, keep=True)
    course = Course(tmp_path, ByTurn(turn(call("plan", steps=[strange])), turn(WRITE_A), turn(WRITE_B)))
    assert course.leg().state is RunState.WAITING
    assert "mallory" in course.model.told()
    assert course.there() == {"a.txt": "a"}


@proves("agent.planned_before_untrusted")
@pytest.mark.parametrize(("command", "alone"), [("wc -l x.txt", True), ("wc -l x.txt; rm x.txt", False), ("rm x.txt", False)])
def test_a_text_with_a_reference_in_it_is_planned_as_far_as_it_stands(tmp_path: Path, command: str, alone: bool) -> None:
    """The words around it are those of the plan."""
    steps = [step("look", "files.list", {"path": "."}), step("count", "shell.run", {"command": "wc -l ${look.entries.0.path}"})]
    plan, reading = turn(call("plan", steps=steps)), turn(call("files.list", path="."), call("stranger.read"))
    course = Course(
        tmp_path,
        ByTurn(
            plan,
            reading,
            turn(call("shell.run", command=command.replace("x.txt", str(tmp_path / "work" / "x.txt")))),
            {"text": "PARTLY: so"},
        ),
    )
    (course.work / "x.txt").write_text("x", encoding="utf-8")
    assert (course.leg().state is RunState.PARTLY) == alone
    assert (course.work / "x.txt").exists()


@proves("agent.plan_verified")
def test_what_is_planned_no_more_is_said(tmp_path: Path) -> None:
    """A plan with less is told as less, and other words for the same step leave it done."""
    plan = call(
        "plan", steps=[step("a", "files.write", {"path": "a.txt"}, holds("a.txt", "a")), step("b", "files.write", {"path": "b.txt"})]
    )
    less = call("plan", steps=[step("a", "files.write", {"path": "a.txt"}, holds("a.txt", "a"), expect="said otherwise")])
    course = Course(tmp_path, ByTurn(turn(plan), turn(WRITE_A), turn(less), DONE))
    end = course.leg()
    assert end.state is RunState.DONE
    assert end.summary.splitlines()[-2:] == ["verified: a: its checks held", "dropped from the plan: b"]


@proves("agent.plan_verified")
def test_what_was_changed_beside_the_plan_is_looked_at_again(tmp_path: Path) -> None:
    """A step that held is moved away by a call that no plan names: told once, and the run says partly."""
    away = turn(call("files.move", path="a.txt", to="q.txt"))
    course = Course(tmp_path, ByTurn(turn(TWO), turn(WRITE_A, WRITE_B), away, DONE, DONE))
    end = course.leg()
    assert end.state is RunState.PARTLY
    assert "not verified: a:" in end.summary
    assert "verified: b: its checks held" in end.summary
    assert "not seen to be done" in course.model.told()


@proves("steering.plan")
def test_a_model_keeps_what_its_person_planned(tmp_path: Path) -> None:
    """A new plan of the model's has the person's steps as they are, or counts for nothing."""

    def mine() -> Mapping[str, JsonValue]:
        text = 'goal = "x"\n[[step]]\nid = "a"\ntool = "files.write"\nargs = { path = "mine.txt" }\n'
        course.person("replan", read_plan(text, name="plan.toml"))
        return turn(call("files.list", path="."))

    mended = call("plan", steps=[step("a", "files.write", {"path": "mine.txt"}), step("more", "files.list", {"path": "."})])
    course = Course(tmp_path, ByTurn(turn(TWO), mine, turn(TWO), turn(mended), {"text": "PARTLY: not begun"}))
    course.leg()
    assert "your person planned a" in str(course.model.seen[3][-1]["text"])
    assert [[one["id"] for one in line["spec"]["step"]] for line in course.lines("plan")] == [["a", "b"], ["a"], ["a", "more"]]


@proves("agent.plan_verified")
@pytest.mark.parametrize(
    "check",
    [
        {"matches": "a{99999999999}", "at": "path"},
        {"at": "entries.--1", "equals": 1},
        {"tool": "files.read", "args": {"path": 3}, "equals": 1},
    ],
)
def test_an_odd_check_fails_and_breaks_nothing(tmp_path: Path, check: dict[str, JsonValue]) -> None:
    """Told to the model, in this leg and in the next."""
    course = Course(
        tmp_path,
        ByTurn(turn(call("plan", steps=[step("a", "files.list", {"path": "."}, check)])), turn(call("files.list", path=".")), *[DONE] * 3),
    )
    assert course.leg().state in {RunState.PARTLY, RunState.DONE}


@proves("steering.pause")
def test_a_pause_in_the_middle_of_a_turn_lets_no_more_of_it_begin(tmp_path: Path) -> None:
    """The rest of the turn is made when the run goes on, and the model is not asked meanwhile."""
    course = Course(tmp_path, ByTurn(turn(call("note.send", to="write the notes"), WRITE_A), DONE), level=Level.APPROVER)
    course.before_send = lambda: course.person("pause")
    assert (course.leg().state, course.there()) == (RunState.WAITING, {})
    assert (course.sent.exists(), len(course.model.seen)) == (True, 1)
    course.person("go_on")
    assert (course.leg().state, course.there()) == (RunState.DONE, {"a.txt": "a"})
    assert course.sent.read_text(encoding="utf-8").count("\n") == 1


@proves("steering.by_hand")
def test_a_step_that_waits_when_it_is_taken_over_is_not_lost(tmp_path: Path) -> None:
    """Its question stays the way to say yes or no; and what was done before is not told as not done."""
    plan = call("plan", steps=[step("a", "note.send", {"to": "bob@example.org"})])
    course = Course(tmp_path, ByTurn(turn(plan), turn(WRITE_A, call("note.send", to="bob@example.org")), DONE, DONE))
    assert course.leg().state is RunState.WAITING
    course.person("take", "a")
    assert course.leg().state is RunState.WAITING
    course.answer(Answer.APPROVE)
    course.person("give_back", "a", done=False)
    assert course.leg().state is RunState.DONE
    assert course.sent.exists()


@proves("steering.by_hand")
def test_a_step_taken_over_is_not_done_under_another_name(tmp_path: Path) -> None:
    """A model that plans the same call as another step does not get around the person who took it."""

    def taken() -> Mapping[str, JsonValue]:
        course.person("take", "b")
        return turn(WRITE_A)

    renamed = call("plan", steps=[step("again", "files.write", {"path": "b.txt", "text": "b"})])
    course = Course(tmp_path, ByTurn(turn(TWO), taken, turn(renamed), turn(WRITE_B), *[{"text": "PARTLY: a person does it"}] * 2))
    assert course.leg().state is RunState.PARTLY
    assert "b.txt" not in course.there()


@proves("steering.words")
def test_what_a_person_says_is_taken_up_before_the_next_decision(tmp_path: Path) -> None:
    """Said while the model thinks: its calls are not made, it is told, and decides again."""

    def interrupted() -> Mapping[str, JsonValue]:
        course.person("say", "call it c.txt")
        return turn(WRITE_A)

    def heard() -> Mapping[str, JsonValue]:
        assert "ann says: call it c.txt" in course.model.told()
        return turn(call("files.write", path="c.txt", text="a"))

    course = Course(tmp_path, ByTurn(interrupted, heard, DONE))
    assert course.leg().state is RunState.DONE
    assert course.there() == {"c.txt": "a"}


@proves("steering.words")
def test_a_word_in_the_last_moment_is_heard_before_the_end(tmp_path: Path) -> None:
    """Said while the model writes its report: the run goes on with it instead of ending."""

    def last() -> Mapping[str, JsonValue]:
        course.person("say", "and b, please")
        return DONE

    course = Course(tmp_path, ByTurn(turn(WRITE_A), last, turn(WRITE_B), DONE))
    assert course.leg().state is RunState.DONE
    assert course.there() == {"a.txt": "a", "b.txt": "b"}


@proves("steering.level")
def test_a_level_lowered_while_a_model_thinks_counts_for_what_it_decides(tmp_path: Path) -> None:
    """Its answer is judged at the new level: the write asks, and is made once after the yes."""

    def lowered() -> Mapping[str, JsonValue]:
        course.person("level", Level.OPERATOR)
        return turn(WRITE_A)

    course = Course(tmp_path, ByTurn(lowered, DONE))
    assert course.leg().state is RunState.WAITING
    assert course.there() == {}
    course.answer(Answer.APPROVE)
    assert course.leg().state is RunState.DONE
    assert course.there() == {"a.txt": "a"}


@proves("steering.pause")
def test_a_pause_while_a_model_thinks_keeps_its_answer_for_later(tmp_path: Path) -> None:
    """Nothing is asked of it twice."""

    def paused() -> Mapping[str, JsonValue]:
        course.person("pause")
        return turn(WRITE_A)

    course = Course(tmp_path, ByTurn(paused, DONE))
    assert (course.leg().state, course.there()) == (RunState.WAITING, {})
    course.person("go_on")
    assert (course.leg().state, course.there()) == (RunState.DONE, {"a.txt": "a"})
    assert len(course.model.seen) == 2


@proves("steering.by_hand")
def test_a_person_does_one_step_of_an_agents_plan(tmp_path: Path) -> None:
    """Taken over, the model's call of it is not made; handed back, it is told, and the check looks at what the person did."""

    def taken() -> Mapping[str, JsonValue]:
        course.person("take", "b")
        return turn(WRITE_A, WRITE_B)

    def by_hand() -> Mapping[str, JsonValue]:
        assert "ann does this step by hand" in course.model.told()
        (course.work / "b.txt").write_text("b", encoding="utf-8")
        course.person("give_back", "b", done=True, note="typed it")
        return DONE

    course = Course(tmp_path, ByTurn(turn(TWO), taken, turn(WRITE_A, WRITE_B), by_hand, DONE))
    end = course.leg()
    assert end.state is RunState.DONE, end.summary
    assert "verified: b: done by ann" in end.summary
    assert "ann did the step b by hand. typed it" in course.model.told()


@proves("agent.asks_its_person")
@pytest.mark.parametrize(("options", "alone"), [([], True), (["bob@example.org", "eve@example.org"], False)])
def test_a_model_asks_its_person(tmp_path: Path, options: list[JsonValue], alone: bool) -> None:
    """The run waits for the answer. Their own words are an authorisation; an option is the model's words, and choosing it is none."""
    ask = call("ask_person", question="To whom?", why="two would fit", options=options)
    course = Course(tmp_path, ByTurn(turn(ask), turn(call("note.send", to="bob@example.org")), DONE), level=Level.APPROVER)
    assert course.leg().state is RunState.WAITING
    question = course.question()
    assert (question.kind, question.title) == (QuestionKind.CLARIFY, "To whom?")
    assert "two would fit" in question.body
    course.answer(Answer.REPLY, "bob@example.org")
    end = course.leg()
    assert (end.state is RunState.DONE) == alone
    assert course.sent.exists() == alone


@proves("agent.question_whole")
@pytest.mark.parametrize(
    ("said", "told"), [("2", "tomorrow"), ("Tomorrow", "tomorrow"), ("on 2031-12-02", "on 2031-12-02"), ("", ""), ("  ", "")]
)
def test_a_question_says_what_was_tried_and_what_comes_of_each_answer(tmp_path: Path, said: str, told: str) -> None:
    """Options are chosen by word or number, own words are fine, an empty answer is none; silence is said, too."""
    options: list[JsonValue] = [{"answer": "today", "leads_to": "I write now"}, {"answer": "tomorrow", "leads_to": "I wait"}]
    ask = call("ask_person", question="When?", why="the plan says neither", tried="looked into the plan", options=options)
    course = Course(tmp_path, ByTurn(turn(ask), DONE))
    course.leg()
    question = course.question()
    assert (question.body, question.tried) == ("the plan says neither", "looked into the plan")
    assert question.choices == {"today": "I write now", "tomorrow": "I wait", "TEXT": "the run goes on with what you say"}
    assert question.silence == "it waits, and nothing is done about it"
    if not told:
        with pytest.raises(BadInput, match="an empty answer"):
            course.answer(Answer.REPLY, said)
        return
    course.answer(Answer.REPLY, said)
    course.leg()
    assert f'"answer":"{told}"' in course.model.told()


@proves("agent.steps_down")
@pytest.mark.parametrize("answer", ["go on", "use a.txt", "stop"])
def test_when_it_does_not_get_on_it_steps_down_and_asks(tmp_path: Path, answer: str) -> None:
    """Five failures in a row: one level down, said why, once; the person's word is what happens then."""
    fails = [turn(call("files.read", path=f"no{n}.txt")) for n in range(5)]
    course = Course(tmp_path, ByTurn(*fails, turn(WRITE_A), DONE), level=Level.APPROVER)
    for _ in range(2):  # a leg that starts again asks nothing twice
        assert course.leg().state is RunState.WAITING
    question = course.question()
    assert "5 calls in a row failed" in question.title
    assert "no4.txt" in question.tried
    assert question.kind is QuestionKind.ANOMALY
    assert [line["level"] for line in course.lines("level")] == ["consultant"]
    course.answer(Answer.REPLY, answer)
    end = course.leg()
    if answer == "stop":
        assert (end.state, course.there()) == (RunState.COULD_NOT, {})
    else:
        assert (end.state, course.there()) == (RunState.DONE, {"a.txt": "a"})
        assert f"ann says: {answer}" in str(course.model.seen[5])


@proves("agent.steps_down")
def test_a_loop_is_noticed(tmp_path: Path) -> None:
    """The same call with the same answer, four times; doing something in between gives it a reason again."""
    look = turn(call("files.list", path="."))
    course = Course(tmp_path, ByTurn(look, look, look, turn(WRITE_A), look, look, look, look))
    assert course.leg().state is RunState.WAITING
    assert "files.list came to the same 4 times" in course.question().title
    assert len(course.model.seen) == 8


@proves("steering.killed")
@pytest.mark.parametrize(
    "crash", ["agent.responded", "agent.response", "agent.submitted", "agent.submitted:2", "started", "acted", "agent.seen", "agent.seen:2"]
)
def test_an_agent_killed_between_any_two_words_of_its_person_ends_as_they_said(tmp_path: Path, crash: str) -> None:
    """Kill -9; the person lowers the level, speaks, takes a step over; kill -9; they hand it back and raise the level: each effect once."""
    script: list[Turn] = [turn(TWO), turn(WRITE_A, WRITE_B), turn(WRITE_A), turn(WRITE_B), turn(WRITE_A, WRITE_B), *([DONE] * 6)]
    course = Course(tmp_path, ByTurn(*script), level=Level.APPROVER)
    file = tmp_path / "script.json"
    file.write_text(json.dumps(script), encoding="utf-8")

    def leg(crash: str = "") -> str:
        path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        ran = subprocess.run(
            [sys.executable, str(HERE / "course_child.py"), str(tmp_path), course.id, str(file)],
            env={**os.environ, "PYTHONPATH": path, "REMIT_CRASH": crash},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode == -signal.SIGKILL) == bool(crash), ran.stderr
        return ran.stdout

    leg(crash)
    if course.lines("plan"):
        course.person("take", "b")
    course.person("level", Level.CONSULTANT)
    course.person("say", "go on")
    leg("agent.response")
    if course.lines("taken"):
        course.person("give_back", "b", done=False)
    course.person("level", Level.APPROVER)
    said = leg()
    assert said.startswith("done: all is written"), said
    assert course.there() == {"a.txt": "a", "b.txt": "b"}
    app = course.app()
    finished = [entry.action for entry in app.journal.read(course.id) if entry.kind == "finished"]
    started = [entry.action for entry in app.journal.read(course.id) if entry.kind == "started"]
    app.close()
    assert len(finished) == len(set(finished))
    assert set(started) <= set(finished)


@proves("agent.plan_verified")
def test_a_plan_that_makes_no_sense_is_said_to_the_model(tmp_path: Path) -> None:
    """Unknown tools, no tests or two, a circle: told what is wrong, and nothing is planned."""
    wrong = [
        [step("a", "files.wriet", {})],
        [step("a", "files.write", {}, {"tool": "files.read", "args": {}, "at": "text"})],
        [step("a", "files.write", {"text": "${b.text}"}), step("b", "files.read", {"path": "${a.path}"})],
    ]
    course = Course(tmp_path, ByTurn(*(turn(call("plan", steps=steps)) for steps in wrong), {"text": "COULD NOT: plan"}))
    assert course.leg().state is RunState.COULD_NOT
    assert course.lines("plan") == []
    told = [str(course.model.seen[n + 1][-1]["text"]) for n in range(3)]
    assert "not one of your tools" in told[0]
    assert "exactly one test" in told[1]
    assert "wait for each other" in told[2]


@proves("agent.plan_verified")
@pytest.mark.parametrize(
    ("look", "why"),
    [
        ({"tool": "files.read", "args": {"file": "a.txt"}}, "'path' is a required property"),
        ({"tool": "files.mkdir", "args": {"path": "a"}}, "may change something"),
    ],
)
def test_a_check_that_cannot_be_made_is_said_before_the_step_is_done(tmp_path: Path, look: Mapping[str, JsonValue], why: str) -> None:
    """Wrong arguments, or a tool that changes something: known when the plan is made."""
    plan = call("plan", steps=[step("a", "files.write", {}, {**look, "contains": "a"})])
    course = Course(tmp_path, ByTurn(turn(plan), {"text": "COULD NOT: plan"}))
    assert course.leg().state is RunState.COULD_NOT
    assert course.lines("plan") == []
    assert why in course.model.told().replace('\\"', "'")


@proves("gate.undo_tools")
def test_what_only_takes_back_is_called_for_nothing_else(tmp_path: Path) -> None:
    """A model is not offered it and does not get it; nor does anybody else past the gate."""
    put: dict[str, JsonValue] = {"changes": "0" * 64}
    course = Course(tmp_path, ByTurn(turn(call("files.restore", **put)), {"text": "COULD NOT: so"}), level=Level.OBSERVER)
    assert course.leg().state is RunState.COULD_NOT
    assert "refused by policy" in course.model.told()
    app = course.app()
    taking = [name for name, tool in app.tools.items() if tool.spec.undoes]
    assert "files.restore" in taking
    for name in taking:
        action = Action.wanting(action_id(course.id, name), actor="agent:x", tool=name, args=put)
        with pytest.raises(ArgsInvalid, match="only takes back what remit did"):
            app.gate.judge(action, Situation(level=Level.OBSERVER))
    app.close()


SEND_FIRST = call(
    "plan",
    steps=[
        step("send", "letter.post", {"to": "bob@example.org"}),
        step("a", "files.write", {"path": "a.txt"}, holds("a.txt", "a"), needs=[]),
        step("b", "files.write", {"path": "b.txt"}, holds("b.txt", "b"), needs=["send"]),
    ],
)
SEND = call("letter.post", to="bob@example.org")


@proves("agent.goes_on_while_waiting")
@pytest.mark.parametrize(("answer", "end"), [(Answer.APPROVE, RunState.DONE), (Answer.DENY, RunState.PARTLY)])
def test_independent_steps_are_done_while_one_waits(tmp_path: Path, answer: Answer, end: RunState) -> None:
    """The model hears that it waits and what can go on; the same call is not made twice; at the end the run waits, and hears the answer."""
    ended = "b is left out" if answer is Answer.DENY else "all is written"
    after = [{"text": f"PARTLY: {ended}"}] if answer is Answer.DENY else [turn(WRITE_B), DONE]
    course = Course(tmp_path, ByTurn(turn(SEND_FIRST), turn(SEND), turn(SEND, WRITE_A), {"text": "a is there, the letter waits"}, *after))
    for _ in range(2):  # a leg that starts again asks and does nothing twice
        assert course.leg().state is RunState.WAITING
    assert course.there() == {"a.txt": "a"}
    assert '"go on with":["a"]' in str(course.model.seen[2][-1]["text"])
    assert "waits for a person already" in str(course.model.seen[3][-2]["text"])
    assert len(course.model.seen) == 4
    assert not course.sent.exists()
    course.answer(answer)
    finished = course.leg()
    assert finished.state is end, finished.summary
    assert "What waited for a person has ended" in str(course.model.seen[4][-1]["text"])
    assert course.sent.exists() == (answer is Answer.APPROVE)
    assert ("b.txt" in course.there()) == (answer is Answer.APPROVE)
    assert ("verified: send: its call succeeded" in finished.summary) == (answer is Answer.APPROVE)


@proves("agent.goes_on_while_waiting")
def test_what_is_answered_meanwhile_is_heard_at_the_next_decision(tmp_path: Path) -> None:
    """The letter goes once, while the model is at something else."""

    def meanwhile() -> Mapping[str, JsonValue]:
        course.answer(Answer.APPROVE)
        return turn(WRITE_A)

    course = Course(tmp_path, ByTurn(turn(SEND_FIRST), turn(SEND), meanwhile, turn(WRITE_B), DONE))
    assert course.leg().state is RunState.DONE
    assert course.sent.read_text(encoding="utf-8") == "bob@example.org\n"
    assert "What waited for a person has ended" in "".join(str(item["text"]) for item in course.model.seen[3])


@proves("agent.goes_on_while_waiting")
@pytest.mark.parametrize("point", ["agent.submitted", "agent.seen", "started", "acted", "agent.response"])
def test_killed_while_it_goes_on_beside_what_waits_nothing_is_done_twice(tmp_path: Path, point: str) -> None:
    """At every place of the same story, and again at each later pass of that place."""
    script: list[Turn] = [turn(SEND_FIRST), turn(SEND), turn(WRITE_A), {"text": "the letter waits"}, turn(WRITE_B), *([DONE] * 6)]
    course = Course(tmp_path, ByTurn(*script), level=Level.CONSULTANT)
    file = tmp_path / "script.json"
    file.write_text(json.dumps(script), encoding="utf-8")
    for nth in range(1, 40):
        code = child(tmp_path, course, file, f"{point}:{1 + nth % 2}" if nth < 12 else "")
        assert code in {0, -signal.SIGKILL}
        app = course.app()
        kinds = [question.kind for question in app.inbox.pending()]
        app.close()
        if code == 0 and not kinds:
            break
        if code == 0:
            happened = Answer.HAPPENED if course.sent.exists() else Answer.NOT_HAPPENED
            course.answer(happened if kinds == [QuestionKind.IN_DOUBT] else Answer.APPROVE)
    assert (course.sent.read_text(encoding="utf-8") if course.sent.exists() else "") in {"bob@example.org\n", ""}
    assert course.there()["a.txt"] == "a"
    if point not in {"started", "acted"}:  # there a person said whether the letter went, and a model may end partly
        assert course.there() == {"a.txt": "a", "b.txt": "b"}
        assert course.sent.exists()


def child(tmp_path: Path, course: Course, script: Path, crash: str) -> int:
    """A leg in a process of its own, killed at that point."""
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    argv = [sys.executable, str(HERE / "course_child.py"), str(tmp_path), str(course.id), str(script)]
    return subprocess.run(argv, env=os.environ | {"PYTHONPATH": path, "REMIT_CRASH": crash}, timeout=60, check=False).returncode
