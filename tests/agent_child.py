"""One leg of an agent's run in a process of its own, for tests that kill it: `agent_child.py FOLDER ADDRESS`."""

from __future__ import annotations

import sys
from pathlib import Path

from agent_world import QUICK, once, world
from remit.agent.loop import AgentWorker
from remit.agent.models import resolve

if __name__ == "__main__":
    with world(Path(sys.argv[1])) as w:
        model = resolve("openai-compatible:tiny", env={"REMIT_BASE_URL": sys.argv[2]})
        worker = AgentWorker(journal=w.journal, clock=w.clock, model=model, tools=w.specs, limits=QUICK)

        async def leg() -> None:
            end = await worker.leg(w.run, w.gate)
            await w.gate.flush()
            print(f"{end.state}: {end.summary}")

        once(leg())
