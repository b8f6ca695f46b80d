"""Checks that may take their time: a service of these tests is down for a while, and then up."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from claims import proves
from loopback_http import JsonHandler, served
from remit_program import Program, program


@dataclass(kw_only=True)
class Slow:
    """Up from the nth look on."""

    port: int = 0
    up_at: int = 4
    looks: int = 0


class Handler(JsonHandler, BaseHTTPRequestHandler):
    """Of the slow one: refused while it is down."""

    def do_GET(self) -> None:
        state = self.server.state
        state.looks += 1
        up = state.looks >= state.up_at
        self._answer(200 if up or state.looks % 2 else 503, {"state": "up" if up else "starting"})


PLAN = """
goal = "bring it up"
level = "observer"
[[step]]
id = "start"
tool = "files.write"
args = { path = "started.txt", text = "yes" }
check = [{ tool = "http.slow.look", args = { what = "state" }, at = "json.state", equals = "up", within = WITHIN }]
"""


@pytest.fixture
def slow() -> Iterator[Slow]:
    with served(Slow(), Handler) as state:
        yield state


@pytest.fixture
def remit(tmp_path: Path, slow: Slow) -> Program:
    made = program(tmp_path)
    look = {"operationId": "look", "parameters": [{"name": "what", "in": "path", "schema": {"type": "string"}}]}
    (tmp_path / "slow.json").write_text(json.dumps({"openapi": "3.1.0", "paths": {"/{what}": {"get": look}}}), encoding="utf-8")
    made.configure(f'[http.slow]\nbase = "http://127.0.0.1:{slow.port}"\nprivate = true\nopenapi = "{tmp_path / "slow.json"}"\n')
    return made


@proves("plan.checks_take_their_time")
def test_a_check_holds_once_the_service_is_up(remit: Program, slow: Slow) -> None:
    """Looks that fail, and looks that show something else, are made again; none after it holds."""
    done = remit("run", remit.plan(PLAN.replace("WITHIN", "60")))
    assert (done.code, slow.looks) == (0, 4), done.out


@proves("plan.checks_take_their_time")
def test_time_runs_out(remit: Program, slow: Slow) -> None:
    """What the last look showed is why; what was done is taken back as after any check that fails."""
    slow.up_at = 1000
    done = remit("run", remit.plan(PLAN.replace("WITHIN", "1")))
    assert done.code == 3
    assert 2 < slow.looks < 6
    assert not (remit.folder / "started.txt").exists()
    assert "503" in done.out or "should equal" in done.out


@proves("plan.checks_take_their_time")
def test_what_was_written_down_before_a_crash_is_not_looked_at_again(remit: Program, slow: Slow) -> None:
    """Killed after the second look: the next leg goes on with the third."""
    plan = remit.plan(PLAN.replace("WITHIN", "60"))
    assert remit("run", plan, REMIT_CRASH="looked:2").code == -signal.SIGKILL
    assert remit("resume").code == 0
    looks = [one["action"] for one in remit.json("log", "--json") if one["kind"] == "finished" and "check" in one["action"]]
    assert looks in ([f"start.1.check1{more}" for more in ("", "x2", "x3", "x4")[:n]] for n in (3, 4))
    assert slow.looks == 4, "one that was seen may be lost with the process, and is made again; none that was written down"


@proves("plan.checks_take_their_time")
def test_a_result_does_not_change_by_waiting(remit: Program) -> None:
    """A check of the step's own result, and a time that is none, are refused before anything runs."""
    for check, said in (
        ('{ at = "count", equals = 1, within = 5 }', "does not change by waiting"),
        ('{ tool = "files.read", args = { path = "a" }, at = "text", equals = "x", within = 601 }', "within"),
    ):
        text = f'goal = "x"\n[[step]]\nid = "a"\ntool = "files.write"\nargs = {{ path = "a", text = "x" }}\ncheck = [{check}]\n'
        refused = remit("run", remit.plan(text))
        assert (refused.code, said in refused.err) == (2, True), refused.err
