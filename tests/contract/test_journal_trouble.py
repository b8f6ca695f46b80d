"""When the disk, the file or another process is in the way: a clear message, nothing dropped, and usable again afterwards."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from claims import proves
from journal_world import RUN, child, draft, line_of, small_disk, tampering
from remit.domain.entry import Kind
from remit.errors import DiskFull, JournalCorrupt, JournalLocked, JournalTrouble
from remit.journal.sqlite import open_journal


@proves("journal.disk_full")
def test_a_full_disk_fails_every_call_and_the_journal_goes_on_once_there_is_space(tmp_path: Path) -> None:
    """Each call that could not be written says so; what was written stays; freeing space is all it takes."""
    with small_disk(tmp_path, 2000) as disk:
        journal = open_journal(disk / "journal.db")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(900_000))
        futures = [journal.append([draft(Kind.NOTE, f"a{i}", text="x" * 9_000)], durable=i % 2 == 0) for i in range(200)]
        errors = [future.exception(timeout=30) for future in futures]
        assert any(errors)
        assert {type(error) for error in errors if error} == {DiskFull}
        assert sum(error is None for error in errors) == len(list(journal.read(RUN)))
        ballast.unlink()
        journal.append([draft(Kind.NOTE, "after")], durable=True).result()
        assert list(journal.verify()) == []
        journal.close()
        assert [e.action for e in open_journal(disk / "journal.db").read(RUN)][-1] == "after"


@proves("journal.disk_full")
def test_a_disk_without_any_space_is_said_when_opening(tmp_path: Path) -> None:
    """Not even the file can be made: that is a full disk or an unwritable folder, never a traceback."""
    with small_disk(tmp_path, 64) as disk:
        (disk / "ballast").write_bytes(bytes(60_000))
        with pytest.raises(JournalTrouble):
            open_journal(disk / "journal.db")


@proves("journal.corrupt")
@pytest.mark.parametrize("content", [b"this is no database, but a text that is long enough " * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    """It is left as it is."""
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(JournalCorrupt, match="move it away"):
        open_journal(path)
    assert path.read_bytes() == content


@proves("journal.corrupt")
def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """Its tables are not touched."""
    path = tmp_path / "journal.db"
    with tampering(path) as sql:
        sql.execute("CREATE TABLE bookmarks(url TEXT)")
    with pytest.raises(JournalCorrupt, match="another program"):
        open_journal(path)


@proves("journal.corrupt")
def test_a_page_of_rubbish_is_reported_and_not_read_as_entries(tmp_path: Path) -> None:
    """Damage that SQLite itself notices ends in JournalCorrupt, never in silence or a traceback."""
    path = tmp_path / "journal.db"
    journal = open_journal(path)
    journal.append([draft(Kind.MESSAGE, part=str(i), text="x" * 400) for i in range(400)], durable=True).result()
    journal.close()
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(os.urandom(30 * 4096))
    journal = open_journal(path)
    with pytest.raises(JournalCorrupt):
        list(journal.verify())
    journal.close()


@proves("journal.locked")
def test_a_lock_held_for_too_long_is_said_and_waiting_is_bounded(tmp_path: Path) -> None:
    """Another process that keeps the file locked fails the call; afterwards the same journal goes on."""
    journal = open_journal(tmp_path / "journal.db", patience=0.2)
    journal.append([draft(Kind.NOTE, "before")], durable=True).result()
    locker = child("lock", tmp_path / "journal.db")
    assert line_of(locker) == "locked"
    futures = [journal.append([draft(Kind.NOTE, f"a{i}")], durable=True) for i in range(3)]
    assert {type(future.exception(timeout=30)) for future in futures} == {JournalLocked}
    assert [e.action for e in journal.read(RUN)] == ["before"]
    locker.communicate("go\n", timeout=30)
    journal.append([draft(Kind.NOTE, "after")], durable=True).result()
    journal.close()


@proves("journal.locked")
def test_a_lock_that_is_given_back_in_time_delays_only(tmp_path: Path) -> None:
    """Waiting for another process is not an error."""
    journal = open_journal(tmp_path / "journal.db")
    locker = child("lock", tmp_path / "journal.db")
    assert line_of(locker) == "locked"
    future = journal.append([draft()], durable=True)
    assert not future.done()
    locker.communicate("go\n", timeout=30)
    future.result(timeout=30)
    journal.close()


@proves("journal.newer")
def test_a_journal_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older remit does not write to what it does not understand."""
    path = tmp_path / "journal.db"
    open_journal(path).close()
    with tampering(path) as sql:
        sql.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalTrouble, match=r"newer remit \(schema 99.*upgrade"):
        open_journal(path)


def test_a_kind_that_this_version_does_not_know_is_read_and_verified(tmp_path: Path) -> None:
    """A line of a newer remit is shown by its own name and holds in the chain."""
    journal = open_journal(tmp_path / "journal.db")
    journal.append([draft("foretold", "a", x=1), draft(Kind.NOTE, "a")], durable=True).result()  # type: ignore[arg-type]
    assert [e.kind for e in journal.read(RUN)] == ["foretold", "note"]
    assert [e.kind for e in journal.search(text="FORE")] == ["foretold"]
    assert [e.kind for e in journal.search(kinds=("foretold",))] == ["foretold"]
    assert list(journal.verify()) == []
    journal.close()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Read-only file systems and missing rights give a message with a fix."""
    with small_disk(tmp_path, 1000) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(JournalTrouble, match=r"journal\.db cannot be opened for writing.*writable"):
            open_journal(disk / "journal.db")


def test_a_journal_on_a_disk_that_became_read_only_is_said(tmp_path: Path) -> None:
    """An existing journal is refused as clearly as a new one."""
    with small_disk(tmp_path, 1000) as disk:
        open_journal(disk / "journal.db").close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(JournalTrouble, match="writable"):
            open_journal(disk / "journal.db").append([draft()], durable=True).result()


def test_a_path_through_a_file_is_said(tmp_path: Path) -> None:
    """A state folder that is a file gives a message, not a traceback."""
    (tmp_path / "state").write_text("x", encoding="utf-8")
    with pytest.raises(JournalTrouble):
        open_journal(tmp_path / "state" / "journal.db")


def test_the_journal_is_private(tmp_path: Path) -> None:
    """What agents did is nobody else's business: neither the file nor its side files can be read by others."""
    journal = open_journal(tmp_path / "state" / "journal.db")
    journal.append([draft()], durable=True).result()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3
    journal.close()


def test_opening_a_journal_twice_in_one_process_drops_no_lock(tmp_path: Path) -> None:
    """A second journal on the same file may close without letting a third process in; POSIX locks would be lost by a careless close."""
    first = open_journal(tmp_path / "journal.db")
    first.append([draft(Kind.NOTE, "a")], durable=True).result()
    open_journal(tmp_path / "journal.db").close()
    other = child("write", tmp_path / "journal.db", "other", "x", 20)
    other.communicate(timeout=60)
    first.append([draft(Kind.NOTE, "b")], durable=True).result()
    assert list(first.verify()) == []
    first.close()


def test_a_forked_process_is_told_to_open_its_own(tmp_path: Path) -> None:
    """The writer's thread does not exist in a forked child, so waiting for it would never end."""
    script = f"""
import os
from pathlib import Path
from remit.journal.sqlite import open_journal
from remit.errors import JournalTrouble
journal = open_journal(Path({str(tmp_path / "journal.db")!r}))
child = os.fork()
if not child:
    try:
        journal.append([], durable=True)
    except JournalTrouble as error:
        os.write(1, str(error).encode())
    os._exit(0)
os.waitpid(child, 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True, encoding="utf-8", timeout=60)
    assert "open the journal after the fork" in done.stdout


@proves("journal.exit")
def test_leaving_the_interpreter_loses_no_accepted_line(tmp_path: Path) -> None:
    """A program may end without closing: what was accepted is written, and it ends at once."""
    done = child("leave", tmp_path / "journal.db", RUN, 500)
    out, _ = done.communicate(timeout=30)
    assert (out.strip(), done.returncode) == ("left", 0)
    journal = open_journal(tmp_path / "journal.db")
    assert len(list(journal.read(RUN))) == 500
    assert list(journal.verify()) == []
    journal.close()


def test_ctrl_c_while_writing_leaves_a_usable_journal(tmp_path: Path) -> None:
    """A signal on the caller's own thread ends in KeyboardInterrupt, never in an open transaction or half a call."""
    done = child("interrupt", tmp_path / "journal.db", RUN, 2000)
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    assert int(out) > 0
    journal = open_journal(tmp_path / "journal.db")
    parts = [e.part for e in journal.read(RUN)]
    assert parts.count("") == parts.count("second") > 1000
    assert list(journal.verify()) == []
    journal.close()


def test_a_reader_never_blocks_the_writer(tmp_path: Path) -> None:
    """Another program may keep a read transaction open for as long as it likes."""
    journal = open_journal(tmp_path / "journal.db", patience=0.2)
    journal.append([draft(Kind.NOTE, "a")], durable=True).result()
    reader = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entries").fetchone()
    for number in range(300):
        journal.append([draft(Kind.NOTE, f"b{number}")], durable=True).result()
    assert reader.execute("SELECT count(*) FROM entries").fetchone() == (1,)
    reader.close()
    journal.close()
