"""Plan files: what they mean, and what is said about a wrong one."""

from __future__ import annotations

import asyncio

import pytest

from claims import proves
from remit.domain.plan import Check, Step, Way
from remit.domain.values import JsonValue
from remit.errors import PlanInvalid
from remit.plans.checks import exit_code_trouble, trouble
from remit.plans.files import read_plan
from remit.plans.references import look_up, resolve
from remit.plans.spec import from_spec, to_spec

GOOD = """
goal = "tidy up"
level = "approver"
inputs = { name = "ann" }

[[step]]
id = "write"
tool = "files.write"
args = { path = "${list.first}.txt", text = "hello ${inputs.name}" }
check = [{ at = "count", equals = 1 }, { tool = "files.read", args = { path = "x" }, at = "text", contains = "hello" }]
retries = 2
otherwise = [{ tool = "files.copy", args = { path = "a", to = "b" } }]

[[step]]
id = "list"
tool = "files.list"
"""

YAML = """
goal: tidy up
step:
  - id: list
    tool: files.list
    args: {path: "."}
"""


@proves("plan.order_follows_needs")
def test_a_reference_is_a_need_and_orders_the_steps() -> None:
    """A step that uses another one's result runs after it, whatever the order in the file."""
    plan = read_plan(GOOD, name="p.toml")
    assert [step.id for step in plan.steps] == ["list", "write"]
    assert plan.steps[1].needs == ("list",)


@proves("plan.survives_the_journal")
def test_a_plan_comes_back_from_the_journal_as_it_was() -> None:
    """What a later leg reads is the plan that was handed in."""
    plan = read_plan(GOOD, name="p.toml", inputs={"name": "bob"})
    assert from_spec(to_spec(plan)) == plan
    assert plan.inputs == {"name": "bob"}


@proves("plan.yaml_too")
def test_yaml_plans_are_read_and_double_keys_refused() -> None:
    """YAML is read safely; a key that stands twice is an error, not a surprise."""
    assert read_plan(YAML, name="p.yaml").steps[0].way == Way(tool="files.list", args={"path": "."})
    with pytest.raises(PlanInvalid, match="twice"):
        read_plan(YAML + "goal: other\n", name="p.yaml")


@proves("plan.errors_say_where")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("goal = ", "cannot be read"),
        ("step = []\ngoal = 'x'", "no steps"),
        ("goal = 'x'\n[[step]]\nid = 'a'", "tool is missing"),
        ("goal = 'x'\nlevl = 'y'\n[[step]]\nid='a'\ntool='t'", "levl"),
        ("goal = 'x'\nlevel = 'boss'\n[[step]]\nid='a'\ntool='t'", "not a level"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\nargs={p='${b.x}'}", "'b', which is not a step"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\nneeds=['b']\n[[step]]\nid='b'\ntool='t'\nneeds=['a']", "wait for each other"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\nargs={p='${a.x}'}", "wait for each other"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\n[[step]]\nid='a'\ntool='t'", "same id"),
        ("goal = 'x'\n[[step]]\nid='a/b'\ntool='t'", "cannot be used"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\nretries=-1", "retries"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\nretries=true", "retries"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\ncheck=[{at='x'}]", "exactly one test"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\nargs='x'", "not a table"),
        ("goal = 'x'\n[[step]]\nid='a'\ntool='t'\nargs={d=2026-01-01}", "cannot be read"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_place_and_the_mend(text: str, says: str) -> None:
    """Nothing runs, and the message names the step or line and what to do."""
    with pytest.raises(PlanInvalid, match=says) as error:
        read_plan(text, name="p.toml")
    assert error.value.fix


@proves("plan.errors_say_where")
def test_an_unknown_input_is_refused() -> None:
    """A misspelt --set does not silently do nothing."""
    with pytest.raises(PlanInvalid, match="nmae"):
        read_plan(GOOD, name="p.toml", inputs={"nmae": "x"})


@proves("plan.references")
def test_a_text_is_read_as_json_where_that_is_asked_for() -> None:
    """What a service answered can be used in parts; a text that is none, and a place that is not there, are said."""
    results: dict[str, JsonValue] = {
        "order": {"status": 201, "text": '{"id": 7, "lines": [{"title": "Ulysses"}]}'},
        "plain": {"text": "no"},
    }
    assert resolve("${order.json.id}", results) == 7
    assert resolve("for ${order.json.lines.0.title}", results) == "for Ulysses"
    for text, says in (("${plain.json}", "not JSON"), ("${order.json.lines.title}", ".0 to .0"), ("${order.json.no}", "it has: id, lines")):
        with pytest.raises(PlanInvalid) as raised:
            resolve(text, results)
        assert says in str(raised.value)


@proves("plan.references")
def test_references_keep_types_and_say_what_is_missing() -> None:
    """A whole reference keeps its type, one inside a text becomes text, and a missing one is named."""
    results: dict[str, JsonValue] = {"a": {"n": 3, "rows": [{"x": "y"}]}}
    assert resolve({"n": "${a.n}", "t": "n=${a.n}", "l": ["${a.rows.0.x}"]}, results) == {"n": 3, "t": "n=3", "l": ["y"]}
    with pytest.raises(PlanInvalid, match="'m'"):
        resolve("${a.m}", results)
    with pytest.raises(PlanInvalid, match="no result"):
        resolve("${b}", results)
    with pytest.raises(PlanInvalid):
        look_up([1], "5")


@proves("plan.checks")
@pytest.mark.parametrize(
    ("test", "at", "value", "holds"),
    [
        ("equals", "n", 3, True),
        ("equals", "n", 4, False),
        ("differs", "n", 4, True),
        ("contains", "t", "ell", True),
        ("contains", "l", 2, True),
        ("contains", "d", "lo wor", True),
        ("contains", "d", "ticket", True),
        ("contains", "d", "5", False),
        ("lacks", "d", "lo wor", False),
        ("lacks", "l", 5, True),
        ("lacks", "t", "ell", False),
        ("matches", "t", "^h.*o$", True),
        ("at_least", "n", 3, True),
        ("at_most", "n", 2, False),
    ],
)
def test_checks_hold_exactly_when_they_are_true(test: str, at: str, value: JsonValue, *, holds: bool) -> None:
    """Every test of a check decides both ways; a failed one says what was seen."""
    seen: JsonValue = {"n": 3, "t": "hello", "l": [1, 2], "d": {"events": [{"title": "hello world", "ticket": 5}]}}
    why = asyncio.run(trouble(Check(test=test, value=value, at=at), seen))
    assert (not why) is holds


@proves("plan.exit_code_counts")
def test_an_exit_code_other_than_zero_fails_unless_the_checks_speak_of_it() -> None:
    """A shell step that exits 3 failed, but a plan may expect it."""
    step = Step(id="a", way=Way(tool="shell.run"))
    assert "3" in exit_code_trouble(step, {"exit_code": 3, "stderr": "no such file"})
    assert not exit_code_trouble(step, {"exit_code": 0})
    expecting = Step(id="a", way=Way(tool="shell.run"), checks=(Check(test="equals", value=3, at="exit_code"),))
    assert not exit_code_trouble(expecting, {"exit_code": 3})


@proves("plans.checks_refer_to_results")
def test_a_check_may_compare_with_an_earlier_result_or_an_input() -> None:
    """Such a reference is a need like any other; one to its own step is none; an unknown input is said at once."""
    text = 'goal = "x"\n[inputs]\nname = "a"\n' + "".join(
        f'[[step]]\nid = "{one}"\ntool = "files.read"\nargs = {{ path = "a" }}\ncheck = [{{ at = "text", equals = "{value}" }}]\n'
        for one, value in (("b", "${a.text}"), ("a", "${inputs.name}${a.path}"))
    )
    assert [step.id for step in read_plan(text, name="plan.toml").steps] == ["a", "b"]
    with pytest.raises(PlanInvalid, match="uses the input 'other'"):
        read_plan(text.replace("inputs.name", "inputs.other"), name="plan.toml")
