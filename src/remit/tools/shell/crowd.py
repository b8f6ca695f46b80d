"""How many processes one command may have, for a remit run as root: the kernel's own limit (RLIMIT_NPROC) does not bind root.

The kernel bounds them in a control group of the version 1 `pids` hierarchy, where there is one that may be written: it limits nothing
else, so leaving the group remit is in loosens nothing. Elsewhere the processes are counted, which a fast enough bomb outruns for
a moment.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_OURS: Final = "remit-"
_MOUNTS: Final = Path("/proc/self/mountinfo")
_SELF: Final = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """A control group of one command. Whatever it starts is in it, too."""

    folder: Path

    def take_in(self, process: str) -> None:
        """Only this very process; those that it started before stay where they are."""
        (self.folder / "cgroup.procs").write_text(process, encoding="ascii")

    def remove(self) -> None:
        """Once its last process has ended. One that is left is removed by the next command's fence."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def fence(init: int, most: int) -> Fence | None:
    """Bound `init` and all that comes from it to `most` processes, before the command starts; None where the kernel cannot."""
    groups = hierarchy()
    if groups is None:
        return None
    made = Fence(folder=groups / f"{_OURS}{os.getpid()}-{init}")
    try:
        _sweep(groups)
        made.folder.mkdir()
        (made.folder / "pids.max").write_text(str(most), encoding="ascii")
        made.take_in(str(init))  # first, so that what it starts from now on is inside by itself
        for child in _children(init):
            made.take_in(child)
    except OSError:
        made.remove()
        return None
    return made


def hierarchy() -> Path | None:
    """The folder of our own control group in the `pids` hierarchy of version 1, where new groups can be made."""
    with contextlib.suppress(OSError):
        group = next((path for _, names, path in _fields(_SELF, ":", 2) if "pids" in names.split(",")), None)
        for fields in _fields(_MOUNTS, " ", -1):
            mounted, kind, options = fields[4], fields[fields.index("-") + 1], fields[-1]
            if group is not None and kind == "cgroup" and "pids" in options.split(","):
                folder = Path(mounted, group.lstrip("/"))
                return folder if os.access(folder, os.W_OK) else None
    return None


def crowded(member: int, most: int) -> bool:
    """Whether the process namespace of `member` holds more than `most` processes."""
    if _everywhere() <= most:
        return False
    inside = 0
    with contextlib.suppress(OSError):
        space = Path("/proc", str(member), "ns/pid").readlink()
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                inside += process.name.isdigit() and (process / "ns/pid").readlink() == space
    return inside > most


def _children(pid: int) -> list[str]:
    return Path("/proc", str(pid), "task", str(pid), "children").read_text(encoding="ascii").split()


def _everywhere() -> int:
    """Tasks of the whole machine: one small file instead of one folder each."""
    return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[2])


def _fields(path: Path, mark: str, most: int) -> list[list[str]]:
    return [line.split(mark, most) for line in path.read_text(encoding="utf-8").splitlines()]


def _sweep(groups: Path) -> None:
    """Remove what killed remits left behind."""
    for left in groups.glob(f"{_OURS}*"):
        owner = left.name.removeprefix(_OURS).partition("-")[0]
        if not Path("/proc", owner).exists():
            Fence(folder=left).remove()
