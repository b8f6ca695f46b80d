"""The conversation of a run, folded from its journal, and the shapes it is kept in (version 1).

Two kinds of MESSAGE lines. Part `N`: the N-th response, written before any of its calls is submitted. Part `N.seen`: what
the model is told about that turn, written before it is asked again. Whatever is counted here (turns, malformed turns,
refusals) is counted from these lines alone, so that a crash resets no bound. Golden files: `tests/contract/golden/agent_message_1.json`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from remit.agent.observe import plainly, strings
from remit.agent.own import ASK, PLAN
from remit.agent.shortening import summary
from remit.agent.toolset import Toolbox
from remit.agent.turns import Turn, Wanted, read_turn, scrubbed
from remit.domain.entry import Entry
from remit.domain.values import Digest, JsonValue, canonical, digest, fields, items, parse
from remit.errors import JournalCorrupt

SHAPE: Final = 1
_FIELDS: Final = ("call", "tool", "end", "text", "step", "plan", "taint", "line", "counts")
_USING: Final = frozenset({"succeeded", "failed", "in_doubt", "waiting"})
"""Ends after which an effect stands, may stand, or is about to."""
OWN: Final = frozenset({PLAN, ASK})
_VERIFY: Final = "`remit log --verify` says whether the journal was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the model is told about one call: how it ended in one word, and the text. Without a call it is a word to the model itself."""

    end: str
    text: str
    call: str = ""
    tool: str = ""
    step: str = ""
    """The step of the plan that this call carried out: with the end `succeeded` its checks hold, with `refused` a person said no to it."""
    plan: str = ""
    """The journal line of that plan."""
    taint: str = ""
    """`yes` where a check saw what strangers wrote."""
    line: str = ""
    """For what a person said: the journal line that says it."""
    counts: str = ""
    """The step of the plan that counts at the gate which this call used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A call that was left waiting: the step that it carries out, and the one of the plan that counts which it uses."""

    call: Wanted
    step: str
    counts: str


@dataclass(slots=True, kw_only=True)
class Talk:
    """The conversation so far. `add_response` and `add_seen` are the only ways it grows, live and after a crash alike."""

    toolbox: Toolbox
    messages: list[ModelMessage]
    first: str = ""
    """The opening message."""
    turns: int = 0
    left_out: int = 0
    """Turns, from the first on, that only a summary stands for."""
    short: str = ""
    """That summary."""
    open: Turn | None = None
    """The last turn, until the model has been told what came of it."""
    malformed: int = 0
    """Malformed turns in a row."""
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each tool ended how."""
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each exact call (tool, arguments) was refused or expired."""
    untrusted: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    """What was read before the first of them."""
    answers: list[str] = field(default_factory=list)
    """What the person answered in their own words."""
    heard_first: bool = False
    """The person said what a vague goal means."""
    heard: int = 0
    """The last journal line of a person's that the model was told."""
    passed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By step: the plan's line, and the call whose checks held."""
    changes: int = 0
    """Calls that may have changed the world."""
    seen_at: dict[str, int] = field(default_factory=dict)
    """By step: after how many of them its checks held."""
    waiting: dict[str, Left] = field(default_factory=dict)
    """Calls that wait for a person while the work goes on, by name."""
    uses: Counter[str] = field(default_factory=Counter)
    """How often each step was carried out, or waits to be."""
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls (tool, arguments) that succeeded."""
    denied: set[str] = field(default_factory=set)
    """Steps that a person said no to: their other ways are no more planned than that one."""
    unplanned: bool = False
    """Something that may have changed the world was done that no step of a plan names."""
    failing: int = 0
    """Calls that failed, one after the other."""
    same: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """How often exactly the same call (tool, arguments) came to exactly the same."""
    since: int = 0
    """Turns since its person last said something."""
    troubles: int = 0
    """How often a person was asked what to do as the work did not get on."""
    words: int = 0
    """How often people or remit itself spoke between two turns."""
    reminded: int = 0
    """How often the model was told that its plan is not done."""
    last_end: str = ""
    last_error: str = ""
    history: Digest = field(default_factory=digest)
    prints: Mapping[str, JsonValue] = field(default_factory=dict)
    """Fingerprint of the request that the last response answered."""

    @classmethod
    def opened(cls, first: str, toolbox: Toolbox, material: str = "") -> Talk:
        """`material` stands in the opening, and is not the person's words."""
        messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(first)])]
        return cls(toolbox=toolbox, first=first, messages=messages, history=digest(first), untrusted=[material] if material else [])

    @property
    def calls(self) -> int:
        return sum(self.ends.values())

    def read(self, entry: Entry) -> None:
        """Fold one MESSAGE line. Lines of a newer shape are not guessed at: raises JournalCorrupt."""
        body = parse(entry.body_json)
        if not isinstance(body, dict) or body.get("v") != SHAPE:
            raise JournalCorrupt(
                f"{entry.id} line {entry.n} is a message of an unknown shape", fix="continue this run with the newer remit"
            )
        if entry.part.endswith(".short"):
            self.shorten(body)
        elif entry.part.endswith(".seen"):
            self.add_seen(body)
        else:
            self.add_response(body)

    def shorter(self, standing: str) -> dict[str, JsonValue] | None:
        """How half of the turns that are there can be left out: the body of part `N.short`; None when nothing is left to leave out.

        `standing` is what counts from here on, however long ago it was said.
        """
        leave = (self.turns - self.left_out) // 2
        if not leave or self.open is not None:
            return None
        return {
            "v": SHAPE,
            "turns": self.left_out + leave,
            "summary": summary(self.messages[1 : self._begin(self.left_out + leave)], self.short),
            **({"standing": standing} if standing else {}),
        }

    def shorten(self, body: Mapping[str, JsonValue]) -> None:
        turns = int(str(body.get("turns", 0)))
        self.short = str(body.get("summary", ""))
        said = [self.first, self.short, *([str(body["standing"])] if body.get("standing") else [])]
        opening = ModelRequest(parts=[UserPromptPart(text) for text in said])
        self.messages = [opening, *self.messages[self._begin(turns) :]]
        self.left_out = turns
        self.history = digest(self.history, canonical(body.get("summary")))

    def _begin(self, turns: int) -> int:
        """Where the response after so many turns stands, or would."""
        places = [n for n, message in enumerate(self.messages) if isinstance(message, ModelResponse)]
        return [*places, len(self.messages)][turns - self.left_out]

    def add_response(self, body: Mapping[str, JsonValue]) -> None:
        response = _response(body)
        self.turns += 1
        self.since += 1
        try:
            self.open = read_turn(response, self.turns, body)
        except ValueError as error:
            raise JournalCorrupt("a journalled response does not name its tools", fix=_VERIFY) from error
        self.malformed = self.malformed + 1 if self.open.malformed else 0
        self.messages.append(response)
        self.prints = fields(body.get("print"))
        self.history = digest(self.history, canonical(body.get("message")))

    def add_seen(self, body: Mapping[str, JsonValue]) -> None:
        told = _told(body)
        turn, self.open = self.open, None
        self.words += turn is None
        parts: list[ModelRequestPart] = []
        wire = [part for part in _last_response(self.messages).parts if isinstance(part, ToolCallPart)] if turn else []
        calls = {call.name: (call, part) for call, part in zip(turn.calls if turn else (), wire, strict=True)}
        for item in told:
            if item.call in self.waiting:
                held = self.waiting.pop(item.call)
                self.uses[held.counts] -= bool(held.counts)  # it was counted when it began to wait
                parts.append(UserPromptPart(f"What waited for a person has ended. {held.call.tool} {held.call.args_json}: {item.text}"))
                self._count(item, held.call.args_json)
                continue
            if item.call not in calls:
                parts.append(UserPromptPart(item.text))
                self._heard(item)
                continue
            call, part = calls[item.call]
            parts.append(ToolReturnPart(tool_name=part.tool_name, content=item.text, tool_call_id=part.tool_call_id))
            if item.end == "waiting":
                self.waiting[item.call] = Left(call=call, step=item.step, counts=item.counts)
            self._count(item, call.args_json)
        self.messages.append(ModelRequest(parts=parts))
        self.history = digest(self.history, canonical(body.get("told")))

    def _heard(self, item: Told) -> None:
        """A word that is no answer to a call."""
        self.untrusted += [item.text] * bool(item.taint)
        if item.end in {"said", "clarified", "trouble"}:
            self.since = self.malformed = 0
            self.refusals.clear()
        self.heard = max(self.heard, int(item.line or 0))
        self.reminded += item.end == "unverified"
        self.heard_first |= item.end == "clarified"
        self.answers += [item.text.partition(" says: ")[2]] * (item.end in {"clarified", "trouble"})
        if item.end == "trouble":
            self.troubles, self.failing = self.troubles + 1, 0
            self.same.clear()

    def _count(self, item: Told, args_json: str) -> None:
        self.uses[item.counts] += item.end in _USING and bool(item.counts)
        if item.end == "waiting":
            return
        if item.tool in OWN:
            self.answers += [_answer(item.text)] * (item.end == "answered")
            self.failing += item.end == "malformed"
            return
        self.ends[item.tool, item.end] += 1
        self.last_end = item.end
        self.failing = self.failing + 1 if item.end in {"failed", "invalid"} else 0
        self._repeated(item, args_json)
        self.unplanned |= not item.step and item.end == "succeeded" and self.toolbox.changes(item.tool)
        self._succeeded(item, args_json)
        self._refused(item, args_json)
        if item.end == "failed":
            self.last_error = f"{item.step or item.tool}: {plainly(item.text)}"
        if item.taint or (item.end in {"succeeded", "failed"} and self.toolbox.untrusted(item.tool)):
            self.untrusted.append(strings(item.text))
        elif item.end == "succeeded" and not self.untrusted:
            self.own.append(strings(item.text))

    def _succeeded(self, item: Told, args_json: str) -> None:
        if item.end != "succeeded":
            return
        self.effects[item.tool, args_json] += 1
        self.changes += self.toolbox.changes(item.tool)
        if item.step:
            self.passed[item.step] = item.plan, item.call
            self.seen_at[item.step] = self.changes

    def _refused(self, item: Told, args_json: str) -> None:
        if item.end in {"refused", "expired"}:
            self.refusals[item.tool, args_json] += 1
        if item.step and item.end == "refused":
            self.denied |= {item.step, item.counts} - {""}

    def _repeated(self, item: Told, args_json: str) -> None:
        """Something new that may have changed the world gives every repetition a reason."""
        key = item.tool, args_json, item.text
        if item.end == "succeeded" and not self.same[key] and self.toolbox.changes(item.tool):
            self.same.clear()
        self.same[key] += item.end in {"succeeded", "failed"}


def tried(talk: Talk) -> str:
    """What was done so far, for the person it is escalated to."""
    if not talk.ends:
        return "Nothing was tried."
    lines = ", ".join(f"{tool} {end} {count} times" for (tool, end), count in sorted(talk.ends.items()))
    return f"Tried: {lines}" + (f"; last failure: {talk.last_error[:500]}" if talk.last_error else "")


def response_body(
    response: ModelResponse,
    *,
    turn: int,
    tools: Sequence[str],
    wrong: Mapping[str, str],
    prints: Mapping[str, JsonValue],
    sure: Mapping[str, JsonValue],
    usage: Mapping[str, JsonValue],
) -> dict[str, JsonValue]:
    """The body of part `N`: the response as Pydantic AI persists it; what its calls mean, usage and fingerprint beside it."""
    (dumped,) = ModelMessagesTypeAdapter.dump_python([response], mode="json")
    kept = {key: value for key, value in dumped.items() if key not in {"usage", "timestamp", "state"}}
    body: dict[str, JsonValue] = {
        "v": SHAPE,
        "turn": turn,
        "message": scrubbed(kept),
        "usage": dict(usage),
        "print": dict(prints),
    }
    optional: dict[str, JsonValue] = {"tools": list(tools), "wrong": dict(wrong), "sure": dict(sure)}
    return body | {name: value for name, value in optional.items() if value}


def seen_body(turn: int, told: Sequence[Told]) -> dict[str, JsonValue]:
    """The body of part `N.seen`."""
    listed: list[JsonValue] = [{name: value for name in _FIELDS if (value := getattr(t, name))} for t in told]
    scrubbed_list = scrubbed(listed)
    return {"v": SHAPE, "turn": turn, "told": scrubbed_list}


def _answer(text: str) -> str:
    told = parse(text)
    return str(told.get("own", told.get("answer", ""))) if isinstance(told, Mapping) else ""


def _response(body: Mapping[str, JsonValue]) -> ModelResponse:
    message = body.get("message")
    (response,) = ModelMessagesTypeAdapter.validate_python([{"parts": [], **message} if isinstance(message, dict) else message])
    if not isinstance(response, ModelResponse):
        raise JournalCorrupt("a journalled response is none", fix=_VERIFY)
    return response


def _last_response(messages: Sequence[ModelMessage]) -> ModelResponse:
    last = messages[-1]
    if not isinstance(last, ModelResponse):
        raise JournalCorrupt("observations stand without a response", fix=_VERIFY)
    return last


def _told(body: Mapping[str, JsonValue]) -> list[Told]:
    return [Told(**{key: str(fields(item).get(key, "")) for key in _FIELDS}) for item in items(body.get("told"))]
