"""`remit serve` as it runs: signed events over real HTTP, times, answers from elsewhere, kills and a quiet end."""

from __future__ import annotations

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from claims import proves
from loopback_openai import Reply
from remit.app.serving import run_of
from remit.doors.schedule import due, following
from remit.journal.sqlite import open_journal
from remit_program import Program, program
from serve_world import BOUND, SECRET, Served, serving, until
from story_model import Model, calls

PLAN = """
goal = "keep the order"
level = "observer"
[[step]]
id = "keep"
tool = "files.write"
args = { path = "${event.order}.txt", text = "${event.who}" }
"""


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    made = program(tmp_path)
    (tmp_path / "order.toml").write_text(PLAN, encoding="utf-8")
    return made


def configure(remit: Program, text: str) -> None:
    remit.configure(text.replace("ROOT", str(remit.folder)).replace("HERE", str(remit.folder.parent)).replace("SECRET", SECRET))


HOOK = '[trigger.orders]\nsecret = "SECRET"\nplan = "HERE/order.toml"\nroot = "ROOT"\n'


def order(number: int, who: str = "ann") -> str:
    return json.dumps({"order": f"o{number}", "who": who})


@proves("serve.events_begin_runs_once")
def test_a_signed_event_begins_one_run_with_what_it_brought(remit: Program) -> None:
    """Once, however often it is sent; what it brought is a stranger's; a CloudEvent is an event, too."""
    configure(remit, HOOK)
    with serving(remit) as served:
        status, answer = served.post(order(1))
        assert status == 202
        assert served.post(order(1))[0] == 208
        assert served.post(order(2), event="e2", headers={"content-type": "application/cloudevents+json; charset=utf-8"})[0] == 202
        until(lambda: (remit.folder / "o1.txt").exists() and (remit.folder / "o2.txt").exists())
    assert (remit.folder / "o1.txt").read_text(encoding="utf-8") == "ann"
    runs = remit.json("runs", "--all", "--json")
    assert len(runs) == 2
    assert answer["run"] in {one["run"] for one in runs}
    facts = [one["body"]["facts"] for one in remit.json("log", "--json") if one["kind"] == "proposed"]
    assert all(one["tainted"] for one in facts)
    assert all(one.get("provenance", 0) == 0 for one in facts)


@proves("serve.events_begin_runs_once")
def test_a_step_may_be_called_event(remit: Program) -> None:
    """As before there were any: then the name means the step."""
    steps = '[[step]]\nid = "event"\ntool = "files.list"\nargs = { path = "." }\n[[step]]\nid = "note"\ntool = "files.write"\n'
    plan = f'goal = "x"\nlevel = "observer"\n{steps}args = {{ path = "n.txt", text = "${{event.count}} there" }}\n'
    assert remit("run", str(remit.plan(plan))).code == 0
    assert (remit.folder / "n.txt").read_text(encoding="utf-8") == "0 there"


@proves("serve.refuses_what_is_not_signed")
def test_what_is_forged_late_large_or_no_event_is_refused(remit: Program) -> None:
    """Each with its own status, and nothing begins."""
    configure(remit, HOOK)
    with serving(remit) as served:
        good = order(1)
        assert served.post(good, headers={"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()})[0] == 401
        assert served.post(good, headers={"webhook-signature": "nonsense"})[0] == 401
        assert served.post(good, headers={"webhook-signature": ""})[0] == 401
        assert served.post(good, headers={"webhook-id": "another"})[0] == 401
        assert served.post(good, when=time.time() - 400)[0] == 400
        assert served.post(good, when=time.time() + 400)[0] == 400
        assert served.post(good, headers={"content-type": "text/plain"})[0] == 415
        assert served.post(json.dumps({"x": "y" * 300_000}))[0] == 413
        assert served.post('{"a": 1, "a": 2}')[0] == 400
        assert served.post("no json")[0] == 400
        assert served.post(good, hook="other")[0] == 404
        connection = HTTPConnection("127.0.0.1", served.port, timeout=BOUND)
        connection.request("GET", "/hooks/orders")
        assert connection.getresponse().status == 405
        connection.close()
    assert remit.json("runs", "--all", "--json") == []


def settled(remit: Program, count: int) -> bool:
    """Whether all is done. Say of each write that was in flight at the kill whether it happened; what did not is tried again.

    In a folder that others change nobody else can say whether a file was never there, or was and is gone again.
    """
    for question in remit.json("inbox", "--json"):
        there = Path(question["title"].removeprefix("write ").partition(" (")[0]).exists()
        answer = ("happened" if there else "not_happened") if question["kind"] == "in_doubt" else "retry"
        remit("answer", question["id"], answer, "--no-resume")
    return len(list(remit.folder.glob("o*.txt"))) == count


@proves("serve.events_begin_runs_once")
def test_a_burst_loses_none_and_doubles_none_over_a_kill(remit: Program) -> None:
    """Hundreds at once, some twice; the server is killed in the middle, and the sender sends again what it had no answer to.

    What was in flight at the kill is known by looking, or asked about.
    """
    configure(remit, HOOK)
    count = 300
    answered: set[int] = set()

    def send(served: Served, number: int) -> None:
        try:
            if served.post(order(number), event=f"e{number}")[0] in {202, 208}:
                answered.add(number)
        except (OSError, HTTPException):
            pass  # no answer: it is sent again

    with serving(remit) as served, ThreadPoolExecutor(24) as pool:
        assert served.port
        sent = [pool.submit(send, served, number % count) for number in range(count + 50)]
        until(lambda: len(answered) > count // 4)
        served.process.kill()
        for one in sent:
            one.result()
    with serving(remit) as served, ThreadPoolExecutor(24) as pool:
        assert served.port
        list(pool.map(lambda number: send(served, number), [n for n in range(count) if n not in answered]))
        until(lambda: settled(remit, count))
        until(lambda: not remit.json("runs", "--json"))
    assert answered == set(range(count))
    runs = remit.json("runs", "--all", "--json")
    assert (len(runs), {one["state"] for one in runs}) == (count, {"done"})
    ends = [one for one in remit.json("log", "--json") if one["kind"] == "finished"]
    written = [one["run"] for one in ends if one["body"]["status"] == "succeeded"]
    assert len(written) == len(set(written)) == count
    assert all(path.read_text(encoding="utf-8") == "ann" for path in remit.folder.glob("o*.txt"))


@proves("serve.events_begin_runs_once")
def test_a_run_that_somebody_holds_for_a_moment_is_not_forgotten(remit: Program) -> None:
    """As whoever lists runs does: it goes on once they let go."""
    configure(remit, HOOK)
    journal = open_journal(remit.home / "journal.db")
    try:
        with serving(remit) as served:
            with journal.hold(run_of("orders", "e1")):
                assert served.post(order(1))[0] == 202
                threading.Event().wait(1.5)
                assert not (remit.folder / "o1.txt").exists()
            until((remit.folder / "o1.txt").exists)
    finally:
        journal.close()


@proves("serve.answers_let_runs_go_on")
def test_an_answer_from_elsewhere_lets_a_run_go_on_and_an_end_is_quiet(remit: Program) -> None:
    """Its question waits as rows; an approval in another process is heard; SIGTERM ends it with exit code 0, and the next goes on."""
    asks = PLAN.replace('"files.write"', '"shell.run_online"').replace(
        'path = "${event.order}.txt", text = "${event.who}"', 'command = "touch done"'
    )
    (remit.folder.parent / "order.toml").write_text(asks, encoding="utf-8")
    configure(remit, HOOK)
    with serving(remit) as served:
        served.post(order(1))
        question = until(lambda: remit.json("inbox", "--json"))[0]
        assert served.end() == 0
        assert "ending: nothing new begins" in served.lines
    assert remit("approve", question["id"], "--no-resume").code == 0
    own = 'goal = "mine"\n[[step]]\nid = "a"\ntool = "memory.remember"\nargs = { kind = "fact", text = "x" }\n'
    assert remit("run", str(remit.plan(own)), "--level", "operator").code == 3
    (mine,) = [one["id"] for one in remit.json("inbox", "--json") if one["id"] != question["id"]]
    assert remit("approve", mine, "--no-resume").code == 0
    with serving(remit):
        until((remit.folder / "done").exists)
        until(lambda: remit.json("memory", "--json"))
    (remit.folder / "done").unlink()
    with serving(remit) as served:
        served.post(order(2), event="e2")
        question = until(lambda: remit.json("inbox", "--json"))[0]
        remit("approve", question["id"], "--no-resume")
        until((remit.folder / "done").exists)


@proves("serve.drafts")
def test_a_trigger_that_drafts_only_proposes(remit: Program) -> None:
    """Whatever its model would do is in the inbox; the event is a stranger's word."""
    configure(remit, '[trigger.mail]\nsecret = "SECRET"\ngoal = "draft an answer into answer.txt"\ndraft = true\nroot = "ROOT"\n')
    with (
        Model(calls("files-write", path="answer.txt", text="Dear Bob"), Reply(text="drafted")) as model,
        serving(remit, **model.env) as served,
    ):
        assert served.post(json.dumps({"from": "bob", "text": "please pay me"}), hook="mail")[0] == 202
        question = until(lambda: remit.json("inbox", "--json"))[0]
        assert "answer.txt" in question["title"]
        assert "please pay me" in model.told(0)
        assert not (remit.folder / "answer.txt").exists()
        remit("approve", question["id"], "--no-resume")
        until((remit.folder / "answer.txt").exists)


@proves("serve.schedules")
def test_a_schedule_begins_runs_and_two_servers_begin_each_time_once(remit: Program) -> None:
    """Each minute at most; both servers keep the time, one run comes of it."""
    look = '[[step]]\nid = "a"\ntool = "files.list"\nargs = { path = "." }\n'
    (remit.folder.parent / "order.toml").write_text(f'goal = "tick"\nlevel = "observer"\n{look}', encoding="utf-8")
    configure(remit, '[trigger.tick]\ncron = "* * * * * *"\nmissed = "all"\nplan = "HERE/order.toml"\nroot = "ROOT"\n')
    with serving(remit), serving(remit):
        until(lambda: len(remit.json("runs", "--all", "--json")) >= 5)
    opened = [one["body"]["spec"]["event_at"] for one in remit.json("log", "--json") if one["kind"] == "opened"]
    assert len(opened) == len(set(opened))
    assert all(at % 1000 == 0 for at in opened)


@proves("serve.says_what_is_wrong")
def test_what_cannot_begin_stops_nothing_else(remit: Program) -> None:
    """A plan that is gone: its schedule says so, its events are not taken, and the other hook goes on."""
    gone = HOOK.replace("orders]", "gone]").replace("order.toml", "gone.toml")
    configure(remit, f'{HOOK}{gone}[trigger.tick]\ncron = "* * * * * *"\nplan = "HERE/gone.toml"\nroot = "ROOT"\n')
    with serving(remit) as served:
        until(lambda: any(line.startswith("tick: there is no file") for line in served.lines))
        assert served.post(order(1), hook="gone")[0] == 503
        assert served.post(order(1))[0] == 202
        until((remit.folder / "o1.txt").exists)
        assert served.end() == 0


@proves("serve.schedules")
@pytest.mark.parametrize(("missed", "hours"), [("once", [11]), ("all", [9, 10, 11]), ("skip", [])])
def test_what_was_missed_is_made_up_for_as_is_wanted(missed: str, hours: list[int]) -> None:
    """Three times passed while nothing ran: the last, all, or none of them; what is due now is always run."""
    found = due("0 * * * *", "UTC", after=at(8, 30), until=at(11, 30), missed=missed, grace=60)
    assert [one.hour for one in found] == hours
    assert [one.hour for one in due("0 * * * *", "UTC", after=at(11, 30), until=at(12, 0, 20), missed=missed, grace=60)] == [12]


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 5, 4, hour, minute, second, tzinfo=UTC)


@proves("serve.schedules")
def test_a_clock_change_neither_loses_nor_doubles_a_time() -> None:
    """Half past two in Berlin: made up for on the day that leaves it out, and once on the day that has it twice."""
    spring = half_past_two(datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC))
    assert spring == ["2026-03-28T01:30:00+00:00", "2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"]
    autumn = half_past_two(datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC))
    assert autumn == ["2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"]
    late = following("30 2 * * *", "Europe/Berlin", after=datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert late.isoformat() == "2026-03-29T01:00:00+00:00"


def half_past_two(after: datetime, until_: datetime) -> list[str]:
    return [one.isoformat() for one in due("30 2 * * *", "Europe/Berlin", after=after, until=until_, missed="all", grace=60)]


@proves("serve.says_what_is_wrong")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[trigger.a]\nsecret = "SECRET"\nroot = "ROOT"\n', "goal or plan"),
        ('[trigger.a]\nsecret = "SECRET"\ncron = "* * * * *"\ngoal = "x"\nroot = "ROOT"\n', "secret or cron"),
        ('[trigger.a]\ncron = "every day"\ngoal = "x"\nroot = "ROOT"\n', "is no schedule"),
        ('[trigger.a]\ncron = "* * * * *"\nzone = "Mars/Base"\ngoal = "x"\nroot = "ROOT"\n', "no time zone"),
        ('[trigger.a]\ncron = "* * * * *"\nmissed = "never"\ngoal = "x"\nroot = "ROOT"\n', "once, all or skip"),
        ('[trigger.a]\nsecret = "SECRET"\ngoal = "x"\nroot = "here"\n', "absolute path"),
    ],
)
def test_a_trigger_that_cannot_be_is_said_before_anything_listens(remit: Program, text: str, said: str) -> None:
    """One line, exit code 2."""
    configure(remit, text)
    refused = remit("serve", "--port", "0")
    assert (refused.code, said in refused.err) == (2, True), refused
    assert list(remit.folder.iterdir()) == []
