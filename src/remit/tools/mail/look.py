"""The tools that read mail. Whoever has the address may have written it, so it taints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.ports import Call, Happened, Probed, ToolSpec
from remit.tools.args import number, schema, text
from remit.tools.base import BaseTool
from remit.tools.mail import imap
from remit.tools.mail.accounts import NAME, Account, named

FOLDER: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "default": "INBOX", "description": "a folder of the account"}
UID: Final[Mapping[str, JsonValue]] = {"type": "string", "pattern": "^[0-9]{1,10}$", "description": "as mail.search names it"}
_DAY: Final[Mapping[str, JsonValue]] = {"type": "string", "description": "a day, such as 2026-11-27"}
_TEXT: Final = 100_000
"""Characters of a letter's text."""
_LISTED: Final = 200


class _Look(BaseTool):
    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._accounts = accounts

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (f"mailbox:{named(self._accounts, args).address}",)

    def owns(self, target: str) -> bool:  # noqa: ARG002 - each is an account of the person's
        return True

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{self.spec.name} in {visible(text(args, 'folder', 'INBOX'), keep='')} of {named(self._accounts, args).address}"

    async def probe(self, call: Call) -> Probed:  # noqa: ARG002 - the same for each
        return Probed(happened=Happened.NO, again=True)


class MailSearch(_Look):
    """The newest letters that fit, without their texts; none is marked as read by it."""

    spec = ToolSpec(
        name="mail.search",
        description="List the newest letters of a folder, or those that fit: from whom, to whom, subject, date, id. Marks nothing as read.",
        schema=schema(
            ("account",),
            account=NAME,
            folder=FOLDER,
            **{"from": {"type": "string"}},
            to={"type": "string"},
            subject={"type": "string"},
            text={"type": "string", "description": "anywhere in the letter"},
            since=_DAY,
            before=_DAY,
            unread={"type": "boolean", "default": False},
            limit={"type": "integer", "minimum": 1, "maximum": _LISTED, "default": 20},
        ),
        effect=Effect.PURE,
        egress=True,
        reads_untrusted=True,
        visible=("account", "folder"),
        seconds=120,
    )

    async def run(self, call: Call) -> JsonValue:
        wanted, limit = imap.criteria(call.args), number(call.args, "limit", 20)
        folder = text(call.args, "folder", "INBOX")
        found, total = await imap.asked(named(self._accounts, call.args), lambda box: imap.search(box, folder, wanted, limit))
        return {"letters": [_headers(one) for one in found], "total": total}


class MailRead(_Look):
    """One letter: who, to whom, its text, and what is attached. It is not marked as read."""

    spec = ToolSpec(
        name="mail.read",
        description="Read one letter: headers, text, names of what is attached. Does not mark it as read.",
        schema=schema(("account", "uid"), account=NAME, folder=FOLDER, uid=UID),
        effect=Effect.PURE,
        egress=True,
        reads_untrusted=True,
        visible=("account", "folder"),
        seconds=120,
    )

    async def run(self, call: Call) -> JsonValue:
        folder, uid = text(call.args, "folder", "INBOX"), text(call.args, "uid")
        found = await imap.asked(named(self._accounts, call.args), lambda box: imap.one(box, folder, uid))
        message: Any = found.message
        body = message.text or message.html or ""
        attached: list[JsonValue] = [{"name": one.filename, "type": one.content_type, "bytes": one.size} for one in message.attachments]
        return {
            **_headers(found),
            "text": body[:_TEXT],
            "html": not message.text and bool(message.html),
            "cut": len(body) > _TEXT,
            "attachments": attached,
        }


def _headers(found: imap.Found) -> dict[str, JsonValue]:
    message = found.message
    return {
        "uid": found.uid,
        "from": message.from_,
        "to": [*message.to],
        "cc": [*message.cc],
        "subject": message.subject,
        "date": message.date.isoformat() if message.date_str else "",
        "unread": "\\Seen" not in message.flags,
        "message_id": " ".join(message.headers.get("message-id", ())),
    }
