"""Changing rows so that it can be undone, and undoing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid
from remit.ports import Call, Captured, ToolSpec
from remit.tools.args import already, schema, text
from remit.tools.base import uninterrupted
from remit.tools.sql.images import foresee
from remit.tools.sql.row_tool import NAMED, Planned, RowTool, conflicting
from remit.tools.sql.rows import Row, RowChange, joined, pack, same, unpack
from remit.tools.sql.sql_tool import DATABASE, SQL
from remit.tools.sql.statement import Statement, Verb


class SqlWrite(RowTool):
    """One INSERT, UPDATE or DELETE on one table with a primary key and without triggers, together with what follows by foreign keys.

    It runs in a transaction that is rolled back, to see every row before and after; what is committed later are exactly those rows.
    So a number or time that the database filled in is the one that was shown. Limits: 10,000 rows; counters of the database
    (sequences, `sqlite_sequence`) are not set back by undo.
    """

    spec = ToolSpec(
        name="sql.write",
        description="Change rows: one INSERT, UPDATE or DELETE (no RETURNING; the result lists each row before and after). Can be undone.",
        schema=schema(
            ("database", "table", "sql"),
            database=DATABASE,
            table={"type": "string", "minLength": 1, "description": "the table that the statement writes to, as it stands there"},
            sql=SQL,
        ),
        effect=Effect.REVERSIBLE,
        salient=("database", "table"),
        visible=("database", "table", "sql"),
        slow=True,
    )

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """The table is the one that the statement writes to. Raises ArgsInvalid when the two differ."""
        statement = self._wanted(args)
        return {**super().visible(args), "table": statement.table}

    def plan(self, call: Call) -> Planned:
        database, statement = self.database(call.args), self._wanted(call.args)
        with database.trying() as connection:
            return Planned(database=database, changes=foresee(database, connection, statement))

    def headline(self, call: Call, planned: Planned) -> str:
        return f"in {planned.database.name}:\n  " + visible(text(call.args, "sql"), keep="\n\t").replace("\n", "\n  ")

    def _wanted(self, args: Mapping[str, JsonValue]) -> Statement:
        statement = self.statement(args)
        if statement.verb in {Verb.READ, Verb.OTHER}:
            why = statement.why or "it only reads"
            raise ArgsInvalid(f"this is no plain INSERT, UPDATE or DELETE: {why}", fix="use sql.query to read, sql.run for anything else")
        if statement.table != text(args, "table"):
            raise ArgsInvalid(
                f"the statement writes to {statement.table!r}, not {text(args, 'table')!r}", fix="name the table it writes to"
            )
        return statement


class SqlRestore(RowTool):
    """Puts rows back as they were; one that somebody changed since stays as it is and is reported."""

    partial = True
    spec = ToolSpec(
        name="sql.restore",
        undoes=True,
        description="Put rows back as they were before an earlier action. Used by undo.",
        schema=schema(
            ("database", "rows"), database=DATABASE, rows={"type": ["array", "object"], "description": "what the action recorded"}
        ),
        effect=Effect.REVERSIBLE,
        salient=("database",),
        visible=("database",),
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        changes = unpack(args.get("rows"), self.store)
        more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
        return f"restore in {text(args, 'database')}: {visible(changes[0].place, keep='') if changes else 'nothing'}{more}"

    def plan(self, call: Call) -> Planned:
        return self._unpacked(call.args)

    async def capture(self, call: Call) -> Captured:
        captured = await super().capture(call)
        planned = self._unpacked(captured.data)
        pairs = await uninterrupted(lambda: list(self._pairs(planned)))
        there: list[JsonValue] = [c.place for row, c in pairs if same(row, c.after) and not same(row, c.before)]
        data = captured.data if isinstance(captured.data, Mapping) else {}
        return replace(captured, data={**data, "already": there}) if there else captured

    async def run(self, call: Call) -> JsonValue:
        result = await super().run(call)
        there = call.captured.get("already") if isinstance(call.captured, Mapping) else None
        return {**result, "already": there} if there and isinstance(result, Mapping) else result

    def headline(self, call: Call, planned: Planned) -> str:  # noqa: ARG002 - the same for all
        lost = [(row, c) for row, c in self._pairs(planned) if _lost(row, c)]
        named = "; ".join(f"{visible(c.place, keep='')} ({visible(_since(row, c.before), keep='')})" for row, c in lost[:NAMED])
        return f"in conflict, these rows stay as they are now: {named}" if lost else ""

    def foretold(self, planned: Planned) -> Sequence[RowChange]:
        return [c for row, c in self._pairs(planned) if not _lost(row, c)]

    def _pairs(self, planned: Planned) -> Iterable[tuple[Row | None, RowChange]]:
        return zip(self._standing(planned), planned.changes, strict=True)

    def _still(self, staged: JsonValue) -> Planned:
        return self._unpacked(staged)  # what was changed since is a conflict, and spared

    def left(self, args: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:
        lost = conflicting(result)
        rows = [change for change in unpack(args.get("rows"), self.store) if change.place in lost]
        return {**args, "rows": pack(rows, self.store)}

    def following(self, args: Mapping[str, JsonValue], earlier: Mapping[str, JsonValue], result: JsonValue) -> Mapping[str, JsonValue]:
        """Without the rows where the other one found somebody else's work, be it what it would have put there: that is theirs."""
        lost = conflicting(result) | already(result) if earlier.get("database") == args.get("database") else set()
        if not lost:
            return args
        rows = [change for change in unpack(args.get("rows"), self.store) if change.place not in lost]
        return {**args, "rows": pack(rows, self.store)}

    def joined(self, calls: Sequence[Mapping[str, JsonValue]]) -> Sequence[Mapping[str, JsonValue]]:
        found: list[Mapping[str, JsonValue]] = []
        for name in dict.fromkeys(text(call, "database") for call in calls):
            lists = [unpack(call.get("rows"), self.store) for call in calls if call.get("database") == name]
            net, stuck = joined(lists)
            found += [{"database": name, "rows": pack(rows, self.store)} for rows in (net, *stuck)]
        return found


def _lost(now: Row | None, change: RowChange) -> bool:
    return not (same(now, change.before) or same(now, change.after))


def _since(now: Row | None, then: Row | None) -> str:
    """What somebody did to a row."""
    if now is None:
        return "it is gone"
    if then is None:
        return "somebody made one of that key"
    return f"{', '.join(name for name in now if now[name] != then.get(name))} changed since"
