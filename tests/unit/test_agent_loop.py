from __future__ import annotations

from pathlib import Path

import pytest

from agent_world import QUICK, Says, Words, call, calls, once, world
from claims import proves
from remit.agent.loop import Limits
from remit.domain.action import Action
from remit.domain.question import Answer, Edit
from remit.domain.receipt import Receipt
from remit.domain.run import RunState
from remit.domain.situation import Situation
from remit.errors import JournalCorrupt
from remit.gate.gate import Gate

DONE = {"text": "All three are counted."}


@proves("agent.calls_pass_the_gate")
def test_a_goal_is_reached_and_every_call_is_an_action_named_after_its_place(tmp_path: Path) -> None:
    """Two turns, three calls under one and the same provider id: three actions, three effects, in order."""
    model = Says(calls(call("count.up", by=1), call("count.up", by=2), text="two first"), calls(call("count.up", by=1)), DONE)
    with world(tmp_path) as w:
        end = w.leg(model)
        assert (end.state, end.summary.splitlines()[0]) == (RunState.DONE, "All three are counted.")
        assert "not verified" in end.summary
        assert w.count.lines() == ["r1/c1.0 1", "r1/c1.1 2", "r1/c2.0 1"]
        assert [part for part, _ in w.messages()] == ["1", "1.seen", "2", "2.seen", "3"]
    assert [told["status"] for told in model.told(2)] == ["succeeded", "succeeded"]


@proves("agent.waiting_keeps_finished")
def test_one_waiting_call_ends_the_leg_after_its_siblings_and_nothing_runs_twice(tmp_path: Path) -> None:
    """The leg ends with the question; the sibling is done; the next leg answers it from the journal and asks no model again."""
    policy = Words(ask=frozenset({"break.it"}))
    first = Says(calls(call("count.up", by=1), call("break.it", how="a"), call("count.up", by=2)))
    with world(tmp_path, policy) as w:
        waiting = w.leg(first)
        assert waiting.state is RunState.WAITING
        assert waiting.waiting == tuple(question.id for question in w.inbox.pending())
        assert [question.action for question in w.inbox.pending()] == ["r1/c1.1"]
        assert w.leg(Says()).state is RunState.WAITING  # nobody answered: no model is asked, nothing runs again
        assert w.count.lines() == ["r1/c1.0 1", "r1/c1.2 2"]
        (question,) = w.inbox.pending()
        w.inbox.answer(question, Answer.DENY, who="ann", note="not the lid")
        second = Says(DONE)
        end = w.leg(second)
        assert w.count.lines() == ["r1/c1.0 1", "r1/c1.2 2"]
    assert end.state is RunState.PARTLY  # something was refused, whatever the model claims
    told = second.told(1)
    assert [t["status"] for t in told] == ["succeeded", "refused by a person", "succeeded"]
    assert "not the lid" in told[1]["reason"]
    assert "not about its wording" in told[1]["note"]


@proves("agent.told_what_ran")
def test_the_model_is_told_what_a_person_made_of_its_call(tmp_path: Path) -> None:
    """An edited call is reported with what really ran and who changed it."""
    with world(tmp_path, Words(ask=frozenset({"count.up"}))) as w:
        w.leg(Says(calls(call("count.up", by=5000))))
        (question,) = w.inbox.pending()
        w.inbox.answer(question, Answer.EDIT, who="ann", edit=Edit(args_json='{"by":5}'))
        model = Says(DONE)
        end = w.leg(model)
        if end.state is RunState.WAITING:  # an edit is judged, and asked, again
            (question,) = w.inbox.pending()
            w.inbox.answer(question, Answer.APPROVE, who="ben")
            w.leg(model)
        assert w.count.lines() == ["r1/c1.0 5"]
    (told,) = model.told(1)
    assert told["ran"] == {"by": 5}
    assert told["edited_by"]


@proves("agent.policy_refusal_told")
def test_a_call_that_policy_forbids_and_a_tool_that_does_not_exist_are_refused_and_told(tmp_path: Path) -> None:
    """Both go to the gate and into the journal; the model learns that it is about the goal."""
    model = Says(calls(call("count.up", by=1), call("rm.all", path="/")), {"text": "COULD NOT: it was refused"})
    with world(tmp_path, Words(never=frozenset({"count.up"}))) as w:
        end = w.leg(model)
        assert w.count.lines() == []
        assert [e.action for e in w.journal.read(w.run.id, action="c1.1")]
    assert end.state is RunState.COULD_NOT
    assert [t["status"] for t in model.told(2)] == ["refused by policy", "refused by policy"]


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        ('{"by": 1', "strict JSON"),
        ('{"by": 1, "by": 2}', "twice"),
        ('{"by": NaN}', "NaN"),
        ("[1]", "not a JSON object"),
        ('{"by":"\\ud800"}', ""),
    ],
)
@proves("agent.strict_arguments")
def test_arguments_that_readers_could_read_differently_reach_no_tool(tmp_path: Path, args: str, hint: str) -> None:
    """Broken JSON, duplicate keys, NaN, a list, a lone surrogate: the model is told what is wrong, the good sibling runs."""
    bad = {"id": "x", "tool": "count.up", "args": args}
    model = Says(calls(bad, call("count.up", by=2)), DONE)
    with world(tmp_path) as w:
        assert w.leg(model).state is RunState.DONE
        assert w.count.lines() == ["r1/c1.1 2"]
    told = model.told(2)
    assert told[0]["status"] == "not run"
    assert hint in told[0]["why"]
    assert told[1]["status"] == "succeeded"


@proves("agent.malformed_bounded")
def test_three_malformed_turns_in_a_row_end_the_run_also_across_legs(tmp_path: Path) -> None:
    """Broken calls and empty turns count alike, a good turn between them starts the count again, and a new leg does not."""
    bad = calls({"id": "x", "tool": "count.up", "args": "{"})
    model = Says(bad, bad, calls(call("count.up", by=1)), bad, {"text": ""}, bad)
    with world(tmp_path) as w:
        end = w.leg(model)
        assert end.state is RunState.COULD_NOT
        assert "3 turns in a row" in end.summary
        assert "count.up succeeded 1 times" in end.summary
        assert w.leg(Says()) == end  # started again, it comes to the same end and asks nobody
    assert "neither a report nor a call" in str(model.seen[5][-1]["text"])


@proves("agent.refusals_bounded")
def test_the_same_refused_call_three_times_ends_the_run(tmp_path: Path) -> None:
    """A model that insists is stopped; the summary says on what."""
    insists = calls(call("count.up", by=1))
    with world(tmp_path, Words(never=frozenset({"count.up"}))) as w:
        end = w.leg(Says(insists, insists, insists))
    assert end.state is RunState.COULD_NOT
    assert "count.up" in end.summary


@proves("agent.turns_bounded")
def test_turns_and_calls_in_a_turn_are_bounded(tmp_path: Path) -> None:
    """What exceeds the calls is not run and the model is told; when the turns are used up the run ends with what was tried."""
    many = calls(*(call("count.up", by=n) for n in range(4)))
    model = Says(many, many)
    with world(tmp_path) as w:
        end = w.leg(model, Limits(turns=2, calls=2, patience=QUICK.patience))
        assert len(w.count.lines()) == 4
    assert end.state is RunState.COULD_NOT
    assert "2 turns are used up" in end.summary
    assert "skipped 4 times" in end.summary
    assert [t["status"] for t in model.told(2)] == ["succeeded", "succeeded", "not run", "not run"]


@proves("agent.never_claims_more")
def test_a_report_after_a_failure_is_not_counted_as_done(tmp_path: Path) -> None:
    """The last call failed and the model says all is well: the run is only partly done, and the failure was told."""
    model = Says(calls(call("break.it", how="gently")), DONE)
    with world(tmp_path) as w:
        assert w.leg(model).state is RunState.PARTLY
    (told,) = model.told(2)
    assert told["status"] == "failed, nothing was done"
    assert "the lid is stuck" in told["error"]


@proves("agent.taint_from_reading")
def test_actions_after_reading_a_stranger_are_judged_as_tainted_with_the_text_at_hand(tmp_path: Path) -> None:
    """Taint begins with the turn after the reading, and is there again when the run is loaded in a later leg."""
    model = Says(calls(call("look.page"), call("count.up", by=1)), calls(call("count.up", by=2)), DONE)
    with world(tmp_path) as w:
        seen: list[tuple[str, bool, tuple[str, ...]]] = []

        class Watching(Gate):
            async def submit(self, action: Action, situation: Situation) -> Receipt:
                seen.append((action.name, situation.tainted, situation.untrusted))
                return await super().submit(action, situation)

        watching = Watching(journal=w.journal, tools=w.gate.tools, policy=w.gate.policy, clock=w.clock)
        once(w.worker(model).leg(w.run, watching))
        assert [(name, tainted) for name, tainted, _ in seen] == [("c1.0", False), ("c1.1", False), ("c2.0", True)]
        assert "mallory@evil.example" in seen[2][2][0]
        assert "\\" not in seen[2][2][0]


@proves("agent.prompt_change_noticed")
def test_a_changed_tool_set_is_noticed_and_the_run_goes_on(tmp_path: Path) -> None:
    """The note names what changed and since which turn; a second start does not write it again; the same set writes none."""
    with world(tmp_path, Words(ask=frozenset({"count.up"}))) as w:
        w.leg(Says(calls(call("count.up", by=1))))
        w.leg(Says())
        assert w.notes() == []
        w.specs = w.specs[:1]
        w.leg(Says())
        w.leg(Says())
        (note,) = w.notes()
    assert note["changed"] == ["tools"]
    assert note["since_turn"] == 1


@proves("agent.tool_gone")
def test_a_waiting_call_of_a_tool_that_is_gone_keeps_its_name(tmp_path: Path) -> None:
    """The software changed while the run waited: the call is still the call of that tool, so an approval cannot reach another one."""
    with world(tmp_path, Words(ask=frozenset({"count.up"}))) as w:
        w.leg(Says(calls(call("count.up", by=1))))
        (question,) = w.inbox.pending()
        w.inbox.answer(question, Answer.APPROVE, who="ann")
        w.specs = []
        w.leg(Says(DONE))
        assert w.count.lines() == ["r1/c1.0 1"]
        assert w.messages()[0][1]["tools"] == ["count.up"]


@proves("agent.observations_bounded")
def test_a_huge_result_is_shown_with_head_and_tail_and_its_size(tmp_path: Path) -> None:
    """A result of a million characters costs the model a bounded number of them, and it knows."""
    model = Says(calls(call("look.page")), DONE)
    with world(tmp_path) as w:
        page = w.gate.tools["look.page"]
        page.text = "a" * 500_000 + "\U0001f600" + "z" * 500_000  # type: ignore[attr-defined]
        w.leg(model)
        told_text = w.messages()[1][1]["told"][0]["text"]
    assert len(told_text) < 30_000
    (told,) = model.told(2)
    assert told["result"]["clipped"] is True
    assert told["result"]["characters"] > 1_000_000


@proves("agent.usage_journalled")
def test_each_response_is_journalled_with_usage_and_fingerprint_before_it_is_acted_on(tmp_path: Path) -> None:
    """Usage, model and the digests of prompt, tools and history stand beside each response; histories differ from turn to turn."""
    with world(tmp_path) as w:
        w.leg(Says(calls(call("count.up", by=1)), DONE))
        responses = [body for part, body in w.messages() if not part.endswith(".seen")]
        first_action = next(iter(w.journal.read(w.run.id, action="c1.0")))
        first_message = next(iter(w.journal.read(w.run.id, kinds=())))
        assert first_message.n < first_action.n
    assert all(r["usage"]["in"] > 0 and r["v"] == 1 for r in responses)
    assert responses[0]["print"]["system"] == responses[1]["print"]["system"]
    assert responses[0]["print"]["history"] != responses[1]["print"]["history"]


@proves("agent.newer_shape_refused")
def test_a_message_of_a_newer_shape_is_not_guessed_at(tmp_path: Path) -> None:
    """An older remit stops with a clear message before it does anything."""
    from remit.domain.entry import Draft, Kind

    with world(tmp_path) as w:
        w.journal.append([Draft(run=w.run.id, kind=Kind.MESSAGE, at=1, part="1", body={"v": 2})], durable=False).result()
        with pytest.raises(JournalCorrupt, match="unknown shape"):
            w.leg(Says())
