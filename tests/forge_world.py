"""A forge on loopback with what pull requests need of the API of GitHub and Gitea.

Numbers, one open per pair of branches, closing; comments on them, in whatever repository, and merging, which an OpenAPI document describes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from loopback_http import LoopbackServer, served

PULLS = "/repos/ann/notes/pulls"
_COMMENTS = re.compile(r"/repos/([^/]+/[^/]+)/issues/(\d+)/comments")
_COMMENT = re.compile(r"/repos/[^/]+/[^/]+/issues/comments/(\d+)")
_MERGE = re.compile(r"/repos/[^/]+/[^/]+/pulls/\d+/merge")


def _parameters(*names: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string" if name in {"owner", "repo"} else "integer"}}
        for name in names
    ]


_ONE = _parameters("owner", "repo", "number")
_TEXT = {"type": "object", "properties": {"body": {"type": "string"}}, "required": ["body"], "additionalProperties": False}
OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/repos/{owner}/{repo}/pulls/{number}": {"parameters": _ONE, "get": {"operationId": "readPull"}},
        "/repos/{owner}/{repo}/pulls/{number}/merge": {"parameters": _ONE, "put": {"operationId": "merge"}},
        "/repos/{owner}/{repo}/issues/{number}/comments": {
            "parameters": _ONE,
            "get": {"operationId": "readComments"},
            "post": {
                "operationId": "comment",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _TEXT}}},
            },
        },
        "/repos/{owner}/{repo}/issues/comments/{id}": {
            "parameters": _parameters("owner", "repo", "id"),
            "delete": {"operationId": "removeComment"},
        },
    },
}
"""What an OpenAPI document says of it."""


@dataclass
class Forge:
    """What stands behind the port, oldest first."""

    port: int = 0
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    """Each with its repository and the number of its pull request."""
    merges: list[str] = field(default_factory=list)
    """Every request to merge that came here."""
    trouble: list[str] = field(default_factory=list)
    """How the next changes end: `close` and `500` after acting, `rubbish` instead of an answer, `refuse` before; used up one by one."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def opened(self, wanted: dict[str, Any]) -> dict[str, Any] | None:
        """A new one; None where one is open for the same branches."""
        head, base = wanted["head"].rpartition(":")[2], wanted["base"]
        if any((one["head"]["ref"], one["base"]["ref"], one["state"]) == (head, base, "open") for one in self.pulls):
            return None
        made = {"number": len(self.pulls) + 1, "title": wanted["title"], "body": wanted["body"].replace("\n", "\r\n"), "state": "open"}
        made |= {"head": {"ref": head}, "base": {"ref": base}, "merged_at": None}
        self.pulls.append(made | {"html_url": f"{self.base}/ann/notes/pulls/{made['number']}"})
        return self.pulls[-1]

    def commented(self, repo: str, number: int, text: str) -> dict[str, Any]:
        self.comments.append({"id": len(self.comments) + 1, "repo": repo, "number": number, "body": text})
        return self.comments[-1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == PULLS:
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            size, page = int(asked["per_page"]), int(asked["page"])
            listed = [one for one in reversed(self.server.state.pulls) if asked["state"] in {"all", one.get("state")}]
            self._answer(200, listed[size * (page - 1) : size * page])
        elif on := _COMMENTS.fullmatch(parts.path):
            self._answer(200, [one for one in self.server.state.comments if (one["repo"], one["number"]) == (on[1], int(on[2]))])
        else:
            self._with_one(lambda one: self._answer(200, one))

    def do_POST(self) -> None:
        wanted = self._body()
        state = self.server.state
        if on := _COMMENTS.fullmatch(urlsplit(self.path).path):
            self._answer(201, state.commented(on[1], int(on[2]), wanted["body"]))
        elif state.trouble[:1] == ["refuse"]:
            state.trouble.pop(0)
            self._answer(422, {"message": "no such branch"})
        elif (made := state.opened(wanted)) is None:
            self._answer(422, {"message": "A pull request already exists"})
        else:
            self._ended(201, made)

    def do_PUT(self) -> None:
        self._body()
        if _MERGE.fullmatch(unquote(urlsplit(self.path).path)):
            self.server.state.merges.append(self.path)
        self._answer(200, {"merged": True})

    def do_DELETE(self) -> None:
        found = _COMMENT.fullmatch(urlsplit(self.path).path)
        state = self.server.state
        left = [one for one in state.comments if not found or one["id"] != int(found[1])]
        gone, state.comments = len(left) < len(state.comments), left
        self._answer(200 if gone else 404, {})

    def do_PATCH(self) -> None:
        change = self._body()

        def changed(one: dict[str, Any]) -> None:
            one.update(change)
            self._ended(200, one)

        self._with_one(changed)

    def _with_one(self, then: Any) -> None:
        number = urlsplit(self.path).path.rpartition("/")[2]
        found = next((one for one in self.server.state.pulls if str(one["number"]) == number), None)
        if found is None:
            self._answer(404, {"message": "not found"})
        else:
            then(found)

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"null")

    def _ended(self, status: int, told: object) -> None:
        trouble = self.server.state.trouble.pop(0) if self.server.state.trouble else ""
        if trouble == "close":
            self.close_connection = True
        elif trouble:
            self._answer(500 if trouble == "500" else status, trouble)
        else:
            self._answer(status, told)

    def _answer(self, status: int, told: object) -> None:
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


@contextmanager
def forge() -> Iterator[Forge]:
    """A forge of its own, ended with the block."""
    with served(Forge(), _Handler) as state:
        yield state
