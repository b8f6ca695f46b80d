"""The tools for git, wired together."""

from __future__ import annotations

import shutil

from remit.ports import Clock, Tool
from remit.tools.changes.roots import Roots
from remit.tools.git.look import GitDiff, GitLog, GitStatus
from remit.tools.git.push import GitPush, GitPushBack
from remit.tools.git.refs import GitBranch, GitCommit, GitRestore


def git_tools(roots: Roots, clock: Clock) -> list[Tool]:
    """Every tool for git; none where git is not installed."""
    if shutil.which("git") is None:
        return []
    looking: list[Tool] = [GitStatus(roots), GitDiff(roots), GitLog(roots)]
    moving: list[Tool] = [made(roots, clock) for made in (GitCommit, GitBranch, GitRestore)]
    return [*looking, *moving, GitPush(roots), GitPushBack(roots)]
