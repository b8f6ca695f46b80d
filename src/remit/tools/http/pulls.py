"""Pull requests at a forge with an API like that of GitHub, Gitea or Forgejo: opened once, found by a mark, closed to take them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from remit.crashpoint import crashpoint
from remit.domain.action import Effect
from remit.domain.values import JsonValue, digest, parse
from remit.domain.visible import visible
from remit.errors import ArgsInvalid, ToolFailed, ToolUncertain
from remit.ports import Call, Captured, Happened, Preview, Probed, ToolSpec, Undo
from remit.tools.args import described, number, schema, text
from remit.tools.base import BaseTool
from remit.tools.http.addresses import Place
from remit.tools.http.client import SECONDS, Answer, Wanted, ask
from remit.tools.http.resource import Request, json_body, send
from remit.tools.http.service import NAME, Service, named, start

_BRANCH: Final[Mapping[str, JsonValue]] = {"type": "string", "minLength": 1, "maxLength": 200}
_PAGES: Final = 10
_PAGE: Final = 50
_LARGEST: Final = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request as the forge tells of it."""

    number: int
    title: str
    body: str
    state: str
    merged: bool
    head: str
    base: str
    url: str

    @classmethod
    def read(cls, value: Any) -> Pull:
        """Raises ToolFailed for what is none."""
        try:
            head, base = str(value["head"]["ref"]), str(value["base"]["ref"])
            merged = bool(value.get("merged") or value.get("merged_at"))
            texts = {name: str(value.get(name) or "") for name in ("title", "body", "state")}
            return cls(number=int(value["number"]), head=head, base=base, merged=merged, url=str(value.get("html_url") or ""), **texts)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ToolFailed(
                "the service does not tell of pull requests as GitHub or Gitea do", fix="look at `pulls` in remit.toml"
            ) from None


class _Pulls(BaseTool):
    def __init__(self, services: Mapping[str, Service], pulls: Mapping[str, str]) -> None:
        self._services = services
        self._pulls = pulls

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (self._place(args).url,)

    def _service(self, args: Mapping[str, JsonValue]) -> Service:
        """Raises ArgsInvalid for one that has no pull requests."""
        name = text(args, "service")
        if name not in self._pulls:
            raise ArgsInvalid(f"{name!r} has no pull requests", fix=f"there are {', '.join(self._pulls)}; `pulls` in remit.toml names more")
        return named(self._services, name)

    def _place(self, args: Mapping[str, JsonValue], more: str = "") -> Place:
        return self._service(args).place(self._pulls[text(args, "service")].rstrip("/") + more)

    async def _asked(self, args: Mapping[str, JsonValue], more: str) -> JsonValue:
        """Raises ToolFailed for anything but an answer."""
        service, place = self._service(args), self._place(args, more)
        try:
            answer = await ask(
                Wanted(method="GET", place=place, headers=service.headers, private=service.private, most=_LARGEST, redirects=0)
            )
        except ToolUncertain as error:  # asking again changes nothing
            raise ToolFailed(error.message, fix="try again") from error
        if answer.status != HTTPStatus.OK or answer.cut:
            raise ToolFailed(f"{place.url} cannot be read ({answer.status}): {start(answer)}", fix="see what the service wants")
        return _json(answer)

    async def _since(self, args: Mapping[str, JsonValue], before: int, state: str = "all") -> list[Pull]:
        """The pull requests with higher numbers, newest first. Raises ToolFailed where there are too many to look at."""
        found: list[Pull] = []
        for page in range(1, _PAGES + 1):
            query = f"?state={state}&sort=created&direction=desc&per_page={_PAGE}&limit={_PAGE}&page={page}"
            listed = await self._asked(args, query)
            pulls = [Pull.read(one) for one in listed] if isinstance(listed, list) else [Pull.read(listed)]
            found += [one for one in pulls if one.number > before]
            if not pulls or any(one.number <= before for one in pulls) or len(pulls) < _PAGE:
                return found
        raise ToolFailed(f"there are more than {_PAGES * _PAGE} pull requests to look at", fix="look at the forge itself")


class PullRequest(_Pulls):
    """Opened once: its text ends in a mark by which it is known again, and a forge keeps at most one open for the same two branches."""

    spec = ToolSpec(
        name="git.pull_request",
        description="Open a pull request at a forge of remit's configuration, for a branch that was pushed there.",
        schema=schema(
            ("service", "title", "head", "base"),
            service=NAME,
            title={"type": "string", "minLength": 1, "maxLength": 300},
            head=described(_BRANCH, "the branch with the changes; OWNER:BRANCH for one of a fork"),
            base=described(_BRANCH, "the branch that they should go to"),
            body={"type": "string", "maxLength": 60_000, "default": ""},
        ),
        effect=Effect.COMPENSABLE,
        egress=True,
        salient=("service", "head", "base", "title", "body"),
        visible=("service", "head", "base", "title"),
        seconds=2 * SECONDS,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"open a pull request {_shown(args, 'head')} → {_shown(args, 'base')} at {visible(self.targets(args)[0], keep='')}"

    async def preview(self, call: Call) -> Preview:
        lines = [self.title(call.args), "", visible(text(call.args, "title"), keep=""), "", visible(text(call.args, "body", ""), keep="\n")]
        there = self._same(call.args, await self._since(call.args, 0, "open"))
        if there:
            raise ToolFailed(f"there is one already: {there[0].url or there[0].number}", fix="push to its branch instead")
        parts = [text(call.args, name, "") for name in ("service", "head", "base", "title", "body")]
        return Preview(text="\n".join(lines).rstrip(), binding=digest("remit.pull.1", *parts))

    async def capture(self, call: Call) -> Captured:
        """The newest number there is: ours will be higher."""
        listed = await self._asked(call.args, "?state=all&sort=created&direction=desc&per_page=1&limit=1&page=1")
        newest = Pull.read(listed[0]).number if isinstance(listed, list) and listed else 0
        return Captured(data={"before": newest}, touches=(f"{self.targets(call.args)[0]}#{text(call.args, 'head')}",))

    async def run(self, call: Call) -> JsonValue:
        """Raises ToolFailed when it was surely not opened, ToolUncertain when nobody can tell."""
        args = call.args
        body = f"{text(args, 'body', '')}\n\n{_mark(call)}".lstrip()
        wanted = {"title": text(args, "title"), "head": text(args, "head"), "base": text(args, "base"), "body": body}
        try:
            answer = await send(self._service(args), self._place(args), Request(method="POST", body=json_body(wanted)), key=call.action)
        except ToolFailed as error:
            # What was sent before a crash may have come first: then the forge refuses a second one.
            ours = await self._ours(call) if call.again and not isinstance(error, ToolUncertain) else []
            if not ours:
                raise
            return _told(ours[0])
        crashpoint("pull.opened")
        try:
            return _told(Pull.read(_json(answer)))
        except ToolFailed as error:
            raise ToolUncertain(
                f"the forge took it, and its answer cannot be read: {error.message}", fix="look whether it is there"
            ) from None

    async def probe(self, call: Call) -> Probed:
        """Looks for the mark among those that came since."""
        ours = await self._ours(call)
        if len(ours) == 1:
            return Probed(happened=Happened.YES, result=_told(ours[0]))
        if ours:
            return Probed(happened=Happened.UNKNOWN, result=_told(ours[0]), detail="there are several with the mark of this action")
        if call.captured is None:
            return Probed(happened=Happened.UNKNOWN, detail="nothing was kept by which it could be looked for")
        return Probed(happened=Happened.NO, again=True)

    def undo(self, call: Call, result: JsonValue) -> Undo | None:
        if not isinstance(result, Mapping) or not isinstance(result.get("number"), int):
            return None
        title = text(call.args, "title")
        return Undo(tool="git.pull_close", args={"service": text(call.args, "service"), "number": result["number"], "title": title})

    async def _ours(self, call: Call) -> list[Pull]:
        kept = call.captured
        before = number(kept, "before", 0) if isinstance(kept, Mapping) else 0
        return [one for one in self._same(call.args, await self._since(call.args, before)) if _mark(call) in one.body]

    def _same(self, args: Mapping[str, JsonValue], pulls: list[Pull]) -> list[Pull]:
        branches = (text(args, "head").rpartition(":")[2], text(args, "base"))
        return [one for one in pulls if (one.head, one.base) == branches]


class PullClose(_Pulls):
    """Closes one that was opened by mistake; one that was merged or renamed since stays as it is and is reported."""

    spec = ToolSpec(
        name="git.pull_close",
        undoes=True,
        description="Close a pull request. Used by undo.",
        schema=schema(("service", "number", "title"), service=NAME, number={"type": "integer", "minimum": 1}, title={"type": "string"}),
        effect=Effect.COMPENSABLE,
        egress=True,
        salient=("service", "number"),
        visible=("service", "number"),
        seconds=2 * SECONDS,
    )

    def title(self, args: Mapping[str, JsonValue]) -> str:
        return f"close pull request {number(args, 'number', 0)} at {visible(self.targets(args)[0], keep='')}"

    async def preview(self, call: Call) -> Preview:
        there = await self._there(call)
        lost = self._lost(call, there)
        return Preview(text=(f"in conflict, it stays as it is now: {lost}\n" if lost else "") + self.title(call.args))

    async def run(self, call: Call) -> JsonValue:
        """A conflict is a result, so that the rest of an undo goes on."""
        there = await self._there(call)
        lost = self._lost(call, there)
        if lost:
            return {"conflicts": [{"path": self._one(call).url, "detail": lost}]}
        if there.state != "closed":
            request = Request(method="PATCH", body=json_body({"state": "closed"}))
            await send(self._service(call.args), self._one(call), request, key=call.action)
            crashpoint("pull.closed")
        return {"number": there.number, "state": "closed"}

    async def probe(self, call: Call) -> Probed:
        """Closing what is closed changes nothing, so what is open is simply closed."""
        there = await self._there(call)
        if there.state == "closed" and not there.merged:
            return Probed(happened=Happened.YES, result={"number": there.number, "state": "closed"})
        return Probed(happened=Happened.NO, again=True)

    async def _there(self, call: Call) -> Pull:
        return Pull.read(await self._asked(call.args, f"/{number(call.args, 'number', 0)}"))

    def _one(self, call: Call) -> Place:
        return self._place(call.args, f"/{number(call.args, 'number', 0)}")

    def _lost(self, call: Call, there: Pull) -> str:
        if there.merged:
            return "it was merged"
        return "" if there.title == text(call.args, "title") else "somebody gave it another title"


def _mark(call: Call) -> str:
    """A comment that no reader of the page sees."""
    return f"<!-- remit {call.action} -->"


def _told(pull: Pull) -> dict[str, JsonValue]:
    """What the actor is told."""
    return {"number": pull.number, "url": pull.url, "state": pull.state}


def _shown(args: Mapping[str, JsonValue], name: str) -> str:
    return visible(text(args, name), keep="")


def _json(answer: Answer) -> JsonValue:
    """Raises ToolFailed for what is no JSON."""
    try:
        return parse(answer.body)
    except ArgsInvalid as error:
        raise ToolFailed(f"the service answered no JSON: {error.message}", fix="see what it wants") from None
