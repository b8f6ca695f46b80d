"""A call of the shell, from its arguments to what a person reads before saying yes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remit.domain.values import JsonValue
from remit.domain.visible import shown, visible
from remit.errors import ArgsInvalid
from remit.tools.args import number, schema, text
from remit.tools.changes.roots import Roots, inside
from remit.tools.changes.tree import judged, uri
from remit.tools.shell.output import Output
from remit.tools.shell.process import Limits, Ran
from remit.tools.shell.sandbox import COMMAND_BYTES

SECONDS: Final = 120
SECONDS_MAX: Final = 3600
_TITLE: Final = 200
_TAIL: Final = 4000
"""Characters of each output in a preview; the result has more."""
_NAMED: Final = 20

SCHEMA: Final = schema(
    ("command",),
    command={"type": "string", "minLength": 1, "maxLength": 100_000, "description": "a bash command line or script"},
    cwd={"type": "string", "minLength": 1, "default": ".", "description": "folder to run in; its root is the workspace"},
    timeout={"type": "integer", "minimum": 1, "maximum": SECONDS_MAX, "default": SECONDS, "description": "seconds"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command line, and where it runs."""

    line: str
    workspace: bytes
    cwd: bytes
    seconds: int

    @property
    def limits(self) -> Limits:
        return Limits(seconds=self.seconds)

    @property
    def folder(self) -> Path:
        return Path(os.fsdecode(self.cwd))


def command(args: Mapping[str, JsonValue], roots: Roots) -> Command:
    """Read the arguments. Raises ArgsInvalid, or OutsideRoots when `cwd` leads out; the workspace is the innermost root around it."""
    cwd = roots.resolve(text(args, "cwd", "."), follow=True)
    workspace = max((root for root in roots.all if inside(cwd, root)), key=len)
    if workspace == b"/":
        raise ArgsInvalid("the whole file system cannot be a workspace for commands", fix="name a project folder as the allowed root")
    seconds = number(args, "timeout", SECONDS)
    if not 0 < seconds <= SECONDS_MAX:
        raise ArgsInvalid(f"a timeout of {seconds} seconds is not possible", fix=f"choose 1 to {SECONDS_MAX}")
    line = text(args, "command")
    if "\0" in line or len(line.encode("utf-8", "surrogatepass")) > COMMAND_BYTES:
        raise ArgsInvalid("this command line cannot be run", fix="write a script into the workspace and run that")
    return Command(line=line, workspace=workspace, cwd=cwd, seconds=seconds)


class InWorkspace:
    """What every shell tool says of its arguments."""

    roots: Roots

    def wanted(self, args: Mapping[str, JsonValue]) -> Command:
        """What arguments mean. Raises ArgsInvalid, OutsideRoots."""
        return command(args, self.roots)

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.wanted(args).workspace),)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """The folder is always there and in one form only, however it was written or left out."""
        return {"command": text(args, "command"), "cwd": judged(self.wanted(args).cwd)}


def title(verb: str, args: Mapping[str, JsonValue]) -> str:
    """Verb and command in one line with nothing invisible; a cut is said, and the preview has it whole."""
    line = visible(text(args, "command"), keep="")
    return (
        f"{verb} {line}"
        if len(line) <= _TITLE
        else f"{verb} {line[:_TITLE]}… [cut: {len(line) - _TITLE} more characters, whole in the preview]"
    )


def whole(call: Command) -> str:
    """The exact command, never cut; its lines stay lines."""
    return f"in {shown(call.cwd)} run:\n" + _indented(visible(call.line, keep="\t\n"))


def story(ran: Ran, warnings: Sequence[str]) -> str:
    """How it ended and the end of what it printed, for a person."""
    parts = [f"exit code {ran.exit_code} after {ran.seconds:.1f} s"]
    for name, output in (("output", ran.stdout), ("errors", ran.stderr)):
        if output.text:
            parts.append(f"{name}:\n{_indented(_end(output))}")
    return "\n".join([*parts, *(f"note: {warning}" for warning in warnings)])


def facts(ran: Ran, warnings: Sequence[str]) -> dict[str, JsonValue]:
    """The same as plain JSON, for the actor."""
    told: dict[str, JsonValue] = {"exit_code": ran.exit_code, "stdout": ran.stdout.to_json(), "stderr": ran.stderr.to_json()}
    if ran.stopped:
        told["stopped"] = ran.stopped
    if warnings:
        told["warning"] = "; ".join(warnings)
    return told


def names(paths: Sequence[bytes], workspace: bytes) -> str:
    """Some paths for a sentence, relative to the workspace."""
    told = ", ".join(shown(os.path.relpath(path, workspace)) for path in paths[:_NAMED])
    return told if len(paths) <= _NAMED else f"{told} and {len(paths) - _NAMED} more"


def _end(output: Output) -> str:
    shown_text = visible(output.text, keep="\t\n").rstrip("\n")
    if len(shown_text) <= _TAIL:
        return shown_text
    return f"[… {len(shown_text) - _TAIL} characters before, in the result …]\n{shown_text[-_TAIL:]}"


def _indented(lines: str) -> str:
    return "\n".join(f"  {line}" for line in lines.split("\n"))
