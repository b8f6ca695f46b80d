"""The parts, wired. Everything is made on first use, so that answering a question loads no tools."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remit.app.policies import policy_sources, settings
from remit.errors import BadInput, JournalTrouble, PolicyInvalid, Unavailable
from remit.places import Places

if TYPE_CHECKING:
    from remit.app.measured import Measured
    from remit.app.toolset import Toolset
    from remit.app.triaging import Triaging
    from remit.config import Config
    from remit.domain.action import Level
    from remit.domain.budget import Budget
    from remit.domain.held import Held
    from remit.domain.plan import Plan
    from remit.domain.question import Question
    from remit.domain.run import LegEnd, Run, RunKind
    from remit.domain.values import JsonValue, RunId
    from remit.gate.gate import Gate, Limits
    from remit.gate.inbox import Inbox
    from remit.gate.undo import Undoing, UndoPlan
    from remit.policy.cedar import CedarPolicy
    from remit.policy.judge import Origin, ToolShape
    from remit.ports import Journal, Memory, Model, Store, Tool
    from remit.runs.engine import Engine
    from remit.runs.runs import Runs
    from remit.runs.steer import SteerRuns
    from remit.tools.memory.remember import Keeping

_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without l, o, 0 and 1, which read alike."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000


class RandomIds:
    """Eight letters and digits from the system's dice: 40 bits, short enough to type."""

    def new(self) -> str:
        import secrets

        return "".join(secrets.choice(_LETTERS) for _ in range(8))


def places(roots: Sequence[Path] = (), env: Mapping[str, str] | None = None) -> Places:
    """Where state lives (`REMIT_HOME`, else the user's state folder) and where tools may work (else the current folder)."""
    env = os.environ if env is None else env
    base = env.get("XDG_STATE_HOME") or os.path.join(env.get("HOME") or str(Path.home()), ".local", "state")
    state = Path(env.get("REMIT_HOME") or os.path.join(base, "remit")).absolute()
    try:
        return Places(state=state, roots=tuple(Path(r).absolute() for r in roots) or (Path.cwd(),))
    except FileNotFoundError:
        raise BadInput("the current folder does not exist any more", fix="go to another folder, or name one with --root") from None


class App:
    """One process's remit over one journal. Close it: lines accepted but not yet written are written then."""

    def __init__(self, where: Places, *, model: Model | None = None, more_tools: Sequence[Tool] = (), limits: Limits | None = None) -> None:
        self.places = where
        self.clock = SystemClock()
        self.ids = RandomIds()
        self.scripted = model
        self.on_text: Callable[[str], None] | None = None
        """Given what a model says as it comes."""
        self._more_tools = tuple(more_tools)
        self._limits = limits

    @cached_property
    def journal(self) -> Journal:
        """Raises JournalTrouble when it cannot be opened."""
        from remit.journal.sqlite import open_journal

        try:
            self.places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise JournalTrouble(
                f"{self.places.state} cannot be made: {error.strerror}", fix="set REMIT_HOME to a folder you may write"
            ) from None
        if (settings() / "remit.toml").exists() and self.config.journal:
            return self._in_database(self.config.journal)
        return open_journal(self.places.state / "journal.db")

    def _in_database(self, url: str) -> Journal:
        try:
            from remit.journal.postgres import open_postgres
        except ImportError as error:
            raise Unavailable(f"a library for databases is missing: {error.name}", fix="pip install 'remit[sql]'") from None
        return open_postgres(url)

    @cached_property
    def store(self) -> Store:
        from remit.journal.store import DirStore

        return DirStore(self.places.state / "store")

    @cached_property
    def config(self) -> Config:
        """Raises BadInput, naming file and key."""
        from remit.config import load

        return load(settings() / "remit.toml", os.environ)

    @cached_property
    def measured(self) -> Measured:
        from remit.app.measured import Measured

        return Measured(self.places.state, self.clock)

    @cached_property
    def inbox(self) -> Inbox:
        from remit.gate.inbox import Inbox

        return Inbox(self.journal, self.clock)

    @cached_property
    def tools(self) -> dict[str, Tool]:
        """The shipped tools, those of the configuration, and what was handed in, by name."""
        return {tool.spec.name: tool for tool in (*self.toolset.tools, *self._more_tools)}

    @cached_property
    def toolset(self) -> Toolset:
        """Raises BadInput for what cannot be loaded."""
        from remit.app.toolset import load_tools

        return load_tools(self.places, self.config, self.store, self.clock, self.keeping)

    @property
    def memory(self) -> Memory:
        return self.keeping.file

    @cached_property
    def keeping(self) -> Keeping:
        from remit.app.remembering import keeping

        return keeping(self.places.state, lambda: self.journal, self.clock, self.config)

    @cached_property
    def policy(self) -> CedarPolicy:
        """Raises PolicyInvalid, naming file and line: with a broken policy nothing runs."""
        return self.load_policy()

    def load_policy(self, more: Sequence[Path] = (), *, origin: Origin = "user") -> CedarPolicy:
        """The policies that hold here, and `more` files on top."""
        from remit.policy.cedar import load

        return load(policy_sources(self.places.roots, more, origin), self.tool_shapes())

    def tool_shapes(self) -> list[ToolShape]:
        """What policy may know of each tool."""
        from remit.policy.judge import ToolShape

        specs = [tool.spec for tool in self.tools.values()]
        return [ToolShape.of(name=s.name, effect=s.effect, schema=s.schema, visible=s.visible) for s in specs]

    @cached_property
    def gate(self) -> Gate:
        from remit.gate.gate import Gate, Limits

        roots = [os.path.realpath(root) for root in self.places.roots]
        limits = self._limits or Limits(asks=self.config.budget.asks)
        return Gate(journal=self.journal, tools=self.tools, policy=self.policy, clock=self.clock, roots=roots, limits=limits)

    @cached_property
    def undoing(self) -> Undoing:
        from remit.gate.undo import Undoing

        return Undoing(self.gate)

    @cached_property
    def runs(self) -> Runs:
        from remit.runs.runs import Runs

        return Runs(self.journal)

    @cached_property
    def steer(self) -> SteerRuns:
        from remit.runs.steer import SteerRuns

        return SteerRuns(self.journal, self.clock)

    @cached_property
    def triaging(self) -> Triaging:
        from remit.app.triaging import Triaging

        return Triaging(self.journal, self.clock, lambda: self.gate)

    @cached_property
    def engine(self) -> Engine:
        from remit.domain.run import RunKind
        from remit.runs.engine import Engine, Worker
        from remit.runs.held_worker import HeldWorker
        from remit.runs.plan_worker import PlanWorker
        from remit.runs.undo_worker import UndoWorker

        workers: dict[RunKind, Worker] = {RunKind.PLAN: PlanWorker(self.clock), RunKind.UNDO: UndoWorker(), RunKind.AGENT: _AgentRuns(self)}
        workers[RunKind.HELD] = HeldWorker(self.clock)
        return Engine(journal=self.journal, gate=self.gate, workers=workers, clock=self.clock, ids=self.ids)

    def open_plan(self, plan: Plan, *, level: Level, who: str, budget: Budget | None = None) -> Run:
        """Write down a run of a plan file."""
        from remit.domain.run import RunKind
        from remit.plans.spec import to_spec

        spec = {**to_spec(plan), **self.budgeted(budget)}
        return self.engine.open(kind=RunKind.PLAN, goal=plan.goal, level=level, actor=f"plan:{who}", spec=spec, roots=self.roots)

    def budgeted(self, budget: Budget | None) -> dict[str, JsonValue]:
        """The limits of the configuration, and those named for this very run."""
        limits = self.config.budget.with_(budget) if budget else self.config.budget
        return {"budget": limits.to_spec()} if limits.to_spec() else {}

    def open_chat(self, text: str, *, model: str, material: str = "") -> Run:
        """Write down a conversation that begins with these words: each action of it is its person's to run.

        `material` is shown to the model, and is not the person's words.
        """
        from remit.domain.action import Level
        from remit.domain.run import RunKind

        spec: dict[str, JsonValue] = {"model": model, "chat": True, **({"material": material} if material else {}), **self.budgeted(None)}
        return self.engine.open(kind=RunKind.AGENT, goal=text, level=Level.OPERATOR, actor=f"agent:{model}", spec=spec, roots=self.roots)

    def open_goal(self, goal: str, *, level: Level, model: str, spec: Mapping[str, JsonValue], budget: Budget | None = None) -> Run:
        """Write down a run that a model pursues; what is `vague` in `spec` its person has to say first."""
        from remit.domain.run import RunKind

        whole = {"model": model, **spec, **self.budgeted(budget)}
        return self.engine.open(kind=RunKind.AGENT, goal=goal, level=level, actor=f"agent:{model}", spec=whole, roots=self.roots)

    def open_undo(self, plan: UndoPlan, *, who: str) -> Run:
        """Write down an undo; like every run it is carried out leg by leg and survives a crash."""
        from remit.domain.action import Level
        from remit.domain.run import RunKind

        goal = "undo " + ", ".join(step.of for step in plan.steps)
        return self.engine.open(
            kind=RunKind.UNDO, goal=goal, level=Level.APPROVER, actor=f"person:{who}", spec=plan.to_spec(), roots=self.roots
        )

    def sure_before(self, question: Question) -> str:
        """Where it was measured how sure a model was: how often calls about as sure turned out wrong; else empty."""
        record = self.inbox.record(question)
        facts = record.proposed.get("facts") if record.proposed else None
        percent = facts.get("confidence", -1) if isinstance(facts, Mapping) else -1
        if not isinstance(percent, int) or percent < 0:
            return ""
        from remit.runs.records import as_sure

        reviewed, wrong = as_sure(self.journal, self.clock, record.tool, percent)
        if not reviewed:
            return f"nobody has answered for calls of {record.tool} that were about as sure ({percent} %)"
        return f"of {reviewed} calls of {record.tool} that were about as sure ({percent} %), {wrong} were denied, edited or undone"

    def letters(self) -> list[tuple[Held, Run]]:
        """Letters that have not gone and were not called back, each with the run that lets it go; one may have ended without that."""
        from remit.tools.mail.outbox import Outbox, Where

        outbox = Outbox(self.places.state / "outbox")
        found = [(where, held, self._letter(held)) for where, held in outbox.all(Where.HELD, Where.SENDING)]
        return [(held, run) for where, held, run in found if where is Where.HELD or self.runs.ended(run.id) is None]

    def damaged_letters(self) -> list[Path]:
        """Files in the outbox that cannot be read."""
        from remit.tools.mail.outbox import Outbox

        return Outbox(self.places.state / "outbox").damaged()

    def _letter(self, held: Held) -> Run:
        from remit.domain.action import Level
        from remit.domain.held import release_run
        from remit.domain.run import RunKind
        from remit.domain.values import ActionId

        people = (self.gate.record(ActionId(held.action)).started or {}).get("people") or ()
        spec: dict[str, JsonValue] = {
            "v": 1,
            "tool": "mail.release",
            "args": {"account": held.account, "id": held.id},
            "at": held.goes_at,
            "of": held.action,
            "who": str(people[0]) if isinstance(people, list | tuple) and people else "",
        }
        goal = f"send mail to {', '.join(held.recipients)}: {held.subject}"
        return self.engine.open(kind=RunKind.HELD, goal=goal, level=Level.APPROVER, actor="outbox", spec=spec, run=release_run(held.id))

    def roots_of(self, *runs: RunId) -> list[Path]:
        """The folders that runs were opened in, without loading any tool."""
        return [Path(root) for root in dict.fromkeys(root for run in runs for root in self.runs.load(run).roots)]

    def close(self) -> None:
        if "journal" in self.__dict__:
            self.journal.close()

    @property
    def roots(self) -> list[str]:
        return [str(root) for root in self.places.roots]

    def check_plan(self, plan: Plan) -> None:
        """Before anything runs: every tool of the plan exists, and arguments without references fit. Raises PlanInvalid."""
        from remit.plans.spec import check_tools

        check_tools(plan, self.gate)

    def check_model(self, name: str) -> str:
        """The name as it is written down. Raises ModelUnset or BadInput when a goal could not be pursued; sends nothing."""
        if self.scripted is not None:
            return name
        from remit.agent.models import lasting, resolve

        name = lasting(name)
        resolve(name, env=os.environ)
        return name

    def check_price(self, name: str, budget: Budget | None) -> None:
        """Raises BadInput where money is limited and nobody knows what the model costs."""
        if self.scripted is not None or not (self.config.budget.with_(budget) if budget else self.config.budget).money:
            return
        from remit.agent.costs import unpriced
        from remit.agent.models import resolve

        if dear := unpriced(resolve(name, env=os.environ), self.config.prices):
            raise BadInput(
                f"what {dear} costs is not known, and money is limited", fix=f'say it in remit.toml: [price."{dear}"] with input and output'
            )

    def examine(self) -> Iterator[tuple[str, str, str]]:
        """What remit needs of this machine, by trying: (what, what was seen, how to mend it or '')."""
        from remit.tools.shell.sandbox import Missing, find

        try:
            sandbox = find(self.places.state / "scratch")
        except OSError as error:
            sandbox = Missing(
                reason=f"{self.places.state} cannot be used: {error.strerror}", fix="set REMIT_HOME to a folder you may write"
            )
        if isinstance(sandbox, Missing):
            yield "sandbox", f"{sandbox.reason}; shell commands ask for everything and cannot be undone", sandbox.fix
        else:
            yield "sandbox", "bubblewrap with overlay works", ""
        try:
            self.journal.version()
            yield "journal", str(self.places.state), ""
        except JournalTrouble as error:
            yield "journal", error.message, error.fix
        try:
            yield "policy", f"{len(self.policy.rows())} rules", ""
        except PolicyInvalid as error:
            yield "policy", error.message, error.fix or "mend it"
        yield from (("mcp", said, "see what it says, and `remit tools`") for said in self.toolset.trouble)
        named = os.environ.get("REMIT_MODEL", "")
        yield "model", named or "none set: plan files and `remit demo` need none; set REMIT_MODEL to pursue goals", ""


class _AgentRuns:
    """Makes the agent's worker for the model a run was opened with; the agent's libraries load only then."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def leg(self, run: Run, gate: Gate) -> LegEnd:
        from remit.agent.loop import AgentWorker, Limits
        from remit.agent.models import resolve
        from remit.agent.scripted import as_model
        from remit.app.remembering import learn
        from remit.runs.recalling import with_recalled

        specs = [tool.spec for tool in gate.tools.values()]
        model = as_model(self._app.scripted, specs) if self._app.scripted else resolve(str(run.spec.get("model", "")), env=os.environ)
        on_text = None if self._app.scripted else self._app.on_text
        app = self._app
        run = with_recalled(run, app.journal, app.clock, app.memory)
        limits = Limits(prices=app.config.prices)
        worker = AgentWorker(journal=app.journal, clock=app.clock, model=model, tools=specs, on_text=on_text, limits=limits)
        end = await worker.leg(run, gate)
        if end.state.final:
            learn(run, end, memory=app.memory, journal=app.journal, clock=app.clock, config=app.config)
        return end
