"""One policy, held to the rules of the house: named, explained, readable, and never turned to a no by more approvals."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias

from remit.policy import syntax
from remit.policy.judge import Origin, Row, ToolShape
from remit.policy.statements import Statement
from remit.policy.vocabulary import CONTEXT, WORDS, families

Effect: TypeAlias = Literal["permit", "forbid"]

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REASON_LIMIT: Final = 300
_NAMED: Final = '@id("a-name") @reason("why, in plain words")'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One policy, parsed and checked against everything but the tools' schema."""

    id: str
    reason: str
    effect: Effect
    statement: Statement
    parsed: Mapping[str, Any]
    actions: frozenset[str] | None
    """Tools and families its scope names; None for every tool."""
    reads: frozenset[str]
    """`level`, `args.path`: what of the facts can change what it says."""
    roles: frozenset[str]

    @property
    def origin(self) -> Origin:
        return self.statement.source.origin

    def speaks_of(self, tool: str) -> bool:
        return self.actions is None or tool in self.actions or not self.actions.isdisjoint(families(tool))

    def row(self, tools: Collection[str]) -> Row:
        return Row(
            id=self.id,
            effect=self.effect,
            reason=self.reason,
            origin=self.origin,
            file=self.statement.source.name,
            line=self.statement.line,
            tools=tuple(tool for tool in tools if self.speaks_of(tool)),
        )


def rule(statement: Statement, parsed: Mapping[str, Any]) -> Rule:
    """Check one parsed policy. Raises PolicyInvalid with file and line."""
    effect: Effect = parsed["effect"]
    name, reason = _annotations(statement, parsed.get("annotations") or {})
    if statement.source.origin == "project" and effect == "permit":
        raise statement.invalid(
            f"a project's policy may only tighten, but {name!r} is a permit",
            fix="write `forbid … unless { context.approvals >= 1 }`, or move it to your own policy",
        )
    _check_scope(statement, name, parsed)
    conditions = [(condition["kind"], condition["body"]) for condition in parsed["conditions"]]
    found = frozenset(read for _, body in conditions for read in _reads(statement, name, body))
    for kind, body in conditions:
        _check_words(statement, name, body)
        _check_direction(statement, name, body, rising=(effect == "permit") is (kind == "when"))
    return Rule(
        id=name,
        reason=reason,
        effect=effect,
        statement=statement,
        parsed=parsed,
        actions=_actions(parsed["action"]),
        reads=found,
        roles=frozenset(role for _, body in conditions for role in syntax.roles(body)),
    )


def check_tools(one: Rule, tools: Collection[ToolShape]) -> None:
    """A name that no tool has is a typo: such a forbid would never hold. Raises PolicyInvalid."""
    known = {tool.name for tool in tools} | {family for tool in tools for family in families(tool.name)}
    for action in sorted(one.actions or ()):
        if action not in known:
            raise one.statement.invalid(
                f'{one.effect} {one.id!r} names Action::"{action}", which is neither a tool nor a family of tools',
                fix=_did_you_mean(action, known),
                line=one.statement.find(action),
            )
    shown = {f"args.{arg.name}" for tool in tools if one.speaks_of(tool.name) for arg in tool.args}
    for read in sorted(one.reads):
        if read.startswith("args.") and read not in shown:
            arg = read.removeprefix("args.")
            raise one.statement.invalid(
                f"{one.effect} {one.id!r} reads context.{read}, which no tool it speaks of shows to policy",
                fix=_did_you_mean(arg, {name.removeprefix("args.") for name in shown}),
                line=one.statement.find(arg),
            )


def _annotations(statement: Statement, annotations: Mapping[str, str | None]) -> tuple[str, str]:
    name, reason = annotations.get("id") or "", annotations.get("reason") or ""
    if not _ID.fullmatch(name):
        raise statement.invalid("this policy has no usable @id", fix=f"write {_NAMED} before it; ids are letters, digits, `.`, `_`, `-`")
    if not reason.strip() or not reason.isprintable() or len(reason) > _REASON_LIMIT:
        raise statement.invalid(
            f"policy {name!r} has no usable @reason", fix=f"write {_NAMED} on one line of at most {_REASON_LIMIT} signs"
        )
    return name, reason


def _check_scope(statement: Statement, name: str, parsed: Mapping[str, Any]) -> None:
    for part in ("principal", "resource"):
        if parsed[part]["op"] != "All":
            raise statement.invalid(
                f"policy {name!r} limits the {part}, which says nothing here",
                fix=f'leave `{part}` bare and name the tool as `action == Action::"files.write"`',
                line=statement.find(part),
            )


def _reads(statement: Statement, name: str, body: syntax.Expr) -> Iterator[str]:
    for stranger in sorted(syntax.variables(body) - {"context", "action"}):
        raise statement.invalid(
            f"policy {name!r} asks about the {stranger}, which says nothing here",
            fix="ask about `action` or `context`",
            line=statement.find(stranger),
        )
    for path in syntax.reads(body):
        fact = path[0] if path else ""
        if len(path) == 1 and (fact in CONTEXT or fact == "args"):
            yield fact
        elif len(path) > 1 and fact == "args":
            yield f"args.{path[1]}"
        else:
            raise statement.invalid(
                f"policy {name!r} reads {'.'.join(('context', *path))}, which is not a fact",
                fix=_did_you_mean(fact, {*CONTEXT, "args"}),
                line=statement.find(fact or "context"),
            )


def _check_words(statement: Statement, name: str, body: syntax.Expr) -> None:
    for fact, known in WORDS.items():
        strange = syntax.strange_word(body, fact, known)
        if strange is not None:
            raise statement.invalid(
                f"policy {name!r} compares context.{fact} with {strange!r}, which it never is",
                fix=_did_you_mean(strange, known),
                line=statement.find(strange),
            )


def _check_direction(statement: Statement, name: str, body: syntax.Expr, *, rising: bool) -> None:
    if not syntax.follows_approvals(body, rising=rising):
        raise statement.invalid(
            f"policy {name!r} could turn a yes into a no when one more person approves, or remit cannot see that it does not",
            fix="use approvals only as `permit … when` or `forbid … unless { context.approvals >= N }` "
            'or `{ context.approver_roles.contains("role") }`',
            line=statement.find(syntax.APPROVALS if syntax.APPROVALS in statement.text else syntax.ROLES),
        )


def _actions(scope: Mapping[str, Any]) -> frozenset[str] | None:
    if scope["op"] == "All":
        return None
    entities = scope["entities"] if "entities" in scope else [scope["entity"]]
    return frozenset(entity["id"] for entity in entities)


def _did_you_mean(word: str, known: Collection[str]) -> str:
    close = get_close_matches(word, known, n=1)
    listed = ", ".join(sorted(known)[:20])
    return f"did you mean {close[0]}?" if close else f"known here: {listed or 'nothing'}"
