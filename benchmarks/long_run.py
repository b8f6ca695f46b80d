"""What one more step costs in a run of a thousand. One JSON object on the last line.

The whole loop of an agent, with a model that answers at once: each step is a turn with one call that changes a file, judged, written ahead,
done and told. `growth_1000` is the CPU time of a step near number 1,000 over that of one near number 20, the median of some runs; beside
it the bytes of journal for a step, and the memory that the second half of the run adds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from remit.agent.loop import AgentWorker, Limits
from remit.app import App, places
from remit.domain.action import Level
from remit.domain.run import RunState

WINDOW = 10
"""Steps around a number that are taken together."""


class Steps:
    """Answers with one call after the other, and notes the CPU time at each."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.at: list[float] = []

    async def respond(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.at.append(time.process_time())
        number = len(self.at)
        if number > self.steps:
            return ModelResponse(parts=[TextPart("PARTLY: enough")])
        args = {"path": f"f{number % 20}.txt", "text": f"{number}", "overwrite": True}
        return ModelResponse(parts=[ToolCallPart("files-write", args, tool_call_id=f"c{number}")])


def _run(folder: Path, steps: int) -> tuple[Sequence[float], int, int]:
    """CPU seconds of each step, bytes of journal, and how many kilobytes the second half of it added to the most that was used."""
    (folder / "work").mkdir(parents=True)
    app = App(places([folder / "work"], {"REMIT_HOME": str(folder / "home"), "HOME": str(folder)}))
    script = Steps(steps)
    half = [0]

    async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(script.at) == steps // 2:
            half[0] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return await script.respond(messages, info)

    try:
        run = app.open_goal("write them", level=Level.CONSULTANT, model="steps", spec={})
        worker = AgentWorker(
            journal=app.journal,
            clock=app.clock,
            model=FunctionModel(respond),
            tools=[tool.spec for tool in app.gate.tools.values()],
            limits=Limits(turns=2 * steps),
        )
        with app.gate.hold(run.id):
            end = asyncio.run(worker.leg(run, app.gate))
        assert end.state is RunState.PARTLY, end
    finally:
        app.close()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = sum(path.stat().st_size for path in (folder / "home").glob("journal.db*"))
    return [after - before for before, after in zip(script.at, script.at[1:], strict=False)], size, most - half[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    growths, sizes, added = [], [], []
    with tempfile.TemporaryDirectory(prefix="remit-long-") as name:
        for number in range(given.rounds):
            costs, size, more = _run(Path(name) / str(number), given.steps)
            early = median(costs[WINDOW : 3 * WINDOW])
            late = median(costs[-2 * WINDOW :])
            growths.append(late / early)
            sizes.append(size / given.steps)
            added.append(more)
    print(
        json.dumps(
            {
                "benchmark": "long_run",
                f"growth_{given.steps}": round(median(growths), 2),
                "journal_bytes_per_step": round(median(sizes)),
                "second_half_kb": max(added),
                "rounds": given.rounds,
            }
        )
    )


if __name__ == "__main__":
    main()
