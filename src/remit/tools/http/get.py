"""The tool that reads from the web."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import visible
from remit.errors import ToolFailed, ToolUncertain
from remit.ports import Call, Happened, Preview, Probed, ToolSpec
from remit.tools.args import number, schema, text
from remit.tools.base import BaseTool
from remit.tools.http.addresses import Place, read_url
from remit.tools.http.client import SECONDS, Wanted, ask
from remit.tools.http.service import Service, named, told

_BYTES: Final = 256 * 1024
_BYTES_MAX: Final = 1 << 20
_URL: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "description": "an http:// or https:// URL"}


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
        visible=("url", "service", "path"),
        seconds=SECONDS + 10,
    )

    def __init__(self, services: Mapping[str, Service]) -> None:
        self._services = services

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (self._place(args)[0].url,)

    def owns(self, target: str) -> bool:
        """What is asked of a service that the person configured goes to them only; what strangers had put there taints anyway."""
        return any(service.holds(target) for service in self._services.values())

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
            stays=service.holds if service else None,
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
