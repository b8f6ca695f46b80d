"""A small CMS on loopback: articles with strong ETags and If-Match, drafts that nobody sees, and the page that everybody sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback_http import JsonHandler, served

_SLUG: dict[str, Any] = {"name": "slug", "in": "path", "required": True, "schema": {"type": "string"}}
_TEXTS: dict[str, Any] = {name: {"type": "string"} for name in ("title", "summary", "text")}


def _body(required: list[str], **state: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {**_TEXTS, "state": state}, "required": required, "additionalProperties": False}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/articles/{slug}": {
            "parameters": [_SLUG],
            "get": {"operationId": "readArticle", "summary": "Read an article as it is kept, draft or live."},
            "put": {
                "operationId": "saveDraft",
                "summary": "Save a draft, which the public does not see.",
                "requestBody": _body(["title", "summary", "text", "state"], enum=["draft"]),
            },
            "patch": {"operationId": "publish", "summary": "Make an article live.", "requestBody": _body(["state"], enum=["live"])},
        },
        "/pages/{slug}": {"parameters": [_SLUG], "get": {"operationId": "readPage", "summary": "Read the page that everybody sees."}},
    },
}
"""What an OpenAPI document says of it."""


@dataclass
class Cms:
    """What stands behind the port."""

    port: int = 0
    articles: dict[str, dict[str, str]] = field(default_factory=dict)
    went_live: list[dict[str, str]] = field(default_factory=list)
    """Each article as it was when it turned live."""
    keeps: bool = False
    """Whether what is live stays live."""
    version: int = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, slug: str, article: dict[str, str]) -> None:
        """Also how somebody else changes one."""
        if article["state"] == "live" and self.articles.get(slug, {}).get("state") != "live":
            self.went_live.append(dict(article))
        self.version += 1
        self.articles[slug] = {**article, "etag": f'"{self.version}"'}

    def article(self, slug: str) -> dict[str, str] | None:
        """As it is kept."""
        found = self.articles.get(slug)
        return found and {name: value for name, value in found.items() if name != "etag"}

    def page(self, slug: str) -> str:
        """As everybody sees it; '' where there is none."""
        found = self.articles.get(slug, {})
        return f"<h1>{found['title']}</h1><b>{found['summary']}</b><p>{found['text']}</p>" if found.get("state") == "live" else ""


class _Handler(JsonHandler, BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, slug = self.path.strip("/").split("/")
        state: Cms = self.server.state
        if kind == "pages" and state.page(slug):
            self._answer(200, state.page(slug))
        elif kind == "articles" and slug in state.articles:
            self._article(200, slug)
        else:
            self._answer(404, {"message": "there is none"})

    def do_PUT(self) -> None:
        self._change({})

    def do_PATCH(self) -> None:
        self._change(self.server.state.article(self.path.rpartition("/")[2]) or {})

    def do_DELETE(self) -> None:
        self._change({})

    def _change(self, before: dict[str, str]) -> None:
        slug = self.path.rpartition("/")[2]
        state: Cms = self.server.state
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        stands = state.articles.get(slug, {}).get("etag")
        if self.headers.get("if-match", stands) != stands or (self.headers.get("if-none-match") and stands):
            self._answer(412, {"message": "it was changed"})
        elif state.keeps and state.page(slug):
            self._answer(409, {"message": "what is live stays live"})
        elif self.command == "DELETE":
            state.articles.pop(slug, None)
            self._answer(200, {})
        else:
            state.put(slug, {**before, **json.loads(sent)})
            self._article(200 if stands else 201, slug)

    def _article(self, status: int, slug: str) -> None:
        self._answer(status, self.server.state.article(slug), etag=self.server.state.articles[slug]["etag"])


@contextmanager
def cms() -> Iterator[Cms]:
    """One of its own, ended with the block."""
    with served(Cms(), _Handler) as state:
        yield state
