"""The road that every tool with an exact undo takes: plan changes, show them, take pre-images, apply, look again, take back.

A subclass says which changes its call means (`plan`, or `planned` when that takes awaiting); everything else is here once.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

from remit.domain.values import JsonValue, digest
from remit.domain.visible import shown
from remit.errors import ArgsInvalid, Conflict, ToolUncertain
from remit.ports import Call, Captured, Happened, Preview, Probed, Store, Undo
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.change import Applied, Clash, Settled, apply, clean, diff_text, pack, settle, unpack
from remit.tools.changes.manifest import binding, touches
from remit.tools.changes.roots import Roots
from remit.tools.changes.snapshot import look
from remit.tools.changes.tree import Change, NodeKind, judged, said

PREVIEW_LIMIT: Final = 200_000
"""Characters of a preview; beyond, it says that it is clipped."""
NAMED: Final = 50
"""Paths that a result or message names one by one."""
_AMOUNTS: Final = {NodeKind.ABSENT: "files.delete", NodeKind.DIR: "files.mkdir"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a call would change, and what else has to be remembered until its result is told."""

    changes: Sequence[Change]
    facts: Mapping[str, JsonValue] = field(default_factory=dict)
    """Plain JSON that travels with the changes through preview, capture and run, e.g. a command's output."""
    headline: str = ""
    """Shown above the diff."""


class ChangeTool(BaseTool):
    """Reversible by construction: what it does is a list of changes that is known, and stored, before it happens."""

    partial: ClassVar[bool] = False
    """Whether a part may be done when the rest is in conflict; otherwise all is taken back."""
    keep_aside: ClassVar[bool] = False
    """Whether a version that could not be put in place is written beside it."""

    def __init__(self, roots: Roots, store: Store) -> None:
        self.roots = roots
        self.store = store

    @abstractmethod
    async def planned(self, call: Call) -> Planned:
        """Which changes this call means, looking at the world now. Pre-images and new contents go into the store."""

    def outcome(self, planned: Planned, conflicts: Sequence[Clash]) -> JsonValue:
        """What the actor is told when it is done."""
        lost = {clash.path for clash in conflicts}
        paths = [said(change.path) for change in planned.changes if change.path not in lost]
        told: dict[str, JsonValue] = {"changed": paths[:NAMED], "count": len(paths)}
        if conflicts:
            told["conflicts"] = tell(conflicts)
        return told

    async def preview(self, call: Call) -> Preview:
        planned = await self.planned(call)
        text, clipped = await asyncio.to_thread(diff_text, planned.changes, self.store, limit=PREVIEW_LIMIT)
        shown_text = "\n".join(part for part in (planned.headline, text or "nothing changes") if part)
        return Preview(text=shown_text, staged=self._packed(planned), binding=self.bound(planned), clipped=clipped)

    def bound(self, planned: Planned) -> str:
        """What a yes to this is bound to."""
        return binding(planned.changes)

    async def capture(self, call: Call) -> Captured:
        planned = await self.planned(call) if call.staged is None else await asyncio.to_thread(self._still, self._unpacked(call.staged))
        data = self._packed(planned)
        await asyncio.to_thread(self.store.sync)
        return Captured(data=data, touches=touches(planned.changes))

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:
        """One write, mkdir or delete per path that changes: a rule on files holds whichever tool touches them."""
        return [
            (_AMOUNTS.get(change.after.kind, "files.write"), {"path": judged(change.path)})
            for change in self._unpacked(call.captured).changes
        ]

    async def run(self, call: Call) -> JsonValue:
        """Raises Conflict with nothing changed when somebody changed a path meanwhile."""
        planned = self._unpacked(call.captured)
        applied = await uninterrupted(lambda: self._done(call, planned))
        return self.outcome(planned, applied.conflicts)

    async def probe(self, call: Call) -> Probed:
        if call.captured is None:
            return await super().probe(call)
        planned = self._unpacked(call.captured)
        found = await uninterrupted(lambda: self._settled(call, planned.changes))
        return self.judged_by(planned, found)

    def judged_by(self, planned: Planned, found: Settled) -> Probed:
        """What follows from how every path stands."""
        detail, result = _standing(found), self.outcome(planned, ())
        if found.foreign:
            return Probed(happened=Happened.UNKNOWN, result=result, detail=detail)
        if found.untouched:
            return Probed(happened=Happened.NO, again=True, begun=bool(found.done), result=result, detail=detail)
        return Probed(happened=Happened.YES, result=result, detail=detail)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        """Put everything back that this call changed."""
        lost = conflicting(result)
        changes = [change.inverse() for change in self._unpacked(call.captured).changes if said(change.path) not in lost]
        return Undo(tool="files.restore", args={"changes": pack(changes, self.store)})

    def still(self, change: Change) -> Change:
        """The same change with what stands there now as its `before`. Raises Conflict when that is something else."""
        now = look(change.path, None)
        if not now.same(change.before):
            raise Conflict(f"{shown(change.path)} was changed since this was shown", fix="look at it again")
        return replace(change, before=now)

    def _still(self, planned: Planned) -> Planned:
        """What was staged, if it may and can still be done: approvals outlive processes, and the roots may be others by now."""
        for change in planned.changes:
            self.roots.check(change.path)
        return replace(planned, changes=[self.still(change) for change in planned.changes])

    def apply(self, call: Call, planned: Planned) -> Applied:
        """Make the changes."""
        return apply(planned.changes, self.store, tag=tag_of(call), roots=self.roots, keep_aside=self.keep_aside, fresh=not call.again)

    def _done(self, call: Call, planned: Planned) -> Applied:
        """Make the changes: all, or (unless `partial`) none. Raises Conflict, ToolUncertain."""
        applied = self.apply(call, planned)
        if not applied.conflicts or (self.partial and applied.done):
            return applied
        done = set(applied.done)
        back = [change.inverse() if change.path in done else _unchanged(change) for change in planned.changes]  # the numbers stay the same
        again = apply(back, self.store, tag=_back(call), roots=self.roots, keep_aside=False) if done else Applied((), ())
        left = [clash for clash in again.conflicts if clash.path in done]
        if left:
            raise ToolUncertain(f"only a part was done, and could not be taken back: {_listed(left)}")
        raise Conflict(f"nothing was changed: {_listed(applied.conflicts)}", fix="look at it again and decide anew")

    def _settled(self, call: Call, changes: Sequence[Change]) -> Settled:
        """How every path stands, after cleaning up behind the change and, if it came to that, behind its taking back."""
        kept = clean(_back(call), [change.inverse() for change in changes])
        found = settle(changes, self.roots, tag=tag_of(call))
        return found._replace(asides=(*kept, *found.asides))

    def _packed(self, planned: Planned) -> JsonValue:
        packed: dict[str, JsonValue] = {"changes": pack(planned.changes, self.store)}
        if planned.facts:
            packed["facts"] = dict(planned.facts)
        return packed

    def _unpacked(self, value: JsonValue) -> Planned:
        if not isinstance(value, Mapping):
            raise ArgsInvalid("what was captured is no list of changes", fix="hand over what `capture` returned, unchanged")
        facts = value.get("facts", {})
        return Planned(changes=unpack(value.get("changes"), self.store), facts=facts if isinstance(facts, Mapping) else {})


class PlanTool(ChangeTool):
    """A change tool whose planning blocks: it runs in a thread."""

    @abstractmethod
    def plan(self, call: Call) -> Planned:
        """`planned`, blocking."""

    async def planned(self, call: Call) -> Planned:
        return await asyncio.to_thread(self.plan, call)


def tag_of(call: Call) -> str:
    """The name under which the hidden files and conflict versions of this action are found again."""
    return digest("remit.tag.1", call.action)[:10]


def _back(call: Call) -> str:
    return tag_of(call) + "r"


def _unchanged(change: Change) -> Change:
    now = look(change.path, None)
    return Change(path=change.path, before=now, after=now)


def tell(conflicts: Sequence[Clash]) -> list[JsonValue]:
    """Conflicts as a result carries them."""
    return [{"path": said(c.path), "detail": c.detail, **({"aside": said(c.aside)} if c.aside else {})} for c in conflicts]


def conflicting(result: JsonValue) -> set[str]:
    """The paths that `tell` named."""
    found = result.get("conflicts", []) if isinstance(result, Mapping) else []
    items = found if isinstance(found, Sequence) else []
    return {str(item.get("path")) for item in items if isinstance(item, Mapping)}


def _standing(found: Settled) -> str:
    """How every path stands, for a person who has to decide."""
    parts = [
        (found.done, "as it was to become"),
        (found.untouched, "as before"),
        (found.foreign, "something else: somebody has changed it since, or nobody can tell"),
    ]
    lines = [f"{_some(paths)}: {said_of}" for paths, said_of in parts if paths]
    return "\n".join([*lines, *([f"kept beside: {_listed(found.asides)}"] if found.asides else [])])


def _some(paths: Sequence[bytes]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(map(shown, paths[:NAMED])) + more


def _listed(conflicts: Sequence[Clash]) -> str:
    parts = [f"{shown(c.path)}: {c.detail}" + (f" (kept as {shown(c.aside)})" if c.aside else "") for c in conflicts[:NAMED]]
    more = len(conflicts) - NAMED
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")
