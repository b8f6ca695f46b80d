"""`remit inbox`, `approve`, `deny`, `answer`: the person's side, from any terminal. Must start fast."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.app import App, places
from remit.cli import show
from remit.cli.person import person
from remit.domain.question import Answer, Question, QuestionKind
from remit.domain.values import RunId, split_id
from remit.errors import BadInput

if TYPE_CHECKING:
    from remit.domain.run import LegEnd, Run


_GOAL = 80
"""Characters of a goal in a headline."""


@click.command()
@click.argument("which", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per question.")
def inbox(which: str | None, as_json: bool) -> None:
    """What waits for a person: everything, or the question(s) whose id starts with WHICH."""
    app = App(places())
    try:
        found = [q for q in app.inbox.pending() if not which or q.id.startswith(which)]
        for line in _as_json(app, found) if as_json else _as_text(app, found):
            click.echo(line)
        if not found and not as_json:
            click.echo("nothing waits for you" if not which else f"no open question starts with {which!r}")
            from remit.domain.run import RunKind

            unfinished = sum(run.kind is not RunKind.HELD for run in app.runs.unfinished())
            if unfinished and not which:
                click.echo(f"{unfinished} run(s) are open: `remit resume` goes on with what was interrupted")
    finally:
        app.close()


def _as_json(app: App, found: Sequence[Question]) -> Iterator[str]:
    for item in found:
        data = show.question_json(item) | {"answers": app.inbox.answers(item), "record": app.sure_before(item)}
        yield json.dumps(data, ensure_ascii=False)


def _as_text(app: App, found: Sequence[Question]) -> Iterator[str]:
    """Those of one run stand together, as they are about one thing, and can be answered together."""
    for run in dict.fromkeys(map(_run_of, found)):
        together = [one for one in found if _run_of(one) == run]
        if len(together) > 1:
            goal = show.clean(app.runs.load(run).goal, keep="")
            yield click.style(f"{len(together)} questions of run {run}: {goal if len(goal) <= _GOAL else goal[:_GOAL] + '…'}", bold=True)
            approvable = [one.id for one in together if one.kind is QuestionKind.APPROVE]
            yield f"  all at once: remit approve {' '.join(approvable)}\n" if len(approvable) > 1 else ""
        for item in together:
            yield show.question(item, app.inbox.answers(item), app.sure_before(item)) + "\n"


def _answering(command: Callable[..., None]) -> Callable[..., None]:
    """Options that all answers share."""
    for option in (
        click.option("--as", "who", default=None, help="Who you are; default is your login name."),
        click.option("--role", "roles", multiple=True, help="A role you answer in, where policy asks for one."),
        click.option("--note", default="", help="Goes to the agent and into the journal."),
        click.option("--no-resume", is_flag=True, help="Only record the answer; do not go on with the run here."),
        click.option("--yes", is_flag=True, help="Do not show the question again before answering by a shortened id."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("questions", nargs=-1, required=True)
@click.option(
    "--edit",
    "edited",
    default=None,
    help="Approve with other arguments: a JSON object (or @FILE) of those that change, each whole; null leaves one out. "
    "They are judged again.",
)
@_answering
def approve(questions: tuple[str, ...], edited: str | None, **options: Any) -> None:
    """Say yes to exactly what each of the QUESTIONS shows, once.

    `remit inbox` lists the ids; at a terminal the beginning of one is enough.
    """
    if edited is None:
        _answer(questions, Answer.APPROVE, options)
        return
    if len(questions) > 1:
        raise BadInput("an edit is of one question", fix="answer them one after the other")
    text = edited
    if edited.startswith("@"):
        try:
            text = Path(edited[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{edited[1:]} cannot be read: {error}", fix="give a UTF-8 file with a JSON object") from None
    _answer(questions, Answer.EDIT, options, args_json=text)


@click.command()
@click.argument("questions", nargs=-1, required=True)
@_answering
def deny(questions: tuple[str, ...], **options: Any) -> None:
    """Say no to the QUESTIONS. The agent is told that the goal is refused, not the wording."""
    _answer(questions, Answer.DENY, options)


@click.command()
@click.argument("question")
@click.argument("text")
@_answering
def answer(question: str, text: str, **options: Any) -> None:
    """Answer QUESTION with TEXT: `happened` or `not_happened` for one in doubt, a word or a sentence for others."""
    app = App(places())
    try:
        kind = app.inbox.find(question).kind
    finally:
        app.close()
    if kind is QuestionKind.IN_DOUBT:
        fitting = {"happened": Answer.HAPPENED, "not_happened": Answer.NOT_HAPPENED}
        if text not in fitting:
            raise BadInput(f"{text!r} does not say whether it happened", fix="look, then answer happened or not_happened")
        _answer([question], fitting[text], options)
        return
    _answer([question], Answer.REPLY, options | {"note": text})


def _answer(texts: Sequence[str], what: Answer, options: dict[str, Any], *, args_json: str = "") -> None:
    """Nothing is answered before all of them are found and confirmed; each run goes on once, when all of it is answered."""
    app = App(places())
    try:
        found = list({item.id: item for item in (_confirmed(app, text, what, yes=options["yes"]) for text in texts)}.values())
        edit = None
        if what is Answer.EDIT:
            from remit.cli.editing import merged

            edit = merged(app, found[0], args_json)
        who = options["who"] or person()
        for item in found:
            app.inbox.answer(item, what, who=who, note=options["note"], edit=edit, roles=options["roles"])
            click.echo(f"{what}: {item.id}  {show.clean(edit.args_json if edit else item.title, keep='')}")
        runs = [] if options["no_resume"] else [app.runs.load(run) for run in dict.fromkeys(map(_run_of, found))]
    finally:
        app.close()
    if runs:
        sys.exit(max(_go_on(run) for run in runs))


def _confirmed(app: App, text: str, what: Answer, *, yes: bool) -> Question:
    found = app.inbox.find(text)
    _confirm(text, found, what, yes=yes)
    return found


def _confirm(text: str, found: Question, what: Answer, *, yes: bool) -> None:
    """A whole id names exactly what was shown. A shortened one could by now mean a newer question, so that one is shown first."""
    if text == found.id or yes or what is Answer.DENY:
        return
    click.echo(show.question(found))
    if not sys.stdin.isatty():
        raise BadInput(f"{text!r} is not the whole id of what would be approved", fix=f"say {found.id}, or add --yes")
    from remit.cli.asking import confirm

    if not confirm(f"{what} this?"):
        raise click.Abort


def _run_of(found: Question) -> RunId:
    return split_id(found.action)[0]


def _go_on(run: Run) -> int:
    """The answer starts the next leg, here, unless another process is advancing the run or remit does not advance it at all."""
    from remit.cli.driving import drive, report
    from remit.cli.exits import DONE, exit_code_for
    from remit.domain.run import RunKind
    from remit.errors import RunBusy

    if run.kind is RunKind.OWN:
        click.echo("recorded; the program that asked goes on by itself")
        return DONE
    app = App(places([Path(root) for root in run.roots]))
    try:
        end: LegEnd = drive(app, run.id, interactive=False)
        click.echo(report(run.id, end))
        return exit_code_for(end)
    except RunBusy:
        click.echo("recorded; the process that runs it goes on by itself")
        return DONE
    finally:
        app.close()
