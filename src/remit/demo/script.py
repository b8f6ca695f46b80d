"""What the scripted model says, turn by turn. It knows only what a model would: the folder's path and the tools' answers."""

from __future__ import annotations

import json
import os
import shlex
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

from remit.demo.folder import ARCHIVE, DUPLICATES, INVOICES, Invoice
from remit.domain.values import JsonValue
from remit.testing import History, ScriptedModel, ScriptedTurn

GOAL: Final = (
    "Sort out the October invoices: file each under its supplier, correct the totals in invoices.db, "
    "clear away duplicates and what is old, and write report.md."
)
GOAL_WITHOUT_SHELL: Final = GOAL.replace("correct the totals in invoices.db", "add the missing suppliers to suppliers.csv")
_PYTHON: Final = shlex.quote(sys.executable)
_SUPPLIERS: Final = "name;city\nBäckerei Schmid;Köln\nMüller Holz;Füssen\nGlas Özdemir;Düren\n"
_BUG: Final = '    return path.read_text(encoding="utf-8")\n'
_MENDED: Final = """\
    data = path.read_bytes()
    if data.startswith(b"\\xff\\xfe"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")
"""

Turn = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One turn of the model, and how many of its calls have an effect: the demo has to know which one to be killed after."""

    turn: ScriptedTurn
    effects: int = 0
    killed: bool = False
    """The process is killed right after the last effect of this turn, before it is recorded."""


def model(root: Path, *, shell: bool) -> ScriptedModel:
    """The model of the demo; an equal one goes on in the next process."""
    return ScriptedModel(*(chapter.turn for chapter in chapters(root, shell=shell)), name="scripted")


def kill_after(root: Path, *, shell: bool) -> int:
    """The number of the effect after which the process is killed, counted from 1."""
    count = 0
    for chapter in chapters(root, shell=shell):
        count += chapter.effects
        if chapter.killed:
            return count
    raise AssertionError("unreachable: one chapter is killed")


def chapters(root: Path, *, shell: bool) -> list[Chapter]:
    """The whole story."""
    return [*_looking(shell=shell), *_filing(root), *(_booking() if shell else _listing()), *_ending()]


def _looking(*, shell: bool) -> Iterator[Chapter]:
    look = says("I look around first.", call("files.list", path=".", recursive=True), call("files.read", path="README.txt"))
    yield Chapter(turn=look)
    if shell:
        line = "cd inbox && sha256sum -- * | sort | uniq -w 64 -D"
        yield Chapter(turn=says("Some files seem to be there twice.", call("shell.run", command=line)), effects=1)


def _filing(root: Path) -> Iterator[Chapter]:
    signed = next(invoice for invoice in INVOICES if invoice.lies.startswith(b"originals/"))
    to = _filed(signed)
    yield Chapter(
        turn=says(
            "One invoice lies among the originals. I file it.", call("files.move", path=_said(root, signed.lies), to=to, parents=True)
        )
    )
    yield Chapter(
        turn=says(
            "Originals must stay where they are: I leave it there and file a copy.",
            call("files.copy", path=_said(root, signed.lies), to=to, parents=True),
        ),
        effects=1,
    )
    others = [invoice for invoice in INVOICES if invoice is not signed]
    moves = [call("files.move", path=_said(root, invoice.lies), to=_filed(invoice), parents=True) for invoice in others]
    yield Chapter(turn=says("The others I move to their suppliers, under names that can be read.", *moves), effects=len(moves))


def _booking() -> Iterator[Chapter]:
    script = f"{_PYTHON} tools/book_totals.py"
    copy = call("files.copy", path="invoices.db", to="invoices.before.db")
    yield Chapter(turn=says("Before anything touches the books I keep a copy of them.", copy), effects=1)
    yield Chapter(turn=says("The office's own script books the totals.", call("shell.run", command=script, timeout=1)))
    yield Chapter(
        turn=says(
            "It waits for a bank that cannot be reached from here. There is a list of rates in the folder.",
            call("shell.run", command=f"{script} --offline"),
        ),
        effects=1,
    )
    yield Chapter(
        turn=says(
            "It broke in the middle, half of it booked. I put the books back and clear away what it left.",
            call("files.move", path="invoices.before.db", to="invoices.db", overwrite=True),
            call("files.delete", path="totals.csv"),
        ),
        effects=2,
    )
    yield Chapter(
        turn=says(
            "The script takes every file for UTF-8. I mend that and book again.",
            call("files.edit", path="tools/book_totals.py", old=_BUG, new=_MENDED),
            call("shell.run", command=f"{script} --offline"),
        ),
        effects=2,
        killed=True,
    )


def _listing() -> Iterator[Chapter]:
    old, new = "Müller Holz;Füssen\n", "Müller Holz;Füssen\nGlas Özdemir;Düren\n"
    yield Chapter(turn=says("A supplier is missing in the list.", call("files.edit", path="suppliers.csv", old=old, new=new)))
    data = b64encode(_SUPPLIERS.encode("cp1252")).decode("ascii")
    yield Chapter(
        turn=says("The list is not UTF-8. I write it anew in its own encoding.", call("files.write", path="suppliers.csv", base64=data)),
        effects=1,
        killed=True,
    )


def _ending() -> Iterator[Chapter]:
    deletions = [call("files.delete", path=path) for path in DUPLICATES]
    old = call("files.delete", path=ARCHIVE, recursive=True)
    yield Chapter(turn=says("Now the duplicates can go, and what is left of 2024.", *deletions, old))
    yield Chapter(turn=_report)
    yield Chapter(turn=_last_word)


def _report(history: History) -> Turn:
    """The report says what the tools' answers say, whatever the person decided."""
    duplicates, kept = _deleted(history)
    total = sum(invoice.cents for invoice in INVOICES)
    text = f"# Invoices, October 2025\n\nFiled: {len(INVOICES)}\nTotal: {total // 100}.{total % 100:02} EUR\n\n"
    text += f"Duplicates: {duplicates} cleared away\nOpen questions: {'is 2024 to be kept?' if kept else 'none'}\n"
    return says("The report.", call("files.write", path="report.md", text=text))


def _last_word(history: History) -> Turn:
    duplicates, kept = _deleted(history)
    old = "What is left of 2024 stays, as you said." if kept else "What was left of 2024 is gone."
    return says(
        f"PARTLY: {len(INVOICES)} invoices are filed, {duplicates} duplicates are gone, report.md is written. "
        f"The signed original stays where it was; a copy of it is filed. {old}"
    )


def _deleted(history: History) -> tuple[int, bool]:
    """How many duplicates were deleted, and whether the archive was kept."""
    answers = [json.loads(str(item["text"])) for item in history if item.get("role") == "tool" and item.get("tool") == "files.delete"]
    done = [answer.get("status") == "succeeded" for answer in answers][-len(DUPLICATES) - 1 :]
    return sum(done[:-1]), not done[-1]


def says(text: str, *calls: Mapping[str, JsonValue]) -> Turn:
    """A turn: text, and the calls it makes."""
    return {"text": text, "calls": list(calls)}


def call(tool: str, **args: JsonValue) -> dict[str, JsonValue]:
    return {"id": "", "tool": tool, "args": args}


def _filed(invoice: Invoice) -> str:
    return f"suppliers/{invoice.supplier}/{invoice.filed}"


def _said(root: Path, path: bytes) -> str:
    """As tools name it: text, or a URI where the name is not UTF-8."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return "file://" + quote_from_bytes(os.fsencode(root / os.fsdecode(path)))
