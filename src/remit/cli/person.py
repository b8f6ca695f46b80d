"""Who sits at this terminal."""

from __future__ import annotations

import getpass
import os


def person() -> str:
    """The login name, or the number where a user has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"
