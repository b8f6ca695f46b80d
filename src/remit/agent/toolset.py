"""Our tools in the eyes of a model: legal function names that map back exactly, and schemas as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pydantic_ai.tools import ToolDefinition

from remit.domain.action import Effect
from remit.domain.values import canonical, digest
from remit.ports import ToolSpec

LONGEST_NAME: Final = 64
"""What the strictest endpoints take, of letters, digits, `_` and `-`."""

_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_LEGAL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def function_name(tool: str) -> str:
    """A legal function name for a tool's name: dots become dashes; where that could not be read back, a digest makes it unique."""
    plain = _ILLEGAL.sub("-", tool)
    if plain.replace("-", ".") == tool and len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[: LONGEST_NAME - 9]}-{digest(tool)[:8]}"


def sendable(name: str) -> str:
    """The name a model used, made fit to be sent back in the history: endpoints reject a request over one illegal name in it."""
    return name if _LEGAL.fullmatch(name) else function_name(name) or "unnamed"


class Toolbox:
    """The tools a model may name. It knows nothing of effects: whatever is named here goes to the gate."""

    def __init__(self, specs: Iterable[ToolSpec]) -> None:
        self.specs = {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.name) if not spec.undoes}
        self._tools = {function_name(name): name for name in self.specs}
        self.definitions = [_definition(name, self.specs[tool]) for name, tool in self._tools.items()]
        self.print = digest(*(canonical([d.name, d.description, d.parameters_json_schema]) for d in self.definitions))
        """Changes when any name, description or schema does."""

    def tool(self, name: str) -> str:
        """The tool a model means. A name it made up stays as it is: the gate refuses it by that name, and the journal shows it."""
        return self._tools.get(name, name)

    def untrusted(self, tool: str) -> bool:
        """Whether what the tool returns was written by strangers. Of an unknown tool nothing was read."""
        spec = self.specs.get(tool)
        return spec is not None and spec.reads_untrusted

    def changes(self, tool: str) -> bool:
        """Whether a call of it may change anything."""
        spec = self.specs.get(tool)
        return spec is not None and spec.effect is not Effect.PURE


def _definition(name: str, spec: ToolSpec) -> ToolDefinition:
    # strict=False: otherwise some model classes rewrite the schema (optional parameters become required)
    return ToolDefinition(name=name, description=spec.description, parameters_json_schema=dict(spec.schema), strict=False)
