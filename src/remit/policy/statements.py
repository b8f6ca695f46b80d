"""Cut a policy text into its statements, so that every complaint can name a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from remit.errors import PolicyInvalid
from remit.policy.judge import PolicySource

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+|//[^\n\r]*)
      | (?P<text>"(?:\\.|[^"\\])*")
      | (?P<end>;)
      | (?P<other>::|==|!=|<=|>=|&&|\|\||\w+|[^\s\w"])
      | (?P<open>")""",
    re.VERBOSE | re.DOTALL,
)
_DEPTH: Final = 50
"""Brackets within brackets. Cedar's parser overruns the C stack, and ends the process, somewhere below 1,000."""
_TOKENS: Final = 5000
"""In one policy: about 1,000 tools by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One policy as it stands in its file."""

    source: PolicySource
    text: str
    line: int
    """Of its first token, counted from 1."""
    cuts: tuple[int, ...]
    """Where each token ends in `text`."""

    def line_of(self, offset: int) -> int:
        return self.line + self.text.count("\n", 0, offset)

    def find(self, word: str) -> int:
        """The line on which `word` first stands, or the first line when it does not."""
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.text)
        return self.line_of(found.start()) if found else self.line

    def invalid(self, message: str, *, fix: str, line: int | None = None) -> PolicyInvalid:
        """An error that begins with file and line."""
        return PolicyInvalid(f"{self.source.name}:{line or self.line}: {message}", fix=fix)


def statements(source: PolicySource) -> Iterator[Statement]:
    """Cut at semicolons outside texts and comments: Cedar has them nowhere else.

    Only finds the borders; the engine parses each piece and must find exactly one policy in it. What is too large or too
    deep for the engine is refused here.
    """
    start = -1
    cuts: list[int] = []
    for token in _TOKEN.finditer(source.text):
        if token.lastgroup == "blank":
            continue
        if token.lastgroup == "open":
            raise _broken(source, token.start(), "this text is not closed", 'end it with "')
        start = token.start() if start < 0 else start
        cuts.append(token.end() - start)
        if token.lastgroup == "end":
            yield _statement(source, start, cuts)
            start, cuts = -1, []
    if start >= 0:
        raise _broken(source, start + cuts[-1], "the file ends inside a policy", "end every policy with `;`")


def _statement(source: PolicySource, start: int, cuts: list[int]) -> Statement:
    text = source.text[start : start + cuts[-1]]
    depth = 0
    for end in cuts:
        sign = text[end - 1]
        depth += (sign in "([{") - (sign in ")]}")
        if depth > _DEPTH:
            raise _broken(source, start + end - 1, "this policy is nested too deeply", "split it into several policies")
    if len(cuts) > _TOKENS:
        raise _broken(source, start, f"this policy has more than {_TOKENS} words and signs", "split it into several policies")
    return Statement(source=source, text=text, line=_line(source.text, start), cuts=tuple(cuts))


def _broken(source: PolicySource, offset: int, message: str, fix: str) -> PolicyInvalid:
    return PolicyInvalid(f"{source.name}:{_line(source.text, offset)}: {message}", fix=fix)


def _line(text: str, offset: int) -> int:
    return 1 + text.count("\n", 0, offset)
