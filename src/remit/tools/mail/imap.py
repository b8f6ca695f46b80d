"""Looking into folders and filing letters (RFC 9051): nothing is marked as read, and every wait has an end."""

from __future__ import annotations

import imaplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import imap_tools

from remit.errors import ArgsInvalid, NotFound, ToolFailed, ToolUncertain, Unavailable
from remit.tools.base import uninterrupted
from remit.tools.mail.accounts import Account, Server

T = TypeVar("T")
_SECONDS: Final = 30
"""How long the server may be silent."""
_TOTAL: Final = 90.0
"""How long one piece of work may take, also with a server that never stops talking."""
_MOST: Final = 64 << 20
"""Bytes that one piece of work may bring, as imaplib believes every server how long its answer is."""
_TROUBLE: Final = (imap_tools.ImapToolsError, imaplib.IMAP4.error, OSError, ValueError, IndexError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A letter in a folder."""

    uid: str
    message: Any
    """`imap_tools.MailMessage`."""


async def asked(account: Account, work: Callable[[imap_tools.BaseMailBox], T], *, changes: bool = False, seconds: float = _TOTAL) -> T:
    """Do something with the account's folders, in a thread.

    Raises Unavailable when the server cannot be reached, and ToolFailed, or ToolUncertain for work that `changes` something, when it
    was lost in the middle.
    """
    if account.imap is None:
        raise ToolFailed(f"mail account {account.name} cannot be read", fix="set its `imap` in remit.toml")
    server = account.imap

    def whole() -> T:
        with _box(server, seconds) as box:
            try:
                return work(box)
            except _TROUBLE as error:
                if changes:
                    raise ToolUncertain(f"{server.host} did not say that it did it: {_said(error)}", fix="look whether it did") from error
                raise ToolFailed(f"{server.host} cannot do that: {_said(error)}", fix="see what it says, and try again") from error

    return await uninterrupted(whole)


def criteria(args: Mapping[str, Any]) -> Any:
    """A search in the server's words. Raises ArgsInvalid for what it cannot be asked."""
    words: dict[str, Any] = {}
    for name, key in (("from", "from_"), ("to", "to"), ("subject", "subject"), ("text", "text")):
        if value := args.get(name):
            if any(ord(c) < 32 for c in value):  # noqa: PLR2004 - controls, which would end the line
                raise ArgsInvalid(f"{name} has characters in it that no search can have", fix="use plain text")
            words[key] = value
    if args.get("unread"):
        words["seen"] = False
    for name, key in (("since", "date_gte"), ("before", "date_lt")):
        if value := args.get(name):
            words[key] = _day(value)
    return imap_tools.AND(**words) if words else imap_tools.AND(all=True)


def search(box: Any, folder: str, wanted: Any, limit: int) -> tuple[list[Found], int]:
    """The newest letters that fit, without their attachments, and how many there are."""
    box.folder.set(folder, readonly=True)
    uids = box.uids(wanted, charset="UTF-8")
    newest = list(reversed(uids))[:limit]
    if not newest:
        return [], len(uids)
    fetched = box.fetch(uid_list=newest, mark_seen=False, headers_only=True, bulk=True)
    found = {one.uid: Found(uid=one.uid, message=one) for one in fetched}
    return [found[uid] for uid in newest if uid in found], len(uids)


def one(box: Any, folder: str, uid: str) -> Found:
    """A whole letter. Raises NotFound."""
    box.folder.set(folder, readonly=True)
    for message in box.fetch(uid_list=[uid], mark_seen=False):
        return Found(uid=uid, message=message)
    raise NotFound(f"there is no letter {uid} in {folder}", fix="take it from mail.search, as it stands there")


def known_by(box: Any, folder: str, message_id: str) -> list[str]:
    """The letters with that Message-ID: compared here, as servers find parts of words."""
    box.folder.set(folder, readonly=True)
    uids = box.uids(imap_tools.AND(header=imap_tools.H("Message-ID", message_id)))
    if not uids:
        return []
    letters = box.fetch(uid_list=uids, mark_seen=False, headers_only=True, bulk=True)
    there = [letter for letter in letters if imap_tools.MailMessageFlags.DELETED not in letter.flags]
    return [letter.uid for letter in there if message_id in " ".join(letter.headers.get("message-id", ())).split()]


def whole(box: Any, folder: str, uid: str) -> bytes:
    """A letter as it stands there, byte for byte."""
    box.folder.set(folder, readonly=True)
    found = _done(box.client.uid("FETCH", uid, "(BODY.PEEK[])"))
    return next((bytes(part[1]) for part in found if isinstance(part, tuple)), b"")


def file(box: Any, folder: str, message_id: str, message: bytes, flag: str) -> None:
    """Put a letter into a folder where it is not yet."""
    if not known_by(box, folder, message_id):
        box.append(message, folder, dt=None, flag_set=[flag])


def discard(box: Any, folder: str, uids: Sequence[str]) -> None:
    """Remove letters for good, or mark them as deleted where others are marked that somebody may still want."""
    box.folder.set(folder)
    _done(box.client.uid("STORE", ",".join(uids), "+FLAGS.SILENT", "(\\Deleted)"))
    if set(box.uids(imap_tools.AND(deleted=True))) <= set(uids):
        box.expunge()


@contextmanager
def _box(server: Server, seconds: float) -> Iterator[Any]:
    try:
        box = _Box(server, seconds)
        try:
            box.login(server.user, server.password, initial_folder=None)
        except BaseException:
            with suppress(OSError):
                box.client.shutdown()
            raise
    except imap_tools.MailboxLoginError as error:
        raise ToolFailed(f"{server.host} does not let {server.user} in", fix="mend user and password in remit.toml") from error
    except _TROUBLE as error:
        raise Unavailable(f"{server.host} was not reached: {_said(error)}", fix="see whether it is up, and try again") from error
    try:
        yield box
    finally:
        with suppress(*_TROUBLE):
            box.logout()
        with suppress(*_TROUBLE):
            box.client.shutdown()


class _Bounded(imaplib.IMAP4):
    """Neither a server that never stops talking nor one that announces gigabytes holds us up."""

    def __init__(self, *where: Any, seconds: float, **more: Any) -> None:
        self._seconds, self._left = seconds, _MOST
        super().__init__(*where, **more)

    def open(self, *where: Any, **more: Any) -> None:
        super().open(*where, **more)
        self._watch = threading.Timer(self._seconds, _hang_up, (self.sock,))
        self._watch.daemon = True
        self._watch.start()

    def read(self, size: int) -> bytes:
        self._take(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._take(len(line))
        return line

    def shutdown(self) -> None:
        self._watch.cancel()
        super().shutdown()

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise self.abort(f"it says more than {_MOST >> 20} MB")


class _BoundedTls(_Bounded, imaplib.IMAP4_SSL):
    """The same inside TLS."""


class _Box(imap_tools.BaseMailBox):
    def __init__(self, server: Server, seconds: float) -> None:
        self._server, self._seconds = server, seconds
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        host, port = self._server.host, self._server.port
        if self._server.kind == "imaps":
            return _BoundedTls(host, port, ssl_context=ssl.create_default_context(), timeout=_SECONDS, seconds=self._seconds)
        return _Bounded(host, port, timeout=_SECONDS, seconds=self._seconds)


def _done(answer: tuple[str, Any]) -> Any:
    """What a command brought. Raises imaplib's error for a no, which imaplib itself returns."""
    status, found = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"{status} {found!r}")
    return found


def _hang_up(line: socket.socket) -> None:
    """Of a line inside TLS, the line: whoever reads it must not go on without."""
    with suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)


def _day(text: str) -> Any:
    from datetime import date  # noqa: PLC0415 - for searches by date only

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgsInvalid(f"{text!r} is no day", fix="write 2026-11-27") from None


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:300]
