"""SIGINT and SIGTERM, which must end the program even where the error that they raise is lost.

They come at any moment, and Python throws away what is raised in a callback of its own (of a garbage collection or an import, say);
libraries do the same with every `Exception`, which is why both raise `KeyboardInterrupt`, which is none.
"""

from __future__ import annotations

import signal

from remit.cli.exits import INTERRUPTED, TERMINATED, Interrupted, Terminated

received: list[int] = []
"""Since `listen`."""


def listen() -> None:
    """From now on both are noted and raised."""
    received.clear()
    signal.signal(signal.SIGTERM, _raise)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and the like have it ignored
        signal.signal(signal.SIGINT, _raise)


def exit_code() -> int:
    """Of a program that one of them ended."""
    return TERMINATED if signal.SIGTERM in received else INTERRUPTED


def check() -> None:
    """Raise what was lost. Raises Interrupted, Terminated."""
    if received:
        kind = Terminated if signal.SIGTERM in received else Interrupted
        raise kind("interrupted; nothing is lost", fix="`remit resume` goes on where it stopped")


def _raise(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a handler
    received.append(number)
    raise KeyboardInterrupt
