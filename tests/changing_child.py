"""A process that applies packed changes and may be killed at a crash point: `STATE ROOT TAG`, the changes on standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from remit.journal.store import DirStore
from remit.tools.changes.change import apply, unpack
from remit.tools.changes.roots import Roots


def main() -> None:
    """Apply, once."""
    state, root, tag = sys.argv[1:]
    store = DirStore(Path(state) / "store")
    apply(unpack(json.load(sys.stdin), store), store, tag=tag, roots=Roots([Path(root)]), keep_aside=False)


if __name__ == "__main__":
    main()
