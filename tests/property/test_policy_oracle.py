"""The default policy against its table, over everything that can be known about an action."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any, TypeAlias

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claims import proves
from policy_oracle import NEVER, SEND, TOOLS, WRITE, default_policy, default_source, people, source
from remit.domain.action import Effect, Level
from remit.domain.decision import Decision, Facts, Verdict
from remit.errors import PolicyInvalid
from remit.policy.cedar import CedarPolicy, load
from remit.policy.judge import PolicySource

FLAGS = ("egress", "tainted", "planned", "first_seen", "earned", "high_stakes")
Key: TypeAlias = "tuple[Any, ...]"
HARD: tuple[dict[str, object], ...] = ({}, {"sandboxed": False}, {"budget_left": False}, {"anomaly": 79}, {"anomaly": 80})

MINE = """
@id("big-writes") @reason("big modes need a yes")
forbid (principal, action == Action::"files.write", resource)
when { context.args has mode && context.args.mode > 9 } unless { context.approvals >= 1 };
@id("no-secrets") @reason("secrets stay where they are")
forbid (principal, action in Action::"files", resource) when { context.args.path like "*.env" };
@id("overflow") @reason("a sum that can overflow")
forbid (principal, action, resource)
when { context.args has amount && context.args.amount * 4611686018427387904 > 100 };
@id("money") @reason("money needs finance, much of it a director too")
forbid (principal, action == Action::"mail.send", resource)
when { context.args has amount && context.args.amount > 0 }
unless { context.approver_roles.contains("finance") && (context.args.amount < 3 || context.approver_roles.contains("director")) };
@id("forced") @reason("forcing is fine for a confident observer")
permit (principal, action == Action::"files.write", resource)
when { context.args has force && context.args.force && context.confidence > 90 && context.level == "observer" };
"""


@pytest.fixture(scope="module")
def default() -> CedarPolicy:
    return default_policy()


@pytest.fixture(scope="module")
def mixed() -> CedarPolicy:
    return default_policy(source(MINE))


def involvement(decision: Decision) -> int:
    return NEVER if decision.verdict is Verdict.NEVER else decision.people


def every_combination() -> Iterator[tuple[Key, Facts]]:
    whole: Iterator[Key] = product(Level, Effect, range(4), range(len(HARD)), *[(False, True)] * len(FLAGS))
    for key in whole:
        level, effect, provenance, hard, *flags = key
        given_flags: dict[str, Any] = {**dict(zip(FLAGS, flags, strict=True)), **HARD[hard]}
        yield key, Facts(tool="files.write", level=level, effect=effect, provenance=provenance, **given_flags)


def args() -> st.SearchStrategy[dict[str, object]]:
    """Arguments as they come: the right ones, missing ones, and such as no tool may be called with."""
    odd = st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
    return st.fixed_dictionaries(
        {},
        optional={
            "path": st.one_of(st.sampled_from(["a/b", ".env", "x/.env", "\x00\u202e\ud800"]), odd),
            "mode": st.one_of(st.integers(0, 20), odd),
            "force": st.one_of(st.booleans(), odd),
            "amount": st.one_of(st.integers(-1, 5), odd),
            "to": st.one_of(st.lists(st.sampled_from(["a@b", "c@d"]), max_size=2), odd),
            "subject": st.text(max_size=3),
        },
    )


def facts() -> st.SearchStrategy[Facts]:
    return st.builds(
        Facts,
        tool=st.sampled_from([*(tool.name for tool in TOOLS), "files.unheard_of", "files", ""]),
        level=st.sampled_from(Level),
        effect=st.sampled_from(Effect),
        **{name: st.booleans() for name in (*FLAGS, "sandboxed", "budget_left")},
        provenance=st.integers(0, 3),
        confidence=st.integers(-1, 100),
        anomaly=st.integers(0, 100),
        approvals=st.integers(0, 3),
        approver_roles=st.frozensets(st.sampled_from(["finance", "director", "anyone"])),
        args=args(),
    )


@pytest.fixture(scope="module")
def decided(default: CedarPolicy) -> dict[Key, Decision]:
    """The default policy's decision about every combination."""
    return {key: default.decide(found) for key, found in every_combination()}


@proves("policy.oracle")
def test_the_default_policy_is_the_table_for_every_combination_of_facts(decided: dict[Key, Decision]) -> None:
    """All 38,400 combinations of levels, effects, provenance and flags, each with at most one hard guard."""
    wrong = [found for key, found in every_combination() if involvement(decided[key]) != people(found)]
    assert len(decided) == 38_400
    assert not wrong, wrong[:3]


@proves("policy.oracle")
@settings(max_examples=300, deadline=None)
@given(found=facts())
def test_the_default_policy_is_the_table_for_any_facts(default: CedarPolicy, found: Facts) -> None:
    """Over the whole space, guards in any combination: the default reads no arguments, so odd ones change nothing."""
    known = found.tool in {tool.name for tool in TOOLS}
    assert involvement(default.decide(found)) == (people(found) if known else NEVER)


@proves("policy.lower_level_is_never_looser")
def test_stepping_down_a_level_never_turns_ask_into_alone(decided: dict[Key, Decision]) -> None:
    """What goes alone at a level goes alone at every level above, so stepping down on trouble cannot loosen the gate."""
    above = dict(pairwise(Level))
    wrong = [
        (level, *rest)
        for (level, *rest), decision in decided.items()
        if level in above and decision.verdict is Verdict.ALONE and decided[(above[level], *rest)].verdict is not Verdict.ALONE
    ]
    assert not wrong, wrong[:3]


@proves("policy.cache_is_invisible")
@settings(max_examples=400, deadline=None)
@given(found=st.lists(facts(), min_size=2, max_size=6))
def test_a_remembered_decision_is_the_decision(mixed: CedarPolicy, found: list[Facts]) -> None:
    """Whatever was judged before, `decide` says what a fresh policy without memory says."""
    for one in found:
        slice_ = mixed._slice(one.tool)
        fresh = slice_.judge(one) if slice_ else Decision.never(mixed.decide(one).because)
        assert mixed.decide(one) == fresh
        assert mixed.decide(one) == fresh


@proves("policy.slices_equal_the_full_set")
@settings(max_examples=300, deadline=None)
@given(found=facts())
def test_a_slice_decides_like_the_whole_set(mixed: CedarPolicy, found: Facts) -> None:
    """Leaving out the policies that cannot speak of a tool, and the facts they alone read, changes no decision."""
    slice_ = mixed._slice(found.tool)
    if slice_ is None:
        return
    text = default_source().text + MINE
    for count in (0, 1, 2):
        roles = slice_._approvers(found, count)
        context = slice_._context(found, count, roles)
        answer = cedarpy.is_authorized(_request(found, context, count, roles), text, _entities(found.tool))
        allowed = answer.allowed and not answer.diagnostics.errors
        verdicts = slice_._engine.ask(context)
        well_typed = not any("failed to build request" in why for why in verdicts.failed.values())
        if well_typed:
            assert allowed == verdicts.allowed, context


def _request(found: Facts, context: dict[str, object], count: int, roles: frozenset[str]) -> dict[str, object]:
    """The request a naive caller would send: every fact, no schema."""
    whole = {
        name: getattr(found, name)
        for name in ("level", "effect", "sandboxed", "budget_left", "provenance", "confidence", "anomaly", *FLAGS)
    }
    whole |= {"approvals": count, "approver_roles": sorted(roles), "args": context.get("args", {})}
    return {
        "principal": 'Actor::"agent"',
        "action": {"type": "Action", "id": found.tool},
        "resource": {"type": "Tool", "id": found.tool},
        "context": json.dumps(whole),
    }


def _entities(tool: str) -> list[dict[str, object]]:
    family = tool.partition(".")[0]
    return [
        {"uid": {"type": "Action", "id": tool}, "attrs": {}, "parents": [{"type": "Action", "id": family}]},
        {"uid": {"type": "Action", "id": family}, "attrs": {}, "parents": []},
    ]


@proves("policy.approvals_are_monotone")
@settings(max_examples=400, deadline=None)
@given(found=facts(), more_roles=st.frozensets(st.sampled_from(["finance", "director"])))
def test_one_more_approval_never_turns_a_yes_into_a_no(mixed: CedarPolicy, found: Facts, more_roles: frozenset[str]) -> None:
    """With more people, or people of more roles, nothing that was allowed stops being allowed."""
    before = mixed.decide(found)
    after = mixed.decide(found.with_approvals(found.approvals + 1, found.approver_roles | more_roles))
    if not before.stricter_than(found.approvals):
        assert not after.stricter_than(found.approvals + 1)


THRESHOLDS = st.builds("context.approvals {} {}".format, st.sampled_from([">=", ">", "<", "<=", "==", "!="]), st.integers(0, 2))
ROLES = st.sampled_from(['context.approver_roles.contains("finance")', 'context.approver_roles == ["finance"]', "context.tainted"])
CONDITIONS = st.recursive(
    st.one_of(THRESHOLDS, ROLES),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("(if {} then {} else {})".format, inner, inner, inner),
    ),
    max_leaves=4,
)


@proves("policy.approvals_are_monotone")
@settings(max_examples=300, deadline=None)
@given(
    policies=st.lists(
        st.tuples(st.sampled_from(["permit", "forbid"]), st.sampled_from(["when", "unless"]), CONDITIONS), min_size=1, max_size=3
    ),
    tainted=st.booleans(),
)
def test_a_policy_that_loads_never_punishes_an_approval(policies: list[tuple[str, str, str]], tainted: bool) -> None:
    """Of random policies about approvals, each one that passes the check at load is monotone when it runs."""
    text = "\n".join(
        f'@id("p{n}") @reason("random") {effect} (principal, action, resource) {kind} {{ {condition} }};'
        for n, (effect, kind, condition) in enumerate(policies)
    )
    try:
        policy = load([PolicySource(origin="user", name="random.cedar", text=text)], [WRITE, SEND])
    except PolicyInvalid:
        return
    found = Facts(tool="files.write", level=Level.OBSERVER, effect=Effect.REVERSIBLE, tainted=tainted)
    slice_ = policy._slice("files.write")
    assert slice_ is not None
    answers = [
        slice_._engine.ask(slice_._context(found, count, roles)).allowed
        for count, roles in ((0, frozenset()), (1, frozenset()), (2, frozenset()), (2, frozenset({"finance"})))
    ]
    assert answers == sorted(answers), text
