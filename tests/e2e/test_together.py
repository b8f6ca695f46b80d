"""Reads that do not need each other are made at the same time: the service of these tests answers only once it is asked for both."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from claims import proves
from loopback_http import JsonHandler, served
from loopback_openai import Loopback, Reply
from remit_program import Program, program

PATIENCE = 20.0
"""Seconds that the service waits for the other one."""


@dataclass(kw_only=True)
class Pair:
    """Two requests, or none is answered well."""

    port: int = 0
    both: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))


class Handler(JsonHandler, BaseHTTPRequestHandler):
    """Each waits for the other."""

    def do_GET(self) -> None:
        try:
            self.server.state.both.wait(PATIENCE)
        except threading.BrokenBarrierError:
            self._answer(409, {"error": "nobody else came"})
        else:
            self._answer(200, {"place": self.path.rpartition("/")[2]})


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    return program(tmp_path)


def configure(remit: Program, pair: Pair) -> None:
    look = {"operationId": "look", "parameters": [{"name": "town", "in": "path", "schema": {"type": "string"}}]}
    api = remit.folder.parent / "weather.json"
    api.write_text(json.dumps({"openapi": "3.1.0", "paths": {"/{town}": {"get": look}}}), encoding="utf-8")
    remit.configure(f'[http.weather]\nbase = "http://127.0.0.1:{pair.port}"\nprivate = true\nopenapi = "{api}"\n')


PLAN = """
goal = "compare the weather in two towns"
level = "observer"
[[step]]
id = "oslo"
tool = "http.weather.look"
args = { town = "oslo" }
[[step]]
id = "rome"
tool = "http.weather.look"
args = { town = "rome" }
[[step]]
id = "keep"
tool = "files.write"
args = { path = "towns.txt", text = "${oslo.json.place} ${rome.json.place}" }
[[step]]
id = "seen"
tool = "files.read"
args = { path = "towns.txt" }
needs = ["keep"]
"""


@proves("run.reads_together")
def test_a_plan_reads_what_does_not_hang_together_at_once(remit: Program) -> None:
    """Two reads in a row; what needs them comes after both, and what looks at that after it."""
    with served(Pair(), Handler) as pair:
        configure(remit, pair)
        done = remit("run", remit.plan(PLAN), "--level", "observer")
    assert done.code == 0, done.out + done.err
    assert (remit.folder / "towns.txt").read_text(encoding="utf-8") == "oslo rome"


@proves("run.reads_together")
def test_a_model_that_asks_for_several_at_once_gets_them_at_once(remit: Program) -> None:
    """In one turn, in its order."""
    with served(Pair(), Handler) as pair:
        configure(remit, pair)
        calls = [("http-weather-look", json.dumps({"town": town})) for town in ("oslo", "rome")]
        with Loopback([Reply(calls=calls, ids=("a", "b")), Reply(text="read")]) as server:
            env = {"REMIT_MODEL": "openai-compatible:m", "REMIT_BASE_URL": server.address}
            done = remit("run", "compare the weather in oslo and rome", "--level", "observer", **env)
            told = [one["content"] for one in server.asked[-1]["messages"] if one["role"] == "tool"]
    assert done.code == 0, done.out + done.err
    assert ["oslo" in told[0], "rome" in told[1]] == [True, True]
