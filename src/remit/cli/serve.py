"""`remit serve`: what begins by itself, and what goes on by itself."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Collection
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import click

from remit.app import places
from remit.cli import show
from remit.cli.exits import DONE
from remit.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from remit.app.serving import Serving
    from remit.doors.listening import Server

_DRAIN: Final = 10.0
"""Seconds that what is under way may take to end."""


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where signed events are heard; others than this machine only behind TLS."
)
@click.option("--port", default=8787, show_default=True, type=click.IntRange(0, 65535))
def serve(host: str, port: int) -> None:
    """Begin runs on signed events and at times ([trigger.NAME] in remit.toml), and let runs go on when somebody answers.

    SIGTERM and Ctrl-C end it: nothing new begins, what is under way has ten seconds. Nothing is lost by either, nor by a crash.
    """
    missing = [name for name in ("apprise", "cronsim", "standardwebhooks", "starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise Unavailable(f"the library {missing[0]} is missing", fix="pip install 'remit[serve]'")
    sys.exit(asyncio.run(_serve(host, port)))


async def _serve(host: str, port: int) -> int:
    from remit.app.serving import Serving
    from remit.doors.schedule import check

    serving = Serving(places(), lambda text: click.echo(show.clean(text)))
    try:
        for name, trigger in serving.triggers.items():
            if trigger.cron:
                check(trigger.cron, trigger.zone, f"trigger.{name}")
        server = _server(serving, host, port)
        tasks = {asyncio.create_task(serving.run()), *([asyncio.create_task(server.serve())] if server else [])}
        await _until_told(tasks)
        click.echo("ending: nothing new begins")
        if server is not None:
            server.should_exit = True
        if not await serving.drain(_DRAIN):
            click.echo("what is still under way goes on in the next process")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        serving.close()
    return DONE


def _server(serving: Serving, host: str, port: int) -> Server | None:
    """Listens already when it returns; None where nothing is to be heard."""
    from remit.doors.hooks import hooks
    from remit.doors.listening import listening

    secrets = {name: trigger.secret for name, trigger in serving.triggers.items() if trigger.secret}
    if not secrets:
        click.echo("no hook is configured: only times and answers")
        return None
    try:
        application = hooks(secrets, serving.take)
    except ValueError as error:
        raise BadInput(f"a secret of a trigger is none: {error}", fix="whsec_ and 24 to 64 bytes in base64") from None
    server: Server = listening(application, host, port)
    click.echo(f"listening at {server.address}/hooks/NAME for {', '.join(secrets)}")
    return server


async def _until_told(tasks: Collection[asyncio.Task[None]]) -> None:
    """Until SIGTERM or SIGINT comes, or one of them ends, which none should. Raises what it ended with."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    waiting = asyncio.create_task(told.wait())
    done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        task.result()
