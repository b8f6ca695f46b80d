"""What the writer needs of a database: one connection, one transaction at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from remit.errors import JournalTrouble
    from remit.journal.transaction import Head, Transaction

PATIENCE: Final = 10.0
"""Seconds to wait for another process's lock before it is JournalLocked."""


class Engine(Protocol):
    """Used by one thread at a time."""

    @property
    def place(self) -> str:
        """Where the journal is, for people; no password."""
        ...

    @property
    def errors(self) -> type[Exception]:
        """What the database raises."""
        ...

    def begin(self, *, durable: bool, patience: float) -> None:
        """Begin a transaction as the only writer; with no patience it fails at once when somebody else is it."""
        ...

    def transaction(self, known: Mapping[str, Head]) -> Transaction:
        """What is written in the transaction that was begun."""
        ...

    def commit(self) -> None:
        """Return when it survives kill -9, and power loss if it was begun so."""
        ...

    def roll_back(self) -> None:
        """Whatever state it is in; never raises. What cannot be mended shows in the next `begin`."""
        ...

    def tidy(self) -> None:
        """Housekeeping between transactions; never raises."""
        ...

    def is_busy(self, error: Exception) -> bool:
        """Whether someone else holds the lock, so that trying again makes sense."""
        ...

    def trouble(self, error: Exception) -> JournalTrouble:
        """The same in remit's words."""
        ...

    def close(self) -> None: ...
