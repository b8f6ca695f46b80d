"""A repository, a bare remote beside it, and every tool for git."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tool_calls
from remit.domain.values import ActionId, JsonValue
from remit.journal.store import DirStore
from remit.ports import Call, Tool
from remit.testing import FakeClock
from remit.tools.changes.roots import Roots
from remit.tools.files.tools import file_tools
from remit.tools.git.tools import git_tools

COMMIT: dict[str, JsonValue] = {"message": "second\n\nwith a body", "paths": ["a.txt", "gone.txt", "new.txt"]}


class Repo:
    """A repository with one commit, a bare remote beside it, and every tool."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.folder, self.bare = self.root / "repo", self.root / "remote.git"
        self.base = base
        self.reset()
        self.tools = self.tools_with()

    def tools_with(self, *private: Path) -> dict[str, Tool]:
        """Every tool, with folders that are off limits."""
        roots = Roots([self.root], private)
        store = DirStore(self.base / "store")
        made = [*file_tools(roots, store), *git_tools(roots, store, FakeClock(), self.base / "scratch")]
        return {tool.spec.name: tool for tool in made}

    def git(self, *args: str, folder: Path | None = None) -> str:
        """What somebody else does."""
        settings = ("user.name=Ann", "user.email=ann@example.org", "init.defaultBranch=main", "protocol.file.allow=always")
        who = [part for setting in settings for part in ("-c", setting)]
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(["git", *who, *args], cwd=folder or self.folder, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def reset(self) -> None:
        subprocess.run(["rm", "-rf", str(self.root)], check=True)
        self.folder.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", str(self.bare))
        self.git("init", "--quiet")
        self.git("config", "user.name", "Ann")
        self.git("config", "user.email", "ann@example.org")
        self.git("remote", "add", "origin", "../remote.git")
        (self.folder / "a.txt").write_text("one\n", encoding="utf-8")
        (self.folder / "gone.txt").write_text("here\n", encoding="utf-8")
        self.commit("first")
        self.git("push", "--quiet", "origin", "main")
        (self.folder / "a.txt").write_text("two\n", encoding="utf-8")
        (self.folder / "gone.txt").unlink()
        (self.folder / "new.txt").write_text("new\n", encoding="utf-8")

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", message)

    def look(self) -> object:
        """Where every ref is, here and there, by what it holds, and what differs."""
        refs = [
            (name, self.git("rev-parse", f"{name}^{{tree}}", folder=folder))
            for folder in (self.folder, self.bare)
            for name in self.git("for-each-ref", "--format=%(refname)", folder=folder).splitlines()
        ]
        files = {path.name: path.read_text(encoding="utf-8") for path in self.folder.iterdir() if path.is_file()}
        return refs, files, self.git("status", "--porcelain")


def begun(tool: Tool, args: Mapping[str, JsonValue]) -> Call:
    return tool_calls.begun(tool, {"repo": "repo", **args})


def done(tool: Tool, args: Mapping[str, JsonValue]) -> tuple[Call, Any]:
    return tool_calls.done(tool, {"repo": "repo", **args})


def read(tool: Tool, **args: JsonValue) -> Any:
    return asyncio.run(tool.run(Call(action=ActionId("r/l"), args={"repo": "repo", **args})))
