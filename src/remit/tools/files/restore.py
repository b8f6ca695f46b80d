"""Putting back what an earlier action changed: what undo calls, judged and undoable like every other action."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import shown
from remit.errors import Unavailable
from remit.ports import Call, Happened, Probed, ToolSpec
from remit.tools.args import already, schema
from remit.tools.changes.change import Applied, Clash, diff_text, pack, set_aside, unpack
from remit.tools.changes.change_tool import NAMED, Planned, PlanTool, conflicting, tag_of, tell
from remit.tools.changes.folder import explained, joined
from remit.tools.changes.manifest import touches
from remit.tools.changes.roots import inside
from remit.tools.changes.settle import Settled, Standing, beside, standing
from remit.tools.changes.snapshot import look, names_in
from remit.tools.changes.swap import FILLED, SAVED
from remit.tools.changes.tree import Change, NodeKind, said

_CONFLICT_LIMIT: Final = 50_000


class FilesRestore(PlanTool):
    """Restores what it can, leaves later work of others as it is, and keeps the version it could not put back beside it."""

    partial = True
    keep_aside = True
    spec = ToolSpec(
        name="files.restore",
        undoes=True,
        description="Put files back as they were before an earlier action. Used by undo.",
        schema=schema(("changes",), changes={"type": ["array", "object"], "description": "what the action recorded, inverted"}),
        effect=Effect.REVERSIBLE,
    )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        changes = unpack(args.get("changes"), self.store)
        for change in changes:
            self.roots.check(change.path)
        return touches(changes)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        changes = unpack(args.get("changes"), self.store)
        more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
        return f"restore {shown(changes[0].path)}{more}" if changes else "restore nothing"

    def left(self, args: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:
        """Only what was in conflict: what was restored may have been changed since by whoever came before."""
        lost = conflicting(result)
        return {"changes": pack([change for change in unpack(args.get("changes"), self.store) if said(change.path) in lost], self.store)}

    def following(self, args: Mapping[str, JsonValue], earlier: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:  # noqa: ARG002 - the result says it all
        """Without the paths where the other one found somebody else's work, be it what it would have put there: that is theirs."""
        lost = conflicting(result) | already(result)
        if not lost:
            return args
        kept = [change for change in unpack(args.get("changes"), self.store) if said(change.path) not in lost]
        return {"changes": pack(kept, self.store)}

    def joined(self, calls: Sequence[Mapping[str, JsonValue]]) -> Sequence[Mapping[str, JsonValue]]:
        """One call that takes each path all the way back; and those that cannot follow on it, as somebody changed a path in between."""
        net: dict[bytes, Change] = {}
        stuck: list[Mapping[str, JsonValue]] = []
        for args in calls:
            apart = []
            for change in unpack(args.get("changes"), self.store):
                first = net.setdefault(change.path, change)
                if first is change or first.after.same(change.before):
                    net[change.path] = replace(first, after=change.after)
                else:
                    apart.append(change)
            stuck += [{"changes": pack(apart, self.store)}] if apart else []
        return [{"changes": pack(list(net.values()), self.store)}, *stuck]

    def plan(self, call: Call) -> Planned:
        """Everything is planned, also what is in conflict now: it is reported, and its old version kept aside."""
        wanted = unpack(call.args.get("changes"), self.store)
        planned: list[Change] = []
        conflicts: list[Change] = []
        there: list[JsonValue] = []
        for root in self.roots.all:
            if not Path(os.fsdecode(root)).is_dir() and any(inside(change.path, root) for change in wanted):
                raise Unavailable(f"{shown(root)} is not there", fix="mount it or move it back, then undo again")
        for change in wanted:
            self.roots.check(change.path)
            now = look(change.path, self.store)
            found = standing(change, now)
            if found is Standing.DONE:
                there.append(said(change.path))
                continue
            if found is Standing.FOREIGN or _filled(change, wanted):
                conflicts.append(change)
            else:
                planned.append(replace(change, before=now))
        facts: dict[str, JsonValue] = {"against": pack(conflicts, self.store)} if conflicts else {}
        facts |= {"already": there} if there else {}
        return Planned(changes=planned, facts=facts, headline=self._headline(conflicts))

    def judged_by(self, planned: Planned, found: Settled) -> Probed:
        """What somebody else has changed is a conflict here and spared, so restoring can always go on."""
        if not found.foreign and "against" not in planned.facts:
            return super().judged_by(planned, found)
        return Probed(happened=Happened.NO, again=True, begun=bool(found.done))

    def apply(self, call: Call, planned: Planned) -> Applied:
        """Restore, and keep the old versions of what was in conflict from the start beside it."""
        applied = super().apply(call, planned)
        tag = tag_of(call)
        first = len(planned.changes)
        against = unpack(planned.facts.get("against", []), self.store)
        kept = [(change, set_aside(change, self.store, tag=tag, number=first + at)) for at, change in enumerate(against)]
        clashes = [Clash(change.path, _why(change), beside(change.path, aside) if aside else None) for change, aside in kept]
        return Applied(applied.done, tuple(sorted([*applied.conflicts, *clashes])))

    def outcome(self, planned: Planned, conflicts: Sequence[Clash]) -> JsonValue:
        lost = {clash.path for clash in conflicts}
        paths = [said(change.path) for change in planned.changes if change.path not in lost]
        there = planned.facts.get("already")
        told: dict[str, JsonValue] = {"restored": paths[:NAMED], "count": len(paths), "conflicts": tell(conflicts)}
        return {**told, "already": there} if there else told

    def _headline(self, conflicts: Sequence[Change]) -> str:
        if not conflicts:
            return ""
        now = [replace(change, before=look(change.path, self.store)) for change in conflicts]
        text, clipped = diff_text(now, self.store, limit=_CONFLICT_LIMIT)
        more = "\n… not shown whole" if clipped else ""
        kept = (
            "; the old version is kept beside it"
            if any(change.after.kind in {NodeKind.FILE, NodeKind.LINK} for change in conflicts)
            else ""
        )
        return f"{len(conflicts)} in conflict, stays as it is now{kept}. It would have been:\n{text}{more}\n\nRestored:"


def _filled(change: Change, wanted: Sequence[Change]) -> bool:
    """Whether a folder that should go has something in it that is not ours to remove."""
    if change.after.kind is NodeKind.DIR or change.before.kind is not NodeKind.DIR:
        return False
    ours = {other.path for other in wanted if other.before.kind is not NodeKind.ABSENT}
    with explained("list", change.path):
        return any(joined(change.path, name) not in ours for name in names_in(change.path))


def _why(change: Change) -> str:
    return FILLED if change.before.kind is NodeKind.DIR and change.after.kind is not NodeKind.DIR else SAVED
