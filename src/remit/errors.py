"""Everything remit raises, as one tree.

    RemitError                    code, message, fix, exit code
    ├── BadInput                  what was handed in is wrong (exit 2)
    │   ├── PolicyInvalid         a policy text cannot be loaded
    │   ├── PlanInvalid           a plan file cannot be run
    │   ├── ArgsInvalid           arguments do not fit the tool's schema, or are not plain JSON
    │   ├── ModelUnset            no model is named, or its key is missing
    │   └── NotFound              no such run, action, question or tool
    ├── ToolFailed                a tool says that its effect did not happen
    │   ├── OutsideRoots          a path leads out of the allowed roots
    │   ├── Conflict              the world is no longer what the action was judged on
    │   └── Unavailable           a part of the machine the tool needs is missing (exit 6)
    ├── ToolUncertain             a tool cannot say whether its effect happened
    ├── AlreadyRecorded           a once-only transition was recorded before, by us or someone else
    ├── RunBusy                   another process is advancing this run (exit 6)
    ├── AsksUsedUp                people were asked enough for this hour: it waits (exit 3)
    ├── ModelTrouble              a model cannot be asked; the run is kept (exit 6)
    │   ├── ModelUnavailable      no answer within the patience given
    │   ├── ModelRejected         asking again cannot help: key, name, account, request
    │   └── ContextFull           the conversation is too long for the model
    └── JournalTrouble            the journal cannot be read or written (exit 7)
        ├── JournalLocked         another process holds the database for too long
        ├── JournalCorrupt        the database or its hash chain is damaged
        └── DiskFull              no space for a durable record: nothing was started

Refused and waiting are values (`domain.receipt`), never exceptions. A code is stable: scripts and models may match on it.
"""

from __future__ import annotations

from typing import ClassVar


class RemitError(Exception):
    """Says what is wrong and how to fix it; `code` never changes between versions."""

    code: ClassVar[str] = "remit"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} — {self.fix}" if self.fix else self.message


class BadInput(RemitError):
    code = "bad_input"
    exit_code = 2


class PolicyInvalid(BadInput):
    code = "policy_invalid"


class PlanInvalid(BadInput):
    code = "plan_invalid"


class ArgsInvalid(BadInput):
    code = "args_invalid"


class ModelUnset(BadInput):
    code = "model_unset"


class NotFound(BadInput):
    code = "not_found"


class ToolFailed(RemitError):
    """The effect surely did not happen (or was taken back). The gate records the action as failed."""

    code = "failed"


class OutsideRoots(ToolFailed):
    code = "outside_roots"


class Conflict(ToolFailed):
    code = "conflict"
    exit_code = 5


class Unavailable(ToolFailed):
    code = "unavailable"
    exit_code = 6


class ToolUncertain(RemitError):
    """The effect may have happened. The gate probes, and asks a person when the probe cannot tell."""

    code = "uncertain"


class AlreadyRecorded(RemitError):
    code = "already_recorded"


class RunBusy(RemitError):
    code = "run_busy"
    exit_code = 6


class AsksUsedUp(RemitError):
    """People were asked as often within an hour as they are to be: whoever wants to ask waits until then."""

    code = "asks_used_up"
    exit_code = 3

    def __init__(self, asked: int, *, until: int) -> None:
        super().__init__(
            f"people were asked {asked} times within an hour, and are not to be asked more", fix="raise asks in [budget], or wait"
        )
        self.until = until
        """Milliseconds since 1970, UTC."""


class ModelTrouble(RemitError):
    code = "model"
    exit_code = 6


class ModelUnavailable(ModelTrouble):
    code = "model_unavailable"


class ModelRejected(ModelTrouble):
    code = "model_rejected"


class ContextFull(ModelTrouble):
    code = "context_full"


class JournalTrouble(RemitError):
    code = "journal"
    exit_code = 7


class JournalLocked(JournalTrouble):
    code = "journal_locked"


class JournalCorrupt(JournalTrouble):
    code = "journal_corrupt"


class DiskFull(JournalTrouble):
    code = "disk_full"
