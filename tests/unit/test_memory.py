"""The file that memory is kept in, what finds what, and what is kept out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from claims import proves
from remit.domain.memory import Matter, Remembered, Trust
from remit.errors import BadInput, Unavailable
from remit.tools.memory.screen import secret_in
from remit.tools.memory.store import MemoryFile


def item(name: str, text: str, **more: object) -> Remembered:
    plain = Remembered(id=name, matter=Matter.FACT, text=text, trust=Trust.OWN, who="agent:m", at=len(name))
    return replace(plain, **more)  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> MemoryFile:
    return MemoryFile(tmp_path / "memory.db")


def found(file: MemoryFile, text: str, **more: object) -> list[str]:
    return [one.item.id for one in file.recall(text, **more)]  # type: ignore[arg-type]


@proves("memory.recalled_by_words")
def test_what_fits_the_words_is_found_and_says_by_which(file: MemoryFile) -> None:
    """By its text, by what it is about, and by the goal it was learnt for; stems count, small words do not."""
    file.put(item("seat", "aisle, no red-eyes", about="flights travel"))
    file.put(item("desk", "the desk opens at nine", goal="book a table at the desk"))
    file.put(item("none", "wholly other"))
    (best,) = file.recall("fly me to Oslo: a flight, please, for the travels")
    assert (best.item.id, best.because) == ("seat", ("flight", "travels"))
    assert found(file, "booking a table") == ["desk"]
    assert found(file, "the and of, to!") == []
    assert found(file, 'quotes " and * OR NEAR( are words: wholly') == ["none"]


@proves("memory.recalled_by_words")
def test_a_preference_that_is_about_nothing_counts_for_all_and_comes_first(file: MemoryFile) -> None:
    """Others count for what they are about; nothing is found twice."""
    file.put(item("seat", "flight seats: aisle", about="flights", matter=Matter.PREFERENCE))
    file.put(item("lang", "answer in German, also about a flight", matter=Matter.PREFERENCE))
    assert found(file, "a flight") == ["lang", "seat"]
    assert found(file, "something else") == ["lang"]
    assert found(file, "a flight", most=1) == ["lang"]


@proves("memory.stays_where_it_was_learnt")
def test_what_was_learnt_in_one_folder_is_not_told_in_another(file: MemoryFile) -> None:
    """In it, below it and above it."""
    file.put(item("here", "the flight desk", roots=("/home/a",)))
    assert found(file, "flight", roots=["/home/a"]) == found(file, "flight", roots=["/home/a/b"]) == found(file, "flight", roots=["/home"])
    assert found(file, "flight", roots=["/home/a"]) == ["here"]
    assert found(file, "flight", roots=["/home/ab"]) == found(file, "flight", roots=["/var"]) == []


@proves("memory.untrusted_stays_so")
def test_what_strangers_said_is_found_only_when_asked_for(file: MemoryFile) -> None:
    """And then nothing else is; not even a preference that would always count."""
    file.put(item("mine", "flights: aisle"))
    file.put(item("page", "flights: pay to this account", trust=Trust.UNTRUSTED, matter=Matter.PREFERENCE))
    assert found(file, "flights") == ["mine"]
    assert found(file, "flights", untrusted=True) == ["page"]


@proves("memory.forgotten_for_good")
def test_what_is_forgotten_is_not_in_the_file_any_more(file: MemoryFile, tmp_path: Path) -> None:
    """Neither its text nor its words in the index; the rest is still found."""
    for number in range(50):
        file.put(item(f"keep{number}", f"something kept number {number}"))
    file.put(item("gone", "Xanthippe prefers zeppelins", about="Quetzalcoatl"))
    assert found(file, "zeppelin") == ["gone"]
    assert file.forget(["gone", "never"]) == 1
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir()).lower()
    assert not any(word in kept for word in (b"xanthipp", b"zeppelin", b"quetzalcoatl"))
    assert found(file, "kept number 7")[0] == "keep7"


@proves("memory.not_over_others")
def test_taking_back_spares_what_was_changed_since(file: MemoryFile) -> None:
    """Only what stands there as expected is replaced or forgotten."""
    first, second = item("a", "one"), item("a", "two")
    assert file.swap("a", None, first)
    assert not file.swap("a", None, second)
    assert not file.swap("a", second, None)
    assert file.get("a") == first
    assert file.swap("a", first, second)
    assert file.swap("a", second, None)
    assert file.get("a") is None


_ADD = """
import sys
from pathlib import Path
from remit.domain.memory import Matter, Remembered, Trust
from remit.tools.memory.store import MemoryFile
file = MemoryFile(Path(sys.argv[1]))
for n in range(20):
    file.put(Remembered(id=f"{sys.argv[2]}{n}", matter=Matter.FACT, text=f"fact {n}", trust=Trust.OWN, who="x", at=n))
"""


@proves("memory.not_over_others")
def test_processes_that_remember_at_once_lose_nothing(file: MemoryFile, tmp_path: Path) -> None:
    """Also where none of them had made the file yet."""
    running = [subprocess.Popen([sys.executable, "-c", _ADD, str(tmp_path / "memory.db"), name]) for name in "abc"]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    assert len(file.all()) == 60


def test_what_cannot_be_kept_is_said(file: MemoryFile, tmp_path: Path) -> None:
    """Nothing, too much, and a file that is none."""
    with pytest.raises(BadInput, match="nothing is said"):
        file.put(item("a", "  "))
    with pytest.raises(BadInput, match="1000 characters"):
        file.put(item("a", "x" * 1001))
    (tmp_path / "memory.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Unavailable, match="cannot be used"):
        file.all()


@proves("memory.no_secrets")
@pytest.mark.parametrize(
    "text",
    [
        "the password is hunter22",
        "Passwort: geheim99",
        "token=abcd1234",
        "use sk-proj-a8f7a8f7a8f7a8f7a8f7",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "postgres://ann:hunter2@db.example.org/x",
        "pay with 4111 1111 1111 1111",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlMTIz",
        "the key wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY opens it",
        "it is known-value-77 here",
    ],
)
def test_secrets_are_seen(text: str) -> None:
    """By their look, and those of the configuration by their value."""
    assert secret_in(text, ["known-value-77", "abc"])


@proves("memory.no_secrets")
@pytest.mark.parametrize(
    "text",
    [
        "aisle, no red-eyes, under 300 €",
        "the password policy wants twelve characters",
        "invoice 2026-11-27 of Müller Holz, 1234567890",
        "see https://example.org/a/very/long/path/to/some/page-with-a-name.html",
        "call +49 170 1234567 before 08:00",
        "the commit is 8cd7a22f1e0b9c3d4a5f6e7d8c9b0a1f2e3d4c5b",
        "src/remit/tools/memory/remember.py holds MemoryRemember",
        "abc is short",
    ],
)
def test_plain_sentences_are_none(text: str) -> None:
    """What people say of their preferences, files and numbers may be remembered."""
    assert secret_in(text, ["abc"]) == ""
