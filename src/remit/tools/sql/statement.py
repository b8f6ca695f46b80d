"""What one SQL statement is, by its syntax tree: the only file that knows sqlglot."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from remit.errors import ArgsInvalid

_LONGEST: Final = 100_000
_READS: Final = ("Select", "Values", "SetOperation")
_WRITES: Final = ("Insert", "Update", "Delete")
_INNOCENT: Final = frozenset(
    word
    for line in (
        "ABS ACOS AGE ANY_VALUE ARRAY ARRAY_AGG ARRAY_LENGTH ASIN ATAN ATAN2 AVG BIT_LENGTH BTRIM CAST CBRT CEIL CEILING",
        "CHANGES CHAR CHARACTER_LENGTH CHAR_LENGTH CHR COALESCE CONCAT CONCAT_WS COS COUNT CURRENT_DATE CURRENT_TIME",
        "CURRENT_TIMESTAMP DATE DATETIME DATE_PART DATE_TRUNC DEGREES DENSE_RANK EXP EXTRACT FIRST_VALUE FLOOR FORMAT",
        "GENERATE_SERIES GEN_RANDOM_UUID GREATEST GROUP_CONCAT HEX IFNULL IIF INITCAP INSTR JSON JSONB JSONB_AGG",
        "JSONB_BUILD_OBJECT JSON_ARRAY JSON_ARRAY_LENGTH JSON_EXTRACT JSON_EXTRACT_PATH_TEXT JSON_GROUP_ARRAY JSON_GROUP_OBJECT",
        "JSON_OBJECT JSON_TYPE JSON_VALID JULIANDAY LAG LAST_VALUE LEAD LEAST LEFT LENGTH LN LOCALTIME LOCALTIMESTAMP LOG LOG10",
        "LOWER LPAD LTRIM MAKE_DATE MAX MD5 MIN MOD NOW NTH_VALUE NTILE NULLIF OCTET_LENGTH OVERLAY PERCENT_RANK PI POSITION",
        "POW POWER PRINTF QUOTE RADIANS RANDOM RANDOMBLOB RANK REGEXP_MATCHES REGEXP_REPLACE REPEAT REPLACE REVERSE RIGHT ROUND",
        "ROW_NUMBER RPAD RTRIM SIGN SIN SPLIT_PART SQRT STDDEV STRFTIME STRING_AGG STRPOS SUBSTR SUBSTRING SUM TAN TIME TOTAL",
        "TO_CHAR TO_DATE TO_NUMBER TO_TIMESTAMP TRANSLATE TRIM TRUNC TYPEOF UNICODE UNIXEPOCH UNNEST UPPER VARIANCE ZEROBLOB",
    )
    for word in line.split()
)
"""Functions that look at nothing but their arguments, clock and dice. Every other one may do anything, whatever transaction it runs in."""


class Verb(StrEnum):
    READ = "read"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    OTHER = "other"
    """Definitions, commands, several statements at once, functions nobody here knows: nothing is promised about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. For `other`, `why` says what keeps it from being one of the rest."""

    verb: Verb
    text: str
    """Without the semicolon and what follows it."""
    table: str = ""
    """The table that is written, as the database spells what stands in the statement: `name` or `schema.name`."""
    sets: frozenset[str] = frozenset()
    """Columns that an UPDATE, or the UPDATE of an upsert, sets; in lower case."""
    upsert: bool = False
    why: str = ""


@lru_cache(maxsize=256)
def read_statement(text: str, dialect: str) -> Statement:
    """What the text is, in `sqlite` or `postgres`. Raises ArgsInvalid for what no database would take."""
    import sqlglot  # noqa: PLC0415 - a large library; only SQL pays for it
    from sqlglot.errors import SqlglotError  # noqa: PLC0415 - see above

    if len(text) > _LONGEST or "\0" in text:
        raise ArgsInvalid(f"this statement has {len(text)} characters", fix=f"send at most {_LONGEST}, without NUL")
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it cannot parse is answered here, not on the terminal
    try:
        trees = [tree for tree in sqlglot.parse(text, read=dialect) if tree is not None]
        bare = _without_end(text, dialect)
    except SqlglotError as error:
        raise ArgsInvalid(f"this is not {dialect} SQL: {str(error).splitlines()[0]}", fix="send one statement") from None
    except RecursionError:
        raise ArgsInvalid("this statement is nested too deep", fix="write it flatter") from None
    if len(trees) != 1:
        raise ArgsInvalid(f"these are {len(trees)} statements", fix="send one statement at a time")
    return _read(trees[0], bare, dialect)


def _read(tree: Any, text: str, dialect: str) -> Statement:
    kind, unknown = _kind(tree), _unknown_functions(tree)
    if unknown:
        return Statement(verb=Verb.OTHER, text=text, why=f"nobody here knows what {', '.join(unknown)} may do")
    if kind in _READS:
        return _reading(tree, text)
    if kind in _WRITES:
        return _writing(tree, kind, text, dialect)
    return Statement(verb=Verb.OTHER, text=text, why="it is no query and no INSERT, UPDATE or DELETE")


def _reading(tree: Any, text: str) -> Statement:
    changing = [node for node in tree.walk() if _kind(node) in {*_WRITES, "Merge", "Into", "Lock", "Command"}]
    if changing:
        return Statement(verb=Verb.OTHER, text=text, why="it reads, but also writes or locks")
    return Statement(verb=Verb.READ, text=text)


def _writing(tree: Any, kind: str, text: str, dialect: str) -> Statement:
    inner = [node for node in tree.walk() if node is not tree and _kind(node) in {*_WRITES, "Merge", "Command"}]
    if inner:
        return Statement(verb=Verb.OTHER, text=text, why="it writes to more than one table")
    if tree.args.get("returning") is not None:
        raise ArgsInvalid("the statement has RETURNING", fix="leave it out; the result lists every row before and after")
    if tree.args.get("alternative"):
        raise ArgsInvalid("OR REPLACE deletes rows that it does not name", fix="write INSERT … ON CONFLICT … DO UPDATE")
    conflict = tree.args.get("conflict")
    set_by = [*(tree.expressions if kind == "Update" else ()), *(conflict.expressions if conflict else ())]
    return Statement(
        verb=Verb(kind.lower()),
        text=text,
        table=_table(tree, dialect),
        sets=frozenset(_column(one.this) for one in set_by),
        upsert=conflict is not None,
    )


def _column(target: Any) -> str:
    if _kind(target) != "Column" or target.table:  # a part of a column, or several at once
        raise ArgsInvalid("the statement sets something else than plain columns", fix="set whole columns, one by one")
    return str(target.name).lower()


def _table(tree: Any, dialect: str) -> str:
    named: Any = tree.this
    named = named.this if _kind(named) == "Schema" else named
    if _kind(named) != "Table" or named.catalog:
        raise ArgsInvalid("the statement does not write to one plain table", fix="name one table of this database")
    parts = [named.args["db"], named.this] if named.db else [named.this]
    names = [part.name.lower() if dialect == "postgres" and not part.args.get("quoted") else str(part.name) for part in parts]
    if any("." in name for name in names):
        raise ArgsInvalid("the name of the table has a dot in it", fix="use sql.run, which asks and cannot be undone")
    return ".".join(names)


def _kind(node: object) -> str:
    from sqlglot import exp  # noqa: PLC0415 - loaded by now

    return "SetOperation" if isinstance(node, exp.SetOperation) else type(node).__name__


def _unknown_functions(tree: Any) -> list[str]:
    from sqlglot import exp  # noqa: PLC0415 - loaded by now

    names = [
        ("" if not _qualified(node) else "a function of a schema: ")
        + (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).upper()
        for node in tree.find_all(exp.Func)
        if not isinstance(node, exp.Connector | exp.Case | exp.Cast | exp.Binary | exp.Unary)
    ]
    return sorted({name for name in names if name not in _INNOCENT})


def _qualified(function: Any) -> bool:
    """Whether a schema is named: then it is anybody's function, whatever its last name."""
    parent = function.parent
    return _kind(parent) == "Dot" or (_kind(parent) == "Table" and bool(parent.db))


def _without_end(text: str, dialect: str) -> str:
    """Cut after the last token that is no semicolon, so that something can be appended."""
    import sqlglot  # noqa: PLC0415 - loaded by now
    from sqlglot.tokenizer_core import TokenType  # noqa: PLC0415 - loaded by now

    tokens = [token for token in sqlglot.tokenize(text, read=dialect) if token.token_type is not TokenType.SEMICOLON]
    return text[: tokens[-1].end + 1] if tokens else ""
