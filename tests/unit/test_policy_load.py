"""A policy that is wrong in any way is refused at load, with file, line and a fix."""

from __future__ import annotations

import subprocess
import sys

import pytest

from claims import proves
from policy_oracle import TOOLS, default_source, source
from remit.domain.action import Effect
from remit.errors import PolicyInvalid
from remit.policy.cedar import load
from remit.policy.judge import Origin, ToolShape
from remit.policy.statements import statements

NAMED = '@id("a") @reason("because")\n'
ALL = "(principal, action, resource)"
WRITE = '(principal, action == Action::"files.write", resource)'


def refusal(text: str, *, origin: Origin = "user", before: str = "") -> PolicyInvalid:
    with pytest.raises(PolicyInvalid) as found:
        load([*([source(before, name="before.cedar")] if before else []), source(text, origin=origin)], TOOLS)
    assert found.value.fix
    return found.value


@proves("policy.broken_file_names_line")
@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param(
            "// one\n\n" + NAMED + "permit (principal, action\n  resource);", 5, "unexpected token `resource`", id="missing comma"
        ),
        pytest.param(NAMED + "permit\n(principal, action, resource)\nwhen { 1.5\n > 2 };", 4, "unexpected token", id="float"),
        pytest.param(NAMED + f'permit {ALL}\nwhen {{ context.level == "obs }};', 3, "not closed", id="open text"),
        pytest.param(NAMED + f"permit {ALL};\n{NAMED.replace('a', 'b', 1)}permit {ALL}", 4, "ends inside", id="no semicolon"),
        pytest.param(NAMED + f"permit {ALL};\n\n;", 4, "", id="stray semicolon"),
        pytest.param(NAMED + f"permit {ALL}\nwhen {{ context.approver_roles\n.size() > 1 }};", 4, "size", id="set size"),
        pytest.param('@id("x")\n@id("y") @reason("r")\npermit ' + ALL + ";", 1, "duplicate annotation", id="annotation twice"),
        pytest.param("\n\npermit " + ALL + ";", 3, "no usable @id", id="no id"),
        pytest.param('@id("two words") @reason("r") permit ' + ALL + ";", 1, "no usable @id", id="id with a blank"),
        pytest.param('\n@id("x")\npermit ' + ALL + ";", 2, "no usable @reason", id="no reason"),
        pytest.param('@id("x") @reason("\u202egnp.exe") permit ' + ALL + ";", 1, "no usable @reason", id="reason that prints backwards"),
        pytest.param('@id("x") @reason("\\u{1b}[2J") permit ' + ALL + ";", 1, "no usable @reason", id="reason with an escape code"),
        pytest.param(
            NAMED + f"forbid {ALL}\nwhen {{ context.recipient == 3 }};", 3, "context.recipient, which is not a fact", id="no such fact"
        ),
        pytest.param(
            NAMED + f"forbid {ALL}\nwhen {{ context has taint }};", 3, "context.taint, which is not a fact", id="has hides no typo"
        ),
        pytest.param(
            NAMED + f'forbid {WRITE}\nwhen {{\n context.args has pth &&\n context.args.pth like "x" }};',
            4,
            "which no tool it speaks of",
            id="typo in an argument",
        ),
        pytest.param(
            NAMED + f'forbid {ALL}\nwhen {{ context.args.path like "x" }};',
            3,
            "reads context.args.path, which mail.send does not have",
            id="some tools lack it",
        ),
        pytest.param(
            NAMED + f"forbid {WRITE}\nwhen {{ context.args.mode > 3 }};",
            3,
            "which files.write may be called without",
            id="optional argument unguarded",
        ),
        pytest.param(
            NAMED + 'forbid (principal,\naction == Action::"files.wriet", resource);', 3, 'Action::"files.wriet"', id="typo in a tool"
        ),
        pytest.param(NAMED + 'forbid (principal,\naction in Action::"file", resource);', 3, 'Action::"file"', id="typo in a family"),
        pytest.param(
            NAMED + f'permit {ALL}\nwhen {{ context.level == "obsever" }};', 3, "'obsever', which it never is", id="typo in a level"
        ),
        pytest.param(
            NAMED + f'permit {ALL}\nwhen {{ ["pure", "reversable"].contains(context.effect) }};', 3, "'reversable'", id="typo in an effect"
        ),
        pytest.param(
            NAMED + f'permit {ALL} when {{ "pure" != context.level }};', 2, "'pure', which it never is", id="word of another fact"
        ),
        pytest.param(NAMED + f'permit {ALL} when {{ context.provenance == "3" }};', 1, "permit 'a': the types", id="wrong type"),
        pytest.param(NAMED + f"permit {ALL} when {{ context.confidence > 99999999999999999999 }};", 2, "", id="number too large"),
        pytest.param(NAMED + 'permit (principal == Actor::"me", action, resource);', 2, "limits the principal", id="principal"),
        pytest.param(NAMED + 'permit (principal, action, resource == Tool::"files.write");', 2, "limits the resource", id="resource"),
        pytest.param(NAMED + f'permit {ALL} when {{ resource == Tool::"x" }};', 2, "asks about the resource", id="resource in a condition"),
        pytest.param(NAMED + f"permit {ALL} when {{ context == {{}} }};", 2, "reads context, which", id="context as a whole"),
        pytest.param(NAMED + f"permit {ALL} when {{ context.args == {{}} }};", 1, "not compatible", id="arguments as a whole"),
        pytest.param(NAMED + "permit (principal == ?principal, action, resource);", 1, "templates", id="template"),
        pytest.param(NAMED + f"permit {ALL} when {{ {'(' * 3000}true{')' * 3000} }};", 2, "too deeply", id="too deep"),
        pytest.param(NAMED + f"permit {ALL} when {{ {'!' * 3000}true }};", 2, "too many", id="too many negations"),
        pytest.param(NAMED + f"permit {ALL} when {{ {' || '.join(['context.tainted'] * 3000)} }};", 1, "more than 5000", id="too long"),
    ],
)
def test_a_broken_policy_file_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    """Nothing is loaded in part: the error begins with file and line, says what is wrong, and has a fix."""
    error = refusal(text)
    assert error.message.startswith(f"mine.cedar:{line}: "), error.message
    assert says in error.message


@proves("policy.broken_file_names_line")
def test_a_typo_is_answered_with_the_name_that_was_meant() -> None:
    """The fix proposes the nearest known name."""
    assert refusal(NAMED + 'forbid (principal, action == Action::"files.wriet", resource);').fix == "did you mean files.write?"
    assert refusal(NAMED + f"forbid {ALL} when {{ context.tained }};").fix == "did you mean tainted?"
    assert refusal(NAMED + f'forbid {ALL} when {{ context.level == "obsever" }};').fix == "did you mean observer?"


@proves("policy.ids_are_unique")
def test_the_same_id_twice_is_refused_and_the_first_place_is_named() -> None:
    """Also across files: a decision names a policy by its id alone."""
    error = refusal("\n" + NAMED + f"forbid {ALL};", before=NAMED + f"permit {ALL};")
    assert error.message == "mine.cedar:2: the id 'a' was used before, in before.cedar:1"


@proves("policy.project_only_tightens")
def test_a_permit_in_a_projects_policy_is_refused_with_its_line() -> None:
    """A cloned repository cannot loosen the gate."""
    error = refusal("// hello\n" + NAMED + f"permit {ALL};", origin="project")
    assert error.message.startswith("mine.cedar:2: a project's policy may only tighten")


@proves("policy.project_only_tightens")
def test_a_projects_forbid_is_accepted() -> None:
    """Tightening is what a project's file is for."""
    rows = load([default_source(), source(NAMED + f"forbid {ALL};", origin="project")], TOOLS).rows()
    assert [(row.id, row.origin) for row in rows if row.effect == "forbid"][-1] == ("a", "project")


@proves("policy.approvals_are_monotone")
@pytest.mark.parametrize(
    "text",
    [
        f"forbid {ALL} when {{ context.approvals >= 1 }};",
        f"forbid {ALL} unless {{ context.approvals < 1 }};",
        f"permit {ALL} when {{ context.approvals < 1 }};",
        f"permit {ALL} unless {{ context.approvals >= 2 }};",
        f"permit {ALL} when {{ context.approvals == 1 }};",
        f"permit {ALL} when {{ context.approvals >= 1 && !(context.approvals > 1) }};",
        f"permit {ALL} when {{ if context.approvals >= 1 then false else true }};",
        f"permit {ALL} when {{ context.approvals * -1 >= -1 }};",
        f"permit {ALL} when {{ context.approvals >= context.provenance }};",
        f'permit {ALL} when {{ context["approvals"] != 2 }};',
        f"permit {ALL} when {{ {{a: context.approvals}}.a < 1 }};",
        f"permit {ALL} when {{ [0, 1].contains(context.approvals) }};",
        f'permit {ALL} when {{ !context.approver_roles.contains("intern") }};',
        f"permit {ALL} when {{ context.approver_roles.isEmpty() }};",
        f'permit {ALL} when {{ context.approver_roles == ["a"] }};',
        f'permit {ALL} when {{ ["a", "b"].containsAll(context.approver_roles) }};',
        f'forbid {ALL} when {{ context.approver_roles.containsAny(["intern"]) }};',
        f"permit {ALL} when {{ context.approver_roles.contains(context.level) }};",
    ],
)
def test_a_policy_that_could_punish_an_approval_is_refused(text: str) -> None:
    """More approvals can never turn a yes into a no, so forms that could, or that remit cannot see through, do not load."""
    error = refusal(NAMED + text)
    assert "could turn a yes into a no" in error.message
    assert error.message.startswith("mine.cedar:2: ")


@pytest.mark.parametrize(
    "text",
    [
        f"forbid {ALL} unless {{ context.approvals >= 1 }};",
        f"forbid {ALL} when {{ context.tainted && context.approvals < 1 }};",
        f"forbid {ALL} unless {{ 2 <= context.approvals || !context.tainted }};",
        f"permit {ALL} when {{ if context.tainted then context.approvals >= 2 else true }};",
        f'permit {ALL} when {{ context.approver_roles.containsAny(["a", "b"]) && context.approvals > 0 }};',
        f'forbid {ALL} when {{ !context.approver_roles.contains("finance") }};',
    ],
)
def test_the_usual_ways_to_ask_for_people_load(text: str) -> None:
    """The check at load is no obstacle to what people write."""
    assert load([source(NAMED + text)], TOOLS).rows()


def test_semicolons_and_slashes_in_texts_and_comments_end_nothing() -> None:
    """The cutter of statements knows texts and comments as Cedar does."""
    text = NAMED + f'forbid {ALL} // not; here\nwhen {{ context.level == "a;\\"//b" }};// nor; here\r\n' + NAMED + f"permit {ALL};"
    assert [(one.line, one.text.count(";")) for one in statements(source(text))] == [(1, 3), (4, 1)]


def test_an_empty_policy_loads_and_permits_nothing() -> None:
    """Comments alone are a policy without permits."""
    assert load([source("// nothing yet\n")], TOOLS).rows() == ()


def test_two_tools_of_one_name_are_refused() -> None:
    """Otherwise the second one's shape would silently be judged as the first one's."""
    with pytest.raises(PolicyInvalid, match=r"files\.read is there twice"):
        load([default_source()], [*TOOLS, TOOLS[0]])


@proves("policy.no_floats")
@pytest.mark.parametrize(
    "declared", [{"type": "number"}, {"type": "array", "items": {"type": "number"}}, {"type": ["string", "integer"]}, {}, None]
)
def test_a_tool_cannot_show_policy_what_cedar_cannot_compare(declared: object) -> None:
    """Floats, lists of anything but texts, and arguments of several types are refused by name."""
    schema = {"type": "object", "properties": {} if declared is None else {"amount": declared}}
    with pytest.raises(PolicyInvalid, match=r"pay shows its argument 'amount'"):
        ToolShape.of(name="pay", effect=Effect.IRREVERSIBLE, schema=schema, visible=["amount"])  # type: ignore[arg-type]


def test_a_tools_shape_is_read_off_its_schema() -> None:
    """Required, optional and nullable arguments, and lists of texts."""
    schema = {
        "type": "object",
        "properties": {
            "to": {"type": "array", "items": {"type": "string"}},
            "note": {"type": ["string", "null"]},
            "count": {"type": "integer"},
            "hidden": {"type": "object"},
        },
        "required": ["to", "note"],
    }
    shape = ToolShape.of(name="mail.send", effect=Effect.DEFERRABLE, schema=schema, visible=["to", "note", "count"])  # type: ignore[arg-type]
    assert [(arg.name, arg.type, arg.required) for arg in shape.args] == [
        ("to", "strings", True),
        ("note", "string", False),
        ("count", "integer", False),
    ]


@proves("policy.light_to_import")
def test_the_nouns_of_judgement_come_without_the_engine() -> None:
    """Importing judge, even cedar, brings in no third-party module; only loading a policy does."""
    code = "import sys, remit.policy.judge, remit.policy.cedar, remit.policy.explaining; print('cedarpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
