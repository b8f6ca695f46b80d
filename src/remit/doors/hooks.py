"""Signed events over HTTP (Standard Webhooks, plain JSON or CloudEvents): each begins one run, once, whoever sends it how often.

Nothing is answered with yes before it is on the disk. What is not signed with the secret of its hook, too old, too large or no JSON is
refused before anything of it is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from remit.domain.values import JsonValue, parse
from remit.errors import ArgsInvalid, RemitError

LARGEST: Final = 262_144
"""Bytes of one event."""
_TOLERANCE: Final = 300
"""Seconds that an event may be away from now, both ways."""
_KINDS: Final = frozenset({"application/json", "application/cloudevents+json"})

Take = Callable[[str, str, JsonValue], Awaitable[tuple[str, bool]]]
"""Begins the run of a hook for an event by its id. Says which that is, and whether it is new; durable when it returns."""


def hooks(secrets: Mapping[str, str], take: Take) -> Starlette:
    """An application that answers below /hooks. Raises ValueError for a secret that is none."""
    keys = {name: Webhook(secret) for name, secret in secrets.items()}

    async def hook(request: Request) -> Response:
        key = keys.get(request.path_params["name"])
        if key is None:
            return _no(HTTPStatus.NOT_FOUND, "there is no such hook")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _KINDS:
            return _no(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"events are {' or '.join(sorted(_KINDS))}")
        body = await _body(request)
        if body is None:
            return _no(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an event has at most {LARGEST} bytes")
        event = request.headers.get("webhook-id", "")
        refused = _unsigned(key, body, request.headers, event)
        if refused is not None:
            return refused
        try:
            payload = parse(body)
        except ArgsInvalid as error:
            return _no(HTTPStatus.BAD_REQUEST, error.message)
        try:
            run, fresh = await take(request.path_params["name"], event, payload)
        except RemitError as error:
            return _no(HTTPStatus.SERVICE_UNAVAILABLE, error.message)
        return JSONResponse({"run": run}, status_code=HTTPStatus.ACCEPTED if fresh else HTTPStatus.ALREADY_REPORTED)

    return Starlette(routes=[Route("/hooks/{name}", hook, methods=["POST"])])


async def _body(request: Request) -> bytes | None:
    """All of it; None as soon as it is too much."""
    found = bytearray()
    try:
        async for chunk in request.stream():
            found += chunk
            if len(found) > LARGEST:
                return None
    except ClientDisconnect:
        return b""
    return bytes(found)


def _unsigned(key: Webhook, body: bytes, headers: Mapping[str, str], event: str) -> Response | None:
    """Why it is not taken as signed; None where it is."""
    stamp = headers.get("webhook-timestamp", "")
    if not (event and stamp and headers.get("webhook-signature")):
        return _no(HTTPStatus.UNAUTHORIZED, "webhook-id, webhook-timestamp and webhook-signature are needed")
    if stamp.isdecimal() and abs(time.time() - int(stamp[:12])) > _TOLERANCE:
        return _no(HTTPStatus.BAD_REQUEST, f"it is more than {_TOLERANCE} seconds away from now")
    try:
        key.verify(body, {name: headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return _no(HTTPStatus.UNAUTHORIZED, "the signature does not fit")
    return None


def _no(status: HTTPStatus, why: str) -> Response:
    return Response(json.dumps({"error": why}), status_code=status, media_type="application/json")
