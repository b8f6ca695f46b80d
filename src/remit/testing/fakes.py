"""Public fakes that keep the promises of the ports in memory: for tests, and to try remit without a disk."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Final, TypeAlias

from remit.domain.entry import CLOSES, GENESIS, Done, Draft, Entry, Kind, body_text, chain
from remit.domain.values import Digest, JsonValue, RunId, canonical
from remit.errors import AlreadyRecorded, ArgsInvalid, BadInput, JournalTrouble, NotFound, RemitError, RunBusy
from remit.ports import Fault, ToolSpec

_CHUNK: Final = 1 << 20
_AGES: Final = 2**63

History: TypeAlias = Sequence[Mapping[str, JsonValue]]
ScriptedTurn: TypeAlias = Mapping[str, JsonValue] | Callable[[History], Mapping[str, JsonValue]]


class FakeClock:
    """Stands still until it is told to move."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, milliseconds: int) -> None:
        self._now += milliseconds


class CountingIds:
    """`a1`, `a2`, …: ids that a test can foretell."""

    def __init__(self, prefix: str = "a") -> None:
        self._prefix = prefix
        self._count = 0
        self._lock = threading.Lock()

    def new(self) -> str:
        with self._lock:
            self._count += 1
            return f"{self._prefix}{self._count}"


class MemoryJournal:
    """`remit.ports.Journal` within one process; gone with it. Appending is done when `append` returns."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._runs: dict[str, list[Entry]] = {}
        self._once: set[tuple[str, str, str, str]] = set()
        self._held: set[str] = set()
        self._lock = threading.RLock()
        self._closed = False

    def append(
        self,
        drafts: Sequence[Draft],
        *,
        durable: bool,  # noqa: ARG002 - memory is never durable
        hurry: bool = True,  # noqa: ARG002 - and never slow
    ) -> Done:
        with self._lock:
            self._check_open()
            try:
                self._write([_checked(draft) for draft in drafts])
            except RemitError as error:
                return Done(error)
        return Done()

    def read(
        self, run: RunId, *, action: str | None = None, kinds: Collection[Kind] = (), after: int = 0, limit: int | None = None
    ) -> Iterator[Entry]:
        found = (entry for entry in self._copy(run) if entry.n > after and (action is None or entry.action == action))
        return _some(found, kinds, limit)

    def pending(self, kind: Kind) -> Iterator[Entry]:
        open_ones: dict[tuple[str, str, str], Entry] = {}
        first: dict[str, Entry] = {}
        for entry in self._copy() if kind in CLOSES.values() else ():
            key = (entry.run, "", "") if kind is Kind.OPENED else (entry.run, entry.action, entry.part)
            if entry.kind == Kind.OPENED:
                first.setdefault(entry.run, entry)
            if CLOSES.get(_kind(entry)) is kind:
                open_ones.pop(key, None)
            elif entry.kind == kind or (entry.kind == Kind.REOPENED and kind is Kind.OPENED):
                known = first.get(entry.run) if kind is Kind.OPENED else entry
                if known:
                    open_ones[key] = known
        return iter(sorted(open_ones.values(), key=lambda entry: entry.seq))

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
        """As in the port; the case of A to Z does not matter."""
        found = (e for e in self._copy(run) if e.seq > after and e.at >= since and _mentions(e, text))
        return _some(found, kinds, limit)

    def find_runs(self, prefix: str) -> list[RunId]:
        with self._lock:
            return [RunId(run) for run in reversed(self._runs) if run.startswith(prefix)]

    @contextmanager
    def hold(self, run: RunId) -> Iterator[None]:
        with self._lock:
            if run in self._held:
                raise RunBusy(f"this process is advancing run {run}", fix="wait for it")
            self._held.add(run)
        try:
            yield
        finally:
            self._held.discard(run)

    def version(self) -> int:
        return len(self._entries)

    def verify(self, run: RunId | None = None) -> Iterator[Fault]:
        heads: dict[str, bytes] = {}
        for e in self._copy(run):
            previous = heads.get(e.run, GENESIS)
            heads[e.run] = e.hash
            if e.hash != _hash(previous, e.n, e):
                yield Fault(run=e.run, n=e.n, what="the entry was changed")

    def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise JournalTrouble("the journal is closed", fix="open it again")

    def _copy(self, run: RunId | None = None) -> list[Entry]:
        with self._lock:
            self._check_open()
            return list(self._entries if run is None else self._runs.get(run, ()))

    def _write(self, lines: Sequence[tuple[Draft, str]]) -> None:
        keys = [(draft.run, draft.action, draft.part, str(draft.kind)) for draft, _ in lines]
        for place, key in enumerate(keys):
            if key in self._once or key in keys[:place]:
                raise AlreadyRecorded(f"{'/'.join(filter(None, key[:3]))} is already recorded as {key[3]}", fix="read what was recorded")
        written: list[Entry] = []
        heads: dict[str, Entry] = {}
        for draft, body in lines:
            head = heads.get(draft.run) or next(reversed(self._runs.get(draft.run, [])), None)
            heads[draft.run] = _entry(draft, body, head, seq=len(self._entries) + len(written) + 1)
            written.append(heads[draft.run])
        self._once.update(keys)
        self._entries += written
        for entry in written:
            self._runs.setdefault(entry.run, []).append(entry)


class MemoryStore:
    """`remit.ports.Store` in memory."""

    def __init__(self) -> None:
        self._contents: dict[Digest, bytes] = {}
        self.syncs = 0
        """How often `sync` was called, for tests of what comes before an effect."""

    def put(self, data: bytes) -> Digest:
        digest = Digest(hashlib.sha256(data).hexdigest())
        self._contents[digest] = bytes(data)
        return digest

    def put_from(self, source: BinaryIO) -> Digest:
        return self.put(b"".join(iter(lambda: source.read(_CHUNK), b"")))

    def open(self, digest: Digest) -> BinaryIO:
        if digest not in self._contents:
            raise NotFound(f"content {digest} is not in the store", fix="it was never stored here")
        return io.BytesIO(self._contents[digest])

    def sync(self) -> None:
        self.syncs += 1


class ScriptedModel:
    """`remit.ports.Model` that says what stands in its script: objects, or functions of the conversation so far.

    It keeps no place of its own. The conversation tells which turn is next, so a run that was killed goes on with an equal
    script in another process. Raises BadInput when it is asked for more turns than it has.
    """

    def __init__(self, *turns: ScriptedTurn, name: str = "scripted") -> None:
        self.name = name
        self._turns = turns

    async def respond(self, history: History, tools: Sequence[ToolSpec]) -> Mapping[str, JsonValue]:  # noqa: ARG002 - a script needs none
        said = sum(1 for item in history if item.get("role") == "model")
        if said >= len(self._turns):
            raise BadInput(
                f"the script of {self.name!r} has {len(self._turns)} turns, and one more is wanted", fix="end it with a turn of text alone"
            )
        turn = self._turns[said]
        return turn(history) if callable(turn) else turn


def _some(entries: Iterator[Entry], kinds: Collection[str], limit: int | None) -> Iterator[Entry]:
    wanted = {str(kind) for kind in kinds}
    left = limit
    for entry in entries:
        if left is not None and left <= 0:
            return
        if not wanted or entry.kind in wanted:
            yield entry
            left = None if left is None else left - 1


def _kind(entry: Entry) -> Kind:
    try:
        return Kind(entry.kind)
    except ValueError:
        return Kind.NOTE


def _mentions(entry: Entry, text: str) -> bool:
    """Bytes, as only they have a `lower` that knows A to Z alone."""
    places = ((entry.id, text), (entry.kind, text), (entry.body_json, canonical(text)[1:-1]))
    return any(wanted.encode("utf-8", "surrogatepass").lower() in place.encode("utf-8").lower() for place, wanted in places)


def _hash(previous: bytes, n: int, e: Entry) -> bytes:
    return chain(previous, run=e.run, n=n, kind=e.kind, at=e.at, action=e.action, part=e.part, body_json=e.body_json)


def _checked(draft: Draft) -> tuple[Draft, str]:
    """The draft and its body's text. Raises ArgsInvalid for what no journal stores."""
    body = body_text(draft)
    names = f"{draft.run}{draft.action}{draft.part}"
    try:
        f"{names}{body}".encode()
    except UnicodeEncodeError as error:
        raise ArgsInvalid(f"a line cannot be stored: {error}", fix="use Unicode text") from None
    if "\0" in names or not -_AGES <= draft.at < _AGES:
        raise ArgsInvalid(
            "a line cannot be stored: NUL in its names, or a time beyond 64 bits", fix="use printable names and ms since 1970"
        )
    return draft, body


def _entry(draft: Draft, body: str, head: Entry | None, *, seq: int) -> Entry:
    n, previous = (head.n + 1, head.hash) if head else (1, GENESIS)
    kind = str(draft.kind)
    hashed = chain(previous, run=draft.run, n=n, kind=kind, at=draft.at, action=draft.action, part=draft.part, body_json=body)
    return Entry(seq=seq, run=draft.run, n=n, kind=kind, at=draft.at, action=draft.action, part=draft.part, body_json=body, hash=hashed)
