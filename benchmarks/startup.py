"""How long a person waits for `remit approve`: against `python -c "import click"`, in turn. One JSON object on the last line.

Every round answers a real question of its own in a journal, with `--no-resume`, as `approve` has nothing to do after that.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from overhead_world import waiting_run, world

_ENV = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed program has its bytecode beside it, as click has; the first round, which is not counted, writes ours."""


def _questions(folder: Path, number: int) -> list[str]:
    with world(folder) as app:
        return [f"{waiting_run(app).id}/order.1:1" for _ in range(number)]


def _seconds(argv: list[str], home: Path) -> float:
    began = time.perf_counter()
    subprocess.run(argv, env={**_ENV, "REMIT_HOME": str(home)}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    folder = Path(tempfile.mkdtemp(prefix="remit-startup-"))
    program = str(Path(sys.executable).with_name("remit"))
    try:
        approve, click = [], []
        for question in _questions(folder, rounds + 1):
            approve.append(_seconds([program, "approve", question, "--as", "ann", "--no-resume"], folder / "home"))
            click.append(_seconds([sys.executable, "-c", "import click"], folder / "home"))
    finally:
        shutil.rmtree(folder)
    ours, theirs = median(approve[1:]), median(click[1:])
    found = {"approve_ms": round(ours * 1000), "click_ms": round(theirs * 1000), "rounds": rounds}
    print(json.dumps({"benchmark": "startup", "ratio": round(ours / theirs, 2), **found}))


if __name__ == "__main__":
    main()
