"""The tools for drafts: a letter in a folder, for a person to look at, change and send."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest
from remit.domain.visible import visible
from remit.errors import ToolFailed
from remit.ports import Call, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.args import schema, text
from remit.tools.base import BaseTool
from remit.tools.mail import imap
from remit.tools.mail.accounts import Account, named
from remit.tools.mail.letters import message_id, recipients
from remit.tools.mail.writing import SALIENT, SCHEMA, VISIBLE, WritesMail

_GONE: Final = "somebody has moved, changed, sent or removed it"


class MailDraft(WritesMail):
    """Puts a letter among the drafts. Nobody is sent anything."""

    spec = ToolSpec(
        name="mail.draft",
        description="Put a letter among the drafts, for a person to look at and send.",
        schema=SCHEMA,
        effect=Effect.REVERSIBLE,
        egress=True,
        salient=SALIENT,
        visible=VISIBLE,
        seconds=120,
    )

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (f"mailbox:{self.account(args).address}",)

    def owns(self, target: str) -> bool:  # noqa: ARG002 - each is an account of the person's
        return True

    def title(self, args: Mapping[str, JsonValue]) -> str:
        whom = ", ".join(one for some in recipients(args) for one in some)
        return f"draft mail to {whom}: {visible(text(args, 'subject'), keep='')}"

    def headline(self, call: Call) -> str:
        return f"It is put into {visible(self.account(call.args).drafts, keep='')}; nobody is sent anything."

    async def run(self, call: Call) -> JsonValue:
        account, ident = self.account(call.args), message_id(call.action, self.account(call.args))
        message = self.message(call, call.captured, self.room.clock.now())
        await imap.asked(account, lambda box: imap.file(box, account.drafts, ident, message, "\\Draft"), changes=True)
        with suppress(ToolFailed):  # it is there all the same; only its undo would not know it again
            if found := await self._drafted(account, ident):
                return found
        return {"drafted": ident, "folder": account.drafts, "digest": ""}

    async def probe(self, call: Call) -> Probed:
        account, ident = self.account(call.args), message_id(call.action, self.account(call.args))
        found = await self._drafted(account, ident)
        return Probed(happened=Happened.YES, result=found) if found else Probed(happened=Happened.NO, again=True)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        account, told = self.account(call.args), result.get("digest", "") if isinstance(result, Mapping) else ""
        args = {"account": account.name, "message_id": message_id(call.action, account), "digest": told}
        return Undo(tool="mail.discard", args=args)

    async def _drafted(self, account: Account, ident: str) -> dict[str, JsonValue] | None:
        found = await imap.asked(account, lambda box: _digests(box, account.drafts, ident))
        return {"drafted": ident, "folder": account.drafts, "digest": next(iter(found.values()))} if found else None


class MailDiscard(BaseTool):
    """Removes a draft that remit made, while it is what remit made."""

    spec = ToolSpec(
        name="mail.discard",
        undoes=True,
        description="Remove a draft that an earlier action made. Used by undo.",
        schema=schema(
            ("account", "message_id", "digest"),
            account={"type": "string"},
            message_id={"type": "string", "pattern": "^<remit\\.[^>\\s]+>$"},
            digest={"type": "string", "description": "of what the action left there"},
        ),
        effect=Effect.COMPENSABLE,
        egress=True,
        salient=("account", "message_id"),
        visible=("account",),
        seconds=120,
    )

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._accounts = accounts

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (f"mailbox:{named(self._accounts, args).address}",)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"remove the draft {visible(text(args, 'message_id'), keep='')}"

    async def preview(self, call: Call) -> Preview:
        found = await self._found(call)
        return Preview(text=self.title(call.args) if found else f"in conflict, it is not there any more: {_GONE}")

    async def run(self, call: Call) -> JsonValue:
        """A conflict is a result, so that the rest of an undo goes on."""
        account, found = named(self._accounts, call.args), await self._found(call)
        if not found and not call.again:
            return {"conflicts": [{"path": self.title(call.args), "detail": _GONE}]}
        if found:
            await imap.asked(account, lambda box: imap.discard(box, account.drafts, found), changes=True)
        return {"removed": text(call.args, "message_id")}

    async def probe(self, call: Call) -> Probed:
        if await self._found(call):
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.YES, result={"removed": text(call.args, "message_id")})

    async def _found(self, call: Call) -> list[str]:
        """Those that are as they were left."""
        account, ident, left = named(self._accounts, call.args), text(call.args, "message_id"), text(call.args, "digest")
        found = await imap.asked(account, lambda box: _digests(box, account.drafts, ident))
        return [uid for uid, seen in found.items() if seen == left]


def _digests(box: Any, folder: str, ident: str) -> dict[str, str]:
    """The drafts of one Message-ID, each with a digest of its bytes."""
    return {uid: digest("remit.draft.1", imap.whole(box, folder, uid)) for uid in imap.known_by(box, folder, ident)}
