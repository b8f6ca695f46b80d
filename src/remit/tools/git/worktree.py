"""A further folder with a branch checked out. Git makes it on an overlay, so that all of it is seen before and undone exactly."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, ToolFailed
from remit.ports import Call, ToolSpec
from remit.tools.args import PATH, described, schema, text
from remit.tools.changes.change_tool import Planned
from remit.tools.changes.roots import inside
from remit.tools.changes.tree import judged, uri
from remit.tools.git.repository import BRANCH, REF, REPO, branch_ref, commit_of, found
from remit.tools.git.run import Git, plain
from remit.tools.shell.bench import ShellBench
from remit.tools.shell.command import Command
from remit.tools.shell.run import ShellRun

_SECONDS: Final = 600


class GitWorktree(ShellRun):
    """What is undone are the files that came: those that somebody changed since stay, as conflicts."""

    spec = ToolSpec(
        name="git.worktree",
        description="Make a folder with a new branch checked out, beside what is checked out already.",
        schema=schema(
            ("path", "branch"),
            repo=REPO,
            path=described(PATH, "the new folder, in the same allowed folder as the repository"),
            branch=described(BRANCH, "the new branch"),
            at=described({**REF, "default": "HEAD"}, "where it starts"),
        ),
        effect=Effect.REVERSIBLE,
        salient=("repo", "path", "branch"),
        visible=("repo", "path", "branch"),
        seconds=_SECONDS + 60,
        slow=True,
    )

    def __init__(self, bench: ShellBench, git: Git) -> None:
        super().__init__(bench)
        self._git = git

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"check out a new branch {visible(text(args, 'branch'), keep='')} in {visible(text(args, 'path'), keep='')}"

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.roots.resolve(text(args, "path"))), uri(found(self._git, args).common))

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        repo, path = self.roots.resolve(text(args, "repo", "."), follow=True), self.roots.resolve(text(args, "path"))
        return {"repo": judged(repo), "path": judged(path), "branch": text(args, "branch")}

    def wanted(self, args: Mapping[str, JsonValue]) -> Command:
        """Raises ArgsInvalid for a folder that is there, or is not beside the repository."""
        repo, path = found(self._git, args), self.roots.resolve(text(args, "path"))
        if repo.ref(branch_ref(repo, plain(args, "branch"))):
            raise ArgsInvalid(f"there is a branch {text(args, 'branch')} already", fix="choose another name")
        if os.path.lexists(path):
            raise ArgsInvalid(f"{text(args, 'path')} is there already", fix="name a folder that is not there yet")
        workspace = max((root for root in self.roots.all if inside(repo.common, root)), key=len)
        if not inside(path, workspace):
            raise ArgsInvalid("the folder is not in the same allowed folder as the repository", fix="name one that is")
        quiet = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "safe.directory=*", "-c", "gc.auto=0"]
        add = [
            "worktree",
            "add",
            "--quiet",
            "-b",
            plain(args, "branch"),
            "--",
            os.fsdecode(path),
            commit_of(repo, plain(args, "at", "HEAD")),
        ]
        return Command(line=shlex.join(["git", *quiet, *add]), workspace=workspace, cwd=repo.folder, seconds=_SECONDS)

    async def planned(self, call: Call) -> Planned:
        made = await super().planned(call)
        if made.facts.get("exit"):
            raise ToolFailed(f"git could not make it: {made.headline}", fix="see what git says")
        return made
