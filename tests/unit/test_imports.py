"""What importing and starting brings along: the person's commands must not wait for the agent's libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from claims import proves

HEAVY = ("pydantic_ai", "pydantic", "mcp", "cedarpy", "yaml", "rich", "openai", "anthropic")
IMPORTED = """
import sys
sys.argv = ["remit", *sys.argv[1:]]
try:
    from remit.cli import main
    main()
finally:
    print("\\n".join(sorted(sys.modules)), file=sys.stderr)
"""


def loaded(*argv: str, home: Path) -> set[str]:
    """The modules that one call of the program has loaded when it ends."""
    environment = {"REMIT_HOME": str(home), "PATH": "/usr/bin:/bin", "HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", IMPORTED, *argv], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "remit.cli" in done.stderr, done.stderr
    return set(done.stderr.split())


@proves("start.import_is_bare")
def test_importing_remit_brings_no_third_party_module() -> None:
    """`import remit` loads the standard library at most."""
    script = "import sys; before = set(sys.modules); import remit; print(*sorted(set(sys.modules) - before), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    tops = {name.partition(".")[0] for name in done.stdout.split()}
    assert tops - sys.stdlib_module_names == {"remit"}


@proves("start.commands_are_light")
@pytest.mark.parametrize(
    "argv", [("approve", "nosuch"), ("deny", "nosuch"), ("inbox",), ("log",), ("undo", "--help"), ("answer", "nosuch", "yes")], ids=" ".join
)
def test_what_a_person_types_loads_none_of_the_heavy_libraries(argv: tuple[str, ...], tmp_path: Path) -> None:
    """Answering, listing and reading the journal load neither the agent's libraries nor the policy engine."""
    found = loaded(*argv, home=tmp_path)
    assert [name for name in HEAVY if name in found] == []


@proves("start.commands_are_light")
def test_answering_loads_neither_tools_nor_the_gates_road(tmp_path: Path) -> None:
    """`remit approve` needs journal and inbox only."""
    found = loaded("approve", "nosuch", "--no-resume", home=tmp_path)
    assert sorted(name for name in found if name.startswith(("remit.tools", "remit.policy", "remit.runs", "remit.agent", "asyncio"))) == []
