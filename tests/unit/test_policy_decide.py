"""What is decided, why, and that whatever cannot be judged is never."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from claims import proves
from policy_oracle import TOOLS, default_policy, default_source, source
from remit.domain.action import Effect, Level
from remit.domain.decision import Decision, Facts, Verdict
from remit.policy.cedar import load
from remit.policy.explaining import explanation, explanation_text, matrix, report, report_text, spoken

ALL = "(principal, action, resource)"
PERMIT = f'@id("all") @reason("everything goes") permit {ALL};\n'


def facts(**known: Any) -> Facts:
    return Facts(**{"tool": "files.write", "level": Level.OBSERVER, "effect": Effect.REVERSIBLE, **known})


def mine(text: str, found: Facts) -> Decision:
    return load([source(text)], TOOLS).decide(found)


def ids(decision: Decision) -> list[str]:
    return [because.policy for because in decision.because]


@proves("policy.least_involvement")
@pytest.mark.parametrize(
    ("needed", "verdict", "people"), [(0, Verdict.ALONE, 0), (1, Verdict.ASK, 1), (2, Verdict.ASK, 2), (3, Verdict.NEVER, 0)]
)
def test_the_first_number_of_people_that_is_enough_is_the_decision(needed: int, verdict: Verdict, people: int) -> None:
    """Nobody, one, two are tried in this order; nobody is asked to find three."""
    decision = mine(f'@id("p") @reason("r") permit {ALL} when {{ context.approvals >= {needed} }};', facts())
    assert (decision.verdict, decision.people) == (verdict, people)


@proves("policy.unknown_tool_never")
@pytest.mark.parametrize("tool", ["files.unheard_of", "files", "", "Files.write", 'files.write"'])
def test_an_unknown_tool_is_never(tool: str) -> None:
    """Even under a policy that permits everything; a family is not a tool."""
    decision = mine(PERMIT, facts(tool=tool))
    assert decision.verdict is Verdict.NEVER
    assert ids(decision) == ["unknown-tool"]


@proves("policy.failing_forbid_fires")
def test_a_forbid_that_fails_counts_as_a_no_and_is_named() -> None:
    """Cedar itself would skip it and allow; here only a clean Allow without any error counts."""
    text = PERMIT + (
        '@id("limit") @reason("not too much") forbid (principal, action == Action::"files.write", resource)\n'
        "when { context.args has mode && context.args.mode * 4611686018427387904 > 0 };"
    )
    assert mine(text, facts(args={"path": "a", "mode": 0})).verdict is Verdict.ALONE
    decision = mine(text, facts(args={"path": "a", "mode": 9}))
    assert decision.verdict is Verdict.NEVER
    assert ids(decision) == ["limit"]
    assert "overflow" in decision.explain()


def test_a_permit_that_fails_is_no_clean_yes_either() -> None:
    """An error anywhere means that the answer cannot be trusted."""
    text = PERMIT + '@id("odd") @reason("r") permit (principal, action, resource) when { context.anomaly + 9223372036854775807 > 0 };'
    assert mine(text, facts(anomaly=1)).verdict is Verdict.NEVER


@proves("policy.no_floats")
@pytest.mark.parametrize(
    "args",
    [
        {},
        {"path": None},
        {"path": 3},
        {"path": True},
        {"path": ["a"]},
        {"path": {"__extn": {"fn": "ip", "arg": "127.0.0.1"}}},
        {"path": {"__entity": {"type": "Tool", "id": "x"}}},
        {"path": "\ud800"},
        {"path": "a", "mode": 1.0},
        {"path": "a", "mode": 2**63},
        {"path": "a", "mode": True},
        {"path": "a", "mode": "1"},
        {"path": "a", "mode": float("nan")},
    ],
)
def test_arguments_that_policy_reads_but_cannot_compare_are_never(args: Mapping[str, Any]) -> None:
    """Missing, wrong type, float, too large: no guess is made about them, also not out of the cache."""
    text = PERMIT + (
        '@id("f") @reason("r") forbid (principal, action == Action::"files.write", resource)\n'
        'when { context.args.path like "*.env" || (context.args has mode && context.args.mode > 7) };'
    )
    policy = load([source(text)], TOOLS)
    assert policy.decide(facts(args={"path": "a", "mode": 1})).verdict is Verdict.ALONE
    for _ in range(2):
        decision = policy.decide(facts(args=args))
        assert decision.verdict is Verdict.NEVER
        assert ids(decision) == ["judgement-failed"]


def test_a_missing_optional_argument_is_absent_and_so_is_null() -> None:
    """`has` is false for both, so that a nullable argument does not stop every call."""
    text = PERMIT + '@id("f") @reason("r") forbid (principal, action == Action::"files.write", resource) when { context.args has mode };'
    policy = load([source(text)], TOOLS)
    assert policy.decide(facts(args={"path": "a"})).verdict is Verdict.ALONE
    assert policy.decide(facts(args={"path": "a", "mode": None})).verdict is Verdict.ALONE
    assert policy.decide(facts(args={"path": "a", "mode": 0})).verdict is Verdict.NEVER


def test_a_rule_about_a_family_holds_for_its_tools_and_no_others() -> None:
    """`action in Action::"files"` is every tool whose name begins with `files.`."""
    text = PERMIT + '@id("f") @reason("r") forbid (principal, action in Action::"files", resource);'
    assert [mine(text, facts(tool=tool.name)).verdict for tool in TOOLS] == [Verdict.NEVER, Verdict.NEVER, Verdict.ALONE]


def test_sets_of_texts_are_compared_as_sets() -> None:
    """Order and doubles do not count."""
    text = (
        PERMIT + '@id("f") @reason("r") forbid (principal, action == Action::"mail.send", resource)\n'
        'unless { ["a", "b"].containsAll(context.args.to) };'
    )
    args = {"subject": "s", "to": ["b", "a", "b"]}
    assert mine(text, facts(tool="mail.send", args=args)).verdict is Verdict.ALONE
    assert mine(text, facts(tool="mail.send", args={**args, "to": ["b", "c"]})).verdict is Verdict.NEVER


@proves("policy.project_only_tightens")
def test_a_projects_forbid_holds_over_the_users_and_the_organisations_permits() -> None:
    """`forbid … unless approvals` is how a project tightens."""
    tight = f'@id("ask") @reason("here everything asks") forbid {ALL} unless {{ context.approvals >= 1 }};'
    policy = load([source(PERMIT), source(tight, origin="project", name="p.cedar")], TOOLS)
    assert policy.decide(facts()) == Decision.after(1, policy.decide(facts()).because)
    assert ids(policy.decide(facts())) == ["ask"]


def test_an_organisations_forbid_holds_when_the_user_replaces_the_default() -> None:
    """Leaving out the default changes the permits, never somebody else's forbids."""
    law = f'@id("law") @reason("not here") forbid {ALL} when {{ context.egress }};'
    policy = load([source(law, origin="organisation", name="org.cedar"), source(PERMIT)], TOOLS)
    assert ids(policy.decide(facts(egress=True))) == ["law"]
    assert policy.decide(facts()).verdict is Verdict.ALONE


@proves("policy.because")
def test_alone_is_explained_by_the_permits() -> None:
    """All that spoke for it, in the order of the file."""
    assert ids(default_policy().decide(facts(effect=Effect.IRREVERSIBLE, provenance=3))) == ["irreversible-in-words"]


@proves("policy.because")
def test_ask_is_explained_by_what_stood_against_alone() -> None:
    """The guards that fired with nobody approving; without one, the permit that a person's yes opens."""
    policy = default_policy()
    assert ids(policy.decide(facts(tainted=True, anomaly=90))) == ["untrusted-not-planned", "anomaly"]
    assert ids(policy.decide(facts(level=Level.OPERATOR))) == ["person-approves"]
    assert ids(policy.decide(facts(level=Level.APPROVER, effect=Effect.IRREVERSIBLE, high_stakes=True))) == ["high-stakes", "two-people"]


@proves("policy.because")
def test_never_is_explained_by_the_forbids_that_no_approval_lifts() -> None:
    """Or by the absence of any permit."""
    text = PERMIT + f'@id("no") @reason("no") forbid {ALL};\n@id("soft") @reason("s") forbid {ALL} unless {{ context.approvals >= 1 }};'
    assert ids(mine(text, facts())) == ["no"]
    assert ids(mine("", facts())) == ["no-permit"]


@proves("policy.roles")
def test_a_question_names_the_roles_it_needs_and_only_those_count() -> None:
    """While people are still to be asked any role may come; once they answered, only what they are counts."""
    text = f"""@id("p") @reason("money needs finance") permit {ALL}
        when {{ context.approvals >= 1 && context.approver_roles.contains("finance") }};
        @id("q") @reason("unless small") forbid {ALL} unless {{ context.approver_roles.containsAny(["lead", "finance"]) }};"""
    policy = load([source(text)], TOOLS)
    asked = policy.decide(facts())
    assert (asked.people, asked.roles) == (1, frozenset({"finance"}))
    wrong_person = policy.decide(facts(approvals=1, approver_roles=frozenset({"lead"})))
    assert (wrong_person.people, wrong_person.stricter_than(1)) == (2, True)
    right_person = policy.decide(facts(approvals=1, approver_roles=frozenset({"finance"})))
    assert not right_person.stricter_than(1)
    nobody = policy.decide(facts(approvals=2, approver_roles=frozenset({"lead"})))
    assert nobody.verdict is Verdict.NEVER
    assert "finance" in spoken(asked)


def test_roles_count_for_nothing_without_an_approval() -> None:
    """A role list that comes without an approval does not make anything alone."""
    text = f'@id("p") @reason("r") permit {ALL} when {{ context.approver_roles.contains("finance") }};'
    assert mine(text, facts(approver_roles=frozenset({"finance"}))).verdict is Verdict.ASK


@pytest.mark.parametrize("level", [Level.CONSULTANT, Level.APPROVER, Level.OBSERVER])
def test_a_persons_own_order_restores_alone(level: Level) -> None:
    """`remit undo` is a person's word: a reversible restore needs no second yes from consultant up."""
    assert default_policy().decide(facts(level=level, provenance=3)).verdict is Verdict.ALONE


@proves("policy.irreversible_never_by_statistics")
@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("provenance", [0, 1, 2])
def test_earned_autonomy_never_lets_an_irreversible_thing_go_alone(level: Level, provenance: int) -> None:
    """A certificate shortens the path from two people to one, and no further."""
    policy = default_policy()
    found = facts(level=level, effect=Effect.IRREVERSIBLE, provenance=provenance, earned=True, confidence=100)
    assert policy.decide(found).people == 1
    assert policy.decide(facts(level=level, effect=Effect.IRREVERSIBLE, earned=True, high_stakes=True, provenance=3)).people == 1


@proves("policy.explains")
def test_an_explanation_shows_what_a_forbid_overruled_and_what_would_be_allowed() -> None:
    """Every policy that matched at each number of people, and the single changes that would need fewer."""
    found = default_policy().explain(facts(tainted=True))
    matched = [[(match.effect, match.policy) for match in matches] for matches in found.matches]
    assert matched == [
        [("permit", "undoable"), ("forbid", "untrusted-not-planned")],
        [("permit", "person-approves"), ("permit", "undoable")],
        [("permit", "person-approves"), ("permit", "undoable")],
    ]
    assert found.instead == (
        "alone if it stood in the plan made before anything untrusted was read",
        "alone in a run that has read nothing untrusted",
    )
    assert explanation_text(found).splitlines()[0] == "files.write (reversible) at level observer: after one person's yes"
    assert explanation(found)["verdict"] == "ask"


@proves("policy.explains")
def test_an_explanation_names_the_nearest_level_that_needs_fewer_people() -> None:
    """Only levels above are proposed, and of equal ones the lowest."""
    found = default_policy().explain(facts(level=Level.OPERATOR))
    assert "alone at level collaborator" in found.instead
    assert not [line for line in found.instead if "consultant" in line]


def test_an_explanation_of_a_failure_says_what_failed() -> None:
    """A policy that could not be evaluated is listed with the engine's words."""
    text = PERMIT + f'@id("f") @reason("r") forbid {ALL} when {{ context.anomaly * 4611686018427387904 > 0 }};'
    found = load([source(text)], TOOLS).explain(facts(anomaly=9))
    assert "overflow" in found.matches[0][1].failed
    assert "could not be evaluated" in explanation_text(found)


def test_an_unknown_tool_can_be_explained() -> None:
    """Explaining is as total as deciding."""
    assert explanation_text(default_policy().explain(facts(tool="x"))).splitlines()[0].endswith("never")


def test_the_report_lists_every_policy_with_file_and_line() -> None:
    """What `remit policy check` prints, as data and as text."""
    text = '\n@id("m") @reason("r") forbid (principal, action == Action::"mail.send", resource);'
    policy = load([default_source(), source(text)], TOOLS)
    assert report(policy)[-1] == {
        "id": "m",
        "origin": "user",
        "effect": "forbid",
        "file": "mine.cedar",
        "line": 2,
        "reason": "r",
        "tools": ["mail.send"],
    }
    lines = report_text(policy, len(TOOLS)).splitlines()
    assert len(lines) == len(policy.rows())
    assert lines[-1] == "mine.cedar:2  forbid  m  — r  [user; mail.send]"
    assert lines[0].endswith("[default; every tool]")


def test_the_matrix_shows_each_tool_at_each_level() -> None:
    """One row a tool: what an ordinary call of its declared effect needs."""
    row = matrix(default_policy(), TOOLS)[1]
    assert row == {
        "tool": "files.write",
        "effect": "reversible",
        "operator": "after one person's yes",
        "collaborator": "alone",
        "consultant": "alone",
        "approver": "alone",
        "observer": "alone",
    }


def test_the_cache_is_bounded() -> None:
    """However many different calls are judged, memory stays bounded, and very long arguments are not kept at all."""
    from remit.policy.slices import CACHED

    text = (
        PERMIT
        + '@id("f") @reason("r") forbid (principal, action == Action::"files.read", resource) when { context.args.path like "*.env" };'
    )
    policy = load([source(text)], TOOLS)
    for n in range(CACHED + 50):
        policy.decide(facts(tool="files.read", args={"path": f"p{n}"}))
    slice_ = policy._slice("files.read")
    assert slice_ is not None
    assert len(slice_._cache) == CACHED
    policy.decide(facts(tool="files.read", args={"path": "x" * 100_000}))
    assert len(max(map(repr, slice_._cache), key=len)) < 200
