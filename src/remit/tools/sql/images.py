"""What a write would do to rows, found out in a transaction that is rolled back; and making a list of row changes true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from remit.domain.values import JsonValue, canonical
from remit.errors import Conflict, ToolFailed
from remit.tools.sql.database import Child, Database, Shape
from remit.tools.sql.rows import Row, RowChange, same
from remit.tools.sql.statement import Statement, Verb

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST: Final = 10_000
"""Rows that one statement may change."""
_INSTEAD: Final = "use sql.run, which asks and cannot be undone"


class Clash(NamedTuple):
    """A row that was not changed, and why."""

    change: RowChange
    why: str


def foresee(database: Database, connection: Connection, statement: Statement) -> list[RowChange]:
    """Every row that the statement would change, those that follow by foreign keys included; the transaction is to be rolled back.

    Raises ToolFailed where that cannot be known exactly, or the statement fails.
    """
    shape = database.shape(connection, statement.table)
    _check(shape, statement)
    _check_name(database, connection, statement.table)
    before: dict[str, Row] = {}
    if statement.verb is not Verb.INSERT or statement.upsert:
        trial = connection.begin_nested()
        keys = _keys(database, connection, shape, statement)
        trial.rollback()
        before = database.rows(connection, shape, keys, lock=True)
    followers = _followers(database, connection, shape, list(before.values()), {shape.name})
    keys = [*_keys(database, connection, shape, statement), *(_some(row, shape.key) for row in before.values())]
    after = database.rows(connection, shape, list({canonical(key): key for key in keys}.values()))
    changes: list[RowChange] = []
    for child, rows in reversed(followers):  # those that refer go before what they refer to; undo turns the order round
        now = database.rows(connection, child, [_some(row, child.key) for row in rows.values()])
        changes += _between(child, rows, now)
    changes += _between(shape, before, after)
    if len(changes) > MOST:
        raise ToolFailed(f"it would change {len(changes)} rows, and at most {MOST} are kept for undo", fix="write it in parts")
    return changes


def apply(database: Database, connection: Connection, changes: Sequence[RowChange]) -> list[Clash]:
    """Make the rows what they shall be. A row that is neither as it was nor as it shall be is somebody else's and is left alone."""
    shapes = {table: database.shape(connection, table) for table in dict.fromkeys(change.table for change in changes)}
    for shape in shapes.values():
        _check_plain(shape, "remove that for the while")
    clashes, todo = [], []
    for change, now in zip(changes, _standing(database, connection, shapes, changes, lock=True), strict=True):
        if same(now, change.before):
            todo.append(change)
        elif not same(now, change.after):
            clashes.append(Clash(change, "the row is gone" if now is None else "somebody changed it meanwhile"))
    stranded = _stranded(database, connection, shapes, todo)
    clashes += stranded
    todo = [change for change in todo if change.id not in {clash.change.id for clash in stranded}]
    while todo:
        left = [Clash(change, why) for change in todo if (why := _attempt(database, connection, shapes[change.table], change))]
        if len(left) == len(todo):  # no order of the rest satisfies the database
            return [*clashes, *left]
        todo = [clash.change for clash in left]
    return clashes


def _stranded(database: Database, connection: Connection, shapes: Mapping[str, Shape], changes: Sequence[RowChange]) -> list[Clash]:
    """Changes that would take rows with them, by foreign keys, that nobody here has seen. The rows are locked: nobody adds one now."""
    ours = {change.id for change in changes}
    below: dict[str, Shape] = {}
    found = []
    for change in changes:
        shape, before, after = shapes[change.table], change.before, change.after
        for child in shape.children:
            if before is None or (after is not None and all(before.get(name) == after.get(name) for name in child.refers_to)):
                continue
            if child.table not in below:
                below[child.table] = database.shape(connection, child.table)
            if strange := [
                key for key in _below(database, connection, child, below[child.table], [before]) if (child.table, key) not in ours
            ]:
                found.append(Clash(change, f"rows of {child.table} that were added meanwhile refer to it: {', '.join(strange[:5])}"))
                break
    return found


def _check_name(database: Database, connection: Connection, table: str) -> None:
    """A table has one name here, so that what is said about it by that name holds. Raises ToolFailed."""
    schema, _, name = table.rpartition(".")
    if schema and schema == database.execute(connection, database.dialect.default_schema).scalar():
        raise ToolFailed(f"{table!r} is the table {name!r}", fix=f"write {name}, without {schema}")


def _standing(
    database: Database, connection: Connection, shapes: Mapping[str, Shape], changes: Sequence[RowChange], *, lock: bool = False
) -> list[Row | None]:
    """What stands at each change's row now."""
    found: dict[tuple[str, str], Row] = {}
    for table, shape in shapes.items():
        keys = [change.key for change in changes if change.table == table]
        found |= {(table, key): row for key, row in database.rows(connection, shape, keys, lock=lock).items()}
    return [found.get(change.id) for change in changes]


def _check(shape: Shape, statement: Statement) -> None:
    if not shape.key:
        raise ToolFailed(f"{shape.name} has no primary key, so its rows cannot be told apart", fix=_INSTEAD)
    columns = {name.lower() for name in shape.columns}
    if statement.sets & {*map(str.lower, shape.key), "rowid", *({"oid", "_rowid_"} - columns)}:  # names that SQLite has for a key
        raise ToolFailed(f"it changes the primary key of {shape.name}", fix=f"delete and insert the rows, or {_INSTEAD}")
    if followed := statement.sets & {name.lower() for child in shape.children for name in child.refers_to}:
        raise ToolFailed(f"rows of other tables follow {', '.join(sorted(followed))} of {shape.name}", fix=_INSTEAD)
    _check_plain(shape, _INSTEAD)


def _check_plain(shape: Shape, fix: str) -> None:
    """A write to the table does what its rows show, and the rows that follow can be found. Raises ToolFailed."""
    if shape.obstacles:
        raise ToolFailed(
            f"{shape.name} does more than its rows show (triggers, rules and the like): {', '.join(shape.obstacles[:5])}", fix=fix
        )
    if unlike := [child.table for child in shape.children if not child.alike]:
        raise ToolFailed(f"{', '.join(unlike)} refers to {shape.name} by values that compare otherwise there", fix=fix)


def _keys(database: Database, connection: Connection, shape: Shape, statement: Statement) -> list[dict[str, JsonValue]]:
    """Execute the statement; the keys of the rows that it changed."""
    wanted = ", ".join(database.dialect.exact(name) for name in shape.key)
    rows = database.execute(connection, f"{statement.text}\nRETURNING {wanted}").fetchmany(MOST + 1)
    if len(rows) > MOST:
        raise ToolFailed(f"it would change more than {MOST} rows, which is what is kept for undo", fix="write it in parts")
    if any(value is None for row in rows for value in row):
        raise ToolFailed(f"it changes rows of {shape.name} whose primary key is NULL, which cannot be told apart", fix=_INSTEAD)
    return [dict(zip(shape.key, map(database.dialect.encoded, row), strict=True)) for row in rows]


def _followers(
    database: Database, connection: Connection, shape: Shape, rows: Sequence[Row], seen: set[str]
) -> list[tuple[Shape, dict[str, Row]]]:
    """Rows of other tables that the database itself may change when these go or change: by ON DELETE and ON UPDATE."""
    found: list[tuple[Shape, dict[str, Row]]] = []
    for child in shape.children if rows else ():
        if child.table in seen:
            raise ToolFailed(f"{child.table} follows {shape.name} by more than one foreign key", fix=_INSTEAD)
        seen.add(child.table)
        other = database.shape(connection, child.table)
        _check(other, Statement(verb=Verb.UPDATE, text="", table=child.table))
        theirs = _below(database, connection, child, other, rows)
        found += [(other, theirs), *_followers(database, connection, other, list(theirs.values()), seen)]
    return found


def _below(database: Database, connection: Connection, child: Child, shape: Shape, rows: Sequence[Row]) -> dict[str, Row]:
    """The rows of one other table that refer to these."""
    places = [dict(zip(child.columns, (row[name] for name in child.refers_to), strict=True)) for row in rows]
    return database.rows(connection, shape, [place for place in places if None not in place.values()])


def _between(shape: Shape, before: Mapping[str, Row], after: Mapping[str, Row]) -> list[RowChange]:
    rows = {**before, **after}
    return [
        RowChange(table=shape.name, key=_some(row, shape.key), before=before.get(key), after=after.get(key))
        for key, row in rows.items()
        if not same(before.get(key), after.get(key))
    ]


def _attempt(database: Database, connection: Connection, shape: Shape, change: RowChange) -> str:
    """Change one row; '' when it is as it shall be, else why the database refuses it now."""
    import sqlalchemy as sa  # noqa: PLC0415 - loaded with the connection

    database.execute(connection, "SAVEPOINT one_row")
    why = ""
    try:
        if _change(database, connection, shape, change) != 1:
            raise Conflict(f"{change.place} changed while it was written", fix="look at it again")
    except sa.exc.IntegrityError as error:
        why = " ".join(str(error.orig).split())
        database.execute(connection, "ROLLBACK TO SAVEPOINT one_row")
    database.execute(connection, "RELEASE SAVEPOINT one_row")  # kept, each failed attempt would nest the next one deeper
    return why


def _change(database: Database, connection: Connection, shape: Shape, change: RowChange) -> int:
    dialect = database.dialect
    if change.before is None and change.after is not None:
        bound = [dialect.bound(value) for value in change.after.values()]
        columns, marks = ", ".join(map(dialect.column, change.after)), ", ".join(sql for sql, _ in bound)
        sql = f"INSERT INTO {shape.table} ({columns}){dialect.system_value} VALUES ({marks})"  # noqa: S608 - quoted names
        return int(database.execute(connection, sql, [value for _, values in bound for value in values]).rowcount)
    conditions = [dialect.equals(name, value) for name, value in change.key.items()]
    conditions += [dialect.is_exactly(name, value) for name, value in (change.before or {}).items()]
    where = " AND ".join(sql for sql, _ in conditions)
    values = [value for _, bound_to in conditions for value in bound_to]
    if change.after is None:
        return int(database.execute(connection, f"DELETE FROM {shape.table} WHERE {where}", values).rowcount)  # noqa: S608 - quoted names
    new = {
        name: value for name, value in change.after.items() if value != (change.before or {}).get(name) or name not in (change.before or {})
    }
    sets = [(dialect.column(name), *dialect.bound(value)) for name, value in new.items()]
    assigned = ", ".join(f"{column} = {sql}" for column, sql, _ in sets)
    values = [*(value for _, _, bound_to in sets for value in bound_to), *values]
    return int(database.execute(connection, f"UPDATE {shape.table} SET {assigned} WHERE {where}", values).rowcount)  # noqa: S608


def _some(row: Row, names: Sequence[str]) -> dict[str, JsonValue]:
    return {name: row[name] for name in names}


def look(database: Database, connection: Connection, changes: Sequence[RowChange]) -> list[Row | None]:
    """What stands at each change's row now."""
    shapes = {table: database.shape(connection, table) for table in dict.fromkeys(change.table for change in changes)}
    return _standing(database, connection, shapes, changes)
