"""Kinds of runs to be killed: each step leaves a token in the world, so that what was doubled or lost can be counted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one step leaves: its text stands `times` times in a file when the run is done."""

    step: str
    """The step, or one attempt of it (`step.3`)."""
    file: str
    text: str
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of run."""

    name: str
    plan: str
    marks: Sequence[Mark]
    points: Sequence[str]
    """Crash points that its runs pass."""
    level: str = "consultant"
    program: str = "remit"
    undo: bool = False
    """What is killed is the undo of a finished run."""
    blind: Sequence[str] = field(default=())
    """Tools that cannot look at what they did."""

    def furnish(self, root: Path) -> None:
        """The folder as the run finds it."""
        (root / "tree" / "deep").mkdir(parents=True)
        for name in ("old.txt", "junk.txt", "keep.sh", "tree/a", "tree/b", "tree/deep/c"):
            (root / name).write_text(f"this is {name}\n" * 20, encoding="utf-8")
        (root / "keep.sh").chmod(0o750)
        (root / "link").symlink_to("keep.sh")
        (root / "bytes").write_bytes(os.fsencode(b"\xff\x00not text"))
        (root / ".remit").mkdir()
        (root / ".remit" / "policy.cedar").write_text(_ASKS, encoding="utf-8")


_ASKS = """\
@id("deleting-asks") @reason("in this project deleting is asked about")
forbid (principal, action == Action::"files.delete", resource)
when { context.args.path like "*junk*" } unless { context.approvals >= 1 };
"""

_GATE = ("started", "acted", "resumed", "step")
_CHANGE = ("change.staged", "change.part", "change.dressed", "change.created", "change.discarded", "change.exchanged", "change.removed")


def _plan(*steps: str) -> str:
    return 'goal = "leave one token for each step"\n' + "\n".join(f"[[step]]\n{step}\n" for step in steps)


def _append(step: str, token: str, needs: str = "") -> str:
    wants = f'\nneeds = ["{needs}"]' if needs else ""
    return f'id = "{step}"\ntool = "files.edit"\nargs = {{ path = "log.txt", old = "END\\n", new = "{token}\\nEND\\n" }}{wants}'


def _shell(step: str, command: str, needs: str = "") -> str:
    wants = f'\nneeds = ["{needs}"]' if needs else ""
    return f'id = "{step}"\ntool = "shell.run"\nargs = {{ command = "{command}" }}{wants}'


_BEGIN = 'id = "begin"\ntool = "files.write"\nargs = { path = "log.txt", text = "tok-begin\\nEND\\n" }'
_FILES = _plan(
    _BEGIN,
    _append("one", "tok-one", "begin"),
    'id = "mkdir"\ntool = "files.mkdir"\nargs = { path = "box/deep", parents = true }',
    _append("two", "tok-two", "one"),
    'id = "move"\ntool = "files.move"\nargs = { path = "old.txt", to = "box/moved.txt" }\nneeds = ["mkdir"]',
    'id = "copy"\ntool = "files.copy"\nargs = { path = "tree", to = "box/tree" }\nneeds = ["mkdir"]',
    'id = "delete"\ntool = "files.delete"\nargs = { path = "tree", recursive = true }\nneeds = ["copy"]',
    'id = "replace"\ntool = "files.write"\nargs = { path = "keep.sh", text = "tok-replaced\\n" }',
    _append("three", "tok-three", "two"),
)
_FILE_MARKS = (
    Mark(step="begin", file="log.txt", text="tok-begin"),
    Mark(step="one", file="log.txt", text="tok-one"),
    Mark(step="two", file="log.txt", text="tok-two"),
    Mark(step="three", file="log.txt", text="tok-three"),
    Mark(step="replace", file="keep.sh", text="tok-replaced"),
    Mark(step="move", file="box/moved.txt", text="this is old.txt", times=20),
    Mark(step="copy", file="box/tree/deep/c", text="this is tree/deep/c", times=20),
)
_SHELL = _plan(
    _shell("one", "echo tok-one >> log.txt; echo tok-one >> old.txt"),
    _shell("two", "mkdir -p box/deep && mv junk.txt box/junk && cp -r tree box/tree && echo tok-two >> log.txt", "one"),
    _shell("three", "rm -r tree; rm link; ln -s log.txt link; chmod 700 keep.sh; echo tok-three >> log.txt", "two"),
    _shell("four", "sed -i 's/^this/tok-four this/;10q' old.txt; cat old.txt > box/deep/copy; echo tok-four. >> log.txt", "three"),
)
_SHELL_MARKS = (
    Mark(step="one", file="log.txt", text="tok-one"),
    Mark(step="one", file="old.txt", text="tok-one", times=0),
    Mark(step="two", file="log.txt", text="tok-two"),
    Mark(step="three", file="log.txt", text="tok-three"),
    Mark(step="four", file="log.txt", text="tok-four."),
    Mark(step="four", file="old.txt", text="tok-four this", times=10),
)
_MIXED = _plan(
    _BEGIN,
    _append("one", "tok-one", "begin"),
    'id = "asked"\ntool = "files.delete"\nargs = { path = "junk.txt" }',
    _shell("risky", "echo tok-bad >> log.txt; touch rubbish; exit 3", "one")
    + '\nretries = 1\notherwise = [{ tool = "files.edit", args = { path = "log.txt", old = "END\\n", new = "tok-good\\nEND\\n" } }]',
    'id = "seen"\ntool = "files.read"\nargs = { path = "log.txt" }\nneeds = ["risky"]\ncheck = [{ at = "text", contains = "tok-good" }]',
    _shell("last", "echo tok-last >> log.txt", "seen"),
)
_MIXED_MARKS = (
    Mark(step="begin", file="log.txt", text="tok-begin"),
    Mark(step="one", file="log.txt", text="tok-one"),
    Mark(step="risky", file="log.txt", text="tok-bad", times=0),
    Mark(step="risky.3", file="log.txt", text="tok-good"),
    Mark(step="last", file="log.txt", text="tok-last"),
)
_SENDS = ("alpha", "beta", "gamma", "omega", "delta")
_DOUBT = _plan(
    *(f'id = "{n}"\ntool = "post.send"\nargs = {{ line = "tok-{n}" }}\nretries = 8' for n in _SENDS[:-1]),
    'id = "delta"\ntool = "post.book"\nargs = { line = "tok-delta" }\nretries = 8',
)

FAMILIES = (
    Family(name="files", plan=_FILES, marks=_FILE_MARKS, points=(*_GATE, *_CHANGE)),
    Family(name="shell", plan=_SHELL, marks=_SHELL_MARKS, points=(*_GATE, *_CHANGE, "shell.ran")),
    Family(name="plan", plan=_MIXED, marks=_MIXED_MARKS, points=(*_GATE, *_CHANGE, "shell.ran")),
    Family(
        name="doubt",
        plan=_DOUBT,
        marks=tuple(Mark(step=n, file="", text=f"tok-{n}") for n in _SENDS),
        points=_GATE,
        level="approver",
        program="door",
        blind=("post.send",),
    ),
    Family(name="undo files", plan=_FILES, marks=(), points=(*_GATE[:3], "undone", *_CHANGE), undo=True),
    Family(name="undo shell", plan=_SHELL, marks=(), points=(*_GATE[:3], "undone", *_CHANGE), undo=True),
)
