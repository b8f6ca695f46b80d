"""CPython's own file tests, run inside the workspace: thousands of odd files made and removed, one restore gives the identical tree."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

import pytest

from claims import proves
from shell_world import MESSY, ShellWorld, picture

SUITE = """
set -u
python3=PYTHON
mkdir -p tmp results
export TMPDIR=$PWD/tmp
cp -r STDLIB/test/. suite-copy/
cd results
$python3 -m test -v test_shutil test_pathlib test_tarfile >log 2>&1
code=$?
cd ..
tar cf results/all.tar messy
mv messy/sub messy/renamed
find messy -name '[ab]' -exec sh -c 'echo changed >>"$1"' _ {} \\;
rm -r messy/gone
tail -5 results/log
exit $code
"""


@pytest.mark.timeout(600)
@proves("shell.cpython_suite_restored")
def test_one_restore_after_cpythons_file_tests_gives_the_identical_tree(tmp_path: Path) -> None:
    """The suite passes on the overlay, its leavings are committed to the real folder, and one restore takes all of it back."""
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    if not (stdlib / "test" / "test_shutil.py").exists():
        pytest.skip("this Python came without its test suite")
    world = ShellWorld(tmp_path)
    (world.root / "messy").mkdir()
    world.fill(f"cd messy; {MESSY}")
    shutil.copytree(stdlib / "json", world.root / "library")
    before = picture(world.root, times=True)
    script = SUITE.replace("PYTHON", sys.executable).replace("STDLIB", str(stdlib))
    did = world.do("shell.run", command=script, timeout=500)
    assert isinstance(did.result, dict)
    assert did.result["exit_code"] == 0, did.result
    assert int(str(did.result["count"])) > 1000
    assert "Result: SUCCESS" in str(did.result["stdout"])
    assert (world.root / "messy" / "renamed" / "deep" / "x").exists()
    world.undo("shell.run", did)
    assert picture(world.root, times=True) == before
    assert world.leftovers() == []
