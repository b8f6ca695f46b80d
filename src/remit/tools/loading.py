"""Tools out of a person's own Python files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from remit.errors import BadInput
from remit.ports import Tool
from remit.tools.base import BaseTool


def tools_in(path: Path) -> list[Tool]:
    """Every tool that stands in the file by a name of its own. It is code of the person's, and runs with remit's rights.

    Raises BadInput when it cannot be loaded, or has none.
    """
    name = f"remit_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise BadInput(f"there is no Python file {path}", fix="name a .py file under `tools` in remit.toml")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that annotations in it can be resolved
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - a person's file may raise anything
        raise BadInput(f"{path} cannot be loaded: {type(error).__name__}: {error}", fix="run it with python to see where") from None
    found = [one for one in vars(module).values() if isinstance(one, BaseTool)]
    if not found:
        raise BadInput(f"{path} has no tools", fix="make one with @remit.tool(effect=…); docs/tools.md shows how")
    return list({id(one): one for one in found}.values())
