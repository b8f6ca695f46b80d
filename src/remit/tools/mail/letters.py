"""Mail as it is written: one reading of recipients, no header of anybody else's making, the same bytes for the same letter."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, Final

from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import ArgsInvalid
from remit.tools.mail.accounts import Account, plain

MOST: Final = 25 << 20
"""Bytes of a letter; many servers take no more."""
_BY_CONTENT: Final = frozenset({"MIME-Version", "Content-Type", "Content-Transfer-Encoding"})
_POLICY: Final = SMTP.clone(max_line_length=78, cte_type="7bit")
"""Every server takes it, whatever it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes along."""

    name: str
    content: bytes

    @property
    def type(self) -> tuple[str, str]:
        kind = mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        main, _, sub = kind.partition("/")
        return main, sub


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is to be sent, and to whom."""

    to: Sequence[str]
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    subject: str
    text: str
    answers: str = ""
    """The Message-ID that it answers."""
    references: Sequence[str] = ()
    attachments: Sequence[Attachment] = field(default=())

    @property
    def recipients(self) -> list[str]:
        """Everybody who gets it, once each."""
        return list(dict.fromkeys([*self.to, *self.cc, *self.bcc]))


def recipients(args: Mapping[str, JsonValue]) -> tuple[list[str], list[str], list[str]]:
    """To, Cc and Bcc of a call. Raises ArgsInvalid for what is no plain address, and for a letter to nobody."""
    to, cc, bcc = ([plain(str(one)) for one in _listed(args.get(name))] for name in ("to", "cc", "bcc"))
    if not (to or cc or bcc):
        raise ArgsInvalid("it goes to nobody", fix="send at least one address in `to`")
    return to, cc, bcc


def message_id(action: str, account: Account) -> str:
    """Ours for this very action, so that the letter is known again wherever it turns up."""
    return f"<remit.{digest('remit.mail.1', action)[:32]}@{account.address.rpartition('@')[2]}>"


def written(letter: Letter, account: Account, ident: str, at: int) -> bytes:
    """The letter with its headers and CRLF. Raises ArgsInvalid for a header with lines of its own, or for what is too large."""
    message = EmailMessage(policy=_POLICY)
    if any("=?" in text for text in (letter.subject, *(one.name for one in letter.attachments))):
        raise ArgsInvalid("words that look encoded, as =?…?=, would be read as others", fix="write them out")
    headers = {
        "From": account.sender,
        "To": ", ".join(letter.to),
        "Cc": ", ".join(letter.cc),
        "Subject": letter.subject,
        "Date": format_datetime(datetime.fromtimestamp(at // 1000, tz=UTC)),
        "Message-ID": ident,
        "In-Reply-To": letter.answers,
        "References": " ".join([*letter.references, letter.answers]).strip(),
    }
    try:
        for name, value in headers.items():
            if value:
                message[name] = value
        message.set_content(letter.text)
        for number, one in enumerate(letter.attachments):
            main, sub = one.type
            message.add_attachment(one.content, maintype=main, subtype=sub, filename=one.name)
            if number == 0:
                message.set_boundary(f"=_{digest('remit.boundary.1', ident)[:40]}")
        found = message.as_bytes(policy=_POLICY)
    except (ValueError, UnicodeError, LookupError) as error:
        raise ArgsInvalid(f"this cannot be written as a mail: {error}", fix="use one line for the subject, and plain text") from None
    _check(found, letter, headers)
    if len(found) > MOST:
        raise ArgsInvalid(f"it would be {len(found)} bytes, more than {MOST}", fix="send a link instead, or fewer attachments")
    return found


def _check(found: bytes, letter: Letter, headers: Mapping[str, str]) -> None:
    """What will be read is what was said: no header more, no recipient other, no name of a file. Raises ArgsInvalid."""
    read = message_from_bytes(found, policy=default)
    names = [name for name in read if name not in _BY_CONTENT]
    people = [str(one.addr_spec) for name in ("To", "Cc") if read[name] is not None for one in read[name].addresses]
    files = [part.get_filename() for part in read.iter_attachments()] if letter.attachments else []
    same = names == [name for name, value in headers.items() if value] and people == [*letter.to, *letter.cc]
    if not same or str(read["Subject"] or "") != letter.subject or files != [one.name for one in letter.attachments]:
        raise ArgsInvalid("as a mail it would say something else than it does here", fix="leave out words that look encoded, as =?…?=")


def shown(letter: Letter, account: Account) -> str:
    """The letter as a person is asked about it: everybody who gets it, all of its text, what goes along."""
    lines = [f"From: {visible(account.sender, keep='')}"]
    for name, values in (("To", letter.to), ("Cc", letter.cc), ("Bcc", letter.bcc)):
        lines += [f"{name}: {', '.join(values)}"] if values else []
    lines += [f"Subject: {visible(letter.subject, keep='')}"]
    lines += [f"In reply to: {visible(letter.answers, keep='')}"] if letter.answers else []
    for one in letter.attachments:
        lines.append(f"Attached: {visible(one.name, keep='')}, {len(one.content)} bytes, sha256 {sha256(one.content).hexdigest()}")
    return "\n".join([*lines, "", visible(letter.text, keep="\n\t")])


def thread(headers: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Message-ID and references of a letter that is answered; only what has the form of one (RFC 5322, 3.6.4)."""
    ids = [_ids(headers.get(name)) for name in ("message-id", "references")]
    return (ids[0][0] if ids[0] else ""), ids[1][-20:]


def _ids(values: Any) -> list[str]:
    text = " ".join(values) if isinstance(values, tuple | list) else str(values or "")
    return [word for word in text.split() if word.startswith("<") and word.endswith(">") and word.isascii() and word.isprintable()]


def _listed(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list | tuple) else ()
