"""The difference read from an overlay is what the command really did, and never what somebody else did."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from claims import proves
from remit.domain.values import Digest
from remit.errors import ToolFailed
from remit.tools.changes.tree import NodeKind
from remit.tools.shell.overlay import Diff, moved, survey
from shell_world import Bench, as_ordinary_user, held, hold, picture, run_now

SCRIPTS = [
    "echo hi >>a",
    "echo hi >sub/deep/new; mkdir -p p/q/r; : >p/q/r/s",
    "rm a; rm -r gone; rmdir empty",
    "rm -r op; mkdir op; echo n >op/n",
    "rm -r lots; mkdir -p lots/of; echo n >lots/of/n",
    "mv sub sub2; mv sub2 sub",
    "mv sub sub2; mv gone sub",
    "mv sub/deep gone/",
    "mv op op2; mv gone op; mv op2 gone",
    "mv a b; mv sub/b a; mv b sub/b",
    "chmod 700 sub; chmod 640 a; chmod g+s sub; chmod u+s sub/b",
    "touch -d 2020-01-01 a old; touch -h -d 2020-01-01 link",
    "rm a; mkdir a; echo z >a/z",
    "rm -r sub; echo f >sub",
    "rm -r sub; ln -s op sub",
    "rm folder-link; mkdir folder-link; echo q >folder-link/b",
    "ln -sfn op folder-link; ln -sf elsewhere dangling",
    "exec 3<>a; exec 4>>sub/b; : <old",
    "sed -i s/a/b/ a; cp a sub/copy; cp -a sub op/sub",
    "cp -a . /tmp/c; rm -rf ./*; cp -a /tmp/c/. .",
    "rm -rf ./*; mkdir -p sub/deep; echo y >sub/deep/y",
    "truncate -s 1G holes; printf x | dd of=holes bs=1 seek=900000000 conv=notrunc status=none",
    "rm n*; echo 1 >$(printf 'm\\376'); printf '\\377\\000' >>binary",
    'python3 -c \'import os; os.setxattr("a", "user.note", b"\\\\x00n"); os.setxattr("sub", "user.overlay.opaque", b"y")\'',
    "mkdir x; chmod 000 x; : >y; chmod 000 y; mkdir -p z/in; echo 1 >z/in/f; chmod 000 z/in/f z/in",
    "git init -q g; cd g; git -c user.name=n -c user.email=e commit -q --allow-empty -m m",
    "tar cf /tmp/t.tar .; rm -rf ./*; tar xpf /tmp/t.tar; rm old",
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def after(bench: Bench, diff: Diff) -> dict[bytes, tuple[object, ...]]:
    """The workspace as it would be with the changes made."""
    found, root = picture(bench.workspace, times=True), os.fsencode(bench.workspace)
    for change in diff.changes:
        name, node = change.path[len(root) :], change.after
        if node.kind is NodeKind.ABSENT:
            del found[name]
        else:
            found[name] = (node.kind, node.mode, node.size, node.content, node.xattrs, node.mtime_ns)
    return found


def untimed(found: dict[bytes, tuple[object, ...]]) -> dict[bytes, tuple[object, ...]]:
    return {name: node[:5] for name, node in found.items()}


@pytest.mark.parametrize("script", SCRIPTS)
@proves("shell.diff_is_exact")
def test_the_difference_is_what_the_same_script_does_without_a_sandbox(bench: Bench, script: str) -> None:
    """Applied to the tree before, the difference gives the tree that a plain run of the script gives; the real folder is untouched."""
    bench.fill()
    before, plain = bench.survey(), bench.base / "plain"
    pristine = picture(bench.workspace, times=True)
    shutil.copytree(bench.workspace, plain, symlinks=True)
    ran = bench.ran(script)
    assert ran.exit_code == subprocess.run(["bash", "-c", script], cwd=plain, check=False).returncode == 0, ran
    if "overlay.opaque" in script:
        os.removexattr(plain / "sub", "user.overlay.opaque")  # the overlay's own books are not carried over
    diff = bench.difference(before)
    assert picture(bench.workspace, times=True) == pristine
    assert (diff.conflicts, diff.left_out, diff.relinked) == ([], [], [])
    subprocess.run(["chmod", "-R", "u+rwX", plain], check=True) if os.geteuid() else None
    expected, got = untimed(picture(plain)), untimed(after(bench, diff))
    if "git init" in script:  # commits carry the time: the same names, not the same objects
        expected, got = ({name: node[:1] for name, node in tree.items() if b"/objects/" not in name} for tree in (expected, got))
    assert got == expected


@proves("shell.diff_is_exact")
def test_what_a_command_only_opened_or_rewrote_the_same_is_no_change(bench: Bench) -> None:
    """Copies that the overlay made without a difference are not in the list, so that nobody is asked about them."""
    bench.fill()
    before = bench.survey()
    bench.ran("exec 3<>a; chmod 600 a; chmod 755 sub/b; cp -a binary /tmp/x && cp -a /tmp/x binary; mkdir t && rmdir t")
    assert bench.difference(before).changes == []


def test_pre_images_and_results_are_in_the_store_and_owners_are_kept(bench: Bench) -> None:
    """Every content named on either side can be opened; who owned a file owns it afterwards."""
    bench.fill()
    before = bench.survey()
    bench.ran("echo new >a; rm -r lots; echo b >fresh")
    for change in bench.difference(before).changes:
        for node in (change.before, change.after):
            if node.kind is NodeKind.FILE:
                with bench.store.open(Digest(node.content)) as content:
                    assert len(content.read()) == node.size
        assert change.after.owner in {change.before.owner, ""}


def test_sockets_and_fifos_are_left_out_and_named(bench: Bench) -> None:
    """What remit cannot restore it does not carry over, and says so."""
    before = bench.survey()
    bench.ran("mkfifo pipe; echo x >x; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'; chmod 700 .")
    diff = bench.difference(before)
    assert [change.path.rpartition(b"/")[2] for change in diff.changes] == [b"x"]
    assert [os.path.relpath(path, os.fsencode(bench.workspace)) for path in diff.left_out] == [b".", b"pipe", b"sock"]


def test_deleting_what_cannot_be_restored_is_refused(bench: Bench) -> None:
    """A FIFO that stood there before cannot be brought back by undo, so the whole command is refused."""
    bench.fill("mkdir d; mkfifo d/pipe")
    before = bench.survey()
    bench.ran("rm -r d")
    with pytest.raises(ToolFailed, match="pipe"):
        bench.difference(before)


def test_further_names_of_a_file_are_said(bench: Bench) -> None:
    """Hard links become files of their own: the result names them."""
    bench.fill("echo a >a; ln a b; echo c >c")
    before = bench.survey()
    bench.ran("echo x >>a; ln c d")
    names = {path.rpartition(b"/")[2] for path in bench.difference(before).relinked}
    assert names == {b"a", b"c", b"d"}


@pytest.mark.parametrize("book", ["redirect", "metacopy", "nlink"])
def test_an_upper_folder_with_unknown_bookkeeping_is_refused(bench: Bench, book: str) -> None:
    """Where a kernel records changes in a way this reader does not follow, nothing is guessed."""
    before = bench.survey()
    bench.ran("mkdir d; echo x >d/x")
    os.setxattr(bench.layers.upper / "d" / "x", f"user.overlay.{book}", b"y")
    with pytest.raises(ToolFailed, match=book):
        bench.difference(before)


def test_renaming_a_folder_is_a_copy_for_everyone(bench: Bench) -> None:
    """The overlay refuses to rename folders of the workspace (EXDEV), so no redirect can hide a change."""
    bench.fill("mkdir d; echo x >d/x")
    ran = bench.ran('python3 -c \'import os\ntry: os.rename("d", "e")\nexcept OSError as error: exit(error.errno)\'')
    assert ran.exit_code == errno.EXDEV


@pytest.mark.parametrize(
    ("command", "meanwhile", "clash"),
    [
        ("echo ours >a", "echo theirs >a", {b"a"}),
        ("echo ours >a", "echo theirs >tmp; mv tmp a", {b"a"}),
        ("echo ours >a", "rm a", {b"a"}),
        ("echo ours >new", "echo theirs >new", {b"new"}),
        ("rm a", "echo theirs >>a", {b"a"}),
        ("rm -r sub", "echo theirs >sub/more", {b"sub/more"}),
        ("rm -r sub", "echo theirs >sub/deep/x", {b"sub/deep/x"}),
        ("rm -r sub; mkdir sub; echo ours >sub/b", "echo theirs >sub/c", {b"sub/c"}),
        ("rm -r sub; echo ours >sub", "echo theirs >sub/c", {b"sub/c"}),
        ("chmod 700 sub", "chmod 711 sub", {b"sub"}),
        ("echo ours >sub/new", "rm -r sub", {b"sub"}),
        ("mkdir new; echo ours >new/n", "mkdir new; echo theirs >new/t", {b"new"}),
        ("echo ours >a", "echo theirs >sub/b; mkdir x", set()),
        ("rm -r sub", "rm -r sub", set()),
    ],
)
@proves("shell.concurrent_save_is_conflict")
def test_what_somebody_changed_while_the_command_ran_is_a_conflict(bench: Bench, command: str, meanwhile: str, clash: set[bytes]) -> None:
    """Each path that both changed is named; what only the other one changed is no conflict, but is noticed."""
    bench.fill()
    before, root = bench.survey(), os.fsencode(bench.workspace)

    name = f"remit-hold-{os.getpid()}"
    run_now(held(bench.command(hold(command, name), seconds=30), name, lambda: bench.fill(meanwhile)))
    diff = bench.difference(before)
    assert {os.path.relpath(path, root) for path in diff.conflicts} == clash
    assert moved(before, bench.survey())


def test_a_survey_sees_every_kind_of_change_and_nothing_else(bench: Bench) -> None:
    """Two surveys of an untouched workspace are equal; whatever is saved, added, removed or re-permitted differs."""
    bench.fill()
    before = bench.survey()
    assert moved(before, bench.survey()) == []
    bench.fill("echo x >>a; chmod 700 sub; rm old; : >fresh; ln -sfn x link")
    names = [path.rpartition(b"/")[2].decode() for path in moved(before, bench.survey())]
    assert names == ["a", "fresh", "link", "old", "sub"]


def test_private_folders_are_not_entered(bench: Bench) -> None:
    """Remit's own state is no part of a survey and no part of a difference."""
    bench.fill("mkdir -p .remit/store; echo s >.remit/store/s")
    state = os.fsencode(bench.workspace / ".remit")
    seen = survey(os.fsencode(bench.workspace), lambda path: path != state)
    assert seen.private == (state,)
    assert not [path for path in seen.identities if b".remit" in path]


def test_ten_thousand_files_are_surveyed_quickly(bench: Bench) -> None:
    """A survey reads no content: its cost is that of listing (bounded generously; measured about 0.1 s)."""
    bench.fill("for d in $(seq 100); do mkdir $d; for f in $(seq 100); do : >$d/$f; done; done")
    begun = time.process_time()
    assert len(bench.survey().identities) == 10_101
    assert time.process_time() - begun < 2


@proves("shell.ordinary_user")
def test_an_ordinary_user_gets_the_same_difference() -> None:
    """Whiteouts, opaque folders and folders without permissions are read without root."""
    script = """
import json, os
from pathlib import Path
from shell_world import Bench, alive, MESSY
from remit.tools.changes.tree import NodeKind
bench = Bench(Path.cwd())
bench.fill()
before = bench.survey()
bench.ran("rm -r gone; rm -r op; mkdir op; : >op/n; mv sub sub2; mkdir x; : >x/y; chmod 0 x/y x; touch a")
diff = bench.difference(before)
root = len(os.fsencode(bench.workspace)) + 1
told = sorted([c.path[root:].decode(), str(c.before.kind), str(c.after.kind), c.after.mode] for c in diff.changes)
print(json.dumps([diff.conflicts, told]))
"""
    done = as_ordinary_user(script)
    expected = (
        '[[], [["a", "file", "file", 384], ["gone", "dir", "absent", 0], ["gone/c", "file", "absent", 0], ["op", "dir", "dir", 493], '
        '["op/d", "file", "absent", 0], ["op/n", "absent", "file", 420], ["sub", "dir", "absent", 0], ["sub/b", "file", "absent", 0], '
        '["sub/deep", "dir", "absent", 0], ["sub/deep/x", "file", "absent", 0], ["sub2", "absent", "dir", 493], '
        '["sub2/b", "absent", "file", 493], ["sub2/deep", "absent", "dir", 493], ["sub2/deep/x", "absent", "file", 420], '
        '["x", "absent", "dir", 0], ["x/y", "absent", "file", 0]]]\n'
    )
    assert done.stdout == expected, done
