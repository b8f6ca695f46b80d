"""Services that the person named in the configuration: where requests may go with which headers, and what is told of an answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urljoin

from remit.config import Service as Configured
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, BadInput
from remit.tools.http.addresses import Place, read_url
from remit.tools.http.client import Answer

NAME: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "a service of remit's configuration"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that the person named in the configuration."""

    name: str
    base: Place
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each request to it, and with none to anybody else; never shown."""
    private: bool = False
    idempotency: str = ""
    """The header by which it knows a request again; '' when it does not."""
    preconditions: bool = False
    """Whether it gives strong ETags and honours If-Match and If-None-Match (RFC 9110, 13)."""
    managed: tuple[str, ...] = ()
    """Fields that it writes itself, as `data.last_modified`: they need not be as they were."""

    def place(self, path: str) -> Place:
        """A place of this service. Raises ArgsInvalid for a path that leads out of it."""
        if ".." in re.split(r"[/\\?#]", _plain(path)):
            raise ArgsInvalid(f"{path!r} leads upwards", fix=f"name a path below {self.base.url}")
        base = self.base.url.rstrip("/") + "/"
        found = read_url(urljoin(base, path.lstrip("/")))
        if not self.holds(found.url):
            raise ArgsInvalid(f"{path!r} leads out of {self.name}", fix=f"name a path below {self.base.url}")
        return found

    def path(self, path: str) -> str:
        """The same path in one spelling, for those who make rules on it."""
        return _plain(self.place(path).url.removeprefix(self.base.url.rstrip("/")).lstrip("/"))

    def holds(self, url: str) -> bool:
        """Whether it is a place of this service, however a server reads it; of a URL in the form that `read_url` gives it."""
        base = self.base.url.rstrip("/") + "/"
        upwards = ".." in re.split(r"[/\\?#]", _plain(url.removeprefix(base)))
        return url == self.base.url or (url.startswith(base) and not upwards)


def _plain(path: str) -> str:
    """A path with its escapes undone, those of escapes too, as some server may do."""
    for _ in range(3):
        path = unquote(path)
    return path


def known(services: Mapping[str, Configured]) -> dict[str, Service]:
    """The configured services. Raises BadInput for a base that is no plain URL."""
    return {name: _service(name, one) for name, one in services.items()}


def named(services: Mapping[str, Service], name: str) -> Service:
    """Raises ArgsInvalid for one that is not configured."""
    if name not in services:
        raise ArgsInvalid(f"there is no service {name!r}", fix=f"there are {', '.join(services) or 'none'}; remit.toml names them")
    return services[name]


def _service(name: str, one: Configured) -> Service:
    try:
        base = read_url(one.base)
    except ArgsInvalid as error:
        raise BadInput(f"http.{name}.base: {error.message}", fix=error.fix) from None
    return Service(
        name=name,
        base=base,
        headers=one.headers,
        private=one.private,
        idempotency=one.idempotency,
        preconditions=one.preconditions,
        managed=one.managed,
    )


def told(answer: Answer) -> dict[str, JsonValue]:
    """An answer as JSON: what it says, of its headers those that say what it is."""
    kept = {
        name: answer.headers[name]
        for name in ("content-type", "etag", "location", "last-modified", "retry-after")
        if name in answer.headers
    }
    found: dict[str, JsonValue] = {"status": answer.status, "url": answer.url, "headers": kept, "cut": answer.cut}
    try:
        content = answer.body.decode("utf-8")
    except UnicodeDecodeError:
        if not answer.cut:
            return {**found, "base64": base64.b64encode(answer.body).decode("ascii")}
        content = answer.body.decode("utf-8", "replace")
    return {**found, "text": content}


def start(answer: Answer) -> str:
    return visible(answer.body[:300].decode("utf-8", "replace"), keep="")
