"""Plan files: TOML or YAML in, a checked `Plan` out; every complaint says where and how to mend it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from remit.domain.plan import Plan
from remit.domain.values import JsonValue, canonical, parse
from remit.errors import ArgsInvalid, BadInput, PlanInvalid
from remit.plans.spec import plan_from, to_spec

_MOST_ALIASES: Final = 30


def read_plan(text: str, *, name: str, inputs: Mapping[str, JsonValue] | None = None) -> Plan:
    """Parse and check a plan file; `name` decides TOML or YAML by its ending. Raises PlanInvalid."""
    return plan_from(_load(text, name), name=name, text=text, inputs=inputs)


def write_plan(plan: Plan) -> str:
    """The plan as YAML, for a file that `read_plan` reads back."""
    kept = {key: value for key, value in to_spec(plan).items() if key not in {"v", "text"} and value not in ({}, "")}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=120)


def _load(text: str, name: str) -> Mapping[str, JsonValue]:
    try:
        loaded = yaml.load(text, Loader=_StrictLoader) if name.endswith((".yaml", ".yml")) else tomllib.loads(text)  # noqa: S506 - a SafeLoader
        value = parse(canonical(loaded))
    except (ValueError, yaml.YAMLError, ArgsInvalid, RecursionError) as error:  # ValueError: also numbers without end
        raise PlanInvalid(
            f"{name} cannot be read: {' '.join(str(error).split())}", fix="mend the place named; plans are TOML, or YAML in a .yaml file"
        ) from None
    if not isinstance(value, Mapping):
        raise PlanInvalid(f"{name} is not a table", fix="write key = value pairs")
    return value


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, and so many aliases as only a bomb has."""

    _aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._aliases += self.check_event(yaml.AliasEvent)
        if self._aliases > _MOST_ALIASES:
            raise yaml.constructor.ConstructorError(None, None, f"more than {_MOST_ALIASES} aliases", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 - the library's signature
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_text(path: Path) -> str:
    """Of a plan file. Raises BadInput."""
    try:
        if path.exists() and not path.is_file():
            raise BadInput(f"{path} is no plain file", fix="give a UTF-8 text file you may read")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(
            f"there is no file {path}", fix="give the path of a plan file, or a goal that does not end in .toml or .yaml"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}", fix="give a UTF-8 text file you may read") from None
