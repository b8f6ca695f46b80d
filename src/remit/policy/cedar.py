"""Policy in Cedar: the only file that knows the engine (`cedarpy`), which it imports when it is first needed.

Cedar by itself is not strict enough for a gate, so here: the schema is always given, only a clean Allow without any
error counts (Cedar skips a forbid that fails), nothing is parsed twice, and every complaint names file and line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from remit.domain.decision import Decision, Facts
from remit.errors import PolicyInvalid
from remit.policy.explaining import instead
from remit.policy.judge import Explanation, PolicySource, Row, ToolShape, unknown_tool
from remit.policy.rules import Rule, check_tools, rule
from remit.policy.slices import Engine, Slice, Verdicts
from remit.policy.statements import Statement, statements
from remit.policy.vocabulary import ACTOR, schema

_ENDLESS: Final = "unexpected end of input"
_MISSING: Final = re.compile(r'attribute `(?P<path>[^`]+)` in context for Action::"(?P<tool>[^"]+)" not found')
_OPTIONAL: Final = re.compile(r'optional attribute `(?P<path>[^`]+)` in context for Action::"(?P<tool>[^"]+)"')
_NOISE: Final = re.compile(r"^\[?policy\d+\]?\s*|for policy `policy\d+`,\s*")
_FAILED: Final = re.compile(r"error while evaluating policy `(?P<id>[^`]+)`: (?P<why>.*)", re.DOTALL)


def load(sources: Sequence[PolicySource], tools: Sequence[ToolShape]) -> CedarPolicy:
    """Parse, check and keep the policies. Raises PolicyInvalid with file, line and a fix; there is no partial policy.

    Every source adds to the others: a forbid holds whoever wrote it, so a user who wants other permits than the default's hands
    in a text of their own instead of the default and still stands under the organisation's forbids.
    """
    found: dict[str, Rule] = {}
    for source in sources:
        for statement in statements(source):
            one = _rule(statement)
            if one.id in found:
                first = found[one.id].statement
                raise statement.invalid(
                    f"the id {one.id!r} was used before, in {first.source.name}:{first.line}", fix="give it another @id"
                )
            found[one.id] = one
    _check_against(found.values(), tools)
    return CedarPolicy(rules=tuple(found.values()), tools=tools)


class CedarPolicy:
    """A loaded policy set. Immutable but for its caches; safe to share between threads."""

    def __init__(self, *, rules: Sequence[Rule], tools: Sequence[ToolShape]) -> None:
        self._rules = tuple(rules)
        self._tools = {tool.name: tool for tool in tools}
        self._slices: dict[str, Slice] = {}
        self._handles: dict[tuple[str, ...], Any] = {}

    def decide(self, facts: Facts) -> Decision:
        one = self._slice(facts.tool)
        return one.decide(facts) if one else Decision.never((unknown_tool(facts.tool),))

    def explain(self, facts: Facts) -> Explanation:
        one = self._slice(facts.tool)
        if one is None:
            return Explanation(facts=facts, decision=self.decide(facts), matches=((), (), ()))
        return Explanation(facts=facts, decision=one.judge(facts), matches=one.matches(facts), instead=instead(one.decide, facts))

    def looks_at_arguments(self, tool: str) -> bool:
        one = self._slice(tool)
        return one is not None and one.looks_at_arguments

    def rows(self) -> tuple[Row, ...]:
        return tuple(one.row(tuple(self._tools)) for one in self._rules)

    def _slice(self, tool: str) -> Slice | None:
        """The policies that can speak of this tool, ready to run; made on first use and kept."""
        made = self._slices.get(tool)
        shape = self._tools.get(tool)
        if made is None and shape is not None:
            rules = tuple(one for one in self._rules if one.speaks_of(tool))
            made = self._slices[tool] = Slice(shape, rules, partial(self._engine, shape))
        return made

    def _engine(self, tool: ToolShape, rules: Sequence[Rule], reads: Collection[str]) -> Engine:
        ids = tuple(one.id for one in rules)
        handle = self._handles.get(ids)
        if handle is None:
            handle = self._handles[ids] = _policy_set(rules)
        return _CedarEngine(tool, handle, ids, reads)


class _CedarEngine:
    """Some policies for one tool, under a schema that holds exactly the facts they read: what is not read cannot matter."""

    def __init__(self, tool: ToolShape, policies: Any, ids: Sequence[str], reads: Collection[str]) -> None:
        import cedarpy  # noqa: PLC0415 - a large library; commands that judge nothing do not pay for it

        self._authorize = cedarpy.is_authorized
        self._policies = policies
        self._ids = {f"policy{n}": name for n, name in enumerate(ids)}
        self._schema = cedarpy.Schema.from_json_str(json.dumps(schema([tool], reads)))
        self._entities = cedarpy.Entities.from_json_str("[]", self._schema)
        self._request = {"principal": ACTOR, "action": {"type": "Action", "id": tool.name}, "resource": {"type": "Tool", "id": tool.name}}

    def ask(self, context: Mapping[str, Any]) -> Verdicts:
        try:
            answer = self._authorize({**self._request, "context": json.dumps(context)}, self._policies, self._entities, self._schema)
        except (ValueError, TypeError) as error:
            return Verdicts(allowed=False, failed={"": str(error)})
        failed = dict(map(self._failure, answer.diagnostics.errors))
        matched = frozenset(self._ids[name] for name in answer.diagnostics.reasons)
        return Verdicts(allowed=answer.allowed and not failed, matched=matched, failed=failed)

    def _failure(self, error: str) -> tuple[str, str]:
        found = _FAILED.match(error)
        return (self._ids[found["id"]], found["why"]) if found else ("", error)


def _rule(statement: Statement) -> Rule:
    parsed = _parse(statement)
    if parsed["templates"]:
        raise statement.invalid("templates (?principal, ?resource) are not used here", fix="write the policy out")
    if len(parsed["staticPolicies"]) != 1:
        raise statement.invalid("here must stand exactly one policy", fix="end every policy with one `;`")
    try:
        return rule(statement, next(iter(parsed["staticPolicies"].values())))
    except RecursionError:
        raise statement.invalid("this policy is nested too deeply", fix="split it into several policies") from None


def _parse(statement: Statement) -> dict[str, Any]:
    import cedarpy  # noqa: PLC0415 - see above

    try:
        parsed: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(statement.text))
    except RecursionError:
        raise statement.invalid("this policy is nested too deeply", fix="split it into several policies") from None
    except ValueError as error:
        line = _where(statement, str(error))
        raise statement.invalid(f"this is not Cedar: {error}", fix="see the head of the default policy for the form", line=line) from None
    return parsed


def _where(statement: Statement, error: str) -> int:
    """The line of the first token after which no policy can follow: shorter beginnings only end too early."""
    import cedarpy  # noqa: PLC0415 - see above

    low, high = 0, len(statement.cuts) - 1
    while low < high:
        middle = (low + high) // 2
        try:
            cedarpy.policies_to_json_str(statement.text[: statement.cuts[middle]])
            broken = False
        except ValueError as found:
            broken = _ENDLESS not in str(found)
        low, high = (low, middle) if broken else (middle + 1, high)
    if low < len(statement.cuts) - 1:
        return statement.line_of(statement.cuts[low] - 1)
    word = re.search(r"`([^`]+)`", error)
    return statement.find(word[1]) if word else statement.line


def _check_against(rules: Iterable[Rule], tools: Sequence[ToolShape]) -> None:
    import cedarpy  # noqa: PLC0415 - see above

    names = [tool.name for tool in tools]
    if len(set(names)) != len(names):
        raise PolicyInvalid(f"the tool {max(names, key=names.count)} is there twice", fix="give every tool its own name")
    try:
        whole = cedarpy.Schema.from_json_str(json.dumps(schema(tools)))
    except ValueError as error:
        raise PolicyInvalid(f"the tools make no policy schema: {error}", fix="tool names are words joined by dots") from None
    for one in rules:
        check_tools(one, tools)
        found = cedarpy.validate_policies(one.statement.text, whole)
        if not found.validation_passed:
            raise _complaint(one, str(found.errors[0].error) if found.errors else "Cedar refuses it")


def _complaint(one: Rule, error: str) -> PolicyInvalid:
    missing, optional = _MISSING.search(error), _OPTIONAL.search(error)
    found = missing or optional
    if not found:
        return one.statement.invalid(
            f"{one.effect} {one.id!r}: {_NOISE.sub('', error)}", fix="compare each fact with a value of its own type"
        )
    path, tool = found["path"], found["tool"]
    name = path.split(".")[-1]
    what = "does not have" if missing else "may be called without"
    return one.statement.invalid(
        f"{one.effect} {one.id!r} reads context.{path}, which {tool} {what}",
        fix=f"guard it with `context.args has {name} &&`, or name the tools it is for in the action",
        line=one.statement.find(name),
    )


def _policy_set(rules: Sequence[Rule]) -> Any:
    """One parsed handle of these policies; Cedar numbers them in the order of the text."""
    import cedarpy  # noqa: PLC0415 - see above

    return cedarpy.PolicySet.from_str("\n".join(one.statement.text for one in rules))
