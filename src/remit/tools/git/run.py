"""Running git so that a repository cannot run anything: no hooks, no helpers of its own, no questions, and an end.

A repository's own configuration may name programs, and whoever may write into it could have them run outside the sandbox. So only
settings that are known to be harmless may stand there; the person's own configuration is trusted.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from remit.errors import ToolFailed, ToolUncertain, Unavailable

SECONDS: Final = 120
_MOST: Final = 4 << 20
_OPTIONS: Final = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.pager=cat", "protocol.ext.allow=never", "submodule.recurse=false",
    "push.recurseSubmodules=no", "gc.auto=0", "maintenance.auto=false", "advice.detachedHead=false",
)  # fmt: skip
_KEPT: Final = ("PATH", "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "SSH_AUTH_SOCK", "TMPDIR")
_HARMLESS: Final = re.compile(
    r"""
    core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|autocrlf|eol|safecrlf|quotepath)
    | extensions\.(objectformat|refstorage) | init\..* | user\.(name|email) | author\..* | committer\..* | color\..* | i18n\..*
    | branch\..*\.(remote|merge|rebase|pushremote|description) | remote\..*\.(url|fetch|pushurl|tagopt|prune) | remote\.pushdefault
    | push\.(default|autosetupremote|followtags) | pull\.(rebase|ff) | fetch\.prune | rebase\.autostash | merge\.(ff|conflictstyle)
    | gc\..* | pack\..* | index\..* | feature\..* | log\..* | status\..* | submodule\..*\.(url|active)
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a call of git ended. `cut` when it said more than is kept."""

    code: int
    out: bytes
    err: str
    cut: bool = False

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "backslashreplace").strip()


def git(folder: bytes, *args: str | bytes, env: Mapping[str, str] | None = None, most: int = _MOST) -> Ran:
    """Call git in a folder, whatever comes of it. Raises Unavailable without git, ToolUncertain when it had to be ended."""
    program = shutil.which("git")
    if program is None:
        raise Unavailable("git is not installed", fix="install it with your system's package manager")
    options = [part for option in _OPTIONS for part in ("-c", option)]
    argv = [program, *options, "--no-pager", "--literal-pathspecs", "-C", folder, *args]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(  # noqa: S603 - the program is git, the arguments are a list
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_environment() | dict(env or {}), start_new_session=True
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise ToolUncertain(f"git {_word(args)} took more than {SECONDS} s and was ended", fix="look what it did") from None
        out.seek(0)
        err.seek(0)
        said = out.read(most + 1)
        return Ran(code=code, out=said[:most], err=err.read(4000).decode("utf-8", "backslashreplace").strip(), cut=len(said) > most)


def told(folder: bytes, *args: str | bytes, env: Mapping[str, str] | None = None, most: int = _MOST) -> Ran:
    """The same where git must succeed. Raises ToolFailed with what it said."""
    ran = git(folder, *args, env=env, most=most)
    if ran.code:
        raise ToolFailed(f"git {_word(args)} failed: {ran.err or ran.text or ran.code}", fix="see what git says")
    return ran


def harmless(folder: bytes) -> None:
    """Raises ToolFailed for a repository whose own configuration may run something."""
    names = told(folder, "config", "--local", "--list", "--name-only", "-z").out.decode("utf-8", "backslashreplace").split("\0")
    for name in names:
        if name and not _HARMLESS.fullmatch(name):
            raise ToolFailed(
                f"this repository's own configuration sets {name}, which may run programs or lead elsewhere",
                fix=f"look at it; if it is right, move it into your own configuration: git config --global {name} …",
            )


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=10",
        "GIT_EDITOR": "false",
        "GIT_ALLOW_PROTOCOL": "file:ssh:https",
    }


def _word(args: Sequence[str | bytes]) -> str:
    first = args[0] if args else ""
    return first if isinstance(first, str) else first.decode("utf-8", "backslashreplace")
