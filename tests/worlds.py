"""A small real world for tests of the gate: a file on disk that a tool appends to, a real journal, the shipped policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from remit.domain.action import Action, Effect, Level
from remit.domain.situation import Situation
from remit.domain.values import JsonValue, RunId, action_id
from remit.errors import ToolFailed, ToolUncertain
from remit.gate.gate import Gate, Limits
from remit.gate.inbox import Inbox
from remit.journal.sqlite import SqliteJournal, open_journal
from remit.policy.cedar import load
from remit.policy.judge import PolicySource, ToolShape
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.base import BaseTool

RUN = RunId("run1")


@dataclass
class Tape(BaseTool):
    """Appends one line per effect to a real file: doubled and lost effects can be counted afterwards."""

    file: Path
    name: str = "tape.write"
    kind: Effect = Effect.IRREVERSIBLE
    can_look: bool = True
    binding: str = ""
    """What previews are bound to; tests change it to move the world."""
    before_effect: Callable[[], None] | None = None
    after_effect: Callable[[], None] | None = None
    hang: float = 0.0
    calls: int = 0
    shown: tuple[str, ...] = ("line",)
    about: str = "append a line"
    touched: tuple[str, ...] = ()
    """What the first, second … call says that it touches, instead of its line."""

    @property
    def spec(self) -> ToolSpec:  # type: ignore[override]
        return ToolSpec(
            name=self.name,
            description=self.about,
            schema={
                "type": "object",
                "properties": {"line": {"type": "string"}, "amount": {"type": "integer"}},
                "required": ["line"],
                "additionalProperties": False,
            },
            effect=self.kind,
            salient=("line",),
            visible=self.shown,
        )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (f"tape:{args['line']}",)

    async def preview(self, call: Call) -> Preview:
        return Preview(text=f"would append {call.args['line']}", binding=self.binding)

    async def capture(self, call: Call) -> Captured:
        touches = (self.touched[self.calls],) if self.touched else self.targets(call.args)
        return Captured(data={"had": len(self.lines())}, touches=touches)

    async def run(self, call: Call) -> JsonValue:
        self.calls += 1
        if self.before_effect:
            self.before_effect()
        with self.file.open("a", encoding="utf-8") as out:
            out.write(f"{call.action} {call.args['line']}\n")
        if self.hang:
            await asyncio.sleep(self.hang)
        if self.after_effect:
            self.after_effect()
        return {"line": call.args["line"]}

    async def probe(self, call: Call) -> Probed:
        if not self.can_look:
            return Probed(happened=Happened.UNKNOWN)
        if any(line.startswith(f"{call.action} ") for line in self.lines()):
            return Probed(happened=Happened.YES, result={"line": call.args["line"]})
        return Probed(happened=Happened.NO, again=True)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        return None

    def lines(self) -> list[str]:
        """What really happened."""
        return self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []


@dataclass
class Dial:
    """A clock that tests turn."""

    at: int = 1_700_000_000_000

    def now(self) -> int:
        return self.at


@dataclass
class World:
    """Everything a test of the gate needs, and shortcuts for it."""

    tape: Tape
    journal: SqliteJournal
    gate: Gate
    inbox: Inbox
    clock: Dial

    def action(self, name: str = "a", line: str = "hello", *, actor: str = "agent:x", **more: JsonValue) -> Action:
        return Action.wanting(action_id(RUN, name), actor=actor, tool=self.tape.name, args={"line": line, **more})

    def lines(self) -> list[str]:
        return self.tape.lines()

    def reopened(self, policy_text: str = "") -> World:
        """The same journal and world in a fresh gate, as after a restart, perhaps under another policy."""
        return world_on(self.tape, self.journal, self.clock, policy_text)


ASKS = Situation(level=Level.CONSULTANT)
"""An irreversible effect asks one person here."""
ALONE = Situation(level=Level.APPROVER, words="write hello to tape:hello and other to tape:other")
"""The person named the target: alone."""


def policy_for(tools: Mapping[str, BaseTool], more: str = "", *, only: str = "") -> object:
    """The shipped policy with `more` on top, or `only` that text."""
    default = resources.files("remit.policy").joinpath("default.cedar").read_text(encoding="utf-8")
    sources = [PolicySource(origin="default", name="default.cedar", text=only or default)]
    if more:
        sources.append(PolicySource(origin="project", name="project.cedar", text=more))
    shapes = [ToolShape.of(name=t.spec.name, effect=t.spec.effect, schema=t.spec.schema, visible=t.spec.visible) for t in tools.values()]
    return load(sources, shapes)


def world_on(tape: Tape, journal: SqliteJournal, clock: Dial, policy_text: str = "", limits: Limits | None = None) -> World:
    """A gate over what is there already."""
    tools = {tape.name: tape}
    gate = Gate(journal=journal, tools=tools, policy=policy_for(tools, policy_text), clock=clock, limits=limits)  # type: ignore[arg-type]
    return World(tape=tape, journal=journal, gate=gate, inbox=Inbox(journal, clock), clock=clock)


def new_world(folder: Path, *, limits: Limits | None = None, policy_text: str = "", **tape: object) -> World:
    """A fresh world in `folder`."""
    made = Tape(file=folder / "tape.txt", **tape)  # type: ignore[arg-type]
    return world_on(made, open_journal(folder / "journal.db"), Dial(), policy_text, limits)


def fails_surely() -> None:
    raise ToolFailed("the line was not taken")


def ends_unclearly() -> None:
    raise ToolUncertain("the connection broke")
