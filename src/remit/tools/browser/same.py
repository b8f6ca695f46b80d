"""What of a request must be the same when it is let go as when it was shown, and how it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from remit.domain.values import JsonValue, canonical, digest
from remit.domain.visible import visible
from remit.tools.browser.held import Sent

SHOWN: Final = 4000
"""Bytes of a body that is no plain form, at most."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/=_.~-]{16,}")
"""What nobody could read; an amount or the number of an account is shorter, and has to stay."""
_USUAL: Final = re.compile(
    r"accept(-.*)?|cache-control|connection|content-length|cookie|dnt|host|if-.*|origin|pragma|priority|proxy-.*|referer|sec-.*|te"
    r"|upgrade-insecure-requests|user-agent|:.*"
)
"""Headers that are the browser's own."""


def key(sent: Sent, hidden: Sequence[str]) -> str:
    """Equal for requests that do the same. Only tokens (against forgery, mostly) in headers and hidden fields may differ."""
    fields = _fields(sent)
    named: JsonValue = [[name, None if name in hidden and _TOKEN.fullmatch(value) else value] for name, value in fields or ()]
    extra: JsonValue = {name: None if _TOKEN.fullmatch(value) else value for name, value in _extra(sent).items()}
    body = _without_boundary(sent).decode("latin-1") if fields is None else canonical(named)
    return digest("remit.sent.1", sent.method, sent.url, _media(sent), canonical(extra), body)


def told(sent: Sent, hidden: Sequence[str]) -> list[str]:
    """Lines for a person."""
    extra = [f"  {name}: {'(a token)' if _TOKEN.fullmatch(value) else visible(value, keep='')}" for name, value in _extra(sent).items()]
    fields = _fields(sent, encoding="utf-8")
    if fields is None:
        return [sent.told, f"  content-type: {_media(sent)}", *extra, visible(sent.body.decode("utf-8", "backslashreplace"), keep="\n\t")]
    return [sent.told, *extra, *(f"  {visible(name, keep='')}: {value}" for name, value in _values(fields, hidden))]


def whole(sent: Sent) -> bool:
    """Whether all of it can be shown."""
    return sent.whole and (_fields(sent) is not None or len(sent.body) <= SHOWN)


def _values(fields: Sequence[tuple[str, str]], hidden: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name, value in fields:
        yield name, "(hidden)" if name in hidden and _TOKEN.fullmatch(value) else visible(value, keep="")


def _extra(sent: Sent) -> Mapping[str, str]:
    return {name: value for name, value in sorted(sent.headers.items()) if name != "content-type" and not _USUAL.fullmatch(name)}


def _media(sent: Sent) -> str:
    """The type of the body, its parameters included, but for the boundary that a browser names anew each time."""
    kind = sent.type.strip()
    return kind.partition(";")[0].strip().lower() if _is(sent, "multipart/form-data") else kind


def _fields(sent: Sent, *, encoding: str = "latin-1") -> Sequence[tuple[str, str]] | None:
    """What a form sends, field by field; None for what is no plain form."""
    if not _is(sent, "application/x-www-form-urlencoded"):
        return None
    return parse_qsl(sent.body.decode("latin-1"), keep_blank_values=True, encoding=encoding, errors="backslashreplace")


def _without_boundary(sent: Sent) -> bytes:
    """A multipart body without the lines that part it."""
    _, _, boundary = sent.type.partition("boundary=")
    if not (boundary and _is(sent, "multipart/form-data")):
        return sent.body
    line = re.escape(b"--" + boundary.strip('"').encode("latin-1", "replace"))
    return re.sub(rb"(\A|\r\n)" + line + rb"(--)?(?=\r\n|\Z)", rb"\1--", sent.body)


def _is(sent: Sent, media: str) -> bool:
    return sent.type.partition(";")[0].strip().lower() == media
