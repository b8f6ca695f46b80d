"""The one call to the disk that Python has no name for."""

from __future__ import annotations

import ctypes
import os


def syncfs(handle: int) -> None:
    """Make all of the file system that an open file is on survive power loss. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
