"""What the model is told: what really happened to each call, as one JSON object of bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, assert_never

from remit.domain.outcome import Outcome, Status
from remit.domain.receipt import Finished, Refused
from remit.domain.values import JsonValue, canonical, fields, parse

LONGEST: Final = 24_000
"""Characters of one result that a model is shown; the journal and the tools keep the rest."""

_DENIED: Final = "this is about what the call was for and not about its wording; do not seek the same end in another way"
_IN_DOUBT: Final = "it is not known whether this happened; do not repeat it, and say so in the report"


def observation(receipt: Finished | Refused, wanted: str) -> tuple[str, str]:
    """How the call ended in one word, and the text for the model. `wanted` is what it sent: it is told when something else ran."""
    match receipt:
        case Finished():
            return _finished(receipt, wanted)
        case Refused():
            return _refused(receipt)
        case _ as never:
            assert_never(never)


def not_run(why: str, *, end: str) -> tuple[str, str]:
    """For a call that never became an action."""
    return end, canonical({"status": "not run", "why": why})


def goes_on(ready: Sequence[str]) -> str:
    """For a call that waits for a person while other steps can be done."""
    steps: JsonValue = list(ready)
    return canonical({"status": "waiting for a person", "note": "you will hear what came of it; do not call it again", "go on with": steps})


def checked(text: str, step: str, why: str, *, undone: bool) -> str:
    """The same observation with what looking at the step's own checks showed: `why` they do not hold, '' where they do."""
    told = {**fields(parse(text))}
    if why:
        told["status"] = "failed, what it did was taken back" if undone else "done, but its check failed"
    return canonical({**told, "step": step, "check": f"failed: {_bounded(why)}" if why else "holds"})


def plainly(text: str) -> str:
    """Why a call failed, in an observation's own words."""
    told = fields(parse(text))
    return next((str(told[key]) for key in ("check", "error", "reason") if told.get(key)), text)


def strings(text: str) -> str:
    """All strings inside an observation, one a line: what values a later call may have taken from it."""
    found: list[str] = []
    _gather(parse(text), found)
    return "\n".join(found)


def _finished(receipt: Finished, wanted: str) -> tuple[str, str]:
    outcome = receipt.outcome
    told: dict[str, JsonValue] = {"status": _status(outcome)}
    if receipt.args_json != wanted:
        told |= {"edited_by": receipt.edited_by or "a person", "ran": parse(receipt.args_json)}
    match outcome.status:
        case Status.SUCCEEDED:
            told["result"] = _bounded(outcome.result)
        case Status.FAILED:
            told |= {"code": outcome.code, "error": _bounded(outcome.error)}
        case Status.IN_DOUBT:
            told["why"] = _IN_DOUBT
    return str(outcome.status), canonical(told)


def _status(outcome: Outcome) -> str:
    return "failed, nothing was done" if outcome.status is Status.FAILED else str(outcome.status).replace("_", " ")


def _refused(receipt: Refused) -> tuple[str, str]:
    told: dict[str, JsonValue] = {"reason": _bounded(receipt.reason)}
    if receipt.instead:
        told["instead"] = _bounded(receipt.instead)
    match receipt.by:
        case "expired":
            end, told["status"] = "expired", "expired, nobody answered in time; nothing was done"
        case "input":
            end, told["status"] = "invalid", "not run, the arguments are wrong"
        case by:
            end, told["status"] = "refused", f"refused by {'a person' if by == 'person' else by}"
            told["note"] = _DENIED
    return end, canonical(told)


def _bounded(value: JsonValue) -> JsonValue:
    """The value, or head and tail of its text and how much is missing in between."""
    text = value if isinstance(value, str) else canonical(value)
    if len(text) <= LONGEST:
        return value
    half = LONGEST // 2
    return {"clipped": True, "characters": len(text), "head": text[:half], "tail": text[-half:]}


def _gather(value: JsonValue, found: list[str]) -> None:
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict):
        for item in value.values():
            _gather(item, found)
    elif isinstance(value, list):
        for item in value:
            _gather(item, found)
