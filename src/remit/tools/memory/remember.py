"""Remembering through the gate, and taking that back: what an agent keeps for later is an effect like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from remit.domain.action import Effect
from remit.domain.memory import Matter, Remembered, Trust
from remit.domain.values import ActionId, JsonValue, digest, fields, items
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, Conflict
from remit.ports import Call, Captured, Clock, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.args import schema, text
from remit.tools.base import BaseTool
from remit.tools.memory.screen import secret_in
from remit.tools.memory.store import LONGEST, MemoryFile

_LENGTH: Final = 8
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Of what is to be remembered: the run in which it was learnt, and how much of it is the person's."""

    trust: Trust
    who: str
    goal: str = ""
    roots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What the tools of memory share."""

    file: MemoryFile
    clock: Clock
    origin: Callable[[ActionId], Origin]
    """Of an action that is under way, from what it was judged on."""
    secrets: Callable[[], Iterable[str]]


class MemoryRemember(BaseTool):
    """Keeps a text for later runs. Where it came from stays with it: it is trusted as much as the run was when it was learnt."""

    spec = ToolSpec(
        name="memory.remember",
        description="Keep a fact, a lesson, or how your person wants things done, for later runs; best in their words. Never secrets.",
        schema=schema(
            ("kind", "text"),
            kind={"type": "string", "enum": [Matter.FACT, Matter.PREFERENCE, Matter.LESSON]},
            text={"type": "string", "minLength": 1, "maxLength": LONGEST},
            about={
                "type": "string",
                "maxLength": 200,
                "description": "words of the tasks for which it matters, e.g. 'flights travel'; a preference without any counts for all",
            },
        ),
        effect=Effect.REVERSIBLE,
        salient=("text",),
        visible=("kind",),
    )

    def __init__(self, keeping: Keeping) -> None:
        self._keeping = keeping

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"remember the {text(args, 'kind')}: {visible(text(args, 'text'), keep='')[:_SHOWN]}"

    async def preview(self, call: Call) -> Preview:
        self._screen(call)
        about = text(call.args, "about", "")
        return Preview(text=f"{text(call.args, 'text')}\n{f'recalled for: {about}' if about else 'recalled by its own words'}")

    async def capture(self, call: Call) -> Captured:
        self._screen(call)
        return Captured(data=None, touches=(f"memory:{_name(call)}",))

    async def run(self, call: Call) -> JsonValue:
        origin = self._keeping.origin(call.action)
        item = Remembered(
            id=_name(call),
            matter=Matter(text(call.args, "kind")),
            text=text(call.args, "text"),
            about=text(call.args, "about", ""),
            goal=origin.goal,
            trust=origin.trust,
            who=origin.who,
            run=call.action.partition("/")[0],
            at=self._keeping.clock.now(),
            roots=() if text(call.args, "kind") == Matter.PREFERENCE else origin.roots,
        )
        self._keeping.file.put(item)
        return {"remembered": as_data(item)}

    async def probe(self, call: Call) -> Probed:
        found = self._keeping.file.get(_name(call))
        if found is None:
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.YES, result={"remembered": as_data(found)})

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        kept = fields(result).get("remembered")
        return Undo(tool="memory.put", args={"id": _name(call), "expected": kept, "item": None}) if kept else None

    def _screen(self, call: Call) -> None:
        whole = " ".join((text(call.args, "text"), text(call.args, "about", "")))
        if found := secret_in(whole, self._keeping.secrets()):
            raise ArgsInvalid(f"it holds {found}, and secrets are not remembered", fix="say it without the secret")


class MemoryPut(BaseTool):
    """Makes of one memory what it was before, unless somebody changed it since."""

    spec = ToolSpec(
        name="memory.put",
        description="Take back what was remembered or forgotten.",
        schema=schema(
            ("id", "expected", "item"), id={"type": "string"}, expected={"type": ["object", "null"]}, item={"type": ["object", "null"]}
        ),
        effect=Effect.REVERSIBLE,
        undoes=True,
    )

    def __init__(self, keeping: Keeping) -> None:
        self._file = keeping.file

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (f"memory:{text(args, 'id')}",)

    def owns(self, target: str) -> bool:  # noqa: ARG002 - memory is the person's
        return True

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{'forget' if args['item'] is None else 'remember again'} {text(args, 'id')}"

    async def preview(self, call: Call) -> Preview:
        before, after = fields(call.args["expected"]).get("text"), fields(call.args["item"]).get("text")
        lines = [f"- {before}"] * (before is not None) + [f"+ {after}"] * (after is not None)
        return Preview(text="\n".join(lines))

    async def run(self, call: Call) -> JsonValue:
        before, after = _from(call.args["expected"]), _from(call.args["item"])
        if not self._file.swap(text(call.args, "id"), before, after):
            raise Conflict(f"memory:{text(call.args, 'id')} was changed or forgotten since", fix="`remit memory` shows what is there now")
        return {}

    async def probe(self, call: Call) -> Probed:
        there = self._file.get(text(call.args, "id"))
        if there == _from(call.args["item"]):
            return Probed(happened=Happened.YES, result={})
        return Probed(happened=Happened.NO, again=True)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - all that it needs is in the call
        return Undo(tool="memory.put", args={"id": call.args["id"], "expected": call.args["item"], "item": call.args["expected"]})


def as_data(item: Remembered) -> dict[str, JsonValue]:
    """As plain JSON."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(item).items()}


def _from(value: JsonValue) -> Remembered | None:
    if value is None:
        return None
    data = fields(value)
    try:
        plain = {name: str(data[name]) for name in ("id", "text", "about", "goal", "who", "run")}
        return Remembered(
            **plain,
            matter=Matter(str(data["matter"])),
            trust=Trust(str(data["trust"])),
            at=int(str(data["at"])),
            roots=tuple(map(str, items(data["roots"]))),
        )
    except (KeyError, ValueError) as error:
        raise ArgsInvalid(f"this is nothing that was remembered: {error}", fix="use `remit undo`") from None


def _name(call: Call) -> str:
    """Of what this very call remembers."""
    return digest(call.action)[:_LENGTH]
