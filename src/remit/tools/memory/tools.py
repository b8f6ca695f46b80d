"""The tools for memory, wired together."""

from __future__ import annotations

from remit.ports import Tool
from remit.tools.memory.look import MemorySearch, MemoryUntrusted
from remit.tools.memory.remember import Keeping, MemoryPut, MemoryRemember


def memory_tools(keeping: Keeping, roots: tuple[str, ...]) -> list[Tool]:
    """`roots` are the folders in which what they look for was learnt."""
    return [MemoryRemember(keeping), MemoryPut(keeping), MemorySearch(keeping, roots), MemoryUntrusted(keeping, roots)]
