"""A process of its own that uses a journal as its arguments say; prints a line after each step that is done."""

from __future__ import annotations

import importlib
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from remit.domain.entry import Draft, Kind
from remit.domain.values import RunId
from remit.errors import AlreadyRecorded, RunBusy
from remit.journal.journal import StoredJournal
from remit.journal.sqlite import open_journal
from remit.journal.store import DirStore


def opened(place: str) -> StoredJournal:
    """The journal in a file or, for a URL, in a database."""
    if "://" not in place:
        return open_journal(Path(place))
    from remit.journal.postgres import open_postgres  # a large import, which would be met by the signals of `interrupt`

    return open_postgres(place)


def note(run: str, action: str, part: str = "") -> Draft:
    return Draft(run=RunId(run), kind=Kind.NOTE, at=1_700_000_000_000, action=action, part=part, body={"by": os.getpid()})


def write(journal: StoredJournal, run: str, who: str, count: str) -> None:
    """`count` lines (0 is for ever), durable and lazy in turn; prints `ACTION` after each future is done."""
    number = 0
    while number < int(count) or count == "0":
        journal.append([note(run, f"{who}{number}"), note(run, f"{who}{number}", "second")], durable=number % 2 == 0).result()
        print(f"{who}{number}", flush=True)
        number += 1


def race(journal: StoredJournal, run: str, count: str) -> None:
    """Try to be the one who records each of `count` lines; prints the numbers won."""
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(count)):
        try:
            journal.append([note(run, f"a{number}"), note(run, f"a{number}", str(os.getpid()))], durable=False).result()
        except AlreadyRecorded:
            continue
        print(number, flush=True)


def hold(journal: StoredJournal, run: str) -> None:
    with journal.hold(RunId(run)):
        print("held", flush=True)
        sys.stdin.readline()


def count(journal: StoredJournal, run: str, counter: str, times: str) -> None:
    """Add to a number in a file as only the holder of the run may; loses counts when two hold it at once."""
    left, file = int(times), Path(counter)
    while left:
        with suppress(RunBusy), journal.hold(RunId(run)):
            file.write_text(str(int(file.read_text(encoding="ascii")) + 1), encoding="ascii")
            left -= 1


def leave(journal: StoredJournal, run: str, count: str) -> None:
    """End the interpreter while accepted lines are still on their way."""
    for number in range(int(count)):
        journal.append([note(run, f"a{number}")], durable=False)
    print("left", flush=True)


def interrupt(journal: StoredJournal, run: str, count: str) -> None:
    """Append while Ctrl-C comes at random moments of it; prints how often it came. Waiting is not interrupted, appending is."""
    importlib.import_module("concurrent.futures")  # else every signal would meet the journal's own late import of it
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    interrupted = 0
    for number in range(int(count)):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.00002 + number % 40 * 0.00001)
            future = journal.append([note(run, f"a{number}"), note(run, f"a{number}", "second")], durable=False)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.sigpending()
        except KeyboardInterrupt:
            interrupted += 1
        else:
            future.result(timeout=30)
    journal.append([note(run, "after"), note(run, "after", "second")], durable=True).result(timeout=30)
    journal.close()
    print(interrupted, flush=True)


def lock(path: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    sys.stdin.readline()


def put(path: str, count: str) -> None:
    """Store contents that other processes store as well; prints each digest once it is durable."""
    store = DirStore(Path(path))
    for number in range(int(count)):
        digest = store.put(str(number).encode("ascii") * 1000)
        store.sync()
        print(digest, flush=True)


WORK: dict[str, Callable[..., None]] = {
    "write": write,
    "race": race,
    "hold": hold,
    "leave": leave,
    "count": count,
    "interrupt": interrupt,
}


def main(what: str, path: str, *arguments: str) -> None:
    if what == "lock":
        lock(path)
    elif what == "put":
        put(path, *arguments)
    else:
        WORK[what](opened(path), *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
