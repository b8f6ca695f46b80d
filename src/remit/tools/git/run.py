"""Running git where nothing can lead it astray: in the sandbox that commands have.

A repository may be full of what an agent wrote, and git believes its repositories: links below `.git`, programs that settings name,
replaced objects, alternates, remotes with hooks. So git sees the folders that a call is about, read-only but for what that call
changes, none of the person's files, and of the person's settings only who they are and what they ignore. What a repository has it
run can reach nothing else, and has network only in a push, where the repository's settings are not read at all.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Final

from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, ToolFailed, Unavailable
from remit.tools.args import text
from remit.tools.changes.folder import explained, opened
from remit.tools.changes.roots import Roots, inside
from remit.tools.git.person import SETTINGS, Person
from remit.tools.shell.sandbox import Sandbox, data, names

SECONDS: Final = 120
_MOST: Final = 4 << 20
_SAID: Final = 4000
CLEAN: Final = "/run/clean.git"
"""In the sandbox: a repository without settings, refs and objects."""
_OPTIONS: Final = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.pager=cat", "core.attributesFile=/dev/null", "protocol.ext.allow=never",
    "submodule.recurse=false", "push.recurseSubmodules=no", "push.followTags=false", "push.gpgSign=false", "gc.auto=0",
    "maintenance.auto=false", "http.followRedirects=false", "core.useReplaceRefs=false",
)  # fmt: skip
_ENVIRONMENT: Final = {
    "GIT_CONFIG_GLOBAL": SETTINGS,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=10",
    "GIT_EDITOR": "false",
    "GIT_ALLOW_PROTOCOL": "file:ssh:https",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a call of git ended. `cut` when it said more than is kept, `late` when it had to be ended."""

    code: int
    out: bytes
    err: str
    cut: bool = False
    late: bool = False

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "backslashreplace").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one call sees: folders read-only, folders that it may write, and what else reaches into the sandbox."""

    seen: Sequence[bytes] = ()
    writable: Sequence[bytes] = ()
    network: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()
    """More of bubblewrap's options."""
    secret: str = ""
    """What a credential helper would say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Git for the person's allowed folders."""

    sandbox: Sandbox
    roots: Roots
    person: Callable[[], Person]
    seconds: float = SECONDS

    def call(self, room: Room, *args: str | bytes, given: bytes = b"", most: int = _MOST) -> Ran:
        """Call git with `given` as its input, whatever comes of it.

        When it returns or raises nothing of it runs any more. Raises Unavailable where it does not start, OutsideRoots where a folder
        became a link.
        """
        with ExitStack() as stack:
            options, fds = stack.enter_context(names())
            wrap = [str(self.sandbox.bwrap), *self.sandbox.bare(network=room.network, env={**_ENVIRONMENT, **room.env}), *options]
            held = [*fds]
            for name, value in self.person().files(room.secret).items():
                held.append(stack.enter_context(data(value)))
                wrap += ["--perms", "0444", "--ro-bind-data", str(held[-1]), name]
            wrap += ["--dir", f"{CLEAN}/objects", "--dir", f"{CLEAN}/refs", "--symlink", "refs/heads/none", f"{CLEAN}/HEAD"]
            for path in sorted({*room.seen, *room.writable}, key=len):
                with explained("open", path):
                    held.append(stack.enter_context(opened(path)))
                wrap += ["--bind-fd" if path in room.writable else "--ro-bind-fd", str(held[-1]), os.fsdecode(path)]
                wrap += [part for private in self._private(path) for part in ("--tmpfs", os.fsdecode(private))]
            told = [part for option in _OPTIONS for part in ("-c", option)]
            argv = [*wrap, *room.options, "--remount-ro", "/", "--", "git", *told, "--no-pager", "--literal-pathspecs", *args]
            ran = _heard(argv, held, given, most=most, seconds=self.seconds)
        if ran.err.startswith("bwrap: "):
            raise Unavailable(f"git did not start: {ran.err}", fix="install git with your system's package manager, below /usr")
        return ran

    def told(self, room: Room, *args: str | bytes, given: bytes = b"", most: int = _MOST) -> Ran:
        """The same where git must succeed, and where half an answer is none. Raises ToolFailed with what it said."""
        ran = self.call(room, *args, given=given, most=most)
        if ran.code and not ran.cut:
            raise ToolFailed(f"git {_word(args)} failed: {ran.err or ran.text or ran.code}", fix="see what git says")
        return ran

    def whole(self, room: Room, *args: str | bytes, given: bytes = b"") -> Ran:
        """The same, where half an answer is no answer."""
        ran = self.told(room, *args, given=given)
        if ran.cut:
            raise ToolFailed(f"git {_word(args)} said more than {_MOST >> 20} MB", fix="do it in smaller parts")
        return ran

    def _private(self, folder: bytes) -> list[bytes]:
        """Folders that are off limits to tools, where one that is bound has them."""
        found = [path for path in self.roots.private if inside(path, folder) and path != folder]
        return [path for path in found if os.path.isdir(path) and not os.path.islink(path)]  # noqa: PTH112, PTH114 - bytes


def plain(args: Mapping[str, JsonValue], name: str, default: str | None = None) -> str:
    """A text argument that git can be handed. Raises ArgsInvalid."""
    found = text(args, name, default)
    if "\0" in found or any("\ud800" <= letter <= "\udfff" for letter in found):
        raise ArgsInvalid(f"{name} has characters that git does not take", fix="send plain text")
    return found


def _heard(argv: Sequence[str | bytes], fds: Sequence[int], given: bytes, *, most: int, seconds: float) -> Ran:
    try:
        process = subprocess.Popen(  # noqa: S603 - bubblewrap and git, the arguments are a list
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=fds, env={}, start_new_session=True
        )
    except (OSError, ValueError) as error:
        raise Unavailable(f"git did not start: {error}", fix="see whether the arguments are too long") from None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    said: list[bytes] = []
    others = [
        threading.Thread(target=lambda: said.append(_read(process.stderr, _SAID))),
        threading.Thread(target=_hand, args=(process.stdin, given)),
    ]
    for thread in (timer, *others):
        thread.daemon = True
        thread.start()
    # Both outputs end when the last process that could write to them has: then nothing of it is left.
    out = _read(process.stdout, most + 1, full=process.kill)
    for thread in others:
        thread.join()
    timer.cancel()
    code = process.wait()
    err = b"".join(said).decode("utf-8", "backslashreplace").strip()
    if late.is_set():
        return Ran(code=code or 1, out=out[:most], err=f"it took more than {seconds:g} s and was ended; {err}", late=True)
    return Ran(code=code, out=out[:most], err=err, cut=len(out) > most)


def _read(stream: IO[bytes] | None, most: int, full: object = None) -> bytes:
    """The first `most` bytes, read to the end; `full` is called when there are as many."""
    assert stream is not None  # noqa: S101 - for mypy: it was asked for
    with stream:
        found = stream.read(most)
        if len(found) == most and callable(full):
            full()
        while stream.read(1 << 16):
            pass
    return found


def _hand(stream: IO[bytes] | None, given: bytes) -> None:
    assert stream is not None  # noqa: S101 - for mypy: it was asked for
    try:
        with stream:
            stream.write(given)
    except BrokenPipeError:
        return


def _word(args: Sequence[str | bytes]) -> str:
    words = [os.fsdecode(arg) for arg in args if not os.fsdecode(arg).startswith("-")]
    return words[0] if words else ""
