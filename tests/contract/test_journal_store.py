"""What the store of contents promises, in a folder and in memory."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from claims import proves
from journal_world import child, small_disk
from remit.domain.values import Digest
from remit.errors import DiskFull, JournalCorrupt, JournalTrouble, NotFound
from remit.journal.store import DirStore
from remit.ports import Store
from remit.testing import MemoryStore

STORES: dict[str, Callable[[Path], Store]] = {"dir": lambda folder: DirStore(folder / "store"), "memory": lambda _: MemoryStore()}

DAMAGES: tuple[Callable[[bytes], bytes], ...] = (lambda b: bytes([b[0] ^ 1]) + b[1:], lambda b: b[:-1], lambda b: b + b"x")


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    return STORES[request.param](tmp_path)


def place(folder: Path, digest: str) -> Path:
    return folder / "store" / digest[:2] / digest[2:]


class Broken(io.BytesIO):
    """A source that fails on its second read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError("the source went away")
        return super().read(size)


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"x" * 3_000_000])
def test_what_was_put_comes_back_under_its_sha256(store: Store, data: bytes) -> None:
    """Both ways of putting give the same digest, as often as one likes."""
    digest = store.put(data)
    assert digest == hashlib.sha256(data).hexdigest()
    assert store.put_from(io.BytesIO(data)) == store.put(data) == digest
    store.sync()
    store.sync()
    with store.open(digest) as file:
        assert file.read() == data


@pytest.mark.parametrize("digest", ["0" * 64, "../../etc/passwd", "", "A" * 64])
def test_what_was_never_put_is_not_found(store: Store, digest: str) -> None:
    """Also what is no digest at all, and above all no path."""
    with pytest.raises(NotFound):
        store.open(Digest(digest))


def test_a_source_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Its own error comes through, and no half file stays."""
    store = DirStore(tmp_path / "store")
    with pytest.raises(OSError, match="the source went away"):
        store.put_from(Broken(b"x" * 3_000_000))
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


@proves("store.verified")
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_changed_content_cannot_be_read_to_its_end(tmp_path: Path, size: int) -> None:
    """A flipped bit, a cut and an added byte are JournalCorrupt, whether read at once or in pieces."""
    for damage in DAMAGES:
        store = DirStore(tmp_path / "store")
        digest = store.put(os.urandom(size))
        path = place(tmp_path, digest)
        content = damage(path.read_bytes())
        path.unlink()
        path.write_bytes(content)
        with store.open(digest) as file, pytest.raises(JournalCorrupt):
            file.read()
        with store.open(digest) as file, pytest.raises(JournalCorrupt):
            list(iter(partial(file.read, 1000), b""))
        with store.open(digest) as file, pytest.raises(JournalCorrupt):
            assert len(file.read(len(content))) < len(content)


def test_content_cut_short_by_a_power_loss_is_repaired_by_putting_it_again(tmp_path: Path) -> None:
    """A name without its bytes does not count as stored."""
    store = DirStore(tmp_path / "store")
    digest = store.put(b"content")
    path = place(tmp_path, digest)
    path.unlink()
    path.write_bytes(b"")
    assert DirStore(tmp_path / "store").put(b"content") == digest
    assert store.open(digest).read() == b"content"


@proves("store.verified")
def test_links_and_pipes_in_the_store_are_refused(tmp_path: Path) -> None:
    """Nothing leads out of the store, and opening never hangs."""
    store = DirStore(tmp_path / "store")
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    digest = store.put(b"secret")
    path = place(tmp_path, digest)
    path.unlink()
    path.symlink_to(outside)
    with pytest.raises(JournalCorrupt, match="symbolic link"):
        store.open(digest)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(JournalCorrupt, match="no file"):
        store.open(digest)
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(tmp_path)
    with pytest.raises(JournalCorrupt, match="symbolic link"):
        store.open(digest)
    with pytest.raises(JournalCorrupt, match="symbolic link"):
        store.put(b"secret")
    assert outside.read_bytes() == b"secret"


def test_contents_are_private_and_read_only(tmp_path: Path) -> None:
    """Pre-images may hold secrets; nobody writes them by accident."""
    store = DirStore(tmp_path / "store")
    digest = store.put(b"content")
    assert stat.S_IMODE(place(tmp_path, digest).stat().st_mode) == 0o400
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) & 0o077 == 0


@proves("store.large")
def test_200_megabytes_pass_in_bounded_memory(tmp_path: Path) -> None:
    """Putting and reading back a large file takes a few megabytes of memory."""
    source = tmp_path / "large"
    with source.open("wb") as file:
        for number in range(200):
            file.write(number.to_bytes(4, "big") * 262_144)
    store = DirStore(tmp_path / "store")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with source.open("rb") as file:
        digest = store.put_from(file)
    store.sync()
    total = 0
    with store.open(digest) as content:
        while chunk := content.read(1 << 20):
            total += len(chunk)
    assert total == source.stat().st_size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@proves("store.disk_full")
def test_a_full_disk_is_said_and_leaves_no_half_content(tmp_path: Path) -> None:
    """Afterwards the store is usable as soon as there is space."""
    with small_disk(tmp_path, 400) as disk:
        store = DirStore(disk / "store")
        with pytest.raises(DiskFull):
            store.put(b"x" * 1_000_000)
        digest = store.put(b"small")
        store.sync()
        assert store.open(digest).read() == b"small"
        assert len([path for path in (disk / "store").rglob("*") if path.is_file()]) == 1


def test_what_vanished_before_sync_is_said_and_stays_unsynced(tmp_path: Path) -> None:
    """Sync never pretends that something is durable: it fails again until it is."""
    store = DirStore(tmp_path / "store")
    digest = store.put(b"content")
    place(tmp_path, digest).unlink()
    for _ in range(2):
        with pytest.raises(JournalTrouble):
            store.sync()
    store.put(b"content")
    store.sync()


def test_what_another_process_put_is_synced_too(tmp_path: Path) -> None:
    """Content that was there already may not have been made durable by whoever put it; then our sync does it."""
    DirStore(tmp_path / "store").put(b"content")
    second = DirStore(tmp_path / "store")
    digest = second.put(b"content")
    place(tmp_path, digest).unlink()
    with pytest.raises(JournalTrouble):
        second.sync()


def test_abandoned_halves_are_swept_and_fresh_ones_are_not(tmp_path: Path) -> None:
    """What a killed process left is removed after a day; what another process is writing stays."""
    DirStore(tmp_path / "store").put(b"a")
    old, fresh = tmp_path / "store" / "begun" / "1-old", tmp_path / "store" / "begun" / "2-fresh"
    old.write_bytes(b"")
    fresh.write_bytes(b"")
    os.utime(old, (0, 0))
    DirStore(tmp_path / "store").put(b"b")
    assert (old.exists(), fresh.exists()) == (False, True)


def test_processes_share_a_store(tmp_path: Path) -> None:
    """Two processes put the same contents at the same time: each is there once and whole."""
    children = [child("put", tmp_path / "store", 60) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0].split() for process in children]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 60
    store = DirStore(tmp_path / "store")
    for number, digest in enumerate(outputs[0]):
        assert store.open(Digest(digest)).read() == str(number).encode("ascii") * 1000
    assert list((tmp_path / "store" / "begun").iterdir()) == []
