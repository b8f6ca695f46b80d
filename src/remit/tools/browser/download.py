"""A file from the web into the workspace: fetched and shown before it is put there, undone like any other file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue
from remit.domain.visible import shown, visible
from remit.errors import ToolFailed
from remit.ports import Call, Store, ToolSpec
from remit.tools.args import PATH, described, schema, text
from remit.tools.browser.sites import SECONDS, Room
from remit.tools.browser.steps import STEPS, URL, read_steps
from remit.tools.changes.change_tool import ChangeTool, Planned
from remit.tools.changes.roots import Roots
from remit.tools.changes.snapshot import look
from remit.tools.changes.tree import Change, Node, NodeKind, judged, uri
from remit.tools.http.addresses import read_url

_MODE: Final = 0o644


class BrowserDownload(ChangeTool):
    """With a click what it brings down, else what stands at the URL, with the profile's cookies."""

    spec = ToolSpec(
        name="browser.download",
        description="Download a file from a page into the workspace. A file that is there is replaced.",
        schema=schema(
            ("url", "path"),
            url=URL,
            path=PATH,
            steps=STEPS,
            click=described({"type": "string", "minLength": 1}, "what brings it down; left out when the URL itself is the file"),
        ),
        effect=Effect.REVERSIBLE,
        egress=True,
        reads_untrusted=True,
        salient=("url", "path", "click"),
        visible=("url", "path"),
        seconds=2 * SECONDS + 30,
    )

    def __init__(self, room: Room, roots: Roots, store: Store) -> None:
        super().__init__(roots, store)
        self._room = room

    def targets(self, args: Mapping[str, JsonValue]) -> tuple[str, ...]:
        return (uri(self.roots.resolve(text(args, "path"))), read_url(text(args, "url")).url)

    def visible(self, args: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return {"url": read_url(text(args, "url")).url, "path": judged(self.roots.resolve(text(args, "path")))}

    def title(self, args: Mapping[str, JsonValue]) -> str:
        path = self.roots.resolve(text(args, "path"))
        return f"download {visible(read_url(text(args, 'url')).url, keep='')} to {shown(path)}"

    async def planned(self, call: Call) -> Planned:
        path = self.roots.resolve(text(call.args, "path"))
        before = look(path, self.store)
        if before.kind not in {NodeKind.ABSENT, NodeKind.FILE}:
            raise ToolFailed(f"{shown(path)} is no file", fix="choose another name")
        async with self._room.visit() as visit:
            url, click = read_url(text(call.args, "url")).url, text(call.args, "click", "")
            if click:
                await visit.go(url)
                await visit.take(read_steps(call.args))
                fetched, source = await visit.brought(click)
            else:
                fetched, source = await visit.fetched(url), url
        content = self.store.put(fetched)
        node = Node(kind=NodeKind.FILE, mode=_MODE, size=len(fetched), content=content)
        after = (
            replace(node, mode=before.mode, owner=before.owner, xattrs=before.xattrs, acl=before.acl)
            if before.kind is NodeKind.FILE
            else node
        )
        headline = f"{self.title(call.args)}\n{len(fetched)} bytes from {visible(source, keep='')}"
        changes = [] if before.same(after) else [Change(path=path, before=before, after=after)]
        return Planned(changes=changes, headline=headline)
