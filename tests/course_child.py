"""One leg of a scripted agent's run in a process of its own, to be killed: FOLDER RUN SCRIPT.json."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from course_world import ByTurn, attach
from remit.domain.values import RunId

if __name__ == "__main__":
    folder, run, script = sys.argv[1:]
    app = attach(Path(folder), ByTurn(*json.loads(Path(script).read_text(encoding="utf-8"))))
    end = asyncio.run(app.engine.advance(RunId(run)))
    app.close()
    print(f"{end.state}: {end.summary}")
