"""Handing a letter to a server (RFC 5321): to all of its recipients or to none, with a last moment at which it can still be called back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final

import aiosmtplib

from remit.crashpoint import crashpoint
from remit.errors import ToolFailed, ToolUncertain, Unavailable
from remit.tools.mail.accounts import Account

SECONDS: Final = 120
"""How long handing over may take in all."""
_SILENT: Final = 30
_NO: Final = range(400, 600)
_LATER: Final = range(400, 500)


async def hand_over(
    account: Account, recipients: Sequence[str], message: bytes, go: Callable[[], bool], *, seconds: float = SECONDS
) -> str:
    """What the server answered. `go` is called at the last moment; when it says no, nothing is sent.

    Raises Unavailable (surely not sent, later may help), ToolFailed (surely not sent, refused), ToolUncertain (nobody knows).
    """
    server = account.smtp
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.kind == "smtps",
        start_tls=server.kind == "smtp+starttls",
        timeout=_SILENT,
        tls_context=None if server.kind == "smtp" else ssl.create_default_context(),
    )
    sending = False
    try:
        async with asyncio.timeout(seconds):
            await client.connect()
            if server.user:
                await client.login(server.user, server.password)
            await client.mail(account.address)
            for recipient in recipients:
                await client.rcpt(recipient)
            if not go():
                raise ToolFailed("it was called back", fix="nothing was sent")
            sending = True
            crashpoint("mail.sending")
            answer = await client.data(message)
            crashpoint("mail.sent")
            return f"{answer.code} {answer.message}"
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        if isinstance(error, aiosmtplib.SMTPResponseException) and error.code in _NO:
            raise _refused(error, account) from error
        why = str(error) or type(error).__name__  # no answer, or one that is none
        if sending:
            raise ToolUncertain(f"{server.host} was sent the letter, and did not answer: {why}", fix="look whether it arrived") from error
        raise Unavailable(f"{server.host} was not reached: {why}", fix="see whether it is up; it is tried again") from error
    finally:
        client.close()


def _refused(error: aiosmtplib.SMTPResponseException, account: Account) -> ToolFailed:
    whom = f" for {error.recipient}" if isinstance(error, aiosmtplib.SMTPRecipientRefused) else ""
    said = f"{account.smtp.host} refused it{whom}, so nobody was sent anything: {error.code} {error.message}"
    if error.code in _LATER:
        return Unavailable(said, fix="it is tried again")
    return ToolFailed(said, fix="mend the address or the account")
