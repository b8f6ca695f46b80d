"""Swaps a folder for a symbolic link and back as fast as it can until it is killed: `FOLDER TARGET`."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

EXCHANGE = 2


def main() -> None:
    """Exchange `FOLDER` and a link to `TARGET` beside it, for ever."""
    folder, target = sys.argv[1:]
    link = folder + ".link"
    Path(link).symlink_to(target)
    libc = ctypes.CDLL(None)
    print("swapping", flush=True)
    while True:
        libc.renameat2(-100, folder.encode(), -100, link.encode(), EXCHANGE)


if __name__ == "__main__":
    main()
