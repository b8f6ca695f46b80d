"""What is done on a page before it is read: fields filled, links and buttons clicked, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid

URL: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "an http:// or https:// URL"}
STEPS: Final[Mapping[str, JsonValue]] = {
    "type": "array",
    "maxItems": 100,
    "default": [],
    "description": "what to do there first, in order: fill a field, or click something that only shows more",
    "items": {
        "oneOf": [
            {
                "type": "object",
                "properties": {
                    "fill": {"type": "string", "minLength": 1, "description": "a field by its label, name, id or placeholder"},
                    "with": {"type": "string", "maxLength": 100_000, "description": "the text, the option, or true / false"},
                },
                "required": ["fill", "with"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {
                    "click": {"type": "string", "minLength": 1, "description": "a button or link by what stands on it, or its id"}
                },
                "required": ["click"],
                "additionalProperties": False,
            },
        ]
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Either a field and what goes into it, or what is clicked."""

    fill: str = ""
    value: str = ""
    click: str = ""

    @property
    def told(self) -> str:
        """One line for a person."""
        what = f"fill {self.fill} with {self.value!r}" if self.fill else f"click {self.click}"
        return visible(what, keep="")


def read_steps(args: Mapping[str, JsonValue]) -> Sequence[Step]:
    """Raises ArgsInvalid."""
    listed = args.get("steps", ())
    if not isinstance(listed, list | tuple):
        raise ArgsInvalid("steps is no list", fix='send [{"fill": "Name", "with": "Ann"}, {"click": "Next"}]')
    return [_step(one) for one in listed]


def _step(value: JsonValue) -> Step:
    if isinstance(value, Mapping) and isinstance(value.get("click"), str):
        return Step(click=str(value["click"]))
    if isinstance(value, Mapping) and isinstance(value.get("fill"), str) and isinstance(value.get("with"), str):
        return Step(fill=str(value["fill"]), value=str(value["with"]))
    raise ArgsInvalid(f"{value!r} is no step", fix='send {"fill": "Name", "with": "Ann"} or {"click": "Next"}')
