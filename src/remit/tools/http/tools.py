"""The tools for HTTP: read from the web, and send to services that the person named."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin

from remit.config import Service as Configured
from remit.domain.action import Effect
from remit.domain.values import JsonValue, canonical
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, ToolFailed, ToolUncertain
from remit.ports import Call, Captured, Happened, Preview, Probed, Tool, ToolSpec
from remit.tools.args import number, schema, text
from remit.tools.base import BaseTool
from remit.tools.http.addresses import Place, read_url
from remit.tools.http.client import SECONDS, Answer, Wanted, ask

_BYTES: Final = 256 * 1024
_BYTES_MAX: Final = 1 << 20
_URL: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "an http:// or https:// URL"}
_FAMILIES: Final = {2: "succeeded", 3: "sends elsewhere", 4: "refused", 5: "failed"}


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

    def place(self, path: str) -> Place:
        """A place of this service. Raises ArgsInvalid for a path that leads out of it."""
        base = self.base.url.rstrip("/") + "/"
        found = read_url(urljoin(base, path.lstrip("/")))
        if not found.url.startswith(base) and found.url != self.base.url:
            raise ArgsInvalid(f"{path!r} leads out of {self.name}", fix=f"name a path below {self.base.url}")
        return found


def http_tools(services: Mapping[str, Configured]) -> list[Tool]:
    """`http.get`, and with services `http.send`. Raises BadInput for a base that is no plain URL."""
    known = {
        name: Service(name=name, base=read_url(one.base), headers=one.headers, private=one.private, idempotency=one.idempotency)
        for name, one in services.items()
    }
    made: list[Tool] = [HttpGet(known)]
    return [*made, HttpSend(known)] if known else made


class HttpGet(BaseTool):
    """Asks any address of the public internet, or a named service. What comes back was written by strangers."""

    spec = ToolSpec(
        name="http.get",
        description="Read a URL, or a path of a named service. The answer is text, or base64 for anything else.",
        schema={
            **schema(
                (),
                url=_URL,
                service={"type": "string", "minLength": 1, "description": "a service of remit's configuration, instead of a url"},
                path={"type": "string", "default": "", "description": "the path in that service, with its query"},
                limit={"type": "integer", "minimum": 1, "maximum": _BYTES_MAX, "default": _BYTES, "description": "bytes at most"},
            ),
            "oneOf": [{"required": ["url"]}, {"required": ["service"]}],
        },
        effect=Effect.PURE,
        egress=True,
        reads_untrusted=True,
        salient=("url", "service", "path"),
        visible=("url", "service", "path"),
        seconds=SECONDS + 10,
    )

    def __init__(self, services: Mapping[str, Service]) -> None:
        self._services = services

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (self._place(args)[0].url,)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """The URL in one form only, also where a service was named."""
        return {**super().visible(args), "url": self._place(args)[0].url}

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"read {visible(self._place(args)[0].url, keep='')}"

    async def preview(self, call: Call) -> Preview:
        return Preview(text=f"GET {visible(self._place(call.args)[0].url, keep='')}\nThe question itself leaves this machine.")

    async def run(self, call: Call) -> JsonValue:
        place, service = self._place(call.args)
        wanted = Wanted(
            method="GET",
            place=place,
            headers=service.headers if service else {},
            private=service.private if service else False,
            most=number(call.args, "limit", _BYTES),
        )
        try:
            return told(await ask(wanted))
        except ToolUncertain as error:  # asking again changes nothing
            raise ToolFailed(error.message, fix="try again") from error

    async def probe(self, call: Call) -> Probed:  # noqa: ARG002 - the same for each
        return Probed(happened=Happened.NO, again=True)

    def _place(self, args: Mapping[str, JsonValue]) -> tuple[Place, Service | None]:
        if "url" in args:
            return read_url(text(args, "url")), None
        service = named(self._services, text(args, "service"))
        return service.place(text(args, "path", "")), service


class HttpSend(BaseTool):
    """Sends to a named service only. Nobody can say what a strange service does with a request, so it counts as irreversible.

    Where the service knows requests again by a key (`idempotency` in the configuration), the action's id is that key, and after a
    crash or a lost answer the same request is sent once more; elsewhere a person is asked.
    """

    spec = ToolSpec(
        name="http.send",
        description="Send a request that may change something to a named service: POST, PUT, PATCH or DELETE. Cannot be undone.",
        schema=schema(
            ("service", "method", "path"),
            service={"type": "string", "minLength": 1, "description": "a service of remit's configuration"},
            method={"type": "string", "enum": ["POST", "PUT", "PATCH", "DELETE"]},
            path={"type": "string", "description": "the path in that service, with its query"},
            body={"description": "sent as JSON"},
        ),
        effect=Effect.IRREVERSIBLE,
        egress=True,
        reads_untrusted=True,
        salient=("service", "path", "body"),
        visible=("service", "method", "path"),
        seconds=SECONDS + 10,
    )

    def __init__(self, services: Mapping[str, Service]) -> None:
        self._services = services

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (named(self._services, text(args, "service")).place(text(args, "path")).url,)

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{text(args, 'method')} {visible(self.targets(args)[0], keep='')}"

    async def preview(self, call: Call) -> Preview:
        body = visible(json.dumps(call.args["body"], indent=2, ensure_ascii=False), keep="\n") if "body" in call.args else "no body"
        return Preview(text=f"{self.title(call.args)}\n{body}")

    async def capture(self, call: Call) -> Captured:
        return Captured(data=None, touches=self.targets(call.args))

    async def run(self, call: Call) -> JsonValue:
        """Raises ToolFailed when it surely did not reach the service, or the service refused it; ToolUncertain otherwise."""
        service = named(self._services, text(call.args, "service"))
        body = canonical(call.args["body"]).encode("utf-8") if "body" in call.args else b""
        headers = dict(service.headers) | ({"content-type": "application/json"} if body else {})
        if service.idempotency:
            headers[service.idempotency] = call.action
        place = service.place(text(call.args, "path"))
        answer = await ask(Wanted(method=text(call.args, "method"), place=place, headers=headers, body=body, private=service.private))
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}:
            raise ToolUncertain(f"{place.origin} answered {answer.status}: {_start(answer)}", fix="look whether it acted")
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise ToolFailed(f"{place.origin} {_FAMILIES.get(answer.status // 100, 'answered')} ({answer.status}): {_start(answer)}")
        return told(answer)

    async def probe(self, call: Call) -> Probed:
        """With a key it may be sent again: whoever has it already does nothing more."""
        if named(self._services, text(call.args, "service")).idempotency:
            return Probed(happened=Happened.NO, again=True, begun=True, detail="it is sent again under the same key")
        return Probed(happened=Happened.UNKNOWN, detail="the service has no key by which it would know the request again")


def named(services: Mapping[str, Service], name: str) -> Service:
    """Raises ArgsInvalid for one that is not configured."""
    if name not in services:
        raise ArgsInvalid(f"there is no service {name!r}", fix=f"there are {', '.join(services) or 'none'}; remit.toml names them")
    return services[name]


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


def _start(answer: Answer) -> str:
    return visible(answer.body[:300].decode("utf-8", "replace"), keep="")
