"""Tools from functions: `@remit.tool(...)`. Only the effect class has to be said; what is missing makes the tool stricter, and says so."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias, Union

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, BadInput
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.base import BaseTool

Function: TypeAlias = Callable[..., Any]

_PLAIN: Final = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", dict: "object", list: "array"}
_UNDOABLE: Final = (Effect.REVERSIBLE, Effect.TRANSACTIONAL, Effect.COMPENSABLE)


@dataclass(slots=True)
class _Parts:
    """What the author wrote, each under the name it is called by."""

    run: Function
    capture: Function | None = None
    probe: Function | None = None
    undo: Function | None = None
    preview: Function | None = None


@dataclass
class MadeTool(BaseTool):
    """A tool made of functions. Each further part is added by a decorator of the tool's own:

        @switch.capture_with     (args)                   what has to be known to probe and undo, taken before the effect
        @switch.probe_with       (args, captured)         True it happened, False it did not, None nobody can tell
        @switch.undo_with        (args, captured, result) the arguments that take it back, or (tool, arguments); None if nothing does
        @switch.preview_with     (args)                   what would happen, as text

    All but `undo_with` may be `async`. `remit.errors.ToolFailed` (or Conflict) says that surely nothing was done; after any other
    exception the tool is probed, and a person is asked when that cannot tell.
    """

    spec: ToolSpec = field(init=False)
    declared: ToolSpec
    target: str
    parts: _Parts

    def __post_init__(self) -> None:
        self._settle()

    def capture_with(self, function: Function) -> Function:
        """Add what is taken before the effect."""
        return self._with("capture", function)

    def probe_with(self, function: Function) -> Function:
        """Add how to look whether it happened."""
        return self._with("probe", function)

    def undo_with(self, function: Function) -> Function:
        """Add how to take it back."""
        return self._with("undo", function)

    def preview_with(self, function: Function) -> Function:
        """Add what a person is shown beforehand."""
        return self._with("preview", function)

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        """Raises ArgsInvalid when the target names an argument that is not there."""
        try:
            return (self.target.format(**args),) if self.target else ()
        except (KeyError, IndexError) as error:
            raise ArgsInvalid(f"{self.spec.name}: its target needs the argument {error}", fix="send it") from None

    async def preview(self, call: Call) -> Preview:
        if self.parts.preview is None:
            return await super().preview(call)
        return Preview(text=str(await _answer(self.parts.preview, args=call.args)))

    async def capture(self, call: Call) -> Captured:
        data = await _answer(self.parts.capture, args=call.args) if self.parts.capture else None
        return Captured(data=data, touches=self.targets(call.args))

    async def run(self, call: Call) -> JsonValue:
        result: JsonValue = await _answer(self.parts.run, **call.args)
        return result

    async def probe(self, call: Call) -> Probed:
        if self.parts.probe is None:
            return await super().probe(call)
        said = await _answer(self.parts.probe, args=call.args, captured=call.captured)
        happened = {True: Happened.YES, False: Happened.NO}.get(said, Happened.UNKNOWN)
        return Probed(happened=happened, again=happened is Happened.NO)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        if self.parts.undo is None:
            return None
        said = self.parts.undo(args=call.args, captured=call.captured, result=result)
        if said is None:
            return None
        tool, args = said if isinstance(said, tuple) else (self.spec.name, said)
        return Undo(tool=tool, args=args)

    def _with(self, part: str, function: Function) -> Function:
        setattr(self.parts, part, function)
        self._settle()
        return function

    def _settle(self) -> None:
        """The class that is really kept, and why where it is stricter than what was declared."""
        effect, missing = self.declared.effect, ""
        if effect in _UNDOABLE and self.parts.undo is None:
            effect, missing = Effect.IRREVERSIBLE, "it has no undo"
        elif effect is Effect.DEFERRABLE:
            effect, missing = Effect.IRREVERSIBLE, "nothing here can hold it"
        note = f" (Counts as irreversible: {missing}.)" if missing else ""
        self.spec = replace(self.declared, effect=effect, description=f"{self.declared.description}{note}")


def tool(
    *,
    effect: str,
    name: str = "",
    target: str = "",
    egress: bool = False,
    reads_untrusted: bool = False,
    salient: Sequence[str] = (),
    visible: Sequence[str] = (),
) -> Callable[[Function], MadeTool]:
    """Make a tool of a function: its docstring is the description, its annotations the schema.

    `effect` is an effect class (see `remit.domain.action.Effect`). `target` is a URI with arguments in it, such as `light:{room}`:
    an undo looks for later actions on the same one. `salient` are arguments that decide where the effect lands, `visible` those that
    policy may read. Raises BadInput for what policy or models could not use.
    """

    def make(function: Function) -> MadeTool:
        if effect not in set(Effect):
            raise BadInput(f"{effect!r} is no effect class", fix=f"use one of {', '.join(Effect)}")
        spec = ToolSpec(
            name=name or function.__name__.replace("_", ".", 1),
            description=inspect.cleandoc(function.__doc__ or "").partition("\n")[0],
            schema=_schema(function),
            effect=Effect(effect),
            egress=egress,
            reads_untrusted=reads_untrusted,
            salient=tuple(salient),
            visible=tuple(visible),
        )
        if not spec.description:
            raise BadInput(f"{spec.name} has no docstring", fix="say in one sentence what it does: models and people read it")
        return MadeTool(declared=spec, target=target, parts=_Parts(run=function))

    return make


async def _answer(function: Function | None, **arguments: Any) -> Any:
    said = function(**arguments) if function else None
    return await said if isinstance(said, Awaitable) else said


def _schema(function: Function) -> dict[str, JsonValue]:
    """Raises BadInput for a parameter without a type, or with one that JSON has not."""
    hints = typing.get_type_hints(function)
    properties: dict[str, JsonValue] = {}
    required: list[JsonValue] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL} or parameter.name not in hints:
            raise BadInput(
                f"{function.__name__}: {parameter.name} has no plain type", fix="name every parameter, with str, int, list[str], …"
            )
        described = _type(hints[parameter.name], f"{function.__name__}: {parameter.name}")
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        else:
            described["default"] = parameter.default
        properties[parameter.name] = described
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _type(hint: Any, where: str) -> dict[str, JsonValue]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN or origin in _PLAIN:
        found: dict[str, JsonValue] = {"type": _PLAIN[hint if hint in _PLAIN else origin]}
        return {**found, "items": _type(inner[0], where)} if origin is list else found
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in {Union, types.UnionType}:
        kinds = [_type(one, where) for one in inner]
        if all(set(kind) == {"type"} for kind in kinds):
            return {"type": [kind["type"] for kind in kinds]}
        return {"anyOf": list(kinds)}
    raise BadInput(f"{where}: {hint} is no type that JSON has", fix="use str, int, float, bool, list, dict, Literal or None")
