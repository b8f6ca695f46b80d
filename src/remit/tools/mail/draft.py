"""The tools for drafts: a letter in a folder, for a person to look at, change and send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
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

    def title(self, args: Mapping[str, JsonValue]) -> str:
        whom = ", ".join(one for some in recipients(args) for one in some)
        return f"draft mail to {whom}: {visible(text(args, 'subject'), keep='')}"

    def headline(self, call: Call) -> str:
        return f"It is put into {visible(self.account(call.args).drafts, keep='')}; nobody is sent anything."

    async def run(self, call: Call) -> JsonValue:
        account, ident = self.account(call.args), message_id(call.action, self.account(call.args))
        message = self.message(call, call.captured, self.room.clock.now())
        await imap.asked(account, lambda box: imap.file(box, account.drafts, ident, message, "\\Draft"))
        return {"drafted": ident, "folder": account.drafts}

    async def probe(self, call: Call) -> Probed:
        account, ident = self.account(call.args), message_id(call.action, self.account(call.args))
        found = await imap.asked(account, lambda box: imap.known_by(box, account.drafts, ident))
        if found:
            return Probed(happened=Happened.YES, result={"drafted": ident, "folder": account.drafts})
        return Probed(happened=Happened.NO, again=True)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - the action's id is enough
        account = self.account(call.args)
        return Undo(tool="mail.discard", args={"account": account.name, "message_id": message_id(call.action, account)})


class MailDiscard(BaseTool):
    """Removes a draft that remit made. A person who changes a draft makes another one, so what is removed is what was made."""

    spec = ToolSpec(
        name="mail.discard",
        description="Remove a draft that an earlier action made. Used by undo.",
        schema=schema(
            ("account", "message_id"), account={"type": "string"}, message_id={"type": "string", "pattern": "^<remit\\.[^>\\s]+>$"}
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
            await imap.asked(account, lambda box: imap.discard(box, account.drafts, found))
        return {"removed": text(call.args, "message_id")}

    async def probe(self, call: Call) -> Probed:
        if await self._found(call):
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.YES, result={"removed": text(call.args, "message_id")})

    async def _found(self, call: Call) -> list[str]:
        account, ident = named(self._accounts, call.args), text(call.args, "message_id")
        return await imap.asked(account, lambda box: imap.known_by(box, account.drafts, ident))
