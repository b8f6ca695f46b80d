"""Look into a parsed policy (Cedar's JSON form): which facts it reads, and in which direction approvals move it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Expr: TypeAlias = "dict[str, Any]"
"""One operator and its operands: `{">=": {"left": …, "right": …}}`."""

Path: TypeAlias = "tuple[str, ...]"
"""`context.args.path` is ("args", "path")."""

APPROVALS: Final = "approvals"
ROLES: Final = "approver_roles"
_LEAVES: Final = frozenset({"Value", "Var", "Slot", "Unknown"})
_OPERANDS: Final = ("left", "right", "arg", "if", "then", "else", "in")
_MIRRORED: Final = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


def operator(expr: Expr) -> tuple[str, Any]:
    return next(iter(expr.items()))


def operands(expr: Expr) -> Iterator[Expr]:
    """The expressions directly inside; what this does not know (annotations, patterns, names) holds no expression."""
    op, body = operator(expr)
    if op in _LEAVES:
        return
    if isinstance(body, list):
        yield from body
    elif op == "Record":
        yield from body.values()
    else:
        yield from (body[key] for key in _OPERANDS if isinstance(body.get(key), dict))


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and everything inside it, outermost first."""
    todo = [expr]
    while todo:
        found = todo.pop()
        yield found
        todo.extend(operands(found))


def path(expr: Expr) -> Path | None:
    """The names from `context` down, or None when this is something else."""
    op, body = operator(expr)
    if op == "Var":
        return () if body == "context" else None
    if op != ".":
        return None
    above = path(body["left"])
    return None if above is None else (*above, body["attr"])


def reads(expr: Expr) -> Iterator[Path]:
    """Every path that is read or asked for with `has`; () for `context` as a whole."""
    todo = [expr]
    while todo:
        found = todo.pop()
        op, body = operator(found)
        here = path(body["left"]) if op == "has" else path(found)
        if here is None:
            todo.extend(operands(found))
        else:
            yield (*here, body["attr"]) if op == "has" else here


def variables(expr: Expr) -> set[str]:
    return {body for op, body in map(operator, walk(expr)) if op == "Var"}


def roles(expr: Expr) -> set[str]:
    """Every role that approvers are asked to have."""
    found: set[str] = set()
    for op, body in map(operator, walk(expr)):
        if op.startswith("contains") and path(body["left"]) == (ROLES,):
            found.update(_texts(body["right"]) or ())
    return found


def strange_word(expr: Expr, name: str, known: frozenset[str]) -> str | None:
    """A word that `context.NAME` is compared with although it can never be that."""
    for op, body in map(operator, walk(expr)):
        if op in ("==", "!=", "contains"):
            for this, other in ((body["left"], body["right"]), (body["right"], body["left"])):
                words = _texts(other) if path(this) == (name,) else None
                if words and not words <= known:
                    return min(words - known)
    return None


def follows_approvals(expr: Expr, *, rising: bool) -> bool:
    """Whether more approvals can turn this only from false to true (`rising`) or only from true to false.

    Conservative: approvals may stand only in `context.approvals >= N` (also `>`, `<`, `<=`) and in
    `context.approver_roles.contains…("role")`, joined by `&&`, `||`, `!` and the branches of `if`.
    """
    if not _mentions(expr):
        return True
    op, body = operator(expr)
    if op in ("&&", "||"):
        return follows_approvals(body["left"], rising=rising) and follows_approvals(body["right"], rising=rising)
    if op == "!":
        return follows_approvals(body["arg"], rising=not rising)
    if op == "if-then-else":
        branches = follows_approvals(body["then"], rising=rising) and follows_approvals(body["else"], rising=rising)
        return not _mentions(body["if"]) and branches
    if op in _MIRRORED:
        return _threshold(op, body, rising=rising)
    return rising and op.startswith("contains") and path(body["left"]) == (ROLES,) and _texts(body["right"]) is not None


def _threshold(op: str, body: Expr, *, rising: bool) -> bool:
    left, right = body["left"], body["right"]
    if path(right) == (APPROVALS,):
        op, left, right = _MIRRORED[op], right, left
    whole = type(right.get("Value")) is int
    return whole and path(left) == (APPROVALS,) and (op[0] == ">") is rising


def _mentions(expr: Expr) -> bool:
    return any(not found or found[0] in (APPROVALS, ROLES) for found in reads(expr))


def _texts(expr: Expr) -> set[str] | None:
    """The text, or the texts of a set of texts, that stands there literally."""
    op, body = operator(expr)
    literals = [operator(item) for item in body] if op == "Set" else [(op, body)]
    texts = {value for kind, value in literals if kind == "Value" and isinstance(value, str)}
    return texts if len(literals) == sum(kind == "Value" and isinstance(value, str) for kind, value in literals) else None
