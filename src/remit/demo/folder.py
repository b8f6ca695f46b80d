"""The messy folder of the demo, made by code: the same names, bytes, modes and times each time."""

from __future__ import annotations

import os
import sqlite3
from base64 import encodebytes
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final

_WHEN_NS: Final = 1_761_900_000_123_456_789
"""An afternoon in October 2025, in nanoseconds: undo restores times exactly."""
_STEP_NS: Final = 7_000_000_111
_READ_ONLY: Final = 0o444
_FILE: Final = 0o644
USD: Final = 0.92


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One invoice: what stands in it, where it lies, and under what name it should be filed."""

    number: str
    supplier: str
    cents: int
    """In euros, as it has to be booked."""
    lies: bytes
    """Path in the folder; one is not UTF-8."""
    filed: str
    encoding: str = "utf-8"
    total: str = ""
    """As the supplier writes it, with its currency."""


INVOICES: Final = (
    Invoice(
        number="4711",
        supplier="Bäckerei Schmid",
        cents=8640,
        lies="inbox/RG_4711 Bäckerei Schmid.txt".encode(),
        filed="2025-10-07 4711.txt",
        total="86,40 EUR",
    ),
    Invoice(
        number="R-0815",
        supplier="Glas Özdemir",
        cents=41990,
        lies=b"inbox/FW_ Rechnung R-0815.eml",
        filed="2025-10-09 R-0815.eml",
        total="419,90 EUR",
    ),
    Invoice(
        number="KG/7",
        supplier="Kühltechnik Grün",
        cents=132000,
        lies="inbox/Rechnung Kühltechnik Grün 7.txt".encode("latin-1"),
        filed="2025-10-13 KG 7.txt",
        encoding="cp1252",
        total="1.320,00 EUR",
    ),
    Invoice(
        number="2025-1003",
        supplier="Müller Holz",
        cents=128450,
        lies="inbox/Rechnung Müller Holz 2025-10-03.txt".encode(),
        filed="2025-10-03 2025-1003.txt",
        total="1.284,50 EUR",
    ),
    Invoice(
        number="2025-1030",
        supplier="Müller Holz",
        cents=9900,
        lies="originals/Müller Holz 2025-10-30 (signed).txt".encode(),
        filed="2025-10-30 2025-1030.txt",
        total="99,00 EUR",
    ),
    Invoice(
        number="INV-88",
        supplier="O'Neill & Sons",
        cents=22080,
        lies=b"inbox/Invoice #88 O'Neill & Sons.txt",
        filed="2025-10-21 INV-88.txt",
        total="240.00 USD",
    ),
    Invoice(
        number="SW-31",
        supplier="Stadtwerke Übersee",
        cents=30125,
        lies=b"inbox/Scan0031.txt",
        filed="2025-10-27 SW-31.txt",
        encoding="utf-16",
        total="301,25 EUR",
    ),
)
DUPLICATES: Final[Mapping[str, bytes]] = MappingProxyType(
    {"inbox/Rechnung Müller Holz 2025-10-03 (1).txt": INVOICES[3].lies, "inbox/Kopie von Scan0031.TXT": INVOICES[6].lies}
)
ARCHIVE: Final = "archive/2024 (old)"
_SLIPS: Final[Mapping[str, int]] = MappingProxyType({"KG/7": 123000, "2025-1003": 1284, "SW-31": 0})
"""What was typed wrongly into the database."""


def make(root: Path) -> int:
    """Make the folder at `root`, which must not exist; returns how many files and links are in it."""
    root.mkdir(parents=True)
    for name in ("inbox", "originals", ARCHIVE, "tools", "templates", "to be signed", ".remit"):
        (root / name).mkdir(parents=True)
    _database(root / "invoices.db")
    for path, data in _contents():
        (root / os.fsdecode(path)).write_bytes(data)
    (root / "latest").symlink_to("inbox/Scan0031.txt")
    return _dress(root)


def booked(database: Path) -> dict[str, list[int]]:
    """What the ledger of invoices.db has for each number: one amount, unless something was booked twice."""
    found: dict[str, list[int]] = {}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        for number, cents in db.execute("SELECT number, cents FROM ledger ORDER BY id"):
            found.setdefault(str(number), []).append(int(cents))
    return found


def owed(database: Path) -> dict[str, int]:
    """What is owed to each supplier, in cents."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return {str(name): int(cents) for name, cents in db.execute("SELECT name, owed FROM supplier")}


def _contents() -> Iterator[tuple[bytes, bytes]]:
    texts = {invoice.lies: _text(invoice) for invoice in INVOICES}
    yield from texts.items()
    for copy, of in DUPLICATES.items():
        yield copy.encode(), texts[of]
    for name, place in (("README", "README.txt"), ("report", "templates/report.md"), ("policy", ".remit/policy.cedar")):
        yield place.encode(), _shipped(f"{name}{'.md' if name == 'report' else '.txt'}")
    yield b"tools/book_totals.py", _shipped("book_totals.txt")
    yield b"rates.csv", f"currency,eur\nEUR,1\nUSD,{USD}\n".encode()
    yield b"suppliers.csv", "name;city\nBäckerei Schmid;Köln\nMüller Holz;Füssen\n".encode("cp1252")
    for number in (1, 2, 3):
        yield f"{ARCHIVE}/Rechnung {number} von früher.txt".encode(), f"Nr.: 2024-{number}\nSumme: {number}00,00 EUR\n".encode("cp1252")
    yield b"inbox/.DS_Store", bytes(range(256)) * 8


def _text(invoice: Invoice) -> bytes:
    words = ("No", "Total") if invoice.total.endswith("USD") else ("Nr", "Summe")
    text = f"{invoice.supplier}\n\n{words[0]}.: {invoice.number}\nOctober 2025\n\n{words[1]}: {invoice.total}\n"
    if not invoice.lies.endswith(b".eml"):
        return text.encode(invoice.encoding) if invoice.encoding != "utf-16" else b"\xff\xfe" + text.encode("utf-16-le")
    head = "From: rechnung@glas-oezdemir.example\nSubject: =?utf-8?q?FW=3A_Rechnung_f=C3=BCr_Oktober?=\nMIME-Version: 1.0\n"
    kind = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    return (head + kind).encode() + encodebytes(text.encode())


def _shipped(name: str) -> bytes:
    return resources.files("remit.demo").joinpath("office", name).read_bytes()


def _database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE supplier (name TEXT PRIMARY KEY, owed INTEGER NOT NULL)")
        db.execute("CREATE TABLE invoice (number TEXT PRIMARY KEY, supplier TEXT NOT NULL, cents INTEGER NOT NULL, file TEXT)")
        db.execute("CREATE TABLE ledger (id INTEGER PRIMARY KEY, number TEXT NOT NULL, cents INTEGER NOT NULL)")
        for name in sorted({invoice.supplier for invoice in INVOICES}):
            db.execute("INSERT INTO supplier VALUES (?, 0)", (name,))
        for invoice in INVOICES:
            typed = _SLIPS.get(invoice.number, invoice.cents)
            db.execute("INSERT INTO invoice VALUES (?, ?, ?, NULL)", (invoice.number, invoice.supplier, typed))


def _dress(root: Path) -> int:
    """Modes and times, whatever the umask and the clock."""
    places = sorted(Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    for number, place in enumerate(places):
        if not place.is_symlink():
            place.chmod(_READ_ONLY if place.parent.name in {"originals", "templates"} else _FILE)
        when = _WHEN_NS + number * _STEP_NS
        os.utime(place, ns=(when, when), follow_symlinks=False)
    return len(places)
