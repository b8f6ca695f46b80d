"""What happens, for a person who watches: every line is read from the journal, so it is what is recorded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remit.app import App
from remit.domain.action import Action
from remit.domain.entry import Entry, Kind
from remit.domain.outcome import Evidence, Outcome
from remit.domain.record import Record, fold
from remit.domain.values import ActionId, JsonValue, RunId, parse
from remit.domain.visible import visible

_ERROR_LENGTH: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened. `tag` is one of: says, alone, done, known (by looking, after a crash), failed, refused, asks, answer."""

    tag: str
    text: str


class Teller:
    """Follows one run in the journal from its beginning."""

    def __init__(self, app: App, run: RunId, root: Path) -> None:
        self._app = app
        self._run = run
        self._root = f"{os.path.realpath(root)}/"
        self._after = 0
        self._said = ""
        self.turns = 0

    def news(self) -> Iterator[Line]:
        """What was recorded since the last call."""
        for entry in self._app.journal.read(self._run, after=self._after):
            self._after = entry.n
            yield from self._lines(entry, body_of(entry))

    def title(self, record: Record) -> str:
        """Verb and target of an action, relative to the folder."""
        action = Action(id=record.id, actor="", tool=record.tool, args_json=record.args_json)
        return self.short(self._app.tools[record.tool].title(action.args))

    def short(self, text: str) -> str:
        """Without what is the same in every line."""
        return visible(text.replace(self._root, "").replace(self._root.rstrip("/"), ".").replace(sys.executable, "python"), keep="")

    def _lines(self, entry: Entry, body: Mapping[str, JsonValue]) -> Iterator[Line]:
        match entry.kind:
            case Kind.MESSAGE if not entry.part.endswith(".seen"):
                self.turns += 1
            case Kind.PROPOSED if body.get("why") and body["why"] != self._said:
                self._said = str(body["why"])
                yield Line(tag="says", text=visible(self._said, keep=""))
            case Kind.REFUSED if body.get("by") == "policy":
                yield Line(tag="refused", text=f"{self.title(self._record(entry))} — {body.get('reason')}")
            case Kind.ASKED:
                why = str(body.get("why", "")).partition("\n")[0]
                yield Line(tag="asks", text=f"{self.short(str(body.get('title', '')))} — {why}")
            case Kind.ANSWERED:
                who, note = entry.part.partition("@")[2], str(body.get("note") or "")
                yield Line(tag="answer", text=f"{who}: {body.get('answer')} — {note or self.title(self._record(entry))}")
            case Kind.CLOSED:
                yield Line(tag="says", text=visible(str(body.get("summary", "")), keep=""))
            case Kind.FINISHED:
                yield self._ended(self._record(entry))
            case _:
                pass

    def _ended(self, record: Record) -> Line:
        title, outcome = self.title(record), record.outcome
        why = trouble(outcome) if outcome else "it has no outcome"
        if why:
            return Line(tag="failed", text=f"{title} — {self.short(why)}")
        if outcome and outcome.evidence is Evidence.PROBE:
            return Line(tag="known", text=f"{title} — it had happened, and is not done again")
        return Line(tag="done" if record.asked else "alone", text=title)

    def _record(self, entry: Entry) -> Record:
        return fold(ActionId(entry.id), self._app.journal.read(entry.run, action=entry.action))


def trouble(outcome: Outcome) -> str:
    """Why an attempt did not work, or nothing. For a command its exit code says so: what it wrote counts all the same."""
    if not outcome.ok:
        return outcome.error[:_ERROR_LENGTH] + ("…" if len(outcome.error) > _ERROR_LENGTH else "")
    result = outcome.result
    code = result.get("exit_code", 0) if isinstance(result, Mapping) else 0
    if not code or not isinstance(result, Mapping):
        return ""
    last = str(result.get("stderr") or "").strip().rpartition("\n")[2]
    return f"exit code {code}: {last[:_ERROR_LENGTH]}"


def body_of(entry: Entry) -> Mapping[str, JsonValue]:
    """What an entry says."""
    body = parse(entry.body_json)
    return body if isinstance(body, Mapping) else {}
