"""Plan files as a person names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remit.app import App
from remit.domain.values import JsonValue
from remit.errors import BadInput

if TYPE_CHECKING:
    from remit.domain.plan import Plan

PLAN_ENDINGS: Final = (".toml", ".yaml", ".yml")


def read_plan_file(app: App, what: str, inputs: Mapping[str, JsonValue]) -> Plan:
    from remit.plans.files import read_plan, read_text

    if not what.endswith(PLAN_ENDINGS):
        raise BadInput(f"{what!r} is not a plan file", fix="give a .toml or .yaml file; what a model will do nobody knows before")
    plan = read_plan(read_text(Path(what)), name=Path(what).name, inputs=inputs)
    app.check_plan(plan)
    return plan
