"""One resource of a service with preconditions: what stands there, by its strong ETag, and changing it only while it still does.

The service compares and changes in one step (If-Match, If-None-Match; RFC 9110, 13.1), so nobody's change in between is lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from remit.domain.values import Digest, JsonValue, canonical
from remit.errors import ArgsInvalid, Conflict, ToolFailed, ToolUncertain
from remit.ports import Store
from remit.tools.http.addresses import Place
from remit.tools.http.client import Answer, Wanted, ask
from remit.tools.http.service import Service, start

JSON: Final = "application/json"
_LARGEST: Final = 16 << 20
"""Bytes of a resource that can be kept for undo."""
_FAMILIES: Final = {3: "sends elsewhere", 4: "refused", 5: "failed"}
_STRONG: Final = re.compile(r'"[\x21\x23-\x7e]*"')
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_UNSURE: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a resource. Without a body it is sent without one."""

    method: str
    body: bytes = b""
    type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands at a place: a whole representation, and the ETag by which the service tells it from any other."""

    etag: str
    type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Resource:
    """A place of a service that honours preconditions."""

    service: Service
    place: Place

    async def read(self) -> Standing | None:
        """What stands there now, None for nothing. Raises ToolFailed when that cannot be said for sure."""
        headers = dict(self.service.headers)
        try:
            answer = await ask(
                Wanted(method="GET", place=self.place, headers=headers, private=self.service.private, most=_LARGEST, redirects=0)
            )
        except ToolUncertain as error:  # asking again changes nothing
            raise ToolFailed(error.message, fix="try again") from error
        if answer.status in _GONE:
            return None
        if answer.status != HTTPStatus.OK:
            raise ToolFailed(f"{self.place.url} cannot be read ({answer.status}): {start(answer)}", fix="see what the service wants")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise ToolFailed(f"{self.place.url} is only given in a form that cannot be put back", fix="use http.send")
        if answer.cut:
            raise ToolFailed(f"{self.place.url} is larger than {_LARGEST} bytes, which are not kept for undo", fix="use http.send")
        return Standing(etag=self._etag(answer), type=answer.headers.get("content-type", JSON), body=answer.body)

    async def change(self, request: Request, over: str | None, *, key: str) -> Answer:
        """Send it, to be carried out only while the ETag `over` (None: nothing) stands there. Raises Conflict where it does not."""
        return await send(self.service, self.place, request, key=key, over={"if-match": over} if over else {"if-none-match": "*"})

    def _etag(self, answer: Answer) -> str:
        if found := strong(answer):
            return found
        raise ToolFailed(
            f"{self.place.url} has no strong ETag, so nobody would notice a change of somebody else",
            fix=f"use http.send, or take `preconditions` away from {self.service.name} in remit.toml",
        )


async def send(service: Service, place: Place, request: Request, *, key: str, over: Mapping[str, str] | None = None) -> Answer:
    """Send once. Raises ToolFailed when it surely changed nothing (Conflict for a failed precondition), ToolUncertain otherwise."""
    headers = {**service.headers, **({"content-type": request.type} if request.body else {}), **(over or {})}
    if service.idempotency:
        headers[service.idempotency] = key
    answer = await ask(Wanted(method=request.method, place=place, headers=headers, body=request.body, private=service.private))
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _UNSURE or (over and answer.status == HTTPStatus.ACCEPTED):
        raise ToolUncertain(f"{place.origin} answered {answer.status}: {start(answer)}", fix="look whether it acted")
    if answer.status == HTTPStatus.PRECONDITION_FAILED and over:
        raise Conflict(f"{place.url} was changed meanwhile", fix="look at it again and decide anew")
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        said = f"{place.origin} {_FAMILIES.get(answer.status // 100, 'answered')} ({answer.status}): {start(answer)}"
        raise ToolFailed(said, fix="see what the service wants")
    return answer


def strong(answer: Answer) -> str:
    """Its strong ETag, or ''."""
    found = answer.headers.get("etag", "")
    return found if _STRONG.fullmatch(found) else ""


def json_body(value: JsonValue) -> bytes:
    """What is sent for a JSON value: our own text, never the caller's."""
    return canonical(value).encode("utf-8")


def pack(standing: Standing | None, store: Store) -> JsonValue:
    """As the journal carries it."""
    if standing is None:
        return None
    return {"etag": standing.etag, "type": standing.type, "body": store.put(standing.body)}


def unpack(value: JsonValue, store: Store) -> Standing | None:
    """What `pack` made. Raises ArgsInvalid for anything else, NotFound when the store does not have it."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(value.get(name), str) for name in ("etag", "type", "body")):
        raise ArgsInvalid("what was kept is no resource", fix="hand over what the action recorded, unchanged")
    with store.open(Digest(str(value["body"]))) as source:
        return Standing(etag=str(value["etag"]), type=str(value["type"]), body=source.read())
