"""What of a request must be the same when it is let go as when it was shown, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from remit.domain.values import JsonValue, canonical, digest
from remit.domain.visible import visible
from remit.tools.browser.held import Sent

_SHOWN: Final = 4000
_LONG: Final = 16


def key(sent: Sent, hidden: Sequence[str]) -> str:
    """Equal for requests that do the same. Only long values of fields that the page hides, such as tokens against forgery, may differ."""
    fields = _fields(sent)
    named: JsonValue = [[name, None if _opaque(name, value, hidden) else value] for name, value in fields or ()]
    return digest("remit.sent.1", sent.method, sent.url, _without_boundary(sent) if fields is None else canonical(named))


def told(sent: Sent, hidden: Sequence[str]) -> list[str]:
    """Lines for a person."""
    fields = _fields(sent)
    if fields is None:
        body = visible(sent.body.decode("utf-8", "backslashreplace"), keep="\n\t")
        return [sent.told, body[:_SHOWN] + ("…" if len(body) > _SHOWN else "")]
    values = [(name, "(hidden)" if _opaque(name, value, hidden) else visible(value, keep="")) for name, value in fields]
    return [sent.told, *(f"  {visible(name, keep='')}: {value}" for name, value in values)]


def _opaque(name: str, value: str, hidden: Sequence[str]) -> bool:
    """Whether nobody could read it; an amount or the number of an account is short, and has to stay."""
    return name in hidden and len(value) >= _LONG


def _fields(sent: Sent) -> Sequence[tuple[str, str]] | None:
    """What a form sends, field by field; None for what is no plain form."""
    if sent.type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return None
    return parse_qsl(sent.body.decode("utf-8", "backslashreplace"), keep_blank_values=True)


def _without_boundary(sent: Sent) -> str:
    """A multipart body names its boundary anew each time."""
    _, _, boundary = sent.type.partition("boundary=")
    body = sent.body.decode("utf-8", "backslashreplace")
    return body.replace(boundary.strip('"'), "") if boundary else body
