"""Promises and proofs belong together, in both directions."""

from __future__ import annotations

import ast
from pathlib import Path

from claims import CLAIMS, OPEN

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
    """A promise is proved or open, never both; each says in a sentence what it is."""
    assert not set(OPEN) & set(CLAIMS)
    assert all(text.strip() for text in [*OPEN.values(), *CLAIMS.values()])
