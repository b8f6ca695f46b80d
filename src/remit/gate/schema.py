"""Arguments against a tool's JSON Schema, and the digest that pins a tool's definition."""

from __future__ import annotations

from collections.abc import Mapping

import jsonschema_rs

from remit.domain.values import Digest, JsonValue, canonical, digest
from remit.errors import ArgsInvalid
from remit.ports import Tool, ToolSpec


class Shape:
    """One tool's compiled schema and the digest of its definition."""

    def __init__(self, tool: Tool) -> None:
        self.definition = definition_of(tool.spec)
        self._tool = tool
        self._validator = jsonschema_rs.validator_for(dict(tool.spec.schema))

    def check(self, args: Mapping[str, JsonValue]) -> None:
        """Raise ArgsInvalid naming each place that does not fit."""
        problems = [
            f"{'/'.join(map(str, error.instance_path)) or 'arguments'}: {error.message}" for error in self._validator.iter_errors(args)
        ]
        if problems:
            name = self._tool.spec.name
            raise ArgsInvalid(f"{name}: {'; '.join(problems[:5])}", fix=f"`remit tools {name}` shows what it takes")


def definition_of(spec: ToolSpec) -> Digest:
    """Changes whenever name, description, schema, effect or version of a tool change: approvals do not outlive that."""
    return digest("remit.tool.1", spec.name, spec.version, spec.description, canonical(spec.schema), spec.effect, str(spec.egress))
