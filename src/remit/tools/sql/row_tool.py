"""The road of a call that changes rows: foresee, show, keep, apply, look again, take back. As for files, see `ChangeTool`."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import quote

from remit.crashpoint import crashpoint
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, Conflict
from remit.ports import Call, Captured, Happened, Preview, Probed, Store, Undo
from remit.tools.base import uninterrupted
from remit.tools.sql.database import Database
from remit.tools.sql.images import Clash, apply, look
from remit.tools.sql.rows import Row, RowChange, binding, pack, same, told, unpack
from remit.tools.sql.sql_tool import SqlTool

_SHOWN: Final = 200_000
"""Characters of a preview; beyond, it says that it is clipped."""
NAMED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The rows that a call would change, and in which database."""

    database: Database
    changes: Sequence[RowChange]


class RowTool(SqlTool):
    """What a subclass plans is shown, kept and applied, row by row."""

    partial: ClassVar[bool] = False
    """Whether some rows may be changed when others are in conflict."""

    def __init__(self, databases: Mapping[str, Database], store: Store) -> None:
        super().__init__(databases)
        self.store = store

    @abstractmethod
    def plan(self, call: Call) -> Planned:
        """Which rows the call means now, blocking. Raises ArgsInvalid, ToolFailed."""

    async def preview(self, call: Call) -> Preview:
        planned = await uninterrupted(lambda: self.plan(call))
        headline, changes = await uninterrupted(lambda: (self.headline(call, planned), self.foretold(planned)))
        shown, clipped = told(changes, limit=_SHOWN)
        text_shown = "\n".join(part for part in (headline, shown or "no row changes") if part)
        return Preview(text=text_shown, staged=self._packed(planned), binding=binding(planned.changes), clipped=clipped)

    def headline(self, call: Call, planned: Planned) -> str:  # noqa: ARG002 - for those who have one
        """What is said before the rows; blocking."""
        return ""

    def foretold(self, planned: Planned) -> Sequence[RowChange]:
        """Those that will come about; blocking."""
        return planned.changes

    async def capture(self, call: Call) -> Captured:
        planned = await uninterrupted(lambda: self.plan(call) if call.staged is None else self._still(call.staged))
        data = self._packed(planned)
        await asyncio.to_thread(self.store.sync)
        return Captured(data=data, touches=_touches(planned))

    async def run(self, call: Call) -> JsonValue:
        """Raises Conflict with nothing changed when somebody changed a row meanwhile (unless `partial`)."""
        planned = self._unpacked(call.captured)
        return await uninterrupted(lambda: self._apply(call, planned))

    async def probe(self, call: Call) -> Probed:
        if call.captured is None or self.database(call.args).shared:
            return await super().probe(call)
        planned = self._unpacked(call.captured)
        now = await uninterrupted(lambda: self._standing(planned))
        done = [same(row, change.after) for row, change in zip(now, planned.changes, strict=True)]
        untouched = [same(row, change.before) for row, change in zip(now, planned.changes, strict=True)]
        result = self.outcome(planned, ())
        if all(done):
            return Probed(happened=Happened.YES, result=result)
        if all(untouched) or self.partial:
            return Probed(happened=Happened.NO, again=True, begun=self.partial and any(done), result=result)
        parts = zip(planned.changes, done, untouched, strict=True)
        lines = [f"{c.place}: {'as it was to become' if d else 'as before' if u else 'something else by now'}" for c, d, u in parts]
        return Probed(happened=Happened.UNKNOWN, result=result, detail="\n".join(lines[:NAMED]))

    def only_rows(self, call: Call) -> bool:  # noqa: ARG002 - none of them does anything else
        return True

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        """Every row as it was, unless somebody changed it since."""
        planned = self._unpacked(call.captured)
        lost = conflicting(result)
        back = [change.inverse() for change in reversed(planned.changes) if change.place not in lost]
        return Undo(tool="sql.restore", args={"database": planned.database.name, "rows": pack(back, self.store)})

    def outcome(self, planned: Planned, clashes: Sequence[Clash]) -> dict[str, JsonValue]:
        """What the actor is told."""
        lost = {clash.change.id for clash in clashes}
        rows = [change for change in planned.changes if change.id not in lost]
        listed: list[JsonValue] = [change.told() for change in rows[:NAMED]]
        found: dict[str, JsonValue] = {"changed": listed, "count": len(rows)}
        if clashes:
            found["conflicts"] = [{"path": clash.change.place, "detail": clash.why} for clash in clashes]
        return found

    def _apply(self, call: Call, planned: Planned) -> JsonValue:
        with planned.database.writing() as connection:
            clashes = apply(planned.database, connection, planned.changes)
            if clashes and not self.partial:
                raise Conflict(f"nothing was changed: {_listed(clashes)}", fix="look at the rows again and decide anew")
            lost = {clash.change.id for clash in clashes}
            kept = [change for change in planned.changes if change.id not in lost]
            now = look(planned.database, connection, kept)
            if not all(same(row, change.after) for row, change in zip(now, kept, strict=True)):
                raise Conflict("nothing was changed: the database makes other rows of these", fix="look for triggers and defaults")
            result = self.outcome(planned, clashes)
            crashpoint("sql.written")
            self.seal(call, planned.database, connection, result)
        crashpoint("sql.committed")
        return result

    def _still(self, staged: JsonValue) -> Planned:
        planned = self._unpacked(staged)
        for row, change in zip(self._standing(planned), planned.changes, strict=True):
            if not same(row, change.before):
                raise Conflict(f"{change.place} was changed since this was shown", fix="look at it again")
        return planned

    def _standing(self, planned: Planned) -> list[Row | None]:
        with planned.database.reading() as connection:
            return look(planned.database, connection, planned.changes)

    def _packed(self, planned: Planned) -> JsonValue:
        return {"database": planned.database.name, "rows": pack(planned.changes, self.store)}

    def _unpacked(self, value: JsonValue) -> Planned:
        if not isinstance(value, Mapping):
            raise ArgsInvalid("what was captured is no list of rows", fix="hand over what `capture` returned, unchanged")
        return Planned(database=self.database(value), changes=unpack(value.get("rows"), self.store))


def _touches(planned: Planned) -> tuple[str, ...]:
    """The rows as URIs; of more than 50, their tables."""
    base = f"sql://{quote(planned.database.name)}"
    rows = [f"{base}/{quote(c.table)}/{quote(','.join(map(str, c.key.values())), safe='')}" for c in planned.changes]
    return tuple(dict.fromkeys(rows if len(rows) <= NAMED else [f"{base}/{quote(c.table)}" for c in planned.changes]))


def conflicting(result: JsonValue) -> set[str]:
    """The rows that a result names as conflicts."""
    listed = result.get("conflicts", ()) if isinstance(result, Mapping) else ()
    return {str(item.get("path")) for item in listed if isinstance(item, Mapping)} if isinstance(listed, list | tuple) else set()


def _listed(clashes: Sequence[Clash]) -> str:
    more = len(clashes) - NAMED
    told_of = "; ".join(f"{clash.change.place}: {clash.why}" for clash in clashes[:NAMED])
    return told_of + (f"; and {more} more" if more > 0 else "")
