"""How a run ends: the model's last word, held against what is recorded and what looking at the world shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from remit.agent.course import Course
from remit.agent.talk import Talk, Told
from remit.domain.plan import Plan, Step
from remit.domain.run import LegEnd, Run, RunState
from remit.domain.steering import Hand
from remit.gate.gate import Gate
from remit.plans.attempts import Attempts, Ended, Fate
from remit.plans.references import named_in

LONGEST_SUMMARY: Final = 20_000
_REMINDERS: Final = 1


async def last_word(run: Run, gate: Gate, talk: Talk, course: Course) -> LegEnd | Told:
    """The end of the run; or, once, what the model has to be told as its plan is not done. It may claim less than is seen, never more."""
    text = talk.open.text.strip() if talk.open else ""
    head = text[:12].upper()
    plan = course.plan
    if course.now.chat:
        return LegEnd(state=RunState.WAITING, summary=text[:LONGEST_SUMMARY])
    if plan is None:
        said = text[:LONGEST_SUMMARY]
        if not any(end == "succeeded" for _, end in talk.ends):
            return LegEnd(state=_state(head, short=True), summary=f"{said}\n\nnothing was done: these are only a model's words")
        return LegEnd(
            state=_state(head, short=_unfinished(talk)), summary=f"{said}\n\nnot verified: there was no plan with checks to look at"
        )
    modest = head.startswith(("PARTLY", "COULD NOT"))
    standing = {step.id: await _standing(run, gate, talk, course, step, asks=not modest) for step in plan.steps}
    waiting = tuple(ended.question for ended in standing.values() if ended.question is not None)
    if waiting:
        return LegEnd(state=RunState.WAITING, summary="a person is asked", waiting=waiting)
    theirs = {step: hand.who for step, hand in course.now.by_hand.items() if hand.state is Hand.TAKEN and step in standing}
    theirs = {step: who for step, who in theirs.items() if standing[step].fate is not Fate.PASSED}
    missing = {step: ended for step, ended in standing.items() if ended.fate is not Fate.PASSED and step not in theirs}
    if theirs and (modest or not missing):
        return LegEnd(state=RunState.WAITING, summary="\n".join(f"{step} is taken over by {who}" for step, who in theirs.items()))
    if missing and not modest and talk.reminded < _REMINDERS:
        return Told(end="unverified", text=_reminder(missing), taint="yes" if any(one.tainted for one in missing.values()) else "")
    summary = f"{text[:LONGEST_SUMMARY]}\n\n{_seen(plan, standing, course.dropped, talk)}"
    # What was refused once and is done by now, or was no part of the plan, leaves nothing unfinished; it is said.
    return LegEnd(state=_state(head, short=bool(missing) or _open_ended(talk)), summary=summary)


async def _standing(run: Run, gate: Gate, talk: Talk, course: Course, step: Step, *, asks: bool) -> Ended:
    """A step passed when its checks held after it.

    It is looked at now if it was done in another way or by hand, or if anything was done since that may have changed it. Where no
    more is claimed than is seen, or only the plan was followed, nobody is bothered for a look.
    """
    looks = bool(step.checks) and all(check.look is not None and step.id not in named_in(check.look.args) for check in step.checks)
    passed = step.id in course.passed
    held = Ended(fate=Fate.PASSED, why="its checks held" if step.checks else "its call succeeded")
    if passed and not (looks and talk.changes > talk.seen_at[step.id]):
        return held
    hand = course.now.by_hand.get(step.id)
    done = hand is not None and hand.state is Hand.DONE
    if not done and not looks:
        return Ended(fate=Fate.BLOCKED, why="not done")
    situation = replace(course.situation("last look"), planned=course.counts(step.id), high_stakes=step.high_stakes)
    ended = await Attempts(gate, run.id, run.actor, asks=asks and (talk.unplanned or not passed)).checked(
        step, f"last{talk.turns}.{step.id}", hand.result if hand else None, course.results, situation
    )
    if passed and ended.fate in {Fate.PASSED, Fate.BLOCKED}:  # blocked: looking again would have to be allowed first
        return held
    if passed and not talk.unplanned:  # what the plan itself did since may be meant so: a draft that is live by now is no draft
        return replace(held, why=f"{held.why} when it was done, and not any more: {ended.why}")
    by = f"done by {hand.who}" if hand and done else "seen to be so"
    return replace(ended, why=by) if ended.fate is Fate.PASSED else ended


def _state(head: str, *, short: bool) -> RunState:
    if head.startswith("COULD NOT"):
        return RunState.COULD_NOT
    return RunState.PARTLY if short or head.startswith("PARTLY") else RunState.DONE


def _unfinished(talk: Talk) -> bool:
    """Something was refused, or nobody answered, or it is open how something ended."""
    return _open_ended(talk) or any(end in {"refused", "expired"} for _, end in talk.ends)


def _open_ended(talk: Talk) -> bool:
    return any(end == "in_doubt" for _, end in talk.ends) or talk.last_end == "failed"


def _reminder(missing: Mapping[str, Ended]) -> str:
    lines = [f"- {step}: {ended.why}" for step, ended in missing.items()]
    return "\n".join(
        ["These steps of your plan are not seen to be done:", *lines, "Do them, plan again, or end with a report that begins with PARTLY:."]
    )


def _seen(plan: Plan, standing: Mapping[str, Ended], dropped: Sequence[str], talk: Talk) -> str:
    marks = {True: "verified", False: "not verified"}
    lines = [f"{marks[standing[step.id].fate is Fate.PASSED]}: {step.id}: {standing[step.id].why}" for step in plan.steps]
    lines += [f"dropped from the plan: {step}" for step in dropped]
    return "\n".join([*lines, *(f"{end}: {tool}" for tool, end in sorted(talk.ends) if end in {"refused", "expired"})])
