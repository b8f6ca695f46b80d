"""Promises and proofs belong together, in both directions."""

from __future__ import annotations

import ast
from pathlib import Path

from claims import CLAIMS, MEASURED, OPEN

TESTS = Path(__file__).parents[1]


def used() -> set[str]:
    """Every claim that a test says it proves, read from the source so that no module is passed over."""
    found: set[str] = set()
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "proves":
                found |= {str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def test_every_proof_has_a_promise_and_every_promise_a_proof() -> None:
    """A claim without a test is not in the list of claims, and no test proves what nobody promised."""
    assert used() == set(CLAIMS)


def test_what_is_open_is_not_claimed() -> None:
    """A promise is proved, measured or open, and only one of them; each says in a sentence what it is."""
    assert len(CLAIMS | MEASURED | OPEN) == len(CLAIMS) + len(MEASURED) + len(OPEN)
    assert all(text.strip() for text in [*OPEN.values(), *MEASURED.values(), *CLAIMS.values()])


def test_what_is_measured_names_its_benchmark_and_number() -> None:
    """Whoever doubts a number can run what made it."""
    for text in MEASURED.values():
        number, script = text.rpartition(". ")[0].split("`")[-2], Path(text.rpartition(". ")[2])
        assert number in (TESTS.parent / script).read_text(encoding="utf-8")
