"""The tools that send: into the outbox, out of it again before it goes, and at last away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from remit.domain.action import Effect
from remit.domain.held import Held, release_run
from remit.domain.values import JsonValue, digest, split_id
from remit.domain.visible import visible
from remit.errors import RemitError, ToolFailed, Unavailable
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.args import schema, text
from remit.tools.base import BaseTool
from remit.tools.mail import imap
from remit.tools.mail.accounts import Account
from remit.tools.mail.letters import message_id, recipients
from remit.tools.mail.outbox import Outbox, Where
from remit.tools.mail.smtp import SECONDS, hand_over
from remit.tools.mail.writing import SALIENT, SCHEMA, VISIBLE, Mailroom, WritesMail

_ID: Final[Mapping[str, JsonValue]] = {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "a letter in the outbox"}
RELEASE: Final = "mail.release"


class MailSend(WritesMail):
    """Holds a letter in the outbox, from which it goes once its time has come. Until then it can be called back, exactly."""

    spec = ToolSpec(
        name="mail.send",
        description="Send a letter. It is held in the outbox for some minutes, in which it can be called back; then it goes, once.",
        schema=SCHEMA,
        effect=Effect.IRREVERSIBLE,
        egress=True,
        salient=SALIENT,
        visible=VISIBLE,
        seconds=120,
    )

    def __init__(self, room: Mailroom, outbox: Outbox) -> None:
        super().__init__(room)
        self._outbox = outbox
        if all(account.hold for account in room.accounts.values()):  # then nothing can be sent that cannot be called back for a while
            self.spec = replace(self.spec, effect=Effect.DEFERRABLE)

    def effect(self, args: Mapping[str, JsonValue]) -> Effect:
        return Effect.DEFERRABLE if self.account(args).hold else Effect.IRREVERSIBLE

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return tuple(f"mailto:{one}" for one in dict.fromkeys(one for some in recipients(args) for one in some))

    def title(self, args: Mapping[str, JsonValue]) -> str:
        whom = ", ".join(target.removeprefix("mailto:") for target in self.targets(args))
        return f"send mail to {whom}: {visible(text(args, 'subject'), keep='')}"

    def headline(self, call: Call) -> str:
        hold = self.account(call.args).hold
        return f"It goes {hold} seconds after it was allowed, and can be called back until then." if hold else "It goes at once."

    async def run(self, call: Call) -> JsonValue:
        account, now = self.account(call.args), self.room.clock.now()
        held = Held(
            id=_ident(call),
            action=call.action,
            account=account.name,
            recipients=self.letter(call, call.captured).recipients,
            subject=text(call.args, "subject"),
            message_id=message_id(call.action, account),
            goes_at=now + account.hold * 1000,
        )
        self._outbox.put(held, self.message(call, call.captured, now))
        return _told(self._outbox, held.id)

    async def probe(self, call: Call) -> Probed:
        """The outbox knows."""
        if self._outbox.where(_ident(call)) is None:
            return Probed(happened=Happened.NO, again=True)
        return Probed(happened=Happened.YES, result=_told(self._outbox, _ident(call)))

    def undo(self, call: Call, result: JsonValue) -> Undo | None:  # noqa: ARG002 - the action's id is enough
        return Undo(tool="mail.cancel", args={"account": self.account(call.args).name, "id": _ident(call)})


class MailCancel(BaseTool):
    """Calls a held letter back. One that has gone is a conflict: nobody can call that back."""

    spec = ToolSpec(
        name="mail.cancel",
        undoes=True,
        description="Call back a letter that is held in the outbox, before it goes. Used by undo.",
        schema=schema(("account", "id"), account={"type": "string"}, id=_ID),
        effect=Effect.COMPENSABLE,
        salient=("id",),
        visible=("account",),
    )

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return tuple(f"mailto:{one}" for one in self._outbox.read(text(args, "id"))[0].recipients)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        held, _ = self._outbox.read(text(args, "id"))
        return f"call back mail to {', '.join(held.recipients)}: {visible(held.subject, keep='')}"

    async def preview(self, call: Call) -> Preview:
        ident = text(call.args, "id")
        gone = self._outbox.where(ident) not in {Where.HELD, Where.CANCELLED}
        return Preview(text=f"in conflict, it cannot be called back: {_gone(ident)}" if gone else self.title(call.args))

    async def run(self, call: Call) -> JsonValue:
        """A conflict is a result, so that the rest of an undo goes on."""
        ident = text(call.args, "id")
        if self._outbox.move(ident, Where.HELD, Where.CANCELLED) or self._outbox.where(ident) is Where.CANCELLED:
            return {"cancelled": ident}
        return {"conflicts": [{"path": self.title(call.args), "detail": _gone(ident)}]}

    async def probe(self, call: Call) -> Probed:
        ident = text(call.args, "id")
        if self._outbox.where(ident) is Where.CANCELLED:
            return Probed(happened=Happened.YES, result={"cancelled": ident})
        return Probed(happened=Happened.NO, again=True)


class MailRelease(BaseTool):
    """Hands a held letter over to the server: the moment that cannot be taken back. Only remit's own outbox asks for it."""

    spec = ToolSpec(
        name=RELEASE,
        description="Let a letter go out of the outbox. Used by the outbox when a letter's time has come.",
        schema=schema(("account", "id"), account={"type": "string"}, id=_ID, attempt={"type": "integer", "minimum": 1, "default": 1}),
        effect=Effect.IRREVERSIBLE,
        egress=True,
        salient=("id",),
        visible=("account",),
        seconds=SECONDS + 60,
    )

    def __init__(self, room: Mailroom, outbox: Outbox) -> None:
        self._room = room
        self._outbox = outbox

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return tuple(f"mailto:{one}" for one in self._outbox.read(text(args, "id"))[0].recipients)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        held, _ = self._outbox.read(text(args, "id"))
        return f"let mail go to {', '.join(held.recipients)}: {visible(held.subject, keep='')}"

    async def preview(self, call: Call) -> Preview:
        _, message = self._outbox.read(text(call.args, "id"))
        return Preview(text=f"{self.title(call.args)}\n\n{visible(message.decode('utf-8', 'backslashreplace'), keep=chr(10))}")

    async def capture(self, call: Call) -> Captured:
        self._check_whose(call)
        held, _ = self._outbox.read(text(call.args, "id"))
        if self._outbox.where(held.id) is Where.CANCELLED:
            raise ToolFailed("it was called back", fix="nothing is to be done")
        return Captured(data={"message_id": held.message_id}, touches=self.targets(call.args))

    async def run(self, call: Call) -> JsonValue:
        """Raises Unavailable when it surely was not sent and may be tried again, ToolFailed when it was refused or called back."""
        ident = text(call.args, "id")
        self._check_whose(call)
        held, message = self._outbox.read(ident)
        account = self._account(held)
        ours: list[bool] = []

        def go() -> bool:
            ours.append(self._goes(call, ident))
            return ours[-1]

        try:
            answer = await hand_over(account, held.recipients, message, go)
        except ToolFailed:
            if any(ours):  # else somebody else has it
                self._outbox.move(ident, Where.SENDING, Where.HELD)
            raise
        self._outbox.move(ident, Where.SENDING, Where.SENT)
        return {"sent": ident, "message_id": held.message_id, "answer": answer, "filed": await self._filed(account, held, message)}

    async def probe(self, call: Call) -> Probed:
        """Before its text went it surely was not sent; afterwards only a copy in the folder of sent letters tells."""
        ident = text(call.args, "id")
        held, _ = self._outbox.read(ident)
        where, result = self._outbox.where(ident), {"sent": ident, "message_id": held.message_id}
        if where is Where.SENT:
            return Probed(happened=Happened.YES, result=result)
        if where in {Where.HELD, Where.CANCELLED}:
            return Probed(happened=Happened.NO, again=True)
        account = self._account(held)
        if account.imap is not None:
            found = await imap.asked(account, lambda box: imap.known_by(box, account.sent, held.message_id))
            if found:
                return Probed(happened=Happened.YES, result=result)
        return Probed(
            happened=Happened.UNKNOWN,
            result=result,
            detail=f"it was being handed over to {account.smtp.host}; that no copy is among the sent letters tells nothing for sure."
            f"\nAsk {', '.join(held.recipients)}, or look for {held.message_id}",
        )

    def _check_whose(self, call: Call) -> None:
        """Nobody but the outbox lets a letter go: its run is named after the letter, and nobody else can open that."""
        run = split_id(call.action)[0]
        if run != release_run(text(call.args, "id")):
            raise ToolFailed("only the outbox lets letters go, when their time has come", fix="`remit outbox` says when that is")

    def _account(self, held: Held) -> Account:
        if held.account not in self._room.accounts:
            raise Unavailable(f"mail account {held.account} is not configured", fix="put it into remit.toml again; it is tried again")
        return self._room.accounts[held.account]

    def _goes(self, call: Call, ident: str) -> bool:
        """A later attempt takes up what an earlier one, which is known to have failed, left on its way."""
        if self._outbox.move(ident, Where.HELD, Where.SENDING):
            return True
        attempt = call.args.get("attempt", 1)
        return isinstance(attempt, int) and attempt > 1 and self._outbox.where(ident) is Where.SENDING

    async def _filed(self, account: Account, held: Held, message: bytes) -> str:
        """Keep a copy among the sent letters, where the server does not do that itself; the letter has gone all the same."""
        if account.imap is None or account.keeps_sent:
            return "by the server" if account.keeps_sent else "nowhere"
        try:
            await imap.asked(account, lambda box: imap.file(box, account.sent, held.message_id, message, "\\Seen"))
        except RemitError as error:
            return f"nowhere: {error.message}"
        return account.sent


def _ident(call: Call) -> str:
    return digest("remit.outbox.1", call.action)[:32]


def _told(outbox: Outbox, ident: str) -> dict[str, JsonValue]:
    """What the actor hears: it is on its way, and can be called back."""
    held, _ = outbox.read(ident)
    goes = datetime.fromtimestamp(held.goes_at / 1000, tz=UTC).isoformat(timespec="seconds")
    return {"held": ident, "goes_at": goes, "to": [*held.recipients], "message_id": held.message_id}


def _gone(ident: str) -> str:
    return f"letter {ident[:8]} has gone or is on its way"
