"""Mail through the whole program: held, listed, called back, let go once, and in doubt where nobody can tell."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims import proves
from mail_world import PASSWORD, USER, Imap, Smtp, imap, smtp
from remit_program import Program, program

PLAN = """
goal = "tell bob@example.org that the seats are booked"
level = "observer"
[[step]]
id = "tell"
tool = "mail.send"
args = { account = "me", to = ["bob@example.org"], subject = "Seats", text = "They are booked." }
"""


@pytest.fixture(scope="module")
def folders() -> Iterator[Imap]:
    with imap() as made:
        yield made


@pytest.fixture
def server() -> Iterator[Smtp]:
    with smtp() as made:
        yield made


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def configure(remit: Program, server: Smtp, *, hold: int, folders: Imap | None = None) -> None:
    text = f'[mail.me]\naddress = "Ann <ann@example.org>"\nsmtp = "smtp://127.0.0.1:{server.port}"\nhold = {hold}\n'
    if folders is not None:
        folders.reset()
        text += f'imap = "imap://{USER}:{PASSWORD}@127.0.0.1:{folders.port}"\n'
    remit.configure(text)


@proves("mail.hold")
def test_a_held_letter_is_listed_and_called_back(remit: Program, server: Smtp) -> None:
    """The run ends, the letter waits; sending what is due leaves it, and says so; the line shown calls it back, for good."""
    configure(remit, server, hold=600)
    said = remit("run", remit.plan(PLAN))
    assert said.code == 0
    assert "remit outbox --follow" in said.out
    listed = remit("outbox").out
    assert "goes in 9 min" in listed
    assert "goes in 9 min" in remit("outbox", "--send").out
    (line,) = [line for line in listed.splitlines() if "remit undo" in line]
    assert remit(*line.partition("remit ")[2].split()).code == 0
    assert remit("outbox").out == "no letter is held\n"
    assert server.taken == []


@proves("mail.goes_once")
def test_a_letter_whose_time_has_come_goes_once(remit: Program, server: Smtp, folders: Imap) -> None:
    """By whoever looks after the outbox first; afterwards it cannot be called back, and the undo says so."""
    configure(remit, server, hold=0, folders=folders)
    assert remit("run", remit.plan(PLAN)).code == 0
    both = [remit.start("outbox", "--send") for _ in range(2)]
    for one in both:
        one.communicate(timeout=60)
    assert len(server.taken) == 1
    assert remit("outbox", "--send").out == "no letter is held\n"
    assert [subject for subject, *_ in folders.look("Sent")["Sent"]] == ["Seats"]
    undone = remit("undo", remit.last(), "--yes")
    assert undone.code == 5
    assert "has gone" in undone.out


@proves("mail.killed")
@pytest.mark.parametrize(("point", "taken"), [("started", 0), ("mail.sending", 0), ("mail.sent", 1)])
def test_a_letter_that_was_being_sent_is_never_doubled(remit: Program, server: Smtp, folders: Imap, point: str, taken: int) -> None:
    """Killed before it was on the wire it is sent; killed on the wire a person is asked, and what they say is what happens."""
    configure(remit, server, hold=0, folders=folders)
    assert remit("run", remit.plan(PLAN)).code == 0
    assert remit("outbox", "--send", REMIT_CRASH=point).code == -signal.SIGKILL
    assert len(server.taken) == taken
    remit("outbox", "--send")
    if point != "started":
        (doubt,) = remit.json("inbox", "--json")
        assert doubt["kind"] == "in_doubt"
        assert "being handed over" in doubt["body"]
        again = remit("outbox", "--send")
        assert (again.code, again.out) == (3, "")
        remit("answer", doubt["id"], "happened" if taken else "not_happened")
        remit("outbox", "--send")
    assert len(server.taken) == 1
    assert remit.json("inbox", "--json") == []
    assert remit("outbox").out == "no letter is held\n"


@proves("mail.killed")
def test_a_copy_among_the_sent_letters_settles_it(remit: Program, server: Smtp, folders: Imap) -> None:
    """Killed after the server took it, with a server that files what it sends: nobody has to be asked."""
    configure(remit, server, hold=0, folders=folders)
    remit("run", remit.plan(PLAN))
    assert remit("outbox", "--send", REMIT_CRASH="mail.sent").code == -signal.SIGKILL
    folders.add("Sent", server.taken[0][1])
    assert remit("outbox", "--send").code == 0
    assert remit.json("inbox", "--json") == []
    assert len(server.taken) == 1
    assert remit("outbox").out == "no letter is held\n"


@proves("mail.killed")
@pytest.mark.parametrize("point", ["started", "acted"])
def test_a_letter_is_held_once_when_the_run_was_killed(remit: Program, server: Smtp, point: str) -> None:
    """Killed around putting it into the outbox: afterwards it is there once."""
    configure(remit, server, hold=600)
    assert remit("run", remit.plan(PLAN), REMIT_CRASH=point).code == -signal.SIGKILL
    assert remit("resume").code in {0, 3}
    assert len(remit.json("outbox", "--json")) == 1
    assert server.taken == []


@proves("mail.outcomes")
def test_following_looks_again_now_and_then_and_not_all_the_time(remit: Program, server: Smtp) -> None:
    """A letter that has to wait for its next attempt adds no line a second to the journal; Ctrl-C ends following tidily."""
    configure(remit, server, hold=0)
    remit("run", remit.plan(PLAN))
    server.trouble = ["451 later"]
    following = remit.start("outbox", "--follow")
    try:
        end = time.monotonic() + 60
        while not remit.json("log", "later", "--kind", "finished", "--json") and time.monotonic() < end:
            pass
        legs = len(remit.json("log", "mail-", "--kind", "leg", "--json"))
        with pytest.raises(subprocess.TimeoutExpired):
            following.wait(4)
        assert len(remit.json("log", "mail-", "--kind", "leg", "--json")) == legs
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=60)
    assert following.returncode == 130


@proves("mail.outcomes")
def test_a_server_that_is_down_is_tried_again_later(remit: Program, server: Smtp) -> None:
    """The letter stays held, and the next attempt has its time; a refusal for good ends it and says why."""
    configure(remit, server, hold=0)
    remit("run", remit.plan(PLAN))
    server.trouble = ["451 later"]
    assert remit("outbox", "--send").code == 0
    assert server.taken == []
    assert len(remit.json("outbox", "--json")) == 1
    remit("run", remit.plan(PLAN.replace("bob@", "nobody@")))
    server.refused.add("nobody@example.org")
    said = remit("outbox", "--send")
    assert said.code == 1
    assert "550 no such user" in said.out


@proves("mail.asks")
def test_a_question_shows_the_whole_letter_and_an_agent_cannot_skip_the_hold(remit: Program, server: Smtp) -> None:
    """At the operator's level it asks with everything in it; letting go is irreversible and asks, whoever wants it but the outbox."""
    configure(remit, server, hold=600)
    assert remit("run", remit.plan(PLAN), "--level", "operator").code == 3
    (question,) = remit.json("inbox", "--json")
    assert "To: bob@example.org" in question["body"]
    assert "They are booked." in question["body"]
    assert remit("approve", question["id"]).code == 0
    (letter,) = remit.json("outbox", "--json")
    skip = PLAN.replace("mail.send", "mail.release").partition("args =")[0] + f'args = {{ account = "me", id = "{letter["id"]}" }}\n'
    assert remit("run", remit.plan(skip.replace("bob@example.org", "him"))).code == 3
    assert server.taken == []
