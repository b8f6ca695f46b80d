"""HTTP through the whole program: a service of one's own, asked about, sent once, and doubted where nobody can tell."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from claims import proves
from http_world import Server, serving
from remit_program import Program, program

ORDER = """
goal = "book seat 12A"
level = "observer"
[[step]]
id = "book"
tool = "http.send"
args = { service = "shop", method = "POST", path = "orders", body = { seat = "12A" } }
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def test_a_base_that_is_no_address_is_said_where_it_stands(remit: Program) -> None:
    """Which service's."""
    remit.configure('[http.shop]\nbase = "htp:/example.org"\n')
    assert "http.shop.base" in remit("run", remit.plan(ORDER)).err


def configure(remit: Program, server: Server, more: str = "") -> None:
    remit.configure(f'[http.shop]\nbase = "{server.base}"\nprivate = true\n{more}')


def asked_and_approved(remit: Program, **env: str) -> int:
    """Sending asks at first, as it cannot be undone."""
    assert remit("run", remit.plan(ORDER)).code == 3
    (question,) = remit.json("inbox", "--json")
    assert '"seat": "12A"' in question["body"]
    return remit("approve", question["id"], **env).code


@proves("http.once_by_key")
@pytest.mark.parametrize("trouble", ["500", "close"])
def test_an_order_whose_answer_was_lost_is_not_made_twice(remit: Program, server: Server, trouble: str) -> None:
    """A 500 after acting, or no answer at all: with a key it is sent again, the service knows it, and nobody is asked."""
    configure(remit, server, 'idempotency = "Idempotency-Key"\n')
    server.trouble = [trouble]
    assert asked_and_approved(remit) == 0
    assert server.orders == [{"seat": "12A"}]
    assert len(server.asked) == 2
    assert remit.json("inbox", "--json") == []


@proves("http.once_by_key")
@pytest.mark.parametrize("point", ["started", "acted"])
def test_an_order_of_a_killed_run_is_made_once(remit: Program, server: Server, point: str) -> None:
    """Killed before or after it was sent: the next leg sends it under the same key."""
    configure(remit, server, 'idempotency = "Idempotency-Key"\n')
    assert asked_and_approved(remit, REMIT_CRASH=point) == -signal.SIGKILL
    assert remit("resume").code == 0
    assert server.orders == [{"seat": "12A"}]


@proves("http.failures_are_told_apart")
def test_without_a_key_a_lost_answer_is_a_question(remit: Program, server: Server) -> None:
    """It says what is known, and nothing is sent again; a refusal is a failure and no doubt."""
    configure(remit, server)
    server.trouble = ["500", "refuse"]
    assert asked_and_approved(remit) == 3
    (doubt,) = remit.json("inbox", "--json")
    assert doubt["kind"] == "in_doubt"
    assert "answered 500" in doubt["body"]
    assert remit("answer", doubt["id"], "happened").code == 0
    assert len(server.asked) == 1
    assert asked_and_approved(remit) == 3
    assert "422" in remit("inbox").out


def test_reading_a_private_address_is_refused_whatever_the_level(remit: Program, server: Server) -> None:
    """Even when a person approved it: the service has to be named in the configuration."""
    text = (
        f"goal = 'read {server.base}/x'\nlevel = 'observer'\n[[step]]\nid = 's'\ntool = 'http.get'\nargs = {{ url = '{server.base}/x' }}\n"
    )
    assert remit("run", remit.plan(text)).code == 3
    assert "no address of the public internet" in remit("inbox").out
    assert server.asked == []
