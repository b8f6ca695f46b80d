"""What a server says of its tools, as it was first seen: kept, so that a later change is noticed (a rug pull) and asked about."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from remit.domain.values import Digest, JsonValue, canonical, digest, parse
from remit.errors import ArgsInvalid, BadInput

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LARGEST: Final = 64 * 1024
"""Characters of one definition."""
_REFS: Final = 32
_ELSEWHERE: Final = ("$ref", "$dynamicRef")
_NAMING: Final = ("$schema", "$id", "$anchor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One tool, in its server's words."""

    name: str
    description: str
    schema: Mapping[str, JsonValue]
    hints: Mapping[str, JsonValue]
    """Its annotations, by their names in the protocol: `readOnlyHint`, `destructiveHint`, `idempotentHint`, `openWorldHint`."""

    @property
    def hash(self) -> Digest:
        """Of everything that a model or a person is told of it, and of how it is called."""
        return digest("remit.mcp.1", self.name, self.description, canonical(self.schema), canonical(self.hints))

    @property
    def size(self) -> int:
        """Characters."""
        return len(canonical(self.schema)) + len(self.description) + len(canonical(self.hints))

    @property
    def unfit(self) -> str:
        """Why it cannot be used, '' when it can: an odd name, a schema that leads elsewhere or is none, one far too large."""
        if not _NAME.fullmatch(self.name):
            return "its name is not letters, digits, _, - and ."
        if self.size > _LARGEST:
            return f"its definition is longer than {_LARGEST} characters"
        if canonical(self.schema).count('"$ref"') > _REFS:
            return f"its schema refers to itself more than {_REFS} times, which may take for ever to check"
        if self.schema.get("type") != "object" or _leads_elsewhere(self.schema):
            return "its schema is no object of its own"
        try:
            jsonschema_rs.validator_for(self.closed())
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            return f"its schema is none: {str(error)[:200]}"
        return ""

    def closed(self) -> dict[str, JsonValue]:
        """The schema of its arguments, with no others than those it names."""
        kept = {name: value for name, value in self.schema.items() if name not in _NAMING}
        return {**kept, "properties": kept.get("properties", {}), "additionalProperties": False}

    def to_json(self) -> dict[str, JsonValue]:
        return {"name": self.name, "description": self.description, "schema": self.schema, "hints": self.hints}

    @classmethod
    def from_json(cls, value: Any) -> Definition:
        """Raises ArgsInvalid for anything else."""
        try:
            return cls(
                name=str(value["name"]), description=str(value["description"]), schema=dict(value["schema"]), hints=dict(value["hints"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArgsInvalid(f"this is no definition of a tool: {error}", fix="remove the file; the server is asked again") from None


class Pins:
    """The definitions of one server on disk, and which of each tool a person has agreed to, by configuring or approving it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> tuple[dict[str, Definition], dict[str, str]] | None:
        """Definitions and agreed hashes by name; None before the server was ever asked. Raises BadInput for a broken file."""
        try:
            found: Any = parse(self._path.read_bytes())
            definitions = [Definition.from_json(one) for one in found["definitions"]]
            return {one.name: one for one in definitions}, {str(name): str(value) for name, value in found["agreed"].items()}
        except FileNotFoundError:
            return None
        except (OSError, ArgsInvalid, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{self._path} cannot be read: {error}", fix="remove it; the server's tools are then agreed to anew") from None

    def save(self, listed: list[Definition]) -> None:
        """What the server says now. What is said for the first time is agreed to; what changed is not, until a person says so."""
        known = self.load()
        agreed = known[1] if known else {}
        for one in listed:
            agreed.setdefault(one.name, one.hash)
        self._write([one.to_json() for one in listed], agreed)

    def agree(self, definition: Definition) -> None:
        """A person has approved a call of a tool that is defined so."""
        known = self.load()
        if known is not None and known[1].get(definition.name) != definition.hash:
            self._write([one.to_json() for one in known[0].values()], {**known[1], definition.name: definition.hash})

    def _write(self, definitions: list[dict[str, JsonValue]], agreed: Mapping[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        made.write_text(json.dumps({"v": 1, "definitions": definitions, "agreed": dict(agreed)}, sort_keys=True), encoding="utf-8")
        made.replace(self._path)


def _leads_elsewhere(value: JsonValue) -> bool:
    """Whether a schema names another place: what it means would be for that place to say."""
    if isinstance(value, Mapping):
        outside = any(name in value and not str(value[name]).startswith("#") for name in _ELSEWHERE)
        return outside or any(map(_leads_elsewhere, value.values()))
    return isinstance(value, list | tuple) and any(map(_leads_elsewhere, value))
