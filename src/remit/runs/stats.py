"""The numbers that say whether one can walk away, of what `counting` finds in the journal.

*Walked away* is a task that was done without any intervention. What nobody looked at is not known to be right: what was done alone and
taken back is a lower bound of its errors; the upper bound is on what people have answered for.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import quantiles
from typing import Final, TypeVar

from remit.domain.run import RunState
from remit.domain.values import JsonValue
from remit.policy.evidence import upper_bound
from remit.runs.counting import Act, Counted, Task

_T = TypeVar("_T")
_HOUR_MS: Final = 3_600_000


def summary(counted: Counted, *, hour: float = 0.0) -> dict[str, JsonValue]:
    """All of it, and by tool, model, level and week. Times in milliseconds, money in US dollars; null where there is nothing to tell.

    `hour` is what an hour of a person costs.
    """
    tasks = counted.tasks
    acts = [act for task in tasks for act in task.acts]
    return {
        **_of_tasks(tasks),
        **_of_acts(acts),
        "retry_ms": _spread([ms for task in tasks for ms in task.retried_ms]),
        "approval_ms": _spread([ms for task in tasks for ms in task.answered_ms]),
        "undo_ms": _spread(counted.undo_ms),
        "noticed_ms": _spread(counted.noticed_ms),
        "wrong_action": _of_wrong(counted, hour),
        "by_tool": _grouped(acts, lambda act: act.tool, _of_acts),
        "by_model": _grouped(tasks, lambda task: task.model, _of_tasks),
        "by_level": _grouped(tasks, lambda task: task.level, _of_tasks),
        "by_week": _grouped(tasks, lambda task: task.week, _of_tasks),
    }


def _of_wrong(counted: Counted, hour: float) -> dict[str, JsonValue]:
    """What a wrong action costs on average: its share of what its task cost, and the time in which a person took it back."""
    wrong = sum(len(task.wrong) for task in counted.tasks)
    if not wrong:
        return {"n": 0, "direct": None, "undo_ms": None, "person": None, "cost": None}
    direct = _dollars(sum(task.money * len(task.wrong) / len(task.acts) for task in counted.tasks if task.wrong) / wrong)
    undo_ms = sum(counted.undo_ms) / wrong
    person = hour * undo_ms / _HOUR_MS
    return {"n": wrong, "direct": direct, "undo_ms": undo_ms, "person": person, "cost": direct + person}


def _of_tasks(tasks: list[Task]) -> dict[str, JsonValue]:
    ended = [task for task in tasks if task.ended]
    return {
        "tasks": len(tasks),
        "ended": len(ended),
        "done": sum(task.ended == RunState.DONE for task in ended),
        "walked_away": sum(task.walked_away for task in ended),
        "walk_away_rate": _share(sum(task.walked_away for task in ended), len(ended)),
        "interventions": sum(task.interventions for task in tasks),
        "interventions_per_task": _share(sum(task.interventions for task in ended), len(ended)),
        "tokens_per_task": _share(sum(task.tokens for task in ended), len(ended)),
        "money_per_task": _dollars(sum(task.money for task in ended) / len(ended)) if ended else None,
    }


def _of_acts(acts: list[Act]) -> dict[str, JsonValue]:
    alone = [act for act in acts if act.alone]
    wrong = sum(act.undone_by_person or act.undone_by_itself for act in alone)
    asked = [act for act in acts if act.asked]
    refused = sum(act.wrong_word or act.undone_by_person for act in asked)
    return {
        "actions": len(acts),
        "alone": len(alone),
        "alone_wrong": wrong,
        "alone_wrong_rate": _share(wrong, len(alone)),
        "asked": len(asked),
        "asked_wrong": refused,
        "asked_wrong_rate": _share(refused, len(asked)),
        "asked_wrong_bound": upper_bound(len(asked), refused),
        "failed": sum(act.failed for act in acts),
    }


def _grouped(items: list[_T], key: Callable[[_T], str], told: Callable[[list[_T]], dict[str, JsonValue]]) -> dict[str, JsonValue]:
    groups: dict[str, list[_T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return {name: told(groups[name]) for name in sorted(groups)}


def _spread(found: list[int]) -> JsonValue:
    """Half are below p50, and 95 of 100 below p95."""
    if not found:
        return None
    points = quantiles(found, n=20, method="inclusive") if len(found) > 1 else [float(found[0])] * 19
    return {"n": len(found), "p50": points[9], "p95": points[18]}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _dollars(millionths: float) -> float:
    return millionths / 1_000_000
