"""The mail accounts that the person named in the configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

from remit.config import Mail as Configured
from remit.domain.values import JsonValue
from remit.errors import ArgsInvalid, BadInput
from remit.tools.args import text

NAME: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "a mail account of remit's configuration"}
_PORTS: Final = {"smtps": 465, "smtp+starttls": 587, "smtp": 25, "imaps": 993, "imap": 143}
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$&'*+/=^_`{|}~-]+(\.[A-Za-z0-9!#$&'*+/=^_`{|}~-]+)*")
"""RFC 5322's atoms, without ? and %: with the one a word may be encoded, with the other a URI."""
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_LONGEST: Final = 254
_OPEN: Final = frozenset({"smtp", "imap"})
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where and as whom."""

    kind: str
    """`smtps`, `smtp+starttls`, `smtp`, `imaps` or `imap`."""
    host: str
    port: int
    user: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One mail account."""

    name: str
    sender: str
    """As it stands in From."""
    address: str
    smtp: Server
    imap: Server | None
    hold: int
    sent: str
    drafts: str
    keeps_sent: bool


def known(accounts: Mapping[str, Configured]) -> dict[str, Account]:
    """The configured accounts. Raises BadInput for a strange address or URL."""
    return {name: _account(name, one) for name, one in accounts.items()}


def named(accounts: Mapping[str, Account], args: Mapping[str, JsonValue]) -> Account:
    """Raises ArgsInvalid for one that is not configured."""
    name = text(args, "account")
    if name not in accounts:
        raise ArgsInvalid(f"there is no mail account {name!r}", fix=f"there are {', '.join(accounts) or 'none'}; remit.toml names them")
    return accounts[name]


def plain(address: str) -> str:
    """An address as `name@example.org`, its host in small letters. Raises ArgsInvalid for what two readers might take differently."""
    local, _, host = address.partition("@")
    if not (_LOCAL.fullmatch(local) and _HOST.fullmatch(host)) or len(address) > _LONGEST:
        raise ArgsInvalid(f"{address!r} is no plain mail address", fix="send it as name@example.org, without a display name")
    return f"{local}@{host.lower()}"


def _account(name: str, one: Configured) -> Account:
    shown, address = parseaddr(one.address)
    try:
        plain(address if one.address.isprintable() and "=?" not in one.address else "")
    except ArgsInvalid as error:
        raise BadInput(f"mail account {name!r}: {error.message}", fix='write address = "Ann <ann@example.org>"') from None
    smtp, imap = _server(one.smtp, name, "smtp"), _server(one.imap, name, "imap") if one.imap else None
    sender = str(Address(shown, addr_spec=address))
    return Account(
        name=name,
        sender=sender,
        address=address,
        smtp=smtp,
        imap=imap,
        hold=one.hold,
        sent=one.sent,
        drafts=one.drafts,
        keeps_sent=one.keeps_sent,
    )


def _server(url: str, name: str, kind: str) -> Server:
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise BadInput(f"mail account {name!r}: {kind} is no URL", fix=f"write it as {kind}s://user:password@host") from None
    if parts.scheme not in _PORTS or not parts.scheme.startswith(kind) or not host or parts.path.strip("/"):
        raise BadInput(f"mail account {name!r}: {kind} is no address of such a server", fix=f"write it as {kind}s://user:password@host")
    if parts.scheme in _OPEN and host not in _HERE:
        raise BadInput(
            f"mail account {name!r}: {parts.scheme}:// sends mail and password where all can read them",
            fix=f"write {kind}s://" + (" or smtp+starttls://" if kind == "smtp" else ""),
        )
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(kind=parts.scheme, host=host, port=port or _PORTS[parts.scheme], user=user, password=password)
