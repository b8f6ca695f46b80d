"""The seams of remit on one page: everything that touches a disk, a clock, dice, a tool or a model is behind one of these."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeAlias, runtime_checkable

from remit.domain.action import Effect
from remit.domain.entry import Done, Draft, Entry, Kind
from remit.domain.memory import Matter, Recalled, Remembered
from remit.domain.values import ActionId, Digest, JsonValue, RunId
from remit.places import Places as Places  # noqa: PLC0414 - exported from here

if TYPE_CHECKING:
    from concurrent.futures import Future


class Clock(Protocol):
    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...


class Ids(Protocol):
    def new(self) -> str:
        """A short id that nobody else has: lower-case letters and digits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One place where the journal is not what was written."""

    run: RunId
    n: int
    what: str


Written: TypeAlias = "Future[None] | Done"
"""Lines on their way into the journal, or arrived."""


class Journal(Protocol):
    """Append-only, hash-chained per run, once-only by (run, action, part, kind); the only authority on what happened.

    Synchronous and safe to use from any thread and from several processes at once.
    """

    def append(self, drafts: Sequence[Draft], *, durable: bool, hurry: bool = True) -> Written:
        """Write all drafts or none, in order, in one transaction that other callers' drafts may share.

        `durable` waits for the disk (survives power loss); without it the entries survive kill -9 from the moment the
        call is done. Without `hurry` the call may wait some milliseconds to share the next transaction; the order of
        calls stays, and an empty call in a hurry ends the waiting. It fails with AlreadyRecorded when a once-only line
        exists (then nothing of this call is written), or with JournalTrouble.
        """
        ...

    def read(
        self, run: RunId, *, action: str | None = None, kinds: Collection[Kind] = (), after: int = 0, limit: int | None = None
    ) -> Iterator[Entry]:
        """Entries of one run in order, those with `n > after`; one action's only, or some kinds only, when given."""
        ...

    def pending(self, kind: Kind) -> Iterator[Entry]:
        """Entries of `kind` (ASKED or OPENED) not yet ended by their closing kind, oldest first; cost grows with what is open only."""
        ...

    def search(
        self,
        *,
        text: str = "",
        run: RunId | None = None,
        kinds: Collection[str] = (),
        since: int = 0,
        after: int = 0,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Entries of all runs in the order written, `seq > after`, `at >= since`, whose id, kind or body contains `text`."""
        ...

    def find_runs(self, prefix: str) -> list[RunId]:
        """Runs whose id starts with `prefix`, newest first."""
        ...

    def hold(self, run: RunId) -> AbstractContextManager[None]:
        """The right to advance a run: one holder over all processes, given back by the system when the holder dies. Raises RunBusy."""
        ...

    def version(self) -> int:
        """A number that changes when anyone in any process has written; cheap to poll."""
        ...

    def verify(self, run: RunId | None = None) -> Iterator[Fault]:
        """Recompute every chain and the ledger of heads; yields a fault for each changed, removed or reordered entry."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Joins(Protocol):
    """A journal in a database: lines can be committed together with what a tool writes there."""

    def join(self, connection: Any, drafts: Sequence[Draft]) -> None:
        """Write lines through a connection of that database, in its transaction, which is committed at once. Raises AlreadyRecorded."""
        ...

    def settle(self) -> None:
        """Return when no transaction that joined is still on its way to be committed, whoever began it. Raises JournalTrouble."""
        ...


class Store(Protocol):
    """Content-addressed bytes: pre-images and previews. What is put is durable after `sync`."""

    def put(self, data: bytes) -> Digest: ...

    def put_from(self, source: BinaryIO) -> Digest:
        """Streams; memory use is bounded whatever the size."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """Raises NotFound when the content is not there, JournalCorrupt when a whole read shows that it is not what was put."""
        ...

    def sync(self) -> None:
        """Make all that was put since the last sync survive power loss."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """What remit must know of a tool before it runs. Only name, description, schema and effect are required."""

    name: str
    description: str
    schema: Mapping[str, JsonValue]
    """JSON Schema (2020-12) of the arguments: an object with `additionalProperties: false`."""
    effect: Effect
    """The worst class of any call; `Tool.effect` may say better for some arguments."""
    egress: bool = False
    reads_untrusted: bool = False
    """What it returns was written by strangers: reading it taints the run."""
    sandboxed: bool = True
    salient: tuple[str, ...] = ()
    """Names of the arguments that decide where the effect lands (targets, destinations, amounts): their provenance counts."""
    visible: tuple[str, ...] = ()
    """Names of the string, integer or boolean arguments that policy may read as `context.args.NAME`."""
    reads_as: tuple[str, ...] = ()
    """For a pure tool: the tools whose calls `amounts_to` names. It is asked only when a rule on one of them looks at arguments."""
    seconds: float = 0.0
    """How long one run may take where that is longer than the gate waits for others."""
    slow: bool = False
    """Its capture may take long: the proposal is written down before, so that people see what is going on."""
    undoes: bool = False
    """It only takes back what an action did: nobody calls it for anything else."""
    version: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a tool, as it really runs."""

    action: ActionId
    """Also the idempotency key: the same id is never two effects."""
    args: Mapping[str, JsonValue]
    staged: JsonValue = None
    """What `preview` staged and the approval was bound to; None when there was no preview."""
    captured: JsonValue = None
    """What `capture` returned; None before it."""
    again: bool = False
    """A run of this very call ended without anybody knowing how: what stands there as wanted may be its doing."""
    seal: Callable[[Any, JsonValue], None] | None = None
    """For a tool that writes to the database in which the journal lives: called with its connection and the result as the last thing
    before its commit, it writes the outcome in the same transaction. A second run of the call then fails with AlreadyRecorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen, for a person. `staged` is handed back to `capture` so that what was shown is what runs."""

    text: str
    staged: JsonValue = None
    binding: str = ""
    """Goes into the approval's digest: when it differs at execution, the approval does not count and the person is asked again."""
    clipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """Taken before the effect and written ahead with STARTED."""

    data: JsonValue
    """All that `run`, `probe` and `undo` need: pre-image references and the expected state after."""
    touches: tuple[str, ...]
    """The targets that will really be touched, as URIs (`file:///a/b`); later undo looks for overlaps among them."""


class Happened(StrEnum):
    YES = "happened"
    NO = "not_happened"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What looking at the world says about a started action. `again` says that running it once more under the same id cannot double it."""

    happened: Happened
    again: bool = False
    begun: bool = False
    """With `again`: a part stands already, so that it has to be finished before anything else can be done about it."""
    result: JsonValue = None
    """What the actor would be told if it happened; kept for a person's word that it did."""
    detail: str = ""
    """For the person who has to decide: what was found, place by place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """How to take an effect back: another tool call, so that it is judged, written ahead, probed and undoable itself."""

    tool: str
    args: Mapping[str, JsonValue] = field(default_factory=dict)
    leaves: str = ""
    """What this cannot take back, in words; empty where nothing is left."""


class Tool(Protocol):
    """Something remit can do. `remit.tools.base.BaseTool` gives every optional part a fail-closed default."""

    @property
    def spec(self) -> ToolSpec: ...

    def effect(self, args: Mapping[str, JsonValue]) -> Effect:
        """The effect class of this very call."""
        ...

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        """What the call would touch, as URIs, from the arguments alone. Raises OutsideRoots or ArgsInvalid."""
        ...

    def owns(self, target: str) -> bool:
        """Whether this very target is the person's by their configuration: a call that only names it follows no stranger's word."""
        ...

    def title(self, args: Mapping[str, JsonValue]) -> str:
        """Verb and target for a person, from the arguments alone."""
        ...

    async def preview(self, call: Call) -> Preview:
        """What would happen; has no effect. Raises ToolFailed when the call cannot succeed."""
        ...

    async def capture(self, call: Call) -> Captured:
        """Pre-images and expectation, before the effect. Raises ToolFailed, e.g. Conflict."""
        ...

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """The arguments as policy sees them: those the spec names, in one form only (paths absolute, links resolved)."""
        ...

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:
        """What the captured call (or one that captures nothing, if it is pure) turned out to be, as calls of other tools (name,
        visible arguments): each needs its own yes.
        """
        ...

    async def run(self, call: Call) -> JsonValue:
        """The effect. Raises ToolFailed when it surely did not happen, ToolUncertain when it may have."""
        ...

    async def probe(self, call: Call) -> Probed:
        """After a crash or an uncertain end: look at the world. Never guesses."""
        ...

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        """The call that takes this one back, or None when it cannot be taken back."""
        ...

    def left(self, args: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:
        """For a call that takes something back: what of it was not done, by its result, and can be tried again."""
        ...

    def following(self, args: Mapping[str, JsonValue], earlier: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:
        """For a call that takes something back: the same, after another one of this tool was made with that result."""
        ...

    def joined(self, calls: Sequence[Mapping[str, JsonValue]]) -> Sequence[Mapping[str, JsonValue]]:
        """Calls of this tool, made one after the other, as the fewest that leave the same: so that many are shown as they would end."""
        ...


class Model(Protocol):
    """A scripted model's seam: given the conversation so far, the next turn. Real endpoints come through Pydantic AI instead."""

    name: str

    async def respond(self, history: Sequence[Mapping[str, JsonValue]], tools: Sequence[ToolSpec]) -> Mapping[str, JsonValue]:
        """History items are objects with a `role` (user, model, tool); the answer has `text` and/or `calls`: [{"id", "tool", "args"}]."""
        ...


class Memory(Protocol):
    """What is remembered from one run to the next. Raises Unavailable when it cannot be read."""

    def recall(self, text: str, *, roots: Sequence[str] = (), untrusted: bool = False, most: int = 8) -> list[Recalled]:
        """What fits a text in these folders, best first; of what was learnt from strangers only when asked, and then nothing else."""
        ...

    def get(self, name: str) -> Remembered | None: ...

    def all(self, *, matter: Matter | None = None, run: str = "") -> list[Remembered]:
        """Newest first."""
        ...

    def put(self, item: Remembered) -> None:
        """In place of what has its id. Raises BadInput for one that is empty or too long."""
        ...

    def swap(self, name: str, expected: Remembered | None, item: Remembered | None) -> bool:
        """The same, or forget, where what stands there is as expected; else nothing, and False."""
        ...

    def forget(self, names: Sequence[str]) -> int:
        """For good. How many there were."""
        ...


class Notifier(Protocol):
    def notify(self, title: str, body: str) -> None:
        """Tell a person that something waits. Never carries a secret or a link that answers by being opened."""
        ...
