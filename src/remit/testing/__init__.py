"""For those who test against remit: fakes that keep the promises of the ports, and a check of tools."""

from __future__ import annotations

from remit.testing.check import Scenario, check_tool
from remit.testing.fakes import CountingIds, FakeClock, History, MemoryJournal, MemoryStore, ScriptedModel, ScriptedTurn

__all__ = [
    "CountingIds",
    "FakeClock",
    "History",
    "MemoryJournal",
    "MemoryStore",
    "Scenario",
    "ScriptedModel",
    "ScriptedTurn",
    "check_tool",
]
