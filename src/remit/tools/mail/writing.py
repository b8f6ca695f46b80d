"""What sending and drafting have in common: a letter is prepared once, with its attachments as they are then, and shown whole."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from remit.domain.values import Digest, JsonValue, canonical, digest
from remit.errors import ArgsInvalid, Conflict, ToolFailed
from remit.ports import Call, Captured, Clock, Preview, Store
from remit.tools.args import PATH, schema, text
from remit.tools.base import BaseTool, uninterrupted
from remit.tools.changes.folder import explained
from remit.tools.changes.roots import Roots
from remit.tools.changes.tree import judged, said
from remit.tools.files.read import part
from remit.tools.mail import imap
from remit.tools.mail.accounts import NAME, Account, named
from remit.tools.mail.letters import MOST, Attachment, Letter, message_id, recipients, shown, thread, written
from remit.tools.mail.look import FOLDER, UID

_ADDRESSES: Final[Mapping[str, JsonValue]] = {
    "type": "array",
    "items": {"type": "string"},
    "description": "such as name@example.org",
}
SCHEMA: Final = schema(
    ("account", "subject", "text"),
    account=NAME,
    to=_ADDRESSES,
    cc=_ADDRESSES,
    bcc=_ADDRESSES,
    subject={"type": "string", "maxLength": 900},
    text={"type": "string"},
    answers={**UID, "description": "the letter that this one answers, as mail.search names it"},
    folder={**FOLDER, "description": "where that letter is"},
    attachments={"type": "array", "items": PATH, "description": "files that go along"},
)
SALIENT: Final = ("to", "cc", "bcc", "attachments")
VISIBLE: Final = ("account", "to", "cc", "bcc", "subject")
_SHOWN: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailroom:
    """What every tool for mail needs."""

    accounts: Mapping[str, Account]
    roots: Roots
    store: Store
    clock: Clock


class WritesMail(BaseTool):
    """A letter out of arguments."""

    def __init__(self, room: Mailroom) -> None:
        self.room = room

    def account(self, args: Mapping[str, JsonValue]) -> Account:
        return named(self.room.accounts, args)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Addresses in one form only."""
        found = recipients(args)
        addresses = {name: values for name, values in zip(("to", "cc", "bcc"), found, strict=True) if name in args}
        return {**super().visible(args), **addresses}

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:
        """Reading each file that goes along: a rule on files holds here, too."""
        return [("files.read", {"path": judged(self.room.roots.resolve(path, follow=True))}) for path in _paths(call.args)]

    async def preview(self, call: Call) -> Preview:
        staged = await self._prepared(call)
        text_shown = "\n".join(part for part in (self.headline(call), shown(self.letter(call, staged), self.account(call.args))) if part)
        clipped = len(text_shown) > _SHOWN
        more = "\n… it is not shown whole" if clipped else ""
        return Preview(text=text_shown[:_SHOWN] + more, staged=staged, binding=digest("remit.letter.1", canonical(staged)), clipped=clipped)

    async def capture(self, call: Call) -> Captured:
        found = await self._prepared(call)
        if call.staged is not None and canonical(call.staged) != canonical(found):
            raise Conflict("what is attached or answered was changed since this was shown", fix="look at it again")
        self.message(call, found, self.room.clock.now())  # what cannot be written is said before anything is begun
        await asyncio.to_thread(self.room.store.sync)
        return Captured(data=found, touches=self.targets(call.args))

    @abstractmethod
    def headline(self, call: Call) -> str:
        """Said above the letter."""

    def letter(self, call: Call, prepared: JsonValue) -> Letter:
        """What was prepared, as a letter."""
        found: Any = prepared
        to, cc, bcc = recipients(call.args)
        return Letter(
            to=to,
            cc=cc,
            bcc=bcc,
            subject=text(call.args, "subject"),
            text=text(call.args, "text"),
            answers=found["answers"],
            references=found["references"],
            attachments=[Attachment(name=one["name"], content=self._kept(one["content"])) for one in found["attachments"]],
        )

    def message(self, call: Call, prepared: JsonValue, at: int) -> bytes:
        """The letter as it goes over the wire."""
        account = self.account(call.args)
        return written(self.letter(call, prepared), account, message_id(call.action, account), at)

    async def _prepared(self, call: Call) -> dict[str, JsonValue]:
        """The parts of a letter that come from elsewhere: attachments, and what it answers."""
        recipients(call.args)
        account, folder = self.account(call.args), text(call.args, "folder", "INBOX")
        answers, references = "", list[str]()
        if "answers" in call.args:
            uid = text(call.args, "answers")
            found = await imap.asked(account, lambda box: imap.one(box, folder, uid))
            answers, references = thread(found.message.headers)
            if not answers:
                raise ToolFailed("the letter that is answered has no Message-ID", fix="leave `answers` out")
        attachments: list[JsonValue] = [await uninterrupted(lambda path=path: self._attached(path)) for path in _paths(call.args)]  # type: ignore[misc]
        return {"answers": answers, "references": [*references], "attachments": attachments}

    def _attached(self, path: str) -> JsonValue:
        place = self.room.roots.resolve(path, follow=True)
        with explained("read", place):
            content, size = part(place, 0, MOST)
        if size > len(content):
            raise ToolFailed(f"{said(place)} has {size} bytes, more than a letter may have", fix="send a link instead")
        name = place.rpartition(b"/")[2].decode("utf-8", "backslashreplace")
        return {"name": name, "content": self.room.store.put(content)}

    def _kept(self, content: str) -> bytes:
        with self.room.store.open(Digest(content)) as source:
            return source.read()


def _paths(args: Mapping[str, JsonValue]) -> list[str]:
    found = args.get("attachments", ())
    if not isinstance(found, list | tuple):
        raise ArgsInvalid("attachments is no list", fix="send a list of paths")
    return [str(path) for path in found]
