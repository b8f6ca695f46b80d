"""What judging is, without saying how: the nouns that go in and come out, and the three-method interface.

Importing this module is cheap and brings in no policy engine; `remit.policy.cedar` is the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from remit.domain.action import Effect
from remit.domain.decision import Because, Decision, Facts
from remit.domain.values import JsonValue
from remit.errors import PolicyInvalid

Origin: TypeAlias = Literal["default", "organisation", "user", "project"]
"""Who wrote a policy text. A project's text may contain only `forbid`; a forbid holds whoever wrote it."""

ArgType: TypeAlias = Literal["string", "integer", "boolean", "strings"]
"""What policy can compare. There are no floats; `strings` is a set of texts without order, doubles or size."""

PEOPLE = (0, 1, 2)
"""How many distinct people may be asked; nobody asks three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySource:
    """One policy text and where it came from. `name` is what error messages call it, usually its path."""

    origin: Origin
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgShape:
    """One argument that policy may read. An optional one must be guarded with `context.args has NAME`."""

    name: str
    type: ArgType
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolShape:
    """What policy needs to know of a tool."""

    name: str
    effect: Effect
    """The worst class of any call; only `matrix` uses it, a judgement goes by `Facts.effect`."""
    args: tuple[ArgShape, ...] = ()

    @classmethod
    def of(cls, *, name: str, effect: Effect, schema: Mapping[str, JsonValue], visible: Sequence[str]) -> ToolShape:
        """Read the shape off a tool's JSON Schema. Raises PolicyInvalid when a visible argument has no type policy can compare."""
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        known = properties if isinstance(properties, Mapping) else {}
        must = required if isinstance(required, Sequence) else ()
        return cls(name=name, effect=effect, args=tuple(_arg(name, arg, known.get(arg), arg in must) for arg in visible))


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One policy that said something about these facts."""

    policy: str
    effect: Literal["permit", "forbid"]
    reason: str
    failed: str = ""
    """Why it could not be evaluated; then it counts as a no, whatever its effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision with everything that spoke for and against it."""

    facts: Facts
    decision: Decision
    matches: tuple[tuple[Match, ...], ...]
    """What matched with 0, 1 and 2 people, in the order of the policy files."""
    instead: tuple[str, ...] = ()
    """Which single change of the facts would need fewer people, in plain words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy as `remit policy check` lists it."""

    id: str
    effect: Literal["permit", "forbid"]
    reason: str
    origin: Origin
    file: str
    line: int
    tools: tuple[str, ...] = field(default=())
    """The tools whose calls it can speak about."""


class Policy(Protocol):
    """Judgement: pure, total and fail-closed. What it cannot judge is never."""

    def decide(self, facts: Facts) -> Decision:
        """The least human involvement under which the policy says yes.

        Tries 0, 1 and 2 people. Up to `facts.approvals` people it counts the roles that really approved
        (`facts.approver_roles`); for people still to be asked it assumes every role, and names the needed ones in
        `Decision.roles`. More approvals never turn a yes into a no.
        """
        ...

    def explain(self, facts: Facts) -> Explanation:
        """The same decision with every policy that matched at each number of people. Slower; for people, not for the gate."""
        ...

    def looks_at_arguments(self, tool: str) -> bool:
        """Whether a policy on this tool reads its arguments: otherwise all its calls are alike to policy."""
        ...

    def rows(self) -> tuple[Row, ...]:
        """Every policy in the order of its file."""
        ...


def nobody_permits(facts: Facts) -> Because:
    """What to say when there is no policy to name."""
    return Because(policy="no-permit", reason=f"no policy permits {facts.tool} ({facts.effect}) at level {facts.level}")


def unknown_tool(tool: str) -> Because:
    return Because(policy="unknown-tool", reason=f"{tool} is not a tool that policy knows")


def _arg(tool: str, name: str, schema: JsonValue, required: bool) -> ArgShape:  # noqa: FBT001 - read off the schema, not a mode
    declared = schema.get("type") if isinstance(schema, Mapping) else None
    types = set(declared) if isinstance(declared, list) else {declared}
    if len(types) > 1 and "null" in types:
        types, required = types - {"null"}, False
    kind = types.pop() if len(types) == 1 else None
    if kind in ("string", "integer", "boolean"):
        return ArgShape(name=name, type=kind, required=required)
    items = schema.get("items") if isinstance(schema, Mapping) else None
    if kind == "array" and isinstance(items, Mapping) and items.get("type") == "string":
        return ArgShape(name=name, type="strings", required=required)
    raise PolicyInvalid(
        f"{tool} shows its argument {name!r} to policy, but {kind or 'no single type'} cannot be compared there",
        fix="show only strings, integers (minor units for money), booleans or lists of strings",
    )
