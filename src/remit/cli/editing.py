"""Other arguments than the agent's: written by a person, checked at once, judged again when they are taken up."""

from __future__ import annotations

import json

import click

from remit.app import App, places
from remit.domain.action import Action, Level, split_id
from remit.domain.question import Question
from remit.domain.situation import Situation
from remit.domain.values import canonical, parse
from remit.errors import BadInput


def check(app: App, found: Question, args_json: str) -> None:
    """A slip in an edit is said at once and the question stays. Raises BadInput or OutsideRoots."""
    args = parse(args_json)
    if not isinstance(args, dict):
        raise BadInput("the edited arguments are not a JSON object", fix='send all of them, like {"path": "a.txt", "text": "…"}')
    judging = App(places(app.roots_of(split_id(found.action)[0])))
    try:
        tool = app.inbox.record(found).tool
        judging.gate.judge(Action.wanting(found.action, actor="person", tool=tool, args=args), Situation(level=Level.OPERATOR))
    finally:
        judging.close()


def merged(app: App, found: Question, changes_json: str) -> str:
    """The arguments with some of them changed, as in RFC 7396 on the top level. Raises BadInput or OutsideRoots."""
    changes, before = parse(changes_json), parse(app.inbox.record(found).args_json)
    if not isinstance(changes, dict) or not isinstance(before, dict):
        raise BadInput("the edit is not a JSON object", fix='send what changes, like {"path": "a.txt"}')
    after = canonical({name: value for name, value in {**before, **changes}.items() if value is not None})
    check(app, found, after)
    return after


def edited(app: App, found: Question) -> str | None:
    """The arguments as the person leaves them in an editor ($VISUAL, $EDITOR); None when nothing was changed. Raises BadInput."""
    before = json.dumps(parse(app.inbox.record(found).args_json), indent=2, ensure_ascii=False)
    try:
        text = click.edit(before + "\n", extension=".json")
    except click.ClickException as error:
        raise BadInput(error.message, fix=f"set EDITOR, or say: remit approve {found.id} --edit '{{…}}'") from None
    if text is None or text.strip() == before:
        return None
    check(app, found, text)
    return text
