"""The tools for mail that a configuration brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from remit.config import Mail as Configured
from remit.ports import Clock, Store, Tool
from remit.tools.changes.roots import Roots
from remit.tools.mail.accounts import known
from remit.tools.mail.draft import MailDiscard, MailDraft
from remit.tools.mail.look import MailRead, MailSearch
from remit.tools.mail.outbox import Outbox
from remit.tools.mail.send import MailCancel, MailRelease, MailSend
from remit.tools.mail.writing import Mailroom


def mail_tools(accounts: Mapping[str, Configured], *, roots: Roots, store: Store, clock: Clock, outbox: Path) -> list[Tool]:
    """Raises BadInput for a strange address or server."""
    room = Mailroom(accounts=known(accounts), roots=roots, store=store, clock=clock)
    letters = Outbox(outbox)
    made: list[Tool] = [MailSend(room, letters), MailCancel(letters), MailRelease(room, letters)]
    if any(account.imap for account in room.accounts.values()):
        made += [MailSearch(room.accounts), MailRead(room.accounts), MailDraft(room), MailDiscard(room.accounts)]
    return made
