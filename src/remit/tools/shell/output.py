"""What a command printed: bounded while it streams, honest about what was cut, printable whatever the bytes were."""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from dataclasses import dataclass
from typing import Final

from remit.domain.values import JsonValue

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UTF8_MAX: Final = 4
_CHUNK: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One stream of a command."""

    text: str
    cut: int = 0
    """Bytes left out of the middle; the text says so at that place."""
    binary: bool = False
    """The bytes were not UTF-8 text: others stand as `\\xNN` and a backslash as two."""

    def to_json(self) -> JsonValue:
        """The text alone when there is nothing more to say, to keep results small."""
        if not (self.cut or self.binary):
            return self.text
        return {"text": self.text, "bytes_cut": self.cut, "binary": self.binary}


class Bounded:
    """Keeps the first and the last half of `limit` bytes of whatever is fed; memory does not grow with the stream."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, _UTF8_MAX)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._seen = 0

    def feed(self, data: bytes) -> None:
        self._seen += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        rest = data[room:] if room < len(data) else b""
        if rest:
            self._tail.append(rest)
            self._tail_size += len(rest)
        while self._tail_size - len(self._tail[0] if self._tail else b"") >= self._half and self._tail:
            self._tail_size -= len(self._tail.popleft())

    def output(self) -> Output:
        head, tail = bytes(self._head), b"".join(self._tail)[-self._half :]
        if len(head) + len(tail) == self._seen:
            return readable(head + tail)
        head, tail = _whole_end(head), _whole_start(tail)
        cut = self._seen - len(head) - len(tail)
        first, last = readable(head), readable(tail)
        if first.binary or last.binary:
            first, last = readable(head, binary=True), readable(tail, binary=True)
        return Output(text=f"{first.text}\n[… {cut} bytes cut …]\n{last.text}", cut=cut, binary=first.binary)


async def drain(stream: asyncio.StreamReader | None, into: Bounded) -> None:
    """Feed a stream to its end."""
    while stream is not None and (data := await stream.read(_CHUNK)):
        into.feed(data)


def shell_path() -> str:
    """The shell that runs command lines: bash where there is one."""
    return "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"


def readable(data: bytes, *, binary: bool = False) -> Output:
    """Text as it is; bytes that are not text escaped so that every one of them can be told."""
    if not binary and b"\0" not in data:
        try:
            return Output(text=data.decode("utf-8"))
        except UnicodeDecodeError:
            pass
    text = data.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return Output(text=_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text), binary=True)


def _whole_end(data: bytes) -> bytes:
    """Without a character that was cut in two at the end."""
    for back in range(1, min(_UTF8_MAX, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:  # noqa: PLR2004 - not a continuation byte (RFC 3629)
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4  # noqa: PLR2004
            return data[:-back] if width > back else data
    return data


def _whole_start(data: bytes) -> bytes:
    """Without the rest of a character that was cut in two at the start."""
    for skip in range(min(_UTF8_MAX, len(data))):
        if data[skip] & 0xC0 != 0x80:  # noqa: PLR2004 - not a continuation byte (RFC 3629)
            return data[skip:]
    return data
