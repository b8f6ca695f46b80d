"""Where a push goes: an address that a repository's settings name, taken only in the few forms that mean one thing."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from remit.domain.visible import visible
from remit.errors import ArgsInvalid, ToolFailed, Unavailable
from remit.tools.changes.tree import uri
from remit.tools.git.person import credential
from remit.tools.git.repository import Repository, beside
from remit.tools.git.run import CLEAN, Room

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_HOST: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_SCP: Final = re.compile(rf"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?{_HOST}:(?!//)[^\s:\\-][^\s:\\]*")
_WEB: Final = re.compile(rf"(?:ssh|https)://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?{_HOST}(?::[0-9]+)?/[^\s?#]+")
_ON: Final = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")
_SSH: Final = "/home/user/.ssh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Another repository: in a folder of the person's, or at a server."""

    url: str
    """As git takes it."""
    folder: bytes = b""

    @property
    def target(self) -> str:
        """As policy sees it."""
        return uri(self.folder) if self.folder else visible(self.url, keep="")

    def room(self, repo: Repository, *, writing: bool) -> Room:
        """What a call sees that talks to it: the objects, the other side, and a repository without settings."""
        env = {"GIT_DIR": CLEAN, "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.fsdecode(repo.objects)}
        if os.path.exists(repo.common + b"/shallow"):  # noqa: PTH110 - bytes
            env["GIT_SHALLOW_FILE"] = os.fsdecode(repo.common + b"/shallow")
        at = ("--chdir", "/")
        if self.folder:
            return Room(seen=(repo.common, self.folder), writable=(self.folder,) if writing else (), env=env, options=at)
        env |= {name: os.environ[name] for name in _ON if name in os.environ}
        return Room(seen=(repo.common,), network=True, env=env | _agent(), options=(*_keys(), *at), secret=self._secret())

    def _secret(self) -> str:
        parts = urlsplit(self.url)
        return credential(parts.scheme, parts.netloc) if parts.scheme == "https" else ""


def remote(repo: Repository, name: str) -> Remote:
    """What a remote's name stands for. Raises ArgsInvalid for none, ToolFailed for an odd address, OutsideRoots."""
    if not _NAME.fullmatch(name):
        raise ArgsInvalid(f"{name!r} is no name of a remote", fix="`git remote` lists them; an address is not taken here")
    urls = _addresses(repo, f"remote.{name}.pushurl") or _addresses(repo, f"remote.{name}.url")
    if not urls:
        raise ArgsInvalid(f"there is no remote {name!r}", fix="`git remote` lists them")
    if len(urls) > 1:
        raise ToolFailed(f"remote {name} is more than one address", fix="give it one")
    return _read(repo, name, urls[0])


def there(repo: Repository, other: Remote, ref: str) -> str:
    """Where a ref of another repository is, '' for nowhere. Raises Unavailable when it cannot be asked."""
    ran = repo.git.call(other.room(repo, writing=False), "ls-remote", "--refs", other.url, ref)
    if ran.code:
        raise Unavailable(f"{other.target} cannot be asked: {ran.err}", fix="see whether it is up and lets you in")
    return next((line.split("\t")[0] for line in ran.text.splitlines() if line.split("\t")[1:] == [ref]), "")


def _addresses(repo: Repository, key: str) -> list[str]:
    ran = repo.call("config", "--local", "-z", "--get-all", key)
    return [part.decode("utf-8", "surrogateescape") for part in ran.out.split(b"\0") if part] if ran.code == 0 else []


def _read(repo: Repository, name: str, address: str) -> Remote:
    if _WEB.fullmatch(address) or _SCP.fullmatch(address):
        return Remote(url=address)
    path = address.removeprefix("file://") if address.startswith("file:///") else address
    if "\n" in path or (path is not address and "%" in path) or (path is address and ":" in path):
        raise ToolFailed(
            f"remote {name} has the address {address!r}, which is none of those that remit takes",
            fix="use a folder, https://HOST/PATH, ssh://HOST/PATH or USER@HOST:PATH, without a password in it",
        )
    # A path is resolved here, and git is handed the place itself.
    folder = repo.git.roots.resolve(os.fsdecode(beside(repo.folder, os.fsencode(path))), follow=True)
    if not os.path.isdir(folder):  # noqa: PTH112 - bytes
        raise ToolFailed(f"remote {name} is no folder: {uri(folder)}", fix="make a bare repository there, or mend the address")
    return Remote(url=os.fsdecode(folder), folder=folder)


def _agent() -> dict[str, str]:
    return {"SSH_AUTH_SOCK": "/run/agent"} if _socket() else {}


def _keys() -> list[str]:
    """What lets the person in over ssh. ssh runs in the sandbox, where no repository can tell it anything."""
    found = [
        "--ro-bind-try",
        "/etc/ssh/ssh_config",
        "/etc/ssh/ssh_config",
        "--ro-bind-try",
        "/etc/ssh/ssh_known_hosts",
        "/etc/ssh/ssh_known_hosts",
    ]
    home = Path(os.environ.get("HOME", "/nonexistent"), ".ssh")
    if home.is_dir():
        found += ["--ro-bind", str(home), _SSH]
    return [*found, "--ro-bind", _socket(), "/run/agent"] if _socket() else found


def _socket() -> str:
    path = os.environ.get("SSH_AUTH_SOCK", "")
    return path if path and os.path.exists(path) else ""  # noqa: PTH110 - a socket's name
