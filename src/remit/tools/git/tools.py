"""The tools for git, wired together."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

from remit.ports import Clock, Store, Tool
from remit.tools.changes.roots import Roots
from remit.tools.git.branch import GitBranch
from remit.tools.git.commit import GitCommit
from remit.tools.git.look import GitDiff, GitLog, GitStatus
from remit.tools.git.moves import GitRestore
from remit.tools.git.person import person
from remit.tools.git.push import GitPush, GitPushBack
from remit.tools.git.run import Git
from remit.tools.git.worktree import GitWorktree
from remit.tools.shell.bench import ShellBench
from remit.tools.shell.sandbox import Missing, find


def git_tools(roots: Roots, store: Store, clock: Clock, scratch: Path) -> list[Tool]:
    """Every tool for git; none where git is not installed, or cannot be isolated."""
    sandbox = find(scratch)
    if shutil.which("git") is None or isinstance(sandbox, Missing):
        return []
    git = Git(sandbox=sandbox, roots=roots, person=functools.cache(person))
    looking: list[Tool] = [GitStatus(git), GitDiff(git), GitLog(git)]
    moving: list[Tool] = [GitCommit(git, clock, scratch), GitBranch(git, clock), GitRestore(git, clock)]
    bench = ShellBench(roots=roots, store=store, scratch=scratch, sandbox=sandbox)
    return [*looking, *moving, GitWorktree(bench, git), GitPush(git), GitPushBack(git)]
