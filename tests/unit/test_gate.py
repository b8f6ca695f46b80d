"""The road of one action, on a real file, a real journal and the shipped policy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from claims import proves
from remit.domain.action import Action, Effect
from remit.domain.entry import Draft, Kind
from remit.domain.outcome import Evidence, Status
from remit.domain.question import Answer, Edit, QuestionKind
from remit.domain.receipt import Finished, Refused, Waiting
from remit.domain.record import State
from remit.domain.values import JsonValue, action_id
from remit.errors import AlreadyRecorded, BadInput, RunBusy
from remit.gate.gate import Limits
from remit.gate.undo import Undoing
from worlds import ALONE, ASKS, RUN, World, ends_unclearly, fails_surely, new_world, world_on

DAY = 24 * 3600 * 1000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = new_world(tmp_path)
    yield made
    made.journal.close()


def kinds(world: World, name: str = "a") -> list[str]:
    return [entry.kind for entry in world.journal.read(RUN, action=name)]


@proves("gate.alone_writes_ahead")
async def test_alone_is_written_ahead_and_finished(world: World) -> None:
    """What policy lets pass runs once, with STARTED before and FINISHED after it in the journal."""
    receipt = await world.gate.submit(world.action(), ALONE)
    await world.gate.flush()
    assert isinstance(receipt, Finished)
    assert receipt.outcome.ok
    assert kinds(world) == [Kind.PROPOSED, Kind.STARTED, Kind.FINISHED]
    assert len(world.lines()) == 1


@proves("gate.submit_is_idempotent")
async def test_submitting_again_answers_from_the_journal(world: World) -> None:
    """The same action submitted again, even by a fresh gate, returns what happened and runs nothing."""
    first = await world.gate.submit(world.action(), ALONE)
    await world.gate.flush()
    again = await world.reopened().gate.submit(world.action(), ALONE)
    assert isinstance(first, Finished)
    assert isinstance(again, Finished)
    assert again.outcome.result == first.outcome.result
    assert world.tape.calls == 1


@proves("gate.identity_is_the_id")
async def test_the_same_arguments_under_three_ids_are_three_effects(world: World) -> None:
    """A, then B, then A again is three actions: identity is the id, not a hash of the arguments (hazard 10)."""
    for name, line in (("1", "hello"), ("2", "other"), ("3", "hello")):
        assert isinstance(await world.gate.submit(world.action(name, line), ALONE), Finished)
    assert [line.split()[1] for line in world.lines()] == ["hello", "other", "hello"]


@proves("gate.asks_and_waits")
async def test_what_must_be_asked_waits_and_does_nothing(world: World) -> None:
    """An irreversible effect at consultant level becomes a question; nothing happens before an answer."""
    receipt = await world.gate.submit(world.action(), ASKS)
    assert isinstance(receipt, Waiting)
    assert receipt.question.kind is QuestionKind.APPROVE
    assert world.gate.record(world.action().id).state is State.WAITING
    assert world.lines() == []
    assert [q.id for q in world.inbox.pending()] == [receipt.question.id]


@proves("gate.approval_is_spent_once")
async def test_an_approval_is_spent_by_the_start_of_its_action(world: World) -> None:
    """After the approved action ran, resuming the saved state again runs nothing (hazard 1)."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    for _ in range(3):
        assert isinstance(await world.reopened().gate.submit(world.action(), ASKS), Finished)
    assert len(world.lines()) == 1
    assert kinds(world) == [Kind.PROPOSED, Kind.ASKED, Kind.ANSWERED, Kind.SETTLED, Kind.STARTED, Kind.FINISHED]
    with pytest.raises(AlreadyRecorded):
        world.inbox.answer(waiting.question, Answer.APPROVE, who="bob")


@proves("gate.approval_delivered_twice_at_once")
async def test_two_deliveries_at_the_same_moment_start_the_action_once(world: World) -> None:
    """Many tasks that deliver the same approval at once start the action once (hazard 13b)."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    receipts = await asyncio.gather(*(world.gate.submit(world.action(), ASKS) for _ in range(50)))
    assert all(isinstance(r, Finished) for r in receipts)
    assert len(world.lines()) == 1


@proves("gate.changed_arguments_never_ride_an_approval")
async def test_arguments_changed_after_approval_do_not_run(world: World) -> None:
    """Other arguments under an approved id are refused, and what was approved is what runs (hazard 2)."""
    waiting = await world.gate.submit(world.action(amount=5), ASKS)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    changed = await world.gate.submit(world.action(amount=5000), ASKS)
    assert isinstance(changed, Refused)
    assert world.lines() == []
    ran = await world.gate.submit(world.action(amount=5), ASKS)
    assert isinstance(ran, Finished)
    assert json.loads(ran.args_json)["amount"] == 5


@proves("gate.moved_world_asks_again")
async def test_when_the_world_moved_since_the_preview_the_person_is_asked_again(world: World) -> None:
    """An approval counts for what was shown: with another preview it is not spent but asked again."""
    world.tape.binding = "world 1"
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    world.tape.binding = "world 2"
    again = await world.gate.submit(world.action(), ASKS)
    assert isinstance(again, Waiting)
    assert again.question.id != waiting.question.id
    assert world.lines() == []
    world.inbox.answer(again.question, Answer.APPROVE, who="ann")
    assert isinstance(await world.gate.submit(world.action(), ASKS), Finished)


@proves("gate.later_policy_only_stricter")
async def test_a_denied_action_does_not_run_when_policy_turns_laxer(world: World) -> None:
    """A person's no stands even when the policy would by now allow it alone (hazard 3)."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.DENY, who="ann", note="not this week")
    denied = await world.gate.submit(world.action(), ALONE)
    assert isinstance(denied, Refused)
    assert denied.by == "person"
    assert "not this week" in denied.reason
    assert world.lines() == []


@proves("gate.later_policy_only_stricter")
async def test_an_open_question_still_needs_its_answer_when_policy_turns_laxer(world: World) -> None:
    """What was asked is not run alone because the level rose meanwhile."""
    await world.gate.submit(world.action(), ASKS)
    assert isinstance(await world.gate.submit(world.action(), ALONE), Waiting)
    assert world.lines() == []


@proves("gate.later_policy_only_stricter")
async def test_an_approved_action_is_refused_when_policy_forbids_it_by_now(world: World) -> None:
    """Judged again at execution: a forbid that came after the approval wins."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    stricter = world.reopened('@id("closed") @reason("closed") forbid (principal, action, resource);')
    receipt = await stricter.gate.submit(world.action(), ASKS)
    assert isinstance(receipt, Refused)
    assert receipt.by == "policy"
    assert world.lines() == []


@proves("gate.two_people")
async def test_two_people_means_two_different_people(world: World) -> None:
    """One person's yes, given twice, is one; the second must be somebody else."""
    risky = replace(ASKS, level=ALONE.level, high_stakes=True)
    waiting = await world.gate.submit(world.action(), risky)
    assert isinstance(waiting, Waiting)
    assert waiting.question.people == 2
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    with pytest.raises(AlreadyRecorded):
        world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    assert isinstance(await world.gate.submit(world.action(), risky), Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="bob")
    assert isinstance(await world.gate.submit(world.action(), risky), Finished)


@proves("gate.expiry_is_not_a_no")
async def test_silence_is_an_expiry_and_neither_consent_nor_denial(world: World) -> None:
    """Nobody answered: nothing was done, and the actor is told that nobody answered, not that somebody said no (hazard 30)."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    world.clock.at += 8 * DAY
    receipt = await world.gate.submit(world.action(), ASKS)
    assert isinstance(receipt, Refused)
    assert receipt.by == "expired"
    assert "not a no" in receipt.reason
    assert world.gate.record(world.action().id).state is State.EXPIRED
    with pytest.raises(AlreadyRecorded):
        world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    assert world.lines() == []


async def edit(world: World, waiting: Waiting, args: dict[str, JsonValue], *, who: str, valid_ms: int = DAY) -> None:
    """Look at what other arguments would do, and approve that instead."""
    _, seen = await world.gate.shown(Action.wanting(waiting.action, actor="person", tool=world.tape.name, args=args))
    world.inbox.answer(waiting.question, Answer.EDIT, who=who, edit=Edit(args_json=json.dumps(args), seen=seen), valid_ms=valid_ms)


@proves("gate.edits_are_judged_again")
async def test_an_edit_is_judged_again_and_runs_as_edited(world: World) -> None:
    """The edited arguments, with their types, are what runs; the receipt says who edited (hazard 34)."""
    waiting = await world.gate.submit(world.action(amount=5000), ASKS)
    assert isinstance(waiting, Waiting)
    await edit(world, waiting, {"line": "less", "amount": 5}, who="ann")
    receipt = await world.gate.submit(world.action(amount=5000), ASKS)
    assert isinstance(receipt, Finished)
    assert json.loads(receipt.args_json) == {"line": "less", "amount": 5}
    assert receipt.edited_by == "ann"
    assert world.lines()[0].endswith("less")


@proves("gate.edits_are_judged_again")
async def test_an_edit_that_does_not_fit_or_is_forbidden_does_not_run(world: World) -> None:
    """An edit is no way around schema or policy."""
    for name, text in (("a", '{"line": 7}'), ("b", '{"line": "forbidden"}')):
        rule = 'forbid (principal, action, resource) when { context.args.line == "forbidden" };'
        strict = world.reopened(f'@id("w") @reason("that word") {rule}')
        waiting = await strict.gate.submit(world.action(name), ASKS)
        assert isinstance(waiting, Waiting)
        world.inbox.answer(waiting.question, Answer.EDIT, who="ann", edit=Edit(args_json=text))
        assert isinstance(await strict.gate.submit(world.action(name), ASKS), Refused)
    assert world.lines() == []


@proves("gate.unknown_tool_is_never")
async def test_an_unknown_tool_is_refused(world: World) -> None:
    """A tool nobody registered is never run, whatever the level."""
    action = Action.wanting(action_id(RUN, "a"), actor="agent:x", tool="rocket.launch", args={})
    receipt = await world.gate.submit(action, ALONE)
    assert isinstance(receipt, Refused)
    assert receipt.by == "policy"


@proves("gate.wrong_arguments_are_refused")
async def test_wrong_arguments_are_refused_with_the_reason(world: World) -> None:
    """Arguments that do not fit the schema never reach the tool; the refusal names what is wrong."""
    action = Action.wanting(action_id(RUN, "a"), actor="agent:x", tool="tape.write", args={"lime": "x"})
    receipt = await world.gate.submit(action, ALONE)
    assert isinstance(receipt, Refused)
    assert "line" in receipt.reason
    assert world.lines() == []


@proves("gate.one_question_per_identical_retry")
async def test_an_identical_retry_waits_for_the_same_question(world: World) -> None:
    """A hundred identical proposals put one question (hazard 32)."""
    ids = set()
    for number in range(100):
        waiting = await world.gate.submit(world.action(f"try{number}"), ASKS)
        assert isinstance(waiting, Waiting)
        ids.add(waiting.question.id)
    assert len(ids) == 1
    assert len(world.inbox.pending()) == 1


@proves("gate.reason_is_not_in_the_digest")
async def test_the_actors_free_text_is_not_part_of_what_is_approved(world: World) -> None:
    """A retry with another explanation meets the same question, so that an approval can be spent (hazard 4)."""
    one = await world.gate.submit(replace(world.action("a"), reason="because"), ASKS)
    two = await world.gate.submit(replace(world.action("b"), reason="it is urgent!!"), ASKS)
    assert isinstance(one, Waiting)
    assert isinstance(two, Waiting)
    assert one.question.id == two.question.id


@proves("gate.failed_is_failed")
async def test_a_tool_that_says_it_failed_is_recorded_as_failed(tmp_path: Path) -> None:
    """ToolFailed means that the effect did not happen."""
    world = new_world(tmp_path, before_effect=fails_surely)
    receipt = await world.gate.submit(world.action(), ALONE)
    assert isinstance(receipt, Finished)
    assert receipt.outcome.status is Status.FAILED
    assert world.lines() == []


@proves("gate.uncertain_is_probed")
async def test_an_unclear_end_is_settled_by_looking(tmp_path: Path) -> None:
    """The tool broke after its effect: the probe sees that it happened, and it is not reported as failed (hazard 12)."""
    world = new_world(tmp_path, after_effect=ends_unclearly)
    receipt = await world.gate.submit(world.action(), ALONE)
    assert isinstance(receipt, Finished)
    assert receipt.outcome.ok
    assert receipt.outcome.evidence is Evidence.PROBE


@proves("gate.in_doubt_is_a_question")
async def test_what_nobody_can_tell_is_a_question_and_is_not_run_again(tmp_path: Path) -> None:
    """Without a probe an unclear end is in doubt: a person says, and only then it counts (hazard 8)."""
    world = new_world(tmp_path, after_effect=ends_unclearly, can_look=False)
    receipt = await world.gate.submit(world.action(), ALONE)
    assert isinstance(receipt, Waiting)
    assert receipt.question.kind is QuestionKind.IN_DOUBT
    again = await world.reopened().gate.submit(world.action(), ALONE)
    assert isinstance(again, Waiting)
    with pytest.raises(BadInput):
        world.inbox.answer(receipt.question, Answer.APPROVE, who="ann")
    world.inbox.answer(receipt.question, Answer.HAPPENED, who="ann", note="saw it")
    settled = await world.gate.submit(world.action(), ALONE)
    assert isinstance(settled, Finished)
    assert settled.outcome.evidence is Evidence.PERSON
    assert settled.outcome.ok
    assert len(world.lines()) == 1


@proves("gate.timeout_is_not_failure")
async def test_a_timeout_that_the_effect_outlives_is_not_reported_as_failed(tmp_path: Path) -> None:
    """No answer in time says nothing about the effect; looking does (hazard 11)."""
    world = new_world(tmp_path, hang=30.0, limits=Limits(tool_seconds=0.05))
    receipt = await world.gate.submit(world.action(), ALONE)
    assert isinstance(receipt, Finished)
    assert receipt.outcome.ok
    assert receipt.outcome.evidence is Evidence.PROBE


@proves("gate.cancelled_is_settled_later")
async def test_a_cancelled_call_is_settled_by_the_next_leg(tmp_path: Path) -> None:
    """Ctrl-C in the middle of an effect leaves STARTED; the next submit looks and does not run it again."""
    world = new_world(tmp_path, hang=30.0)
    task = asyncio.create_task(world.gate.submit(world.action(), ALONE))
    while not world.lines():
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.gate.record(world.action().id).state is State.STARTED
    receipt = await world.gate.submit(world.action(), ALONE)
    assert isinstance(receipt, Finished)
    assert len(world.lines()) == 1


@proves("gate.one_holder")
async def test_a_second_gate_does_not_touch_a_run_that_another_one_advances(world: World) -> None:
    """While one process holds a run, another is told so and does nothing (hazard 13d)."""
    with world.gate.hold(RUN), pytest.raises(RunBusy):
        await world.reopened().gate.submit(world.action(), ALONE)
    assert world.lines() == []


@proves("gate.pure_is_cheap")
async def test_a_pure_call_is_recorded_without_a_start(tmp_path: Path) -> None:
    """What changes nothing needs no write-ahead: two lines, no durable commit."""
    world = new_world(tmp_path, kind=Effect.PURE)
    await world.gate.submit(world.action(), ASKS)
    assert kinds(world) == [Kind.PROPOSED, Kind.FINISHED]


@proves("gate.nobody_approves_themselves")
async def test_nobody_approves_their_own_action(world: World) -> None:
    """The person who wants an action cannot be the one who approves it."""
    waiting = await world.gate.submit(world.action(actor="person:ann"), ASKS)
    assert isinstance(waiting, Waiting)
    with pytest.raises(BadInput):
        world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")


@proves("gate.answers_name_their_question")
async def test_a_yes_hits_the_question_it_names_and_no_other(world: World) -> None:
    """Answers carry question id and digest; a shortened id that could be two questions is refused (hazard 29)."""
    one = await world.gate.submit(world.action("a", "first"), ASKS)
    two = await world.gate.submit(world.action("b", "second"), ASKS)
    assert isinstance(one, Waiting)
    assert isinstance(two, Waiting)
    with pytest.raises(BadInput):
        world.inbox.find("run1/")
    world.inbox.answer(world.inbox.find(one.question.id), Answer.APPROVE, who="ann")
    assert isinstance(await world.gate.submit(world.action("b", "second"), ASKS), Waiting)
    assert isinstance(await world.gate.submit(world.action("a", "first"), ASKS), Finished)
    assert [line.split()[1] for line in world.lines()] == ["first"]


@proves("gate.no_start_no_effect")
async def test_when_nothing_can_be_recorded_nothing_is_started(tmp_path: Path) -> None:
    """A closed journal stops the effect: write-ahead means before."""
    world = new_world(tmp_path)
    gate = world_on(world.tape, world.journal, world.clock).gate
    world.journal.close()
    with pytest.raises(Exception, match="journal"):
        await gate.submit(world.action(), ALONE)
    assert world.lines() == []


@proves("gate.policy_sees_what_runs")
async def test_a_number_form_that_policy_cannot_compare_does_not_slip_past_a_rule(world: World) -> None:
    """5000.0 is a whole number to JSON Schema and not to Cedar: it is refused, not let past the rule on amounts (hazard 6)."""
    rule = '@id("cap") @reason("too much") forbid (principal, action, resource)'
    rule += "when { context.args has amount && context.args.amount > 100 };"
    world.tape.shown = ("line", "amount")
    strict = world.reopened(rule)
    for name, amount in (("a", 5000), ("b", 5000.0)):
        receipt = await strict.gate.submit(world.action(name, amount=amount), ALONE)
        assert isinstance(receipt, Refused)
    assert world.lines() == []


@proves("gate.roles_count")
async def test_a_role_that_policy_wants_must_really_answer(world: World) -> None:
    """A yes in the wrong role does not start what policy wants a role's yes for; the question names the role."""
    rule = '@id("money") @reason("finance says yes") forbid (principal, action, resource)'
    rule += 'unless { context.approver_roles.contains("finance") };'
    strict = world.reopened(rule)
    waiting = await strict.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    assert "finance" in waiting.question.roles
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann", roles=["design"])
    await strict.gate.submit(world.action(), ASKS)
    assert world.lines() == []
    world.inbox.answer(waiting.question, Answer.APPROVE, who="bob", roles=["finance"])
    assert isinstance(await strict.gate.submit(world.action(), ASKS), Finished)


@proves("gate.changed_tool_asks_again")
async def test_an_approval_does_not_outlive_a_change_of_the_tool(world: World) -> None:
    """A tool whose definition changed while the question was open is shown and asked again (hazards 7 and 13c)."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    world.tape.shown = ()
    world.tape.about = "append a line, and more"
    upgraded = world.reopened()
    again = await upgraded.gate.submit(world.action(), ASKS)
    assert isinstance(again, Waiting)
    assert world.lines() == []
    world.inbox.answer(again.question, Answer.APPROVE, who="ann")
    assert isinstance(await upgraded.gate.submit(world.action(), ASKS), Finished)


@proves("gate.siblings_are_not_run_again")
async def test_a_finished_sibling_is_not_run_again_when_another_is_settled(world: World) -> None:
    """Each call has its own record: going on with the one in doubt leaves the finished one alone (hazard 9)."""
    await world.gate.submit(world.action("1"), ALONE)
    world.tape.after_effect, world.tape.can_look = ends_unclearly, False
    doubt = await world.gate.submit(world.action("2"), ALONE)
    assert isinstance(doubt, Waiting)
    world.inbox.answer(doubt.question, Answer.NOT_HAPPENED, who="ann")
    fresh = world.reopened().gate
    first, second = [await fresh.submit(world.action(name), ALONE) for name in ("1", "2")]
    assert isinstance(first, Finished)
    assert first.outcome.ok
    assert isinstance(second, Finished)
    assert not second.outcome.ok
    assert world.tape.calls == 2


@proves("gate.two_people")
@pytest.mark.parametrize("again", ["Ann", " ann ", "\uff41nn"])
async def test_another_spelling_of_a_name_is_not_another_person(world: World, again: str) -> None:
    """Case, blanks and compatibility forms do not make a second person; hidden characters are refused."""
    risky = replace(ASKS, level=ALONE.level, high_stakes=True)
    waiting = await world.gate.submit(world.action(), risky)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann")
    with pytest.raises(AlreadyRecorded):
        world.inbox.answer(waiting.question, Answer.APPROVE, who=again)
    with pytest.raises(BadInput):
        world.inbox.answer(waiting.question, Answer.APPROVE, who="ann\u200b")
    assert world.lines() == []


@proves("gate.approvals_expire")
async def test_a_lapsed_approval_is_asked_for_again_and_can_be_given_again(world: World) -> None:
    """A yes counts until its end: then nothing runs on it, and whoever gave it may give it again."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    world.inbox.answer(waiting.question, Answer.APPROVE, who="ann", valid_ms=1000)
    world.clock.at += 2000
    again = await world.gate.submit(world.action(), ASKS)
    assert isinstance(again, Waiting)
    assert world.lines() == []
    world.inbox.answer(again.question, Answer.APPROVE, who="ann")
    assert isinstance(await world.gate.submit(world.action(), ASKS), Finished)


@proves("gate.edits_lapse")
async def test_an_edit_that_is_taken_up_too_late_is_asked_about_again(world: World) -> None:
    """Whoever edits approves exactly that, for as long as any approval counts."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    await edit(world, waiting, {"line": "other"}, who="ann", valid_ms=1000)
    world.clock.at += 2000
    again = await world.gate.submit(world.action(), ASKS)
    assert isinstance(again, Waiting)
    assert world.lines() == []


@proves("gate.edits_are_one_persons")
async def test_a_second_edit_does_not_run_on_the_first_editors_yes(world: World) -> None:
    """Whose arguments run is who wrote them: an edit of what was edited already is refused, and changes nothing in the journal."""
    waiting = await world.gate.submit(world.action(amount=5), ASKS)
    assert isinstance(waiting, Waiting)
    await edit(world, waiting, {"line": "four"}, who="ann")
    with pytest.raises(AlreadyRecorded, match="ann has edited"):
        await edit(world, waiting, {"line": "5000 to mallory"}, who="mallory")
    late = Draft(
        run=RUN,
        action="a",
        kind=Kind.ANSWERED,
        part=":1@mallory",  # written at the same moment by another process
        at=world.clock.now(),
        body={"answer": "edit", "digest": "", "until": world.clock.now() + DAY, "args": {"line": "5000 to mallory"}},
    )
    world.journal.append([late], durable=True).result()
    receipt = await world.gate.submit(world.action(amount=5), ASKS)
    assert isinstance(receipt, Finished)
    assert receipt.edited_by == "ann"
    assert world.lines()[0].endswith("four")


@proves("gate.edits_are_one_persons")
async def test_an_edit_counts_for_what_the_editor_was_shown(world: World) -> None:
    """When the edited call would do something else by the time it is taken up, the editor is asked like anybody."""
    waiting = await world.gate.submit(world.action(), ASKS)
    assert isinstance(waiting, Waiting)
    await edit(world, waiting, {"line": "other"}, who="ann")
    world.tape.binding = "the world moved"
    again = await world.gate.submit(world.action(), ASKS)
    assert isinstance(again, Waiting)
    assert "edited by ann" in again.question.why
    assert world.lines() == []


@pytest.mark.parametrize(("actor", "who"), [("person:Ann", "ann"), ("person:ann", "ANN"), ("person:\uff41nn", "ann")])
@proves("gate.nobody_approves_themselves")
async def test_nobody_approves_their_own_action_by_another_spelling(world: World, actor: str, who: str) -> None:
    """The name in the journal and the name that answers are compared in one spelling."""
    waiting = await world.gate.submit(world.action(actor=actor), ASKS)
    assert isinstance(waiting, Waiting)
    with pytest.raises(BadInput, match="own action"):
        world.inbox.answer(waiting.question, Answer.APPROVE, who=who)


@proves("undo.dependants_end")
async def test_taking_dependants_along_ends_and_keeps_saying_what_cannot_be_undone(tmp_path: Path) -> None:
    """Three actions that touch one another and that nobody can take back: each is named once, and the search ends."""
    world = new_world(tmp_path, touched=("tape:/a/f", "tape:/a", "tape:/a/b"))
    for name in ("one", "two", "three"):
        await world.gate.submit(world.action(name), ALONE)
    await world.gate.flush()
    undoing = Undoing(world.gate)
    plan = undoing.with_dependants(undoing.of_action(world.action("one").id))
    assert [action for action, _ in plan.cannot] == [world.action(name).id for name in ("three", "two", "one")]
    assert plan.blocked_by == ()
    world.journal.close()


@proves("gate.answers_name_their_question")
def test_an_empty_id_names_no_question(world: World) -> None:
    """Nothing is approved by an id that was left out."""
    with pytest.raises(BadInput):
        world.inbox.find("")
