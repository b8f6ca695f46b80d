"""Runs the real program in a process of its own, over a state folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOUND = 120
"""Seconds; no call of the program may take longer in a test."""


@dataclass(frozen=True)
class Said:
    """What a call printed and how it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Program:
    """`remit` with its own REMIT_HOME and a working folder."""

    home: Path
    folder: Path

    def env(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("REMIT_", "XDG_"))}
        return kept | {"REMIT_HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config"), "NO_COLOR": "1"} | more

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "remit", *args]

    def __call__(self, *args: str, stdin: str = "", **env: str) -> Said:
        done = subprocess.run(
            self.argv(*args), cwd=self.folder, env=self.env(**env), input=stdin, capture_output=True, text=True, timeout=BOUND, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        """The caller ends it."""
        return subprocess.Popen(
            self.argv(*args),
            cwd=self.folder,
            env=self.env(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *args: str, **env: str) -> list[Any]:
        return [json.loads(line) for line in self(*args, **env).out.splitlines()]

    def configure(self, text: str) -> None:
        """Write remit.toml."""
        path = self.home / "config" / "remit" / "remit.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def last(self) -> str:
        """The latest run of a plan."""
        return str(next(run["run"] for run in self.json("runs", "--all", "--json") if run["kind"] == "plan"))

    def plan(self, text: str, name: str = "plan.toml") -> str:
        (self.home.parent / name).write_text(text, encoding="utf-8")
        return str(self.home.parent / name)


def program(tmp_path: Path) -> Program:
    """A fresh one: state in `tmp_path/home`, work in `tmp_path/work`."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Program(home=tmp_path / "home", folder=folder)
