"""remit: hand work to AI and walk away. Importing it brings in no third-party module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from remit.tools.made import tool as tool

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`remit.tool`, loaded when somebody makes one."""
    if name == "tool":
        from remit.tools.made import tool as made  # noqa: PLC0415 - see above

        return made
    raise AttributeError(f"module 'remit' has no attribute {name!r}")
