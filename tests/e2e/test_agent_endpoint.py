from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_world import World, world
from claims import proves
from loopback_openai import Cut, Fail, Hang, Loopback, Raw, Reply, Step
from remit.agent.asking import Patience
from remit.agent.loop import AgentWorker, Limits
from remit.agent.models import resolve
from remit.domain.run import LegEnd, RunState
from remit.errors import ModelRejected, ModelTrouble, ModelUnavailable
from remit.gate.steering import Steer

UP = Reply(calls=[("count-up", '{"by":1}')])
DONE = Reply(text="counted")
TOO_LONG = '{"error": {"message": "This model\'s maximum context length is 10 tokens", "code": "context_length_exceeded"}}'
NO_MONEY = '{"error": {"message": "pay first", "code": "insufficient_quota"}}'


class Pauses(list[float]):
    """Instead of sleeping: the seconds that would have been slept."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def run(
    w: World,
    address: str,
    *,
    patience: Patience | None = None,
    pauses: Pauses | None = None,
    name: str = "openai-compatible:tiny",
    live: int = 100,
) -> LegEnd:
    worker = AgentWorker(
        journal=w.journal,
        clock=w.clock,
        model=resolve(name, env={"REMIT_BASE_URL": address}),
        tools=w.specs,
        limits=Limits(patience=patience or Patience(attempts=3, silence=5.0, request=10.0), live=live),
        pause=pauses if pauses is not None else Pauses(),
    )
    return asyncio.run(worker.leg(w.run, w.gate))


@proves("agent.endpoint_calls")
def test_several_calls_under_one_repeated_id_run_in_order_and_are_answered_under_our_ids(tmp_path: Path) -> None:
    """The provider repeats one id for all calls of all turns; each call is its own action and each answer finds its call."""
    script = [Reply(text="go", calls=[("count-up", '{"by":1}'), ("count-up", ' {"by" : 2} ')]), UP, DONE]
    with Loopback(script) as server, world(tmp_path) as w:
        assert run(w, server.address).state is RunState.DONE
        assert w.count.lines() == ["r1/c1.0 1", "r1/c1.1 2", "r1/c2.0 1"]
        said, first, second = server.asked[1]["messages"][-3:]
        ids = [c["id"] for c in said["tool_calls"]]
        assert ids == ["c0001x000", "c0001x001"] == [first["tool_call_id"], second["tool_call_id"]]
        assert said["tool_calls"][1]["function"]["arguments"] == '{"by":2}'
        system, goal = server.asked[0]["messages"]
        assert system["role"] == "system"
        assert goal["content"] == "count to three"
        tools = {t["function"]["name"]: t["function"] for t in server.asked[0]["tools"]}
        assert tools["count-up"]["parameters"] == w.count.spec.schema
        usage = [body["usage"] for part, body in w.messages() if not part.endswith(".seen")]
        assert usage == [{"in": 11, "out": 7, "unpriced": 18}] * 3


@proves("agent.made_up_names")
def test_a_made_up_function_name_is_refused_and_spoils_no_later_request(tmp_path: Path) -> None:
    """Names no endpoint would take back: each call is refused by the gate, and the history that goes out has legal names only."""
    names = ["rm -rf /", "", "x" * 500, "\u202eevil"]
    with Loopback([Reply(calls=[(name, "{}") for name in names]), DONE]) as server, world(tmp_path) as w:
        assert run(w, server.address).state is RunState.PARTLY
        *_, said, a, b, c, d = server.asked[1]["messages"]
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["function"]["name"]) for call in said["tool_calls"])
        assert all("refused by policy" in answer["content"] for answer in (a, b, c, d))
        assert w.count.lines() == []


@proves("agent.endpoint_anthropic")
def test_the_anthropic_road_is_the_same(tmp_path: Path) -> None:
    """Another provider's form: the same actions, our ids, usage, the system prompt, and its overload is waited out."""
    script: list[Step] = [Fail(status=529), Reply(text="go", calls=[("count-up", '{"by":1}'), ("count-up", '{"by":2}')]), DONE]
    pauses = Pauses()
    with Loopback(script) as server, world(tmp_path) as w:
        end = run(w, server.address.removesuffix("/v1"), pauses=pauses, name="anthropic:claude-tiny")
        assert end.state is RunState.DONE
        assert w.count.lines() == ["r1/c1.0 1", "r1/c1.1 2"]
        answers = server.asked[2]["messages"][-1]["content"]
        assert [a["tool_use_id"] for a in answers] == ["c0001x000", "c0001x001"]
        assert "gate" in str(server.asked[0]["system"])
        assert w.messages()[0][1]["usage"] == {"in": 11, "out": 7, "unpriced": 18}
    assert pauses == [1.0]


@pytest.mark.parametrize("args", ['{"by": 1', '{"by":1,"by":9}', '{"by":Infinity}', "null"])
@proves("agent.endpoint_malformed")
def test_malformed_arguments_are_told_and_the_bad_text_goes_back_to_nobody(tmp_path: Path, args: str) -> None:
    """The model corrects itself; no request after the bad one carries the bad text, which some endpoints answer with an error."""
    with Loopback([Reply(calls=[("count-up", args)]), UP, DONE]) as server, world(tmp_path) as w:
        assert run(w, server.address).state is RunState.DONE
        assert w.count.lines() == ["r1/c2.0 1"]
        said, answer = server.asked[1]["messages"][-2:]
        assert said["tool_calls"][0]["function"]["arguments"] == "{}"
        assert '"status":"not run"' in answer["content"]


@pytest.mark.parametrize(
    ("first", "waits"),
    [
        (Fail(status=429, headers={"retry-after": "7"}), [7.0]),
        (Fail(status=429, headers={"retry-after": "86400"}), [60.0]),
        (Fail(status=429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), [1.0]),
        (Fail(status=500), [1.0]),
        (Fail(status=503, body="<html>no</html>"), [1.0]),
        (Cut(), [1.0]),
        (Raw(body='{"id": "x", "choi'), [1.0]),
        (Raw(body='{"choices": []}'), [1.0]),
        (Raw(body="<html>a proxy's login page</html>"), [1.0]),
    ],
)
@proves("agent.endpoint_passing_trouble")
def test_passing_trouble_is_waited_out_within_bounds(tmp_path: Path, first: Step, waits: list[float]) -> None:
    """Busy, broken or cut-off answers are asked for again; `retry-after` is honoured up to a minute."""
    pauses = Pauses()
    with Loopback([first, UP, DONE]) as server, world(tmp_path) as w:
        assert run(w, server.address, pauses=pauses).state is RunState.DONE
        assert w.count.lines() == ["r1/c1.0 1"]
    assert pauses == waits


@pytest.mark.parametrize("steps", [[Fail(status=500)] * 3, [Cut()] * 3, [Fail(status=429)] * 3, [Raw(body="[]")] * 3])
@proves("agent.endpoint_gives_up_clearly")
def test_lasting_trouble_is_said_clearly_and_the_run_is_kept(tmp_path: Path, steps: Sequence[Step]) -> None:
    """After the last attempt the error says how often it was tried; what was done stays, and a later leg goes on from there."""
    with Loopback([UP, *steps, DONE]) as server, world(tmp_path) as w:
        with pytest.raises(ModelUnavailable, match="3 attempts") as raised:
            run(w, server.address)
        assert raised.value.exit_code == 6
        assert run(w, server.address).state is RunState.DONE
        assert w.count.lines() == ["r1/c1.0 1"]


@pytest.mark.parametrize("patience", [Patience(attempts=2, silence=0.2, request=9.0), Patience(attempts=2, silence=9.0, request=0.2)])
@proves("agent.endpoint_hang")
def test_an_endpoint_that_hangs_ends_in_a_clear_error(tmp_path: Path, patience: Patience) -> None:
    """No byte for too long, or no whole answer in time: asked once more, then said."""
    with Loopback([Hang(), Hang(), DONE]) as server, world(tmp_path) as w:
        with pytest.raises(ModelUnavailable, match="2 attempts"):
            run(w, server.address, patience=patience)
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    "fail", [Fail(status=401), Fail(status=404), Fail(status=400), Fail(status=429, body=NO_MONEY)], ids=["key", "name", "request", "quota"]
)
@proves("agent.endpoint_rejects")
def test_what_asking_again_cannot_mend_is_not_asked_again(tmp_path: Path, fail: Fail) -> None:
    """A wrong key or name, a bad request, an empty account: one request, one clear error."""
    with Loopback([fail, DONE]) as server, world(tmp_path) as w:
        with pytest.raises(ModelRejected):
            run(w, server.address)
        assert len(server.asked) == 1


@proves("agent.context_full")
def test_a_conversation_that_grew_too_long_ends_the_run_with_what_was_tried(tmp_path: Path) -> None:
    """Not an error of the endpoint: the run ends as could not, and the summary says what had been done."""
    with Loopback([UP, Fail(status=400, body=TOO_LONG)]) as server, world(tmp_path) as w:
        end = run(w, server.address)
    assert end.state is RunState.COULD_NOT
    assert "too long" in end.summary
    assert "count.up succeeded 1 times" in end.summary


@proves("agent.long_conversations")
def test_a_conversation_that_grew_too_long_goes_on_shorter(tmp_path: Path) -> None:
    """Half of its turns are left out, and again: the goal, what its person said and what came of each call stay; nothing is done twice."""
    ups = [Reply(text=f"step {n}", calls=[("count-up", f'{{"by":{n}}}')]) for n in range(1, 9)]
    full = Fail(status=400, body=TOO_LONG)
    with Loopback([*ups, full, full, Reply(calls=[("count-up", '{"by":9}')]), full, DONE]) as server, world(tmp_path) as w:
        Steer(w.journal, w.clock).say(w.run.id, "never above ten", who="ann")
        end = run(w, server.address)
        whole, half, short, later, last = (body["messages"] for body in server.asked[8:])
    assert (end.state, len(w.count.lines())) == (RunState.DONE, 9)
    assert len(whole) > len(half) > len(short)
    assert len(last) < len(later)
    text = "\n".join(str(message["content"]) for message in last if message["role"] == "user")
    assert "count to three" in text
    assert "ann says: never above ten" in text
    assert "you said: step 1" in text
    assert 'you called count-up {"by":6}' in text
    assert text.count("What happened before") == 1


@proves("agent.long_conversations")
def test_what_a_model_is_shown_does_not_grow_with_the_run_and_keeps_its_plan(tmp_path: Path) -> None:
    """Never more turns than the limit; the plan of the first turn, and how far it is, stands in every request, also after a crash."""
    steps = [{"id": f"s{n}", "tool": "count-up", "args": {"by": n}, "reason": "so"} for n in range(1, 30)]
    ups = [Reply(calls=[("count-up", f'{{"by":{n}}}')]) for n in range(1, 29)]
    with Loopback([Reply(calls=[("plan", json.dumps({"steps": steps}))]), *ups, *[Fail(status=500)] * 3]) as server, world(tmp_path) as w:
        with pytest.raises(ModelTrouble):
            run(w, server.address, live=6)
        longest = max(sum(message["role"] == "assistant" for message in body["messages"]) for body in server.asked)
        texts = ["\n".join(str(message["content"]) for message in body["messages"]) for body in server.asked]
    assert longest <= 6
    assert len(w.count.lines()) == 28
    assert all("Your plan as it stands now" in text and "- s29: count.up" in text for text in texts[8:])
    assert '- s2: count.up {"by":2}: done' in texts[-1]
    assert '- s29: count.up {"by":29}: to do' in texts[-1]
    with Loopback([Reply(calls=[("count-up", '{"by":29}')]), DONE]) as server, world(tmp_path) as w:
        assert run(w, server.address, live=6).state is RunState.DONE
        assert "- s29: count.up" in str(server.asked[0]["messages"])
    assert len(w.count.lines()) == 29


@proves("agent.long_conversations")
def test_what_was_left_out_is_left_out_by_the_next_leg_too(tmp_path: Path) -> None:
    """A leg that starts again sends what the last one would have sent."""
    ups = [Reply(calls=[("count-up", f'{{"by":{n}}}')]) for n in range(1, 5)]
    with Loopback([*ups, Fail(status=400, body=TOO_LONG), *[Fail(status=500)] * 3]) as server, world(tmp_path) as w:
        with pytest.raises(ModelTrouble):
            run(w, server.address)
        before = server.asked[-1]["messages"]
    with Loopback([DONE]) as server, world(tmp_path) as w:
        assert run(w, server.address).state is RunState.DONE
        assert server.asked[0]["messages"] == before


@proves("agent.fallback")
def test_when_one_model_fails_the_next_is_asked(tmp_path: Path) -> None:
    """A chain of names; each request begins with the first again. When all fail it is one clear error, after the usual attempts."""
    chain = "openai-compatible:one,openai-compatible:two"
    with Loopback([Fail(status=500), UP, Fail(status=429), DONE]) as server, world(tmp_path) as w:
        assert run(w, server.address, name=chain).state is RunState.DONE
        assert [body["model"] for body in server.asked] == ["one", "two", "one", "two"]
    other = tmp_path / "other"
    other.mkdir()
    with Loopback([Fail(status=500)] * 6) as server, world(other) as w:
        with pytest.raises(ModelTrouble, match="no answer in 3 attempts"):
            run(w, server.address, name=chain)
        assert len(server.asked) == 6


@proves("agent.endpoint_absent")
def test_an_endpoint_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    """Connection refused: bounded attempts, then the message and exit code 6."""
    with Loopback([]) as server:
        address = server.address
    with world(tmp_path) as w, pytest.raises(ModelTrouble, match="no answer in 3 attempts"):
        run(w, address)


@proves("agent.cut_answer")
def test_an_answer_cut_at_the_length_limit_is_no_report(tmp_path: Path) -> None:
    """The model is told, and the run ends only with a whole report."""
    with Loopback([Reply(text="I have cou", finish="length"), DONE]) as server, world(tmp_path) as w:
        end = run(w, server.address)
        assert "cut off" in server.asked[1]["messages"][-1]["content"]
    assert end.summary.splitlines()[0] == "counted"


@proves("agent.text_any_unicode")
def test_lone_surrogates_in_a_report_do_not_break_the_journal(tmp_path: Path) -> None:
    """What UTF-8 cannot hold is replaced; the chain verifies."""
    with Loopback([Reply(text="half \ud83d an emoji \U0001f600")]) as server, world(tmp_path) as w:
        end = run(w, server.address)
        assert list(w.journal.verify()) == []
    assert end.summary.splitlines()[0] == "half \ufffd an emoji \U0001f600"
