"""A server under random kills and random answers, for as long as is wanted. One JSON object on the last line.

Events begin runs whose steps ask; somebody says yes, no or nothing for a while; the server is killed by SIGKILL at random moments and
started again. In the end all is answered, and each run must be as it should: what was approved was done once, what was denied never.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from standardwebhooks import Webhook

from remit.app import App, places
from remit.domain.question import Answer, Question, QuestionKind
from remit.domain.values import RunId
from remit.errors import RemitError

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four bytes!").decode()
PLAN = """
goal = "keep the order"
level = "collaborator"
[[step]]
id = "before"
tool = "files.write"
args = { path = "order-${event.n}.txt", text = "x" }
[[step]]
id = "ask"
tool = "files.edit"
args = { path = "order-${event.n}.txt", old = "x", new = "x and once" }
needs = ["before"]
[[step]]
id = "after"
tool = "files.write"
args = { path = "after-${event.n}.txt", text = "x" }
needs = ["ask"]
"""
"""Each step asks, as a stranger named its path; done twice, the middle one would show."""
_PATIENCE = 300.0


class Soak:
    """One server after the other over one journal."""

    def __init__(self, base: Path, dice: random.Random) -> None:
        self.base, self.dice = base, dice
        self.work = base / "work"
        self.work.mkdir()
        (base / "plan.toml").write_text(PLAN, encoding="utf-8")
        config = base / "config" / "remit"
        config.mkdir(parents=True)
        trigger = f'[trigger.o]\nsecret = "{SECRET}"\nplan = "{base / "plan.toml"}"\nroot = "{self.work}"\n'
        (config / "remit.toml").write_text(trigger, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("REMIT_", "XDG_"))}
        self.env = kept | {"REMIT_HOME": str(base / "home"), "XDG_CONFIG_HOME": str(base / "config"), "PYTHONUNBUFFERED": "1"}
        self.said: dict[str, bool] = {}
        self.kills = self.doubts = 0
        self.memory: list[int] = []
        self.app = App(places([self.work], {"REMIT_HOME": str(base / "home"), "HOME": str(base)}))
        self.start()

    def start(self) -> None:
        log = self.base / f"server{self.kills}.log"
        with log.open("w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "remit", "serve", "--port", "0"], cwd=self.base, env=self.env, stdout=out
            )
        for _ in range(600):
            listening = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("listening at")]
            if listening:
                break
            time.sleep(0.1)
        self.port = int(listening[0].partition("127.0.0.1:")[2].partition("/")[0])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.kills += 1
        self.start()

    def send(self, number: int) -> bool:
        """Whether it was taken; a sender tries again until it is."""
        at, body = datetime.now(UTC), json.dumps({"n": str(number)})
        headers = {
            "webhook-id": f"e{number}",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(f"e{number}", at, body),
            "content-type": "application/json",
        }
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", "/hooks/o", body, headers)
            return connection.getresponse().status in {202, 208}
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def answer(self, share: float) -> int:
        """Answer about so many of what waits; how many wait."""
        pending = self.app.inbox.pending()
        for question in pending:
            if self.dice.random() < share:
                self._answer(question)
        return len(pending)

    def _answer(self, question: Question) -> None:
        yes = self.said.setdefault(question.id.partition("/")[0], self.dice.random() < 0.7)
        if question.kind is QuestionKind.IN_DOUBT:
            self.doubts += 1
        answer = Answer.HAPPENED if question.kind is QuestionKind.IN_DOUBT else Answer.APPROVE if yes else Answer.DENY
        try:
            self.app.inbox.answer(question, answer, who="ann")
        except RemitError:
            return  # it was settled meanwhile

    def number(self, run: RunId) -> str:
        event = self.app.runs.load(run).spec.get("event")
        return str(event.get("n")) if isinstance(event, dict) else ""

    def measure(self) -> None:
        """Kilobytes of the server."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        self.memory.append(int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))))

    def wrong(self, runs: int) -> list[str]:
        """What is not as it should be."""
        found = []
        ids = self.app.journal.find_runs("")
        if len(ids) != runs:
            found.append(f"{len(ids)} runs of {runs}")
        for name in ids:
            run = RunId(name)
            number, end = self.number(run), self.app.runs.ended(run)
            order, after = self.work / f"order-{number}.txt", self.work / f"after-{number}.txt"
            lines = order.read_text(encoding="utf-8") if order.exists() else ""
            yes = self.said.get(name, False)
            if (
                end is None
                or (lines, after.exists()) != (("x and once", True) if yes else ("", False))
                or (str(end.state) == "done") != yes
            ):
                found.append(f"{name} ({number}): said {yes}, {end.state if end else 'open'}, {lines!r}, after {after.exists()}")
        return found


def _soaked(soak: Soak, minutes: float, runs: int) -> None:
    """All of it, until each run has come to its end."""
    end = time.monotonic() + 60 * minutes
    sent, wait = 0, max(0.05, 60 * minutes / runs / 2)
    while time.monotonic() < end or sent < runs:
        sent += sent < runs and soak.send(sent)
        soak.answer(0.2)
        soak.measure()
        time.sleep(min(2 * wait, max(0.05, soak.dice.expovariate(1 / wait))))
        if soak.dice.random() < 0.2:
            soak.kill()
    last = time.monotonic() + _PATIENCE
    while soak.answer(1.0) or list(soak.app.runs.unfinished()):
        assert time.monotonic() < last, "it never came to an end"
        time.sleep(0.2)
    soak.measure()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="remit-soak-") as name:
        soak = Soak(Path(name), random.Random(given.seed))
        try:
            _soaked(soak, given.minutes, given.runs)
            wrong, faults = soak.wrong(given.runs), list(soak.app.journal.verify())
        finally:
            soak.process.kill()
            soak.process.wait()
            soak.app.close()
    print("\n".join(wrong))
    told = {"runs": given.runs, "kills": soak.kills, "wrong": len(wrong), "in_doubt": soak.doubts, "verified": not faults}
    print(json.dumps({"benchmark": "soak", **told, "memory_kb": [min(soak.memory), max(soak.memory)], "minutes": given.minutes}))


if __name__ == "__main__":
    main()
