"""Searching in files, in a process of its own that is killed when it takes too long."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from remit.domain.action import Effect
from remit.domain.values import JsonValue, canonical, parse
from remit.errors import ArgsInvalid, ToolFailed
from remit.ports import Call, ToolSpec
from remit.tools.args import FLAG, PATH, described, flag, number, schema, text
from remit.tools.changes.folder import explained
from remit.tools.changes.tree import judged
from remit.tools.files.read import LookTool, below, is_folder

_LIMIT: Final = 200


class FilesSearch(LookTool):
    """Finds lines. Binary files and files over 10 MB are skipped and counted; a line is searched up to 10,000 bytes."""

    verb = "search"
    seconds: float = 20.0
    """After so long a search is stopped."""
    spec = ToolSpec(
        name="files.search",
        description="Find lines that contain a text (or match a Python regular expression) in a file or below a folder.",
        schema=schema(
            ("query",),
            query={"type": "string", "minLength": 1},
            path={**PATH, "default": "."},
            regex=FLAG,
            ignore_case=FLAG,
            hidden=described(FLAG, "also in names that start with a dot"),
            limit={"type": "integer", "minimum": 1, "maximum": 10 * _LIMIT, "default": _LIMIT},
        ),
        effect=Effect.PURE,
        visible=("path",),
        reads_as=("files.read",),
    )

    def amounts_to(self, call: Call) -> Sequence[tuple[str, Mapping[str, JsonValue]]]:
        """Every file it may look into is read."""
        path, hidden = self.place(call.args), flag(call.args, "hidden")
        with explained("list", path):
            return [
                ("files.read", {"path": judged(found)}) for found in (path, *below(path, self.roots, hidden=hidden)) if not is_folder(found)
            ]

    async def run(self, call: Call) -> JsonValue:
        """Raises ArgsInvalid for a broken expression, ToolFailed when it takes longer than `seconds`."""
        request: dict[str, JsonValue] = {
            "roots": [root.hex() for root in self.roots.all],
            "private": [folder.hex() for folder in self.roots.private],
            "path": self.place(call.args).hex(),
            "query": text(call.args, "query"),
            "limit": number(call.args, "limit", _LIMIT),
            **{name: flag(call.args, name) for name in ("regex", "ignore_case", "hidden")},
        }
        answer = parse(await _served(canonical(request), self.seconds))
        if not isinstance(answer, dict) or "failed" in answer:
            raise ToolFailed(f"the search failed: {answer}", fix="narrow the path")
        if "broken" in answer:
            raise ArgsInvalid(f"the expression is broken: {answer['broken']}", fix="correct it, or search for literal text")
        return answer


async def _served(request: str, seconds: float) -> bytes:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", "remit.tools.files.search_worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await worker.communicate(request.encode("utf-8"))
    except TimeoutError:
        raise ToolFailed(
            f"the search took longer than {seconds:g} seconds", fix="search a smaller folder, or a simpler expression"
        ) from None
    finally:
        if worker.returncode is None:
            with suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()
    if worker.returncode != 0:
        raise ToolFailed(f"the search ended with status {worker.returncode}", fix="narrow the path")
    return answer
