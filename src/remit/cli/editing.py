"""Other arguments than the agent's: written by a person, checked at once, judged again when they are taken up."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import click

from remit.app import App, places
from remit.cli import show
from remit.domain.action import Action, Level
from remit.domain.question import Edit, Question
from remit.domain.situation import Situation
from remit.domain.values import canonical, parse, split_id
from remit.errors import BadInput, ToolFailed


def shown(app: App, found: Question, args_json: str) -> tuple[Edit, bool]:
    """Print what the edited call would do; and whether what was asked about still is what the question shows.

    A slip is said at once and the question stays: raises BadInput, ToolFailed.
    """
    args = parse(args_json)
    if not isinstance(args, dict):
        raise BadInput("the edited arguments are not a JSON object", fix='send all of them, like {"path": "a.txt", "text": "…"}')
    judging = App(places(app.roots_of(split_id(found.action)[0])))
    try:
        record = app.inbox.record(found)
        action = Action.wanting(found.action, actor="person", tool=record.tool, args=args, undoes=record.undoes)
        judging.gate.judge(action, Situation(level=Level.OPERATOR))
        preview, digest = asyncio.run(judging.gate.shown(action))
        still = asyncio.run(_still(judging, found))
    finally:
        judging.close()
    click.echo("\n".join(f"  | {line}" for line in show.clean(preview.text).splitlines()))
    return Edit(args_json=args_json, seen=digest), still


async def _still(app: App, found: Question) -> bool:
    try:
        return (await app.gate.shown(app.inbox.record(found).action))[1] == found.digest
    except (BadInput, ToolFailed):
        return False


def merged(app: App, found: Question, changes_json: str) -> Edit:
    """The arguments with some of them changed, as in RFC 7396 on the top level. Raises BadInput, ToolFailed.

    Whoever edits has seen the question. Where the world has moved since, they have not seen what their edit would do, and will be asked.
    """
    changes, before = parse(changes_json), parse(app.inbox.record(found).args_json)
    if not isinstance(changes, dict) or not isinstance(before, dict):
        raise BadInput("the edit is not a JSON object", fix='send what changes, like {"path": "a.txt"}')
    after = canonical({name: value for name, value in {**before, **changes}.items() if value is not None})
    edit, still = shown(app, found, after)
    if still:
        return edit
    click.echo("what the question shows was changed since: you are asked again, about your edit as it would be now")
    return replace(edit, seen="")


def edited(app: App, found: Question) -> Edit | None:
    """The arguments as the person leaves them in an editor ($VISUAL, $EDITOR); None when nothing was changed. Raises as `shown`."""
    before = json.dumps(parse(app.inbox.record(found).args_json), indent=2, ensure_ascii=False)
    try:
        text = click.edit(before + "\n", extension=".json")
    except click.ClickException as error:
        raise BadInput(error.message, fix=f"set EDITOR, or say: remit approve {found.id} --edit '{{…}}'") from None
    if text is None or text.strip() == before:
        return None
    return shown(app, found, text)[0]
