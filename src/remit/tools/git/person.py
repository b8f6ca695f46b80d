"""What of the person goes along into the sandbox: who they are, what they ignore, and what lets them in at a remote."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SETTINGS: Final = "/etc/remit-git/config"
IGNORED: Final = "/etc/remit-git/ignore"
_SECRET: Final = "/etc/remit-git/credential"  # noqa: S105 - where it stands, not what it is
_TAKEN: Final = ("user.name", "user.email", "core.autocrlf", "core.eol", "core.safecrlf", "i18n.commitencoding")
_SECONDS: Final = 10
_KEPT: Final = ("PATH", "HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK")
_LARGEST: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Read once, from the person's own settings, which no repository can change."""

    settings: str
    ignored: str

    def files(self, secret: str) -> dict[str, str]:
        """What stands where in the sandbox. With a secret, a credential helper says it."""
        helper = f'[credential]\n\thelper = "!cat {_SECRET}"\n' if secret else ""
        return {SETTINGS: self.settings + helper, IGNORED: self.ignored, **({_SECRET: secret} if secret else {})}


def person() -> Person:
    """Whoever runs remit. Without settings, or without git, there is nothing to take along."""
    found = dict(part.split("\n", 1) for part in _git("config", "--global", "--includes", "--list", "-z").split("\0") if "\n" in part)
    # Git's guard against repositories of others has nothing to guard inside the sandbox.
    lines = ["[safe]\n\tdirectory = *\n", f"[core]\n\texcludesFile = {IGNORED}\n", "[user]\n\tuseConfigOnly = true\n"]
    for name in _TAKEN:
        if name in found:
            section, key = name.split(".")
            lines.append(f'[{section}]\n\t{key} = "{_quoted(found[name])}"\n')
    return Person(settings="".join(lines), ignored=_ignored(found))


def credential(scheme: str, host: str) -> str:
    """What the person's credential helpers say for a server, '' for nothing. They run as anywhere, outside the sandbox."""
    return _git("credential", "fill", given=f"protocol={scheme}\nhost={host}\n\n")


def _ignored(found: Mapping[str, str]) -> str:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path(os.environ.get("HOME", "/"), ".config"))
    named = found.get("core.excludesfile")
    try:
        path = Path(named).expanduser() if named else config / "git" / "ignore"
        with path.open("rb") as source:
            return source.read(_LARGEST).decode("utf-8", "surrogateescape")
    except (OSError, RuntimeError):
        return ""


def _git(*args: str, given: str = "") -> str:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    alone = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false", "SSH_ASKPASS": "/bin/false", "LC_ALL": "C.UTF-8"}
    try:
        ran = subprocess.run(  # noqa: S603 - git, asked for the person's own settings in a folder that is no repository
            ["git", *args],  # noqa: S607 - the person's own git
            cwd="/", env=kept | alone, input=given.encode(), capture_output=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.decode("utf-8", "surrogateescape") if ran.returncode == 0 else ""


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
