"""A form through the whole program: what would be sent is asked about, goes once, and is in doubt where nobody can tell."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser_world import NEEDS, Shop, browsers, shop
from claims import proves
from remit_program import Program, program

pytestmark = NEEDS


@pytest.fixture
def site() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture
def remit(tmp_path: Path, site: Shop) -> Program:
    made = program(tmp_path)
    made.configure(f'[browser.shop]\nbase = "{site.base}"\nprivate = true\n')
    return made


def plan(remit: Program, site: Shop) -> str:
    step = f'url = "{site.base}/order", steps = [{{ fill = "Name", with = "Ann" }}], click = "Order"'
    return remit.plan(f'goal = "order"\n[[step]]\nid = "order"\ntool = "browser.submit"\nargs = {{ {step} }}\n')


@proves("browser.sends")
def test_a_form_is_asked_about_with_what_it_sends(remit: Program, site: Shop) -> None:
    """Nothing goes while a person thinks; they see the fields and where the picture is; what they approve goes once."""
    assert remit("run", plan(remit, site)).code == 3
    (question,) = remit.json("inbox", "--json")
    assert "  name: Ann" in question["body"]
    assert f"POST {site.base}/order" in question["body"]
    (picture,) = [line.rpartition(": ")[2] for line in question["body"].splitlines() if "picture of the page" in line]
    assert Path(picture).read_bytes().startswith(b"\x89PNG")
    assert site.changes == []
    assert remit("approve", question["id"]).code == 0
    assert [order["name"] for order in site.orders] == ["Ann"]


@proves("browser.doubt")
@pytest.mark.parametrize(("point", "orders"), [("browser.left", 0), ("browser.sent", 1)])
def test_killed_while_it_sends_a_person_is_asked(remit: Program, site: Shop, point: str, orders: int) -> None:
    """No browser is left behind; what the person says is what happens, and nothing is sent twice."""
    temporary = remit.home / "tmp"
    temporary.mkdir()
    assert remit("run", plan(remit, site)).code == 3
    (question,) = remit.json("inbox", "--json")
    assert remit("approve", question["id"], REMIT_CRASH=point, TMPDIR=str(temporary)).code == -signal.SIGKILL
    until = time.monotonic() + 20
    while browsers(temporary) and time.monotonic() < until:
        remit("inbox")
    assert browsers(temporary) == set()
    remit("resume", remit.last())
    (doubt,) = remit.json("inbox", "--json")
    assert (doubt["kind"], len(site.orders)) == ("in_doubt", orders)
    word = "happened" if orders else "not_happened"
    said = remit("answer", doubt["id"], word)
    assert said.code in {0, 3}, said
    assert len(site.orders) == orders
