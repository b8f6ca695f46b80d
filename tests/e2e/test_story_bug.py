"""The seed's story of a bug: a real small repository, a bare remote and a forge; a scripted model behind a real endpoint. End to end."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from claims import proves
from forge_world import PULLS, forge
from loopback_openai import Loopback, Reply
from remit_program import Program, program

CODE = '"""Numbers."""\n\n\ndef mean(xs):\n    return sum(xs) / len(xs)\n'
TESTS = """\
import unittest

from numbers_of_ours import mean


class Mean(unittest.TestCase):
    def test_of_three(self):
        self.assertEqual(mean([1, 2, 6]), 3)

    def test_of_one(self):
        self.assertEqual(mean([5]), 5)

    def test_of_nothing(self):
        self.assertEqual(mean([]), 0)
"""
GOAL = "fix the failing test of numbers_of_ours.py, push the branch mend and open a pull request at forge"
RUN_TESTS = "python3 -B -m unittest -q"
FIRST = f"sed -i 's/len(xs)/max(len(xs), 2)/' numbers_of_ours.py && {RUN_TESTS}"
SECOND = f"sed -i 's/    return sum/    return 0 if not xs else sum/' numbers_of_ours.py && {RUN_TESTS}"
PLAN = [
    {
        "id": "reproduce",
        "tool": "shell-run",
        "args": {"cwd": "repo", "command": RUN_TESTS},
        "reason": "see it fail",
        "check": [{"at": "exit_code", "equals": 1}, {"at": "stderr", "contains": "test_of_nothing"}],
    },
    {"id": "branch", "tool": "git-worktree", "args": {"repo": "repo", "path": "mend", "branch": "mend"}, "reason": "work beside it"},
    {
        "id": "fix",
        "tool": "shell-run",
        "args": {"cwd": "mend"},
        "reason": "mend it and see all tests pass",
        "check": [{"at": "exit_code", "equals": 0}],
    },
    {
        "id": "commit",
        "tool": "git-commit",
        "args": {"repo": "mend", "paths": ["numbers_of_ours.py"]},
        "reason": "keep it",
        "needs": ["fix"],
    },
    {"id": "push", "tool": "git-push", "args": {"repo": "mend", "branch": "mend"}, "reason": "share it", "needs": ["commit"]},
    {
        "id": "propose",
        "tool": "git-pull_request",
        "args": {"service": "forge", "head": "mend", "base": "main"},
        "reason": "ask",
        "needs": ["push"],
    },
]


def calls(tool: str, **args: object) -> Reply:
    return Reply(calls=[(tool, json.dumps(args))])


SCRIPT = (
    calls("plan", steps=PLAN),
    calls("shell-run", cwd="repo", command=RUN_TESTS),
    calls("files-read", path="repo/numbers_of_ours.py"),
    calls("git-worktree", repo="repo", path="mend", branch="mend"),
    calls("shell-run", cwd="mend", command=FIRST),
    calls("shell-run", cwd="mend", command=SECOND),
    calls("git-commit", repo="mend", message="The mean of nothing is 0", paths=["numbers_of_ours.py"]),
    calls("git-push", repo="mend", branch="mend"),
    calls("git-pull_request", service="forge", title="The mean of nothing is 0", head="mend", base="main"),
    Reply(text="test_of_nothing failed, as nothing was divided by 0. It is mended on the branch mend, and proposed."),
)


def git(folder: Path, *args: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *who, *args], cwd=folder, env=env, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def remit(tmp_path: Path) -> Program:
    """A repository whose one test fails, and its remote."""
    remit = program(tmp_path)
    repo, bare = remit.folder / "repo", remit.folder / "remote.git"
    repo.mkdir()
    git(remit.folder, "init", "--quiet", "--bare", str(bare))
    git(repo, "init", "--quiet")
    git(repo, "config", "user.name", "Ann")
    git(repo, "config", "user.email", "ann@example.org")
    git(repo, "remote", "add", "origin", "../remote.git")
    (repo / "numbers_of_ours.py").write_text(CODE, encoding="utf-8")
    (repo / "test_numbers.py").write_text(TESTS, encoding="utf-8")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "-m", "first")
    git(repo, "push", "--quiet", "origin", "main")
    return remit


@proves("story.bug")
def test_a_bug_is_reproduced_mended_at_the_second_try_and_proposed(remit: Program) -> None:
    """The first fix breaks another test: it is taken back before the next. What others see asks; every step is seen; undo takes it back."""
    mend, bare = remit.folder / "mend", remit.folder / "remote.git"
    with forge() as there, Loopback(SCRIPT) as server:
        remit.configure(f'[http.forge]\nbase = "{there.base}"\nprivate = true\npulls = "{PULLS}"\n')
        env = {"REMIT_MODEL": "openai-compatible:tiny", "REMIT_BASE_URL": server.address}
        said = remit("run", GOAL, "--level", "consultant", **env)
        for _ in range(4):
            waiting = remit.json("inbox", "--json")
            if not waiting:
                break
            said = remit("approve", waiting[0]["id"], **env)
        assert said.code == 0, said.out + said.err
        told = str(server.asked[5]["messages"][-1]["content"])
        assert "test_of_one" in told
        assert "failed" in told
        run = remit.json("runs", "--all", "--json")[0]["run"]
        assert all(line.split()[1] == "done" for line in remit("runs", run, "plan").out.splitlines())
        assert "verified: fix: its checks held" in said.out
        assert "return 0 if not xs else sum(xs) / len(xs)" in git(bare, "show", "mend:numbers_of_ours.py")
        assert [(one["title"], one["state"]) for one in there.pulls] == [("The mean of nothing is 0", "open")]
        assert (remit.folder / "repo" / "numbers_of_ours.py").read_text(encoding="utf-8") == CODE
        asked = [entry["body"]["title"] for entry in remit.json("log", "--run", run, "--json") if entry["kind"] == "asked"]
        assert any("push" in title.lower() for title in asked), asked
        remit("undo", run, "--yes", **env)
        for question in remit.json("inbox", "--json"):
            remit("approve", question["id"], **env)
        assert [one["state"] for one in there.pulls] == ["closed"]
    assert not mend.exists()
    assert git(remit.folder / "repo", "branch", "--list", "mend") == ""
