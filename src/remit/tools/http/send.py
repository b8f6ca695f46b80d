"""The tool that sends to a service of which nothing more is known."""

from __future__ import annotations

import json
from collections.abc import Mapping

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.ports import Call, Happened, Preview, Probed, ToolSpec
from remit.tools.args import schema, text
from remit.tools.base import BaseTool
from remit.tools.http.client import SECONDS
from remit.tools.http.resource import Request, json_body, send
from remit.tools.http.service import NAME, Service, named, told


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
            service=NAME,
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

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return {**super().visible(args), "path": named(self._services, text(args, "service")).path(text(args, "path"))}

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{text(args, 'method')} {visible(self.targets(args)[0], keep='')}"

    async def preview(self, call: Call) -> Preview:
        body = visible(json.dumps(call.args["body"], indent=2, ensure_ascii=False), keep="\n") if "body" in call.args else "no body"
        return Preview(text=f"{self.title(call.args)}\n{body}")

    async def run(self, call: Call) -> JsonValue:
        """Raises ToolFailed when it surely did not reach the service, or the service refused it; ToolUncertain otherwise."""
        service = named(self._services, text(call.args, "service"))
        request = Request(method=text(call.args, "method"), body=json_body(call.args["body"]) if "body" in call.args else b"")
        return told(await send(service, service.place(text(call.args, "path")), request, key=call.action))

    async def probe(self, call: Call) -> Probed:
        """With a key it may be sent again: whoever has it already does nothing more."""
        if named(self._services, text(call.args, "service")).idempotency:
            return Probed(happened=Happened.NO, again=True, begun=True, detail="it is sent again under the same key")
        return Probed(happened=Happened.UNKNOWN, detail="the service has no key by which it would know the request again")
