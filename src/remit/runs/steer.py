"""What a person may say about a run under way, checked before it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from remit.domain.action import Level
from remit.domain.budget import Budget
from remit.domain.entry import Kind
from remit.domain.plan import Plan, Way
from remit.domain.record import State, fold
from remit.domain.run import Run, RunKind
from remit.domain.steering import Hand, Steering
from remit.domain.values import ActionId, JsonValue, RunId, fields, parse
from remit.errors import BadInput, NotFound
from remit.gate.purse import Purse
from remit.gate.steering import Steer, Steered
from remit.plans.keeping import as_done
from remit.plans.spec import from_spec, to_spec
from remit.policy.triage import vague_in
from remit.policy.wording import read_words
from remit.ports import Clock, Journal
from remit.runs.runs import Runs

HAND_OVER: Final = "Go on by yourself with what we talked about, until it is done."
_STEERED: Final = frozenset({RunKind.PLAN, RunKind.AGENT})


class SteerRuns:
    """Writes it down; whoever advances the run takes it up at the next decision. Raises BadInput for what makes no sense there."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._runs = Runs(journal)
        self._clock = clock
        self._steer = Steer(journal, clock)

    def now(self, run: Run) -> Steering:
        return Steered(self._journal, run).now()

    def plan(self, run: Run) -> Plan | None:
        """The plan as it stands; None where a model has made none yet."""
        plans = self.now(run).plans
        spec = plans[-1].spec if plans else run.spec
        return from_spec(spec) if "step" in spec else None

    def done_plan(self, run: Run) -> Plan:
        """The plan by what was really done, to be run again without a model. Raises NotFound or BadInput where there is none."""
        plan = self.plan(run)
        if plan is None:
            raise NotFound(f"{run.id} made no plan", fix="`remit runs` shows what it did")
        if run.kind is RunKind.PLAN:
            return plan
        done: dict[str, Way] = {}
        for note in self._journal.read(run.id, kinds=(Kind.NOTE,)):
            body = fields(parse(note.body_json))
            if "step" in body and "failed" not in body:
                record = fold(ActionId(note.id), self._journal.read(run.id, action=note.action))
                done[str(body["step"])] = Way(tool=record.tool, args=record.args)
        return as_done(plan, done)

    def beside_plan(self, run: Run) -> list[str]:
        """The actions of a model's run that were begun and carried out no step."""
        noted = {note.action for note in self._journal.read(run.id, kinds=(Kind.NOTE,)) if "step" in fields(parse(note.body_json))}
        begun = [one.action for one in self._journal.read(run.id, kinds=(Kind.STARTED,))] if run.kind is RunKind.AGENT else []
        return [name for name in begun if name.partition(".undo")[0].partition(".check")[0] not in noted]

    def level(self, run: RunId, level: Level, *, who: str, why: str = "") -> None:
        self._open(run)
        self._steer.level(run, level, who=who, why=why)

    def pause(self, run: RunId, *, who: str) -> None:
        self._open(run)
        self._steer.pause(run, who=who)

    def go_on(self, run: RunId, *, who: str) -> bool:
        """Whether it was paused."""
        was = bool(self.now(self._open(run)).paused_by)
        if was:
            self._steer.go_on(run, who=who)
        return was

    def say(self, run: RunId, text: str, *, who: str, material: str = "") -> None:
        if self._open(run).kind is not RunKind.AGENT:
            raise BadInput(f"no model works on {run}, so nobody would read this", fix=f"change its plan: remit runs {run} plan --edit")
        self._steer.say(run, text, who=who, material=material)

    def promote(self, run: RunId, level: Level, text: str, *, who: str) -> None:
        """With what `text` says, or with what was talked about. Nothing grave is handed over that names nothing."""
        self._conversing(run, chat=True)
        loaded = self._runs.load(run)
        said = [loaded.goal, *(one.text for one in self.now(loaded).said)]
        open_ended = [found for one in said if (found := vague_in(one))]
        vague = vague_in(text) or (open_ended[-1] if open_ended and not read_words(text).names_something else "")
        if vague:
            raise BadInput(vague, fix=f'hand it over with words: remit runs {run} promote {level} "…"')
        self._steer.promote(run, level, text or HAND_OVER, who=who)

    def to_chat(self, run: RunId, *, who: str) -> None:
        self._conversing(run, chat=False)
        self._steer.to_chat(run, who=who)

    def budget(self, run: RunId, budget: Budget, *, who: str) -> None:
        self._steer.budget(self._open(run).id, budget, who=who)

    def spending(self, run: Run) -> tuple[dict[str, int], dict[str, int]]:
        """What it may use up, and what it has, by name."""
        steered = Steered(self._journal, run)
        steered.now()
        purse = Purse(self._journal, self._clock, run, steered)
        spent = purse.spent(at_work=False)
        return asdict(purse.budget), {name: value for name, value in asdict(spent).items() if name != "asks"}

    def take(self, run: RunId, step: str, *, who: str) -> bool:
        """Whether an attempt at it is under way."""
        self._step(run, step)
        self._steer.hand(run, step, Hand.TAKEN, who=who)
        begun = {one.action for one in self._journal.read(run, kinds=(Kind.PROPOSED,)) if one.action.rpartition(".")[0] == step}
        states = [fold(ActionId(f"{run}/{name}"), self._journal.read(run, action=name)).state for name in begun]
        return any(state in {State.PROPOSED, State.APPROVED, State.STARTED} for state in states)

    def give_back(self, run: RunId, step: str, *, done: bool, who: str, note: str = "", result: JsonValue = None) -> None:
        """`result` is what later steps find under the step's name."""
        self._step(run, step)
        self._steer.hand(run, step, Hand.DONE if done else Hand.BACK, who=who, note=note, result=result if done else None)

    def replan(self, run: RunId, plan: Plan, *, who: str) -> None:
        """Steps that began keep what they did; what they are called counts from here on."""
        self._open(run)
        spec: Mapping[str, JsonValue] = to_spec(plan)
        self._steer.plan(run, spec, by=who)

    def _conversing(self, run: RunId, *, chat: bool) -> None:
        opened = self._open(run)
        if opened.kind is not RunKind.AGENT or self.now(opened).chat is not chat:
            what = "no conversation" if chat else "a conversation already, or no run of a model"
            raise BadInput(f"{run} is {what}", fix="`remit runs` shows what it is")

    def _step(self, run: RunId, step: str) -> None:
        plan = self.plan(self._open(run))
        steps = [one.id for one in plan.steps] if plan else []
        if step not in steps:
            raise NotFound(f"{run} has no step {step!r}", fix=f"its steps are {', '.join(steps) or 'not planned yet'}")

    def _open(self, run: RunId) -> Run:
        loaded = self._runs.load(run)
        if loaded.kind not in _STEERED:
            raise BadInput(f"{run} is a run of kind {loaded.kind}, which nobody steers", fix="`remit stop` closes it")
        if self._runs.ended(run) is not None:
            raise BadInput(f"{run} has ended", fix="start a new run; `remit undo` takes back what this one did")
        return loaded
