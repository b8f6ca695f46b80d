"""Where a request may go: every URL is taken apart by one reader, and every address it leads to is looked at before it is used.

An agent that can name URLs could otherwise reach what only this machine reaches: services on loopback, routers, a cloud's metadata.
So a name is resolved here, once, and the connection goes to the very address that was looked at (no DNS rebinding); redirects come
back here. Only addresses of the public internet are allowed, and in IPv6 none that wraps an IPv4 address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from remit.errors import ArgsInvalid, ToolFailed

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_LONGEST: Final = 8000
_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_WRAPPING: Final = tuple(
    map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10"))
)
"""IPv4 addresses in IPv6 clothes (RFC 4291, 6052, 8215, 4380, 3056), and site-local ones."""
_RESOLVE_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A URL that may be asked, taken apart."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Scheme, host and port as one text: who gets the request."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


def read_url(text: str) -> Place:
    """Take a URL apart, strictly. Raises ArgsInvalid for what other readers might take for something else.

    Only http and https; no user or password in it; a host that is a plain name (as DNS has it, punycode for others) or an address in
    its usual form: `0x7f.1`, `2130706433` and `127.1` are no names, and lead nowhere here.
    """
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable() or any(c in text for c in ' \\"<>^`{|}'):
        raise ArgsInvalid(
            "this is no plain URL", fix="percent-encode everything that is not a printable ASCII character, and write hosts in punycode"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ArgsInvalid(f"this is no URL: {error}", fix="write it as https://host/path") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise ArgsInvalid(f"{scheme or 'a URL without a scheme'} is not possible here", fix="use http:// or https://")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise ArgsInvalid("the URL has a user or password in it", fix="leave it out; a service's headers belong in remit.toml")
    host = _host(parts)
    rest = parts._replace(scheme=scheme, netloc=_netloc(host, port), fragment="").geturl()
    return Place(url=rest, scheme=scheme, host=host, port=port or _PORTS[scheme])


async def addresses(place: Place, *, private: bool) -> list[Address]:
    """The addresses of the host, all of them looked at. Raises ToolFailed when there is none, or one that must not be asked."""
    try:
        found = [ipaddress.ip_address(place.host)]
    except ValueError:
        found = await _resolved(place)
    for address in found:
        if not private and not is_public(address):
            raise ToolFailed(
                f"{place.host} leads to {address}, which is no address of the public internet",
                fix="a service in your own network is named in remit.toml, with private = true",
            )
    return found


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could ask it, too."""
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or any(address in network for network in _WRAPPING)):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if "[" in parts.netloc or ":" in host:
        try:
            return str(ipaddress.IPv6Address(host if "%" not in host else ""))
        except ValueError:
            raise ArgsInvalid(f"{host!r} is no IPv6 address", fix="write it as [2001:db8::1]") from None
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        pass
    name = host.removesuffix(".")
    last = name.rpartition(".")[2]
    if not _NAME.fullmatch(name) or last.isdigit() or last.startswith("0x"):
        raise ArgsInvalid(f"{host!r} is no host name and no address", fix="write a name, or an address in its usual form")
    return name


def _netloc(host: str, port: int | None) -> str:
    written = f"[{host}]" if ":" in host else host
    return written if port is None else f"{written}:{port}"


async def _resolved(place: Place) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            infos = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise ToolFailed(
            f"{place.host} could not be resolved within {_RESOLVE_SECONDS} s", fix="see whether the name server answers"
        ) from None
    except OSError as error:
        raise ToolFailed(f"{place.host} could not be resolved: {error.strerror or error}", fix="see whether the name is right") from None
    return list(dict.fromkeys(ipaddress.ip_address(info[4][0]) for info in infos))
