"""Applies one change in a process for which the kernel refuses to exchange names, as some file systems do: `STATE ROOT`."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from pathlib import Path

from remit.errors import Unavailable
from remit.journal.store import DirStore
from remit.tools.changes.change import apply
from remit.tools.changes.roots import Roots
from remit.tools.changes.snapshot import look
from remit.tools.changes.tree import ABSENT, Change, Node, NodeKind

RENAMEAT2 = {"x86_64": 316, "aarch64": 276}
EXCHANGE = 2


def refuse_exchange() -> None:
    """A seccomp filter (seccomp(2)): renameat2 with the exchange flag fails with EINVAL, everything else is allowed."""
    load, equal, give = 0x20, 0x15, 0x06
    flags_offset = 16 + 4 * 8
    program = [
        (load, 0, 0, 0),
        (equal, 0, 3, RENAMEAT2[platform.machine()]),
        (load, 0, 0, flags_offset),
        (equal, 0, 1, EXCHANGE),
        (give, 0, 0, 0x00050000 | errno.EINVAL),
        (give, 0, 0, 0x7FFF0000),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    text = ctypes.create_string_buffer(code, len(code))
    wrapped = struct.pack("HxxxxxxP", len(program), ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_ulong]
    assert libc.prctl(38, 1, None, 0, 0) == 0
    assert libc.prctl(22, 2, wrapped, 0, 0) == 0


def main() -> None:
    """Print what happened."""
    state, folder = Path(sys.argv[1]), Path(sys.argv[2])
    store, roots, path = DirStore(state), Roots([folder]), bytes(folder / "file")

    def file(content: bytes) -> Node:
        return Node(kind=NodeKind.FILE, mode=0o644, size=len(content), content=store.put(content))

    changes = [
        Change(path=path, before=look(path, store), after=file(b"new")),
        Change(path=bytes(folder / "made"), before=ABSENT, after=Node(kind=NodeKind.DIR, mode=0o755)),
    ]
    refuse_exchange()
    try:
        apply(changes, store, tag="t", roots=roots, keep_aside=False)
    except Unavailable as error:
        print(error)


if __name__ == "__main__":
    main()
