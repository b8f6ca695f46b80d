"""The program's first and last moments, which a person who answers a question waits for each time."""

from __future__ import annotations

import gc

gc.disable()  # what is imported never becomes garbage: looking for some meanwhile costs a tenth of the start

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn

from remit.cli import main


def start() -> NoReturn:
    """Run the command line and end at once: taking the interpreter apart frees only what the system frees anyway."""
    code = main()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads any more
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    start()
