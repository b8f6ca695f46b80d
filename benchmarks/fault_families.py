"""Kinds of runs to be killed: each step leaves a token in the world, so that what was doubled or lost can be counted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fault_worlds import Commits, Events, Forms, Letters, Notes, PostgresRows, Rows, Together, Web, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one step leaves: its text stands `times` times in a file when the run is done."""

    step: str
    """The step, or one attempt of it (`step.3`)."""
    file: str
    text: str
    times: int = 1
    later: bool = False
    """The step succeeds before: it only sees to it that this comes about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of run."""

    name: str
    plan: str
    marks: Sequence[Mark]
    points: Sequence[str]
    """Crash points that its runs pass."""
    level: str = "consultant"
    program: str = "remit"
    undo: bool = False
    """What is killed is the undo of a finished run."""
    blind: Sequence[str] = field(default=())
    """Tools that cannot (always) tell what they did."""
    counts_actions: bool = False
    """The world itself knows which action did what."""
    world: type[World] = World

    def furnish(self, root: Path) -> None:
        """The folder as the run finds it."""
        (root / "tree" / "deep").mkdir(parents=True)
        for name in ("old.txt", "junk.txt", "keep.sh", "tree/a", "tree/b", "tree/deep/c"):
            (root / name).write_text(f"this is {name}\n" * 20, encoding="utf-8")
        (root / "keep.sh").chmod(0o750)
        (root / "link").symlink_to("keep.sh")
        (root / "bytes").write_bytes(os.fsencode(b"\xff\x00not text"))
        (root / ".remit").mkdir()
        (root / ".remit" / "policy.cedar").write_text(_ASKS, encoding="utf-8")


_ASKS = """\
@id("deleting-asks") @reason("in this project deleting is asked about")
forbid (principal, action == Action::"files.delete", resource)
when { context.args.path like "*junk*" } unless { context.approvals >= 1 };
"""

_GATE = ("started", "acted", "resumed", "step")
_CHANGE = ("change.staged", "change.part", "change.dressed", "change.created", "change.discarded", "change.exchanged", "change.removed")


def _plan(*steps: str) -> str:
    return 'goal = "leave one token for each step"\n' + "\n".join(f"[[step]]\n{step}\n" for step in steps)


def _append(step: str, token: str, needs: str = "") -> str:
    wants = f'\nneeds = ["{needs}"]' if needs else ""
    return f'id = "{step}"\ntool = "files.edit"\nargs = {{ path = "log.txt", old = "END\\n", new = "{token}\\nEND\\n" }}{wants}'


def _shell(step: str, command: str, needs: str = "") -> str:
    wants = f'\nneeds = ["{needs}"]' if needs else ""
    return f'id = "{step}"\ntool = "shell.run"\nargs = {{ command = "{command}" }}{wants}'


def _sql(step: str, table: str, sql: str, needs: str = "") -> str:
    wants = f'\nneeds = ["{needs}"]' if needs else ""
    return f'id = "{step}"\ntool = "sql.write"\nargs = {{ database = "shop", table = "{table}", sql = "{sql}" }}{wants}'


def _append_new(step: str, token: str) -> str:
    return f'id = "{step}"\ntool = "files.write"\nargs = {{ path = "log.txt", text = "{token}\\n" }}'


_SEATS = "buckets/theatre/collections/seats/records/"


def _order(step: str) -> str:
    args = f'service = "shop", method = "POST", path = "orders", body = {{ seat = "tok-{step}" }}'
    return f'id = "{step}"\ntool = "http.send"\nargs = {{ {args} }}'


def _seat(step: str, method: str, seat: str, token: str, needs: str = "", *, field: str = "who") -> str:
    wants = f'\nneeds = ["{needs}"]' if needs else ""
    args = f'service = "theatre", method = "{method}", path = "{_SEATS}{seat}", body = {{ data = {{ {field} = "{token}" }} }}'
    return f'id = "{step}"\ntool = "http.change"\nargs = {{ {args} }}{wants}'


def _event(step: str, verb: str, args: str, needs: str = "") -> str:
    wants = f'\nneeds = ["{needs}"]' if needs else ""
    return f'id = "{step}"\ntool = "calendar.{verb}"\nargs = {{ calendar = "work", {args} }}{wants}'


def _git(step: str, verb: str, args: str, needs: str = "") -> str:
    wants = f'\nneeds = ["{needs}"]' if needs else ""
    return f'id = "{step}"\ntool = "git.{verb}"\nargs = {{ repo = "repo", {args} }}{wants}'


def _mail(step: str, verb: str) -> str:
    args = f'account = "me", to = ["bob@example.org"], subject = "tok-{step}", text = "hello"'
    return f'id = "{step}"\ntool = "mail.{verb}"\nargs = {{ {args} }}'


def _order_form(step: str) -> str:
    args = f'url = "SITE/order", steps = [{{ fill = "Name", with = "tok-{step}" }}], click = "Order"'
    return f'id = "{step}"\ntool = "browser.submit"\nargs = {{ {args} }}\nretries = 4'


_BEGIN = 'id = "begin"\ntool = "files.write"\nargs = { path = "log.txt", text = "tok-begin\\nEND\\n" }'
_FILES = _plan(
    _BEGIN,
    _append("one", "tok-one", "begin"),
    'id = "mkdir"\ntool = "files.mkdir"\nargs = { path = "box/deep", parents = true }',
    _append("two", "tok-two", "one"),
    'id = "move"\ntool = "files.move"\nargs = { path = "old.txt", to = "box/moved.txt" }\nneeds = ["mkdir"]',
    'id = "copy"\ntool = "files.copy"\nargs = { path = "tree", to = "box/tree" }\nneeds = ["mkdir"]',
    'id = "delete"\ntool = "files.delete"\nargs = { path = "tree", recursive = true }\nneeds = ["copy"]',
    'id = "replace"\ntool = "files.write"\nargs = { path = "keep.sh", text = "tok-replaced\\n" }',
    _append("three", "tok-three", "two"),
)
_FILE_MARKS = (
    Mark(step="begin", file="log.txt", text="tok-begin"),
    Mark(step="one", file="log.txt", text="tok-one"),
    Mark(step="two", file="log.txt", text="tok-two"),
    Mark(step="three", file="log.txt", text="tok-three"),
    Mark(step="replace", file="keep.sh", text="tok-replaced"),
    Mark(step="move", file="box/moved.txt", text="this is old.txt", times=20),
    Mark(step="copy", file="box/tree/deep/c", text="this is tree/deep/c", times=20),
)
_SHELL = _plan(
    _shell("one", "echo tok-one >> log.txt; echo tok-one >> old.txt"),
    _shell("two", "mkdir -p box/deep && mv junk.txt box/junk && cp -r tree box/tree && echo tok-two >> log.txt", "one"),
    _shell("three", "rm -r tree; rm link; ln -s log.txt link; chmod 700 keep.sh; echo tok-three >> log.txt", "two"),
    _shell("four", "sed -i 's/^this/tok-four this/;10q' old.txt; cat old.txt > box/deep/copy; echo tok-four. >> log.txt", "three"),
)
_SHELL_MARKS = (
    Mark(step="one", file="log.txt", text="tok-one"),
    Mark(step="one", file="old.txt", text="tok-one", times=0),
    Mark(step="two", file="log.txt", text="tok-two"),
    Mark(step="three", file="log.txt", text="tok-three"),
    Mark(step="four", file="log.txt", text="tok-four."),
    Mark(step="four", file="old.txt", text="tok-four this", times=10),
)
_MIXED = _plan(
    _BEGIN,
    _append("one", "tok-one", "begin"),
    'id = "asked"\ntool = "files.delete"\nargs = { path = "junk.txt" }',
    _shell("risky", "echo tok-bad >> log.txt; touch rubbish; exit 3", "one")
    + '\nretries = 1\notherwise = [{ tool = "files.edit", args = { path = "log.txt", old = "END\\n", new = "tok-good\\nEND\\n" } }]',
    'id = "seen"\ntool = "files.read"\nargs = { path = "log.txt" }\nneeds = ["risky"]\ncheck = [{ at = "text", contains = "tok-good" }]',
    _shell("last", "echo tok-last >> log.txt", "seen"),
)
_MIXED_MARKS = (
    Mark(step="begin", file="log.txt", text="tok-begin"),
    Mark(step="one", file="log.txt", text="tok-one"),
    Mark(step="risky", file="log.txt", text="tok-bad", times=0),
    Mark(step="risky.3", file="log.txt", text="tok-good"),
    Mark(step="last", file="log.txt", text="tok-last"),
)
_SENDS = ("alpha", "beta", "gamma", "omega", "delta")
_DOUBT = _plan(
    *(f'id = "{n}"\ntool = "post.send"\nargs = {{ line = "tok-{n}" }}\nretries = 8' for n in _SENDS[:-1]),
    'id = "delta"\ntool = "post.book"\nargs = { line = "tok-delta" }\nretries = 8',
)

_ROWS = _plan(
    _sql("one", "customer", "INSERT INTO customer(id, name) VALUES (7, 'tok-one')"),
    _sql("two", "customer", "UPDATE customer SET note = coalesce(note, '') || 'tok-two' WHERE id = 3", "one"),
    _sql("gone", "invoice", "DELETE FROM invoice WHERE customer = 1"),
    _sql("more", "line", "INSERT INTO line SELECT 12, n + 10, 'tok-more' FROM line WHERE invoice = 12", "gone"),
    _sql("raise", "invoice", "UPDATE invoice SET cents = cents * 2", "more"),
    _append_new("log", "tok-log"),
)
_ROW_MARKS = (
    Mark(step="one", file="rows", text="tok-one"),
    Mark(step="two", file="rows", text="tok-two"),
    Mark(step="more", file="rows", text="tok-more"),
    Mark(step="log", file="log.txt", text="tok-log"),
)
_TOGETHER = _ROWS + "".join(
    f"[[step]]\n{one}\n"
    for one in (
        'id = "loose"\ntool = "sql.run"\nargs = { database = "shop", sql = "INSERT INTO nokey VALUES (771)" }',
        'id = "looser"\ntool = "sql.run"\nargs = { database = "shop", sql = "INSERT INTO nokey VALUES (772)" }\nneeds = ["loose"]',
    )
)
_WEB = _plan(
    _order("one"),
    _seat("put", "PUT", "b7", "tok-put"),
    _seat("patch", "PATCH", "a1", "tok-patch"),
    'id = "delete"\ntool = "http.change"\nargs = { service = "theatre", method = "DELETE", path = "' + _SEATS + 'a2" }',
    _order("two"),
    _seat("again", "PATCH", "b7", "tok-again", "put", field="more"),
)
_WEB_MARKS = (
    Mark(step="one", file="orders", text="tok-one"),
    Mark(step="two", file="orders", text="tok-two"),
    Mark(step="put", file="seats", text="tok-put"),
    Mark(step="patch", file="seats", text="tok-patch"),
    Mark(step="again", file="seats", text="tok-again"),
)
_EVENTS = _plan(
    _event("make", "create", 'title = "tok-make", start = "2026-11-30T09:00"'),
    _event("series", "create", 'title = "tok-series", start = "2026-11-30T10:00", repeat = "FREQ=DAILY;COUNT=4"'),
    _event("move", "move", 'event = "alone.ics", start = "2026-11-27T14:00"'),
    _event("one", "cancel", 'event = "series.ics", occurrence = "2026-10-27T09:30"'),
    _event("other", "move", 'event = "series.ics", occurrence = "2026-11-03T09:30", start = "2026-11-04T08:00"', "one"),
    _event("gone", "cancel", 'event = "day.ics"'),
)
_EVENT_MARKS = (
    Mark(step="make", file="events", text="SUMMARY:tok-make"),
    Mark(step="series", file="events", text="SUMMARY:tok-series"),
    Mark(step="move", file="events", text="DTSTART;TZID=Europe/Berlin:20261127T140000"),
    Mark(step="one", file="events", text="EXDATE;TZID=Europe/Berlin:20261027T093000"),
    Mark(step="other", file="events", text="DTSTART;TZID=Europe/Berlin:20261104T080000"),
)
_LETTERS = _plan(*(_mail(n, "send") for n in ("one", "two", "three")), _mail("draft", "draft"))
_LETTER_MARKS = (
    *(Mark(step=n, file="sent", text=f"tok-{n}", later=True) for n in ("one", "two", "three")),
    Mark(step="draft", file="drafts", text="tok-draft"),
)
_FORMS = _plan(
    'id = "get"\ntool = "browser.download"\nargs = { url = "SITE/file.bin", path = "got.bin" }',
    *(_order_form(n) for n in ("one", "two")),
)
_FORM_MARKS = tuple(Mark(step=n, file="orders", text=f"tok-{n}") for n in ("one", "two"))
_NOTES = _plan(*(f'id = "{n}"\ntool = "mcp.notes.add"\nargs = {{ text = "tok-{n}" }}' for n in ("one", "two", "three")))
_NOTE_MARKS = tuple(Mark(step=n, file="notes", text=f"tok-{n}") for n in ("one", "two", "three"))
_COMMITS = _plan(
    _git("one", "commit", 'message = "tok-one", paths = ["one"]'),
    _git("side", "branch", 'name = "tok-side"', "one"),
    _git("two", "commit", 'message = "tok-two", paths = ["two"]', "one"),
    _git("tree", "worktree", 'path = "aside", branch = "tok-aside"', "two"),
    _git("push", "push", 'branch = "main"', "two"),
    'id = "pull"\ntool = "git.pull_request"\nargs = { service = "forge", title = "tok-pull", head = "tok-side", base = "main" }',
)
_COMMIT_MARKS = (
    Mark(step="one", file="commits", text="tok-one"),
    Mark(step="two", file="commits", text="tok-two"),
    Mark(step="side", file="branches", text="tok-side"),
    Mark(step="tree", file="branches", text="tok-aside"),
    Mark(step="push", file="pushed", text="tok-two"),
    Mark(step="pull", file="pulls", text="tok-pull"),
)

FAMILIES = (
    Family(name="files", plan=_FILES, marks=_FILE_MARKS, points=(*_GATE, *_CHANGE)),
    Family(name="shell", plan=_SHELL, marks=_SHELL_MARKS, points=(*_GATE, *_CHANGE, "shell.ran")),
    Family(name="plan", plan=_MIXED, marks=_MIXED_MARKS, points=(*_GATE, *_CHANGE, "shell.ran")),
    Family(
        name="doubt",
        plan=_DOUBT,
        marks=tuple(Mark(step=n, file="", text=f"tok-{n}") for n in _SENDS),
        points=_GATE,
        level="approver",
        program="door",
        blind=("post.send",),
        counts_actions=True,
    ),
    Family(name="sql", plan=_ROWS, marks=_ROW_MARKS, points=(*_GATE, "sql.written", "sql.committed"), world=Rows),
    Family(name="postgres", plan=_ROWS, marks=_ROW_MARKS, points=(*_GATE, "sql.written", "sql.committed"), world=PostgresRows),
    Family(
        name="together",
        plan=_TOGETHER,
        marks=(
            *_ROW_MARKS,
            Mark(step="loose", file="rows", text="nokey(771)"),
            Mark(step="looser", file="rows", text="nokey(772)"),
        ),
        points=(*_GATE, "sql.written", "sql.committed"),
        world=Together,
    ),
    Family(name="http", plan=_WEB, marks=_WEB_MARKS, points=(*_GATE, "http.answered"), level="approver", world=Web),
    Family(name="calendar", plan=_EVENTS, marks=_EVENT_MARKS, points=(*_GATE, "http.answered"), level="approver", world=Events),
    Family(
        name="mail",
        plan=_LETTERS,
        marks=_LETTER_MARKS,
        points=(*_GATE, "mail.sending", "mail.sent"),
        level="approver",
        blind=("mail.release",),
        world=Letters,
    ),
    Family(
        name="browser",
        plan=_FORMS,
        marks=_FORM_MARKS,
        points=(*_GATE, *_CHANGE, "browser.left", "browser.sent"),
        level="approver",
        blind=("browser.submit",),
        world=Forms,
    ),
    Family(name="mcp", plan=_NOTES, marks=_NOTE_MARKS, points=_GATE, level="approver", blind=("mcp.notes.add",), world=Notes),
    Family(
        name="git",
        plan=_COMMITS,
        marks=_COMMIT_MARKS,
        points=(*_GATE, *_CHANGE, "git.moved", "git.pushed", "pull.opened"),
        level="approver",
        world=Commits,
    ),
    Family(
        name="undo git",
        plan=_COMMITS,
        marks=(),
        points=(*_GATE[:3], "undone", "git.moved", "git.pushed", "pull.closed"),
        level="approver",
        undo=True,
        world=Commits,
    ),
    Family(name="undo files", plan=_FILES, marks=(), points=(*_GATE[:3], "undone", *_CHANGE), undo=True),
    Family(name="undo shell", plan=_SHELL, marks=(), points=(*_GATE[:3], "undone", *_CHANGE), undo=True),
    Family(name="undo sql", plan=_ROWS, marks=(), points=(*_GATE[:3], "undone", "sql.written", "sql.committed"), undo=True, world=Rows),
    Family(
        name="undo calendar",
        plan=_EVENTS,
        marks=(),
        points=(*_GATE[:3], "undone", "http.answered"),
        level="approver",
        undo=True,
        world=Events,
    ),
)
