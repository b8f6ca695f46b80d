"""`remit stats`: the numbers that say whether one can walk away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from remit.app import App, places
from remit.cli.undo import moment
from remit.domain.values import JsonValue, fields
from remit.errors import BadInput

_GROUPS: Final = ("tool", "model", "level", "week")


@click.command()
@click.option("--since", default=None, metavar="WHEN", help="Only what began since then: 30d, 12h, or 2026-11-22T17:00.")
@click.option("--by", type=click.Choice(_GROUPS), default=None, help="One line for each of these instead.")
@click.option(
    "--hour", type=click.FloatRange(min=0), default=0.0, help="What an hour of a person costs, in US dollars: counted into a wrong action."
)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Also draw the weeks into this new file (.svg).")
@click.option("--json", "as_json", is_flag=True, help="As data: all of it, and by tool, model, level and week.")
def stats(since: str | None, by: str | None, hour: float, plot: Path | None, as_json: bool) -> None:
    """Count tasks, what was done alone, what was wrong, and what it cost people: from the journal, and from nothing else."""
    from remit.runs.counting import count
    from remit.runs.stats import summary

    app = App(places())
    try:
        found = summary(count(app.journal, since=moment(since) if since else 0), hour=hour)
    finally:
        app.close()
    if plot is not None:
        from remit.cli.plot import weeks

        try:
            with plot.open("x", encoding="utf-8") as file:
                file.write(weeks(fields(found["by_week"])))
        except OSError as error:
            raise BadInput(f"{plot} cannot be written: {error.strerror}", fix="name a new file") from None
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    click.echo(_grouped(fields(found[f"by_{by}"])) if by else _told(found))
    if plot is not None:
        click.echo(f"drawn: {plot}")


def _told(found: Mapping[str, JsonValue]) -> str:
    wrong = fields(found["wrong_action"])
    answered = f"{found['asked']} actions; {found['asked_wrong']} denied, changed or taken back"
    bound = f"at most {_percent(found['asked_wrong_bound'])} wrong, with 95 % at every moment"
    parts = f"its share of its task {_money(wrong['direct'])}, {_time(wrong['undo_ms'])} to take back"
    lines = [
        ("walked away", f"{_percent(found['walk_away_rate'])} of {found['ended']} tasks that ended ({found['done']} done)"),
        ("interventions", f"{_number(found['interventions_per_task'])} per task"),
        ("done alone", f"{found['alone']} actions; {found['alone_wrong']} known to be wrong ({_percent(found['alone_wrong_rate'])})"),
        ("answered for", f"{answered}: {bound}"),
        ("cost per task", f"{_money(found['money_per_task'])}, {_number(found['tokens_per_task'])} tokens"),
        ("a wrong action", f"{_money(wrong['cost'])}: {parts}"),
        ("retry", _times(found["retry_ms"], "from a failure to the next try")),
        ("approval", _times(found["approval_ms"], "from a question to its answer")),
        ("undo", _times(found["undo_ms"], "from its beginning to its end")),
        ("noticed", _times(found["noticed_ms"], "from an action to its undo")),
    ]
    return "\n".join(f"{name:<15} {what}" for name, what in lines)


def _grouped(groups: Mapping[str, JsonValue]) -> str:
    return "\n".join(f"{name:<28} {_row(fields(group))}" for name, group in groups.items()) or "nothing was done yet"


def _row(one: Mapping[str, JsonValue]) -> str:
    if "tasks" not in one:
        asked = f"{one['asked']:>5} asked  {one['asked_wrong']:>4} wrong (at most {_percent(one['asked_wrong_bound'])})"
        return f"{one['alone']:>5} alone  {one['alone_wrong']:>4} wrong  {asked}"
    needed = f"{_number(one['interventions_per_task']):>6} interventions per task"
    return f"{one['ended']:>5} ended  {_percent(one['walk_away_rate']):>7} walked away  {needed}  {_money(one['money_per_task'])}"


def _percent(value: JsonValue) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, int | float) else "-"


def _number(value: JsonValue) -> str:
    return f"{value:,.1f}" if isinstance(value, int | float) else "-"


def _money(value: JsonValue) -> str:
    return f"$ {value:,.4f}" if isinstance(value, int | float) else "-"


def _time(value: JsonValue) -> str:
    if not isinstance(value, int | float):
        return "-"
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} ms"


def _times(value: JsonValue, what: str) -> str:
    spread = fields(value)
    if not spread:
        return f"- ({what})"
    return f"half within {_time(spread['p50'])}, 95 of 100 within {_time(spread['p95'])}, {what} ({spread['n']})"
