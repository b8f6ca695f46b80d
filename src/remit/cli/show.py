"""How things look in a terminal: plain lines, nothing hidden, no control characters of others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import click

from remit.domain.entry import Entry, Kind
from remit.domain.question import Question, QuestionKind
from remit.domain.values import JsonValue, fields, items
from remit.domain.visible import visible

_WIDE: Final = 24
"""Characters; what comes of a longer option stands after it."""
_MARK = {
    Kind.STARTED: "▶",
    Kind.FINISHED: "✓",
    Kind.REFUSED: "✗",
    Kind.ASKED: "?",
    Kind.ANSWERED: "!",
    Kind.UNDONE: "↶",
}


def clean(text: str, *, keep: str = "\n\t") -> str:
    """Text of others, with every hidden character as its code point."""
    return visible(text, keep=keep)


def when(at: int) -> str:
    """Local time to the second."""
    return datetime.fromtimestamp(at / 1000, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def question(item: Question, answers: Sequence[str] = (), record: str = "") -> str:
    """A whole question: id, verb and target, why, everything it would do, what was answered so far, and how to answer."""
    lines = [click.style(f"{item.id}  {clean(item.title, keep='')}", bold=True)]
    lines += _labelled("why", item.why) + _labelled("so far", record) + _labelled("tried", item.tried)
    lines += [f"  | {line}" for line in clean(item.body).splitlines()]
    if item.clipped:
        lines.append("  | (too large to be shown whole; what is approved is this and nothing else)")
    if item.people > 1:
        lines.append(f"  needs {item.people} different people")
    lines += [f"  {clean(said)}" for said in answers]
    if answers:
        return "\n".join([*lines, f"  to carry it out: remit resume {item.action.partition('/')[0]}"])
    names = [f"{number} {option}" for number, option in enumerate(item.options, start=1)] if item.options else []
    names += list(item.choices)[len(names) :]
    width = min(max(len(clean(name, keep="")) for name in names), _WIDE)
    lines += [
        f"  {clean(name, keep=''):<{width}}  {clean(what, keep='')}".rstrip()
        for name, what in zip(names, item.choices.values(), strict=True)
    ]
    lines.append(f"  no answer: {item.silence}{f' ({when(item.expires_at)})' if item.expires_at else ''}")
    lines.append(f"  {_how_to_answer(item)}")
    return "\n".join(lines)


def _labelled(label: str, text: str) -> list[str]:
    return [f"  {label}: {line}" for line in clean(text).splitlines()]


def question_json(item: Question) -> dict[str, JsonValue]:
    """A question as data."""
    return {
        "id": item.id,
        "action": item.action,
        "kind": str(item.kind),
        "title": item.title,
        "body": item.body,
        "why": item.why,
        "tried": item.tried,
        "choices": dict(item.choices),
        "silence": item.silence,
        "digest": item.digest,
        "people": item.people,
        "roles": sorted(item.roles),
        "options": list(item.options),
        "asked_at": item.asked_at,
        "expires_at": item.expires_at,
        "clipped": item.clipped,
    }


def entry(item: Entry) -> str:
    """One line of the journal."""
    mark = next((sign for kind, sign in _MARK.items() if kind == item.kind), " ")
    return f"{item.seq:>7} {when(item.at)} {mark} {item.kind:<9} {item.id}{item.part}  {gist(item)}"


def whole(item: Entry) -> str:
    """One entry with all it says, texts as they are, line by line."""
    body = json.loads(item.body_json)
    lines = [click.style(f"{when(item.at)}  {item.kind}{item.part and '  ' + item.part}", bold=True)]
    for key, value in _flat(body):
        text = clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        first, *rest = text.splitlines() or [""]
        lines += [f"  {key}: {first}", *(f"  {' ' * len(key)}  {line}" for line in rest)]
    return "\n".join(lines)


def _flat(value: Mapping[str, JsonValue], prefix: str = "") -> list[tuple[str, JsonValue]]:
    found: list[tuple[str, JsonValue]] = []
    for key, item in value.items():
        found += _flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) else [(prefix + key, item)]
    return found


def entry_json(item: Entry) -> str:
    """One line of the journal as one line of JSON."""
    body = json.loads(item.body_json)
    fields = {"seq": item.seq, "run": item.run, "n": item.n, "kind": item.kind, "at": item.at, "action": item.action, "part": item.part}
    return json.dumps(fields | {"body": body, "hash": item.hash.hex()}, ensure_ascii=False, sort_keys=True)


def gist(item: Entry, width: int = 160) -> str:
    """What an entry says, in a few words; for the whole of it there is `--json`."""
    body = json.loads(item.body_json)
    text = _gist(item.kind, body if isinstance(body, Mapping) else {})
    text = clean(" ".join(text.splitlines()), keep="")
    return text if len(text) <= width else f"{text[:width]}… (+{len(text) - width})"


def _gist(kind: str, body: Mapping[str, JsonValue]) -> str:
    say = next((say for known, say in _GISTS.items() if known == kind), None)
    return say(body) if say else " ".join(f"{key}={value}" for key, value in body.items())


def _touches(body: Mapping[str, JsonValue]) -> str:
    touches = body.get("touches", [])
    return ", ".join(map(str, touches)) if isinstance(touches, list) else ""


def _steps(body: Mapping[str, JsonValue]) -> str:
    named = [str(fields(step).get("id")) for step in items(fields(body.get("spec")).get("step"))]
    return f"by {body.get('by')}: {', '.join(named)}"


_GISTS: Final[Mapping[Kind, Callable[[Mapping[str, JsonValue]], str]]] = {
    Kind.OPENED: lambda body: f"{body.get('kind')} at level {body.get('level')}: {body.get('goal')}",
    Kind.PROPOSED: lambda body: f"{body.get('tool')} {json.dumps(body.get('args'), ensure_ascii=False)}",
    Kind.ASKED: lambda body: str(body.get("title", "")),
    Kind.ANSWERED: lambda body: f"{body.get('answer')} {body.get('note') or ''}",
    Kind.REFUSED: lambda body: f"by {body.get('by')}: {body.get('reason')}",
    Kind.FINISHED: lambda body: f"{body.get('status')} {body.get('error') or json.dumps(body.get('result'), ensure_ascii=False)}",
    Kind.STARTED: _touches,
    Kind.PLAN: _steps,
    Kind.LEVEL: lambda body: f"{body.get('level')} by {body.get('who')} {body.get('why') or ''}",
    Kind.SAID: lambda body: f"{body.get('who')}: {body.get('text')}",
    Kind.TAKEN: lambda body: f"{body.get('step')} {body.get('state')} by {body.get('who')} {body.get('note') or ''}",
    Kind.PAUSED: lambda body: f"{'paused' if body.get('on') else 'goes on'} by {body.get('who')}",
}


def _how_to_answer(item: Question) -> str:
    match item.kind:
        case QuestionKind.IN_DOUBT:
            return f"look, then: remit answer {item.id} happened | not_happened"
        case QuestionKind.CLARIFY | QuestionKind.ANOMALY:
            numbers = " | ".join(str(number) for number in range(1, len(item.options) + 1))
            return f"remit answer {item.id} {' | '.join(part for part in (numbers, 'TEXT' if item.free or not numbers else '') if part)}"
        case _:
            return f"remit approve {item.id}   or   remit deny {item.id}   (--edit, --note)"
