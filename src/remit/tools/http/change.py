"""The tools that change one resource of a service with preconditions, and put it back."""

from __future__ import annotations

from collections.abc import Mapping

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, ToolFailed
from remit.ports import Call, Store, ToolSpec
from remit.tools.args import schema, text
from remit.tools.http.client import SECONDS, Answer
from remit.tools.http.documents import differing, document, merged
from remit.tools.http.resource import Request, Resource, Standing, json_body
from remit.tools.http.resource_tool import Change, ResourceTool
from remit.tools.http.restore_tool import RestoreTool
from remit.tools.http.service import NAME, Service, named, told


class _OnService(ResourceTool):
    restores = "http.restore"

    def __init__(self, services: Mapping[str, Service], store: Store) -> None:
        super().__init__(store)
        self._services = services

    def resource(self, call: Call) -> Resource:
        return self._resource(call.args)

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (self._resource(args).place.url,)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return {**super().visible(args), "path": named(self._services, text(args, "service")).path(text(args, "path"))}

    def back(self, call: Call) -> Mapping[str, JsonValue]:
        return {"service": call.args["service"], "path": call.args["path"]}

    def _differing(self, call: Call, one: bytes, other: bytes) -> list[str]:
        managed = self.resource(call).service.managed
        try:
            return [place for place in differing(document(one), document(other)) if place not in managed]
        except ArgsInvalid:
            return [] if one == other else ["all of it"]

    def _resource(self, args: Mapping[str, JsonValue]) -> Resource:
        service = named(self._services, text(args, "service"))
        return Resource(service, service.place(text(args, "path")))


class HttpChange(_OnService):
    """PUT, PATCH (RFC 7396) or DELETE of one resource, which is kept first and can be put back while nobody changed it since.

    What else a service does when it is asked (a message, a line in its own log, a time of change) is not taken back: compensable.
    """

    spec = ToolSpec(
        name="http.change",
        description="Replace, patch or delete one resource of a named service, only while it is what was seen. Can be put back.",
        schema=schema(
            ("service", "method", "path"),
            service=NAME,
            method={"type": "string", "enum": ["PUT", "PATCH", "DELETE"]},
            path={"type": "string", "description": "the resource's path in that service"},
            body={"description": "PUT: the whole resource; PATCH: what becomes different, null for what goes. Sent as JSON"},
        ),
        effect=Effect.COMPENSABLE,
        egress=True,
        reads_untrusted=True,
        salient=("service", "path", "body"),
        visible=("service", "method", "path"),
        seconds=2 * SECONDS + 10,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"{text(args, 'method')} {visible(self.targets(args)[0], keep='')}"

    def change(self, call: Call, before: Standing | None) -> Change:
        method = text(call.args, "method")
        if ("body" in call.args) == (method == "DELETE"):
            raise ArgsInvalid(f"{method} {'takes no' if method == 'DELETE' else 'needs a'} body", fix="send it so")
        if before is None and method != "PUT":
            raise ToolFailed(f"nothing stands at {self.targets(call.args)[0]}", fix="PUT something there, or name what is there")
        if method == "DELETE":
            return Change(request=Request(method=method), then=None)
        wanted = call.args["body"]
        kind = "application/merge-patch+json" if method == "PATCH" and isinstance(wanted, Mapping) else "application/json"
        then = merged(document(before.body), wanted) if method == "PATCH" and before else wanted
        return Change(request=Request(method=method, body=json_body(wanted), type=kind), then=json_body(then))

    def done(self, call: Call, before: Standing | None, now: Standing | None) -> bool:
        """What was wanted stands there, and nothing else is different but what the service is known to write itself."""
        then = self.change(call, before).then
        if now is None or then is None:
            return now is None and then is None
        return not self._differing(call, then, now.body)

    def result(self, answer: Answer, after: str | None) -> dict[str, JsonValue]:
        return {**told(answer), "etag": after}


class HttpRestore(RestoreTool, _OnService):
    """Puts a resource back as it was; one that somebody changed since stays as it is and is reported."""

    spec = ToolSpec(
        name="http.restore",
        undoes=True,
        description="Put a resource of a service back as it was before an earlier action. Used by undo.",
        schema=schema(
            ("service", "path", "etag", "was"),
            service=NAME,
            path={"type": "string"},
            etag={"type": ["string", "null"], "description": "what the action left there"},
            was={"type": ["object", "null"], "description": "what the action recorded"},
        ),
        effect=Effect.COMPENSABLE,
        egress=True,
        salient=("service", "path"),
        visible=("service", "path"),
        seconds=2 * SECONDS + 10,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"put back {visible(self.targets(args)[0], keep='')}"

    def differing(self, call: Call, was: Standing, now: Standing) -> list[str]:
        return self._differing(call, was.body, now.body)
