"""Who sits at this terminal."""

from __future__ import annotations

import getpass
import os


def person() -> str:
    """The login name (a dot for each @, which names cannot have), or the number where a user has none."""
    try:
        return getpass.getuser().replace("@", ".")
    except (KeyError, OSError):
        return f"uid{os.getuid()}"
