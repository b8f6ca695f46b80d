"""SIGINT and SIGTERM, which must end the program even where the error that they raise is lost.

They come at any moment, and Python throws away what is raised in a callback of its own (of a garbage collection or an import, say);
libraries do the same with every `Exception`, which is why both raise `KeyboardInterrupt`, which is none.
"""

from __future__ import annotations

import signal

from remit.cli.exits import INTERRUPTED, TERMINATED

_received: list[int] = []
"""Since `listen`."""


def listen() -> None:
    """From now on both are noted and raised."""
    _received.clear()
    signal.signal(signal.SIGTERM, _raise)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background jobs have it ignored
        signal.signal(signal.SIGINT, _raise)


def note(number: int) -> None:
    """One came."""
    _received.append(number)


def came() -> bool:
    """Whether one did."""
    return bool(_received)


def check() -> None:
    """Raise what was lost."""
    if came():
        raise KeyboardInterrupt


def exit_code() -> int:
    """Of a program that one of them ended."""
    return TERMINATED if signal.SIGTERM in _received else INTERRUPTED


def _raise(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a handler
    note(number)
    raise KeyboardInterrupt
