"""remit with the tools of `fault_tools` added: `run PLAN LEVEL ROOT OUTBOX` and `resume OUTBOX`, with remit's own exit codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from fault_tools import post_tools

from remit.app import App, places
from remit.cli.driving import drive
from remit.cli.exits import DONE, exit_code_for
from remit.domain.action import Level
from remit.plans.files import read_plan


def main(argv: list[str]) -> NoReturn:
    """Leaves by SystemExit."""
    verb, *rest = argv
    sys.exit(_run(*rest) if verb == "run" else _resume(*rest))


def _app(root: str, outbox: str) -> App:
    tools = post_tools(Path(outbox), careless=os.environ.get("FAULTS_CARELESS") == "1")
    return App(places([Path(root)]), more_tools=tools)


def _run(plan_file: str, level: str, root: str, outbox: str) -> int:
    app = _app(root, outbox)
    try:
        plan = read_plan(Path(plan_file).read_text(encoding="utf-8"), name="plan.toml")
        run = app.open_plan(plan, level=Level(level), who="bench")
        return exit_code_for(drive(app, run.id, interactive=False, quiet=True))
    finally:
        app.close()


def _resume(root: str, outbox: str) -> int:
    app = _app(root, outbox)
    try:
        codes = [exit_code_for(drive(app, run.id, interactive=False, quiet=True)) for run in list(app.runs.unfinished())]
        return max(codes, default=DONE)
    finally:
        app.close()


if __name__ == "__main__":
    main(sys.argv[1:])
