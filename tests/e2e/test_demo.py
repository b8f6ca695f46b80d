from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from claims import proves
from demo_world import Watched, demo, environment, left_running, watched
from remit.demo.folder import INVOICES
from remit.demo.promises import Story, judge
from remit.demo.screen import Screen
from remit.demo.seal import seal
from remit.demo.stage import Play, Scene
from remit.domain.entry import Kind

PROMISES = 13


def broken(story: Story) -> list[str]:
    return [promise.text for promise in judge(story) if not promise.held]


@proves("demo.holds", "demo.leaves_nothing")
def test_the_demo_in_a_pipe_shows_every_promise_held_and_leaves_nothing(tmp_path: Path) -> None:
    """From a temporary folder, without a writable home: plain text, checked promises, numbers last, nothing left behind."""
    done = demo(tmp_path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout
    assert "The model is a script." in lines[1]
    for tag in ("alone", "refused", "failed", "killed", "opened", "known", "asks", "answer", "done"):
        assert any(line.startswith(f"  {tag:<7} ") for line in lines), tag
    assert sum(line.startswith("  held ") for line in lines) == PROMISES
    told = json.loads(lines[-1])
    assert told["held"] is True
    assert told["sha256"]["before"] == told["sha256"]["undone"] != told["sha256"]["worked"]
    numbers = {
        key: told[key] for key in ("alone", "looked", "asked", "approved", "denied", "refused", "failed", "retried", "in_doubt", "settled")
    }
    assert numbers == {
        "alone": 18,
        "looked": 2,
        "asked": 3,
        "approved": 2,
        "denied": 1,
        "refused": 1,
        "failed": 2,
        "retried": 2,
        "in_doubt": 0,
        "settled": 1,
    }
    assert len(told["retry_ms"]) == 2
    assert all(0 <= ms < 60_000 for ms in told["retry_ms"])
    assert list((tmp_path / "tmp").iterdir()) == list((tmp_path / "here").iterdir()) == []


@proves("demo.holds")
def test_the_demo_without_a_shell_keeps_what_it_is_told_to_keep(tmp_path: Path) -> None:
    """With files alone it says so in the numbers; the kept folder is as it was, and the kept journal can be read."""
    kept = tmp_path / "kept"
    done = demo(tmp_path, "--json", "--files-only", "--keep", str(kept))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["shell"] is False
    assert f"REMIT_HOME={kept / 'state'} " in done.stdout
    env = {**environment(tmp_path), "REMIT_HOME": str(kept / "state")}
    argv = [sys.executable, "-m", "remit", "log", "--verify"]
    assert subprocess.run(argv, env=env, check=False, capture_output=True, timeout=60).returncode == 0
    again = demo(tmp_path, "--files-only", "--keep", str(kept))
    assert again.returncode == 2
    assert "is not empty" in again.stderr


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One whole performance, whose record the tests below falsify."""
    play = Play(Scene(base=tmp_path_factory.mktemp("played"), shell=True), Screen(io.StringIO()))  # noqa: S604 - a flag of ours
    try:
        play.work()
        play.take_back()
        yield play.story
    finally:
        play.close()


@proves("demo.can_fail")
def test_a_demo_in_which_an_effect_was_doubled_fails(played: Story) -> None:
    """An invoice that stands twice in the ledger, a balance that counts it twice, or one that is missing, each break a promise."""
    assert broken(played) == []
    first = INVOICES[0]
    doubled = {**played.ledger, first.number: [first.cents, first.cents]}
    assert len(broken(replace(played, ledger=doubled))) == 1
    assert len(broken(replace(played, ledger=dict(list(played.ledger.items())[1:])))) == 1
    assert len(broken(replace(played, balances={**played.balances, first.supplier: 2 * first.cents}))) == 1


@proves("demo.can_fail")
def test_a_demo_that_was_not_killed_or_not_recovered_fails(played: Story) -> None:
    """A process that ended by itself, an action that was run again, or an end that is not recorded, each break a promise."""
    assert len(broken(replace(played, death=0))) == 1
    assert len(broken(replace(played, killed="another/action"))) == 1
    started = next(entry for entry in played.lines if entry.kind == Kind.STARTED and entry.id == played.killed)
    repeated = [*played.lines, replace(started, kind=str(Kind.RESUMED), part="+1")]
    assert len(broken(replace(played, lines=repeated))) == 1
    finished = next(e for e in played.lines if e.kind == Kind.FINISHED and e.action == started.action)
    assert len(broken(replace(played, lines=[e for e in played.lines if e is not finished]))) == 2


@proves("demo.can_fail")
def test_a_demo_in_which_a_no_was_not_honoured_fails(played: Story) -> None:
    """A denied deletion that happened, an approved one that did not, or a changed original, each break a promise."""
    work = played.after_work
    gone = {name: what for name, what in work.items() if not name.startswith(b"archive/")}
    assert len(broken(replace(played, after_work=gone))) == 1
    assert len(broken(replace(played, after_work={**work, b"inbox/Kopie von Scan0031.TXT": "back"}))) == 1
    original = next(name for name in work if name.startswith(b"originals/"))
    assert len(broken(replace(played, after_work={**work, original: "changed"}))) == 1


@proves("demo.can_fail")
def test_a_demo_whose_folder_somebody_changed_before_the_undo_fails(tmp_path: Path) -> None:
    """A later edit by a person stays, so the folder is not what it was; the demo says which file, and does not claim success."""
    out = io.StringIO()
    play = Play(Scene(base=tmp_path, shell=False), Screen(out))
    try:
        play.work()
        report = play.scene.root / "report.md"
        report.write_text("a person was here", encoding="utf-8")
        play.take_back()
        assert play.verdict() is False
    finally:
        play.close()
    assert report.read_text(encoding="utf-8") == "a person was here"
    line = next(line for line in out.getvalue().splitlines() if line.startswith("  BROKEN"))
    assert "report.md" in line


def test_the_checksum_sees_names_contents_modes_times_and_links(tmp_path: Path) -> None:
    """Whatever undo has to bring back changes the checksum when it is not brought back."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"one")
    link.symlink_to("file")
    os.utime(file, ns=(1, 1))
    before = seal(tmp_path)

    def changed() -> set[bytes]:
        now = seal(tmp_path)
        return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}

    file.chmod(0o600)
    assert changed() == {b"file"}
    file.chmod(0o644)
    os.utime(file, ns=(1, 2))
    assert changed() == {b"file"}
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert changed() == {b"file"}
    file.write_bytes(b"one")
    os.utime(file, ns=(1, 1))
    assert changed() == set()
    link.unlink()
    link.symlink_to("elsewhere")
    assert changed() == {b"link"}
    (tmp_path / os.fsdecode(b"n\xff")).write_bytes(b"")
    assert changed() == {b"link", b"n\xff"}


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@proves("demo.leaves_nothing")
def test_a_demo_that_is_interrupted_leaves_no_file_and_no_process(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    """Ctrl-C and SIGTERM in the middle of the work: the documented exit code, an empty temporary folder, no process left."""
    with watched(tmp_path, "--files-only") as seen:
        assert seen.until("  alone ")
        seen.process.send_signal(sent)
        assert seen.process.wait(timeout=30) == code
    assert list((tmp_path / "tmp").iterdir()) == []
    assert left_running(tmp_path) == []


@proves("demo.terminal")
def test_a_narrow_terminal_gets_colours_and_no_line_wider_than_it_is(tmp_path: Path) -> None:
    """On 60 columns everything but what is to be copied is wrapped; colour and progress are there."""
    with watched(tmp_path, "--files-only", term="xterm-256color", columns=60) as seen:
        assert seen.finish() == 0, seen.text
    assert "\x1b[" in seen.text
    wide = [line for line in Watched.plain(seen.text).splitlines() if len(line) > 60 and not line.startswith("  remit run")]
    assert wide == []


@proves("demo.terminal")
def test_a_person_at_a_dumb_terminal_answers_alone_and_a_no_is_honoured(tmp_path: Path) -> None:
    """`--ask` puts each question here; three times no still keeps every promise, and the demo writes nothing but text."""
    with watched(tmp_path, "--files-only", "--ask", "--json", term="dumb") as seen:
        for _ in range(3):
            assert seen.until("approve? [y/n/edit/later] "), seen.text
            seen.type("n\n")
        assert seen.finish() == 0, seen.text
    assert [
        line for line in seen.text.splitlines() if "\x1b" in line and "  delete " not in line
    ] == []  # questions look as in `remit inbox`
    told = json.loads(seen.text.strip().splitlines()[-1])
    assert (told["held"], told["approved"], told["denied"]) == (True, 0, 3)


def test_asking_without_a_terminal_is_refused(tmp_path: Path) -> None:
    """`--ask` in a pipe could only hang: it is bad input, and nothing is made."""
    done = demo(tmp_path, "--ask")
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []
