"""The command line: one file per command group, imported only when it is called."""

from __future__ import annotations

import gc
import importlib
from typing import Final

import click

from remit import __version__
from remit.cli.exits import BAD_INPUT, DONE
from remit.cli.interrupts import came, exit_code, listen
from remit.errors import RemitError

_COMMANDS: Final = {
    "run": ("remit.cli.run", "Run a plan file, or pursue a goal with a model."),
    "chat": ("remit.cli.chat", "Talk with a model that only looks, and proposes what it would do."),
    "triage": ("remit.cli.triage", "How far a task can be handed over, and why."),
    "resume": ("remit.cli.run", "Go on with runs that wait or were interrupted."),
    "runs": ("remit.cli.runs", "List runs, or show one."),
    "show": ("remit.cli.runs", "Everything about one action, its output included."),
    "stop": ("remit.cli.runs", "Close an open run."),
    "inbox": ("remit.cli.inbox", "What waits for a person."),
    "approve": ("remit.cli.inbox", "Say yes to exactly what a question shows."),
    "deny": ("remit.cli.inbox", "Say no."),
    "answer": ("remit.cli.inbox", "Answer a question that is not an approval."),
    "outbox": ("remit.cli.outbox", "Mail that is held, and letting it go when its time has come."),
    "undo": ("remit.cli.undo", "Take back an action, a run, or everything since a time."),
    "log": ("remit.cli.log", "Search, follow or verify the journal."),
    "serve": ("remit.cli.serve", "Begin runs on events and at times, and let them go on when somebody answers."),
    "stats": ("remit.cli.stats", "Can I walk away? The numbers."),
    "memory": ("remit.cli.memory", "What runs remember of earlier ones."),
    "policy": ("remit.cli.policy", "Check and explain policies."),
    "model": ("remit.cli.model", "Try what a model's endpoint can do."),
    "tools": ("remit.cli.tools", "What remit can do here."),
    "doctor": ("remit.cli.tools", "What this machine lacks, and how to get it."),
    "demo": ("remit.cli.demo", "See all of it at work, without a model key."),
}


class _Lazy(click.Group):
    """Knows every command's name and help without importing it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """What is no command is answered with the one that was probably meant."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, n=1)
            meant = f"did you mean `remit {near[0]}`?" if near else "`remit --help` lists them"
            raise click.UsageError(f"there is no command {args[0]!r}: {meant}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        gc.freeze()
        gc.enable()  # `remit.__main__` stopped it
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="remit")
def remit() -> None:
    """Hand work to AI and walk away.

    remit lets an agent do alone what your policy allows, asks you about the rest, never does what is forbidden, and takes
    back what went wrong. Start with `remit demo`, then `remit run plan.toml`.

    Exit codes: 0 done, 1 not (all) done, 2 bad input, 3 waiting for a person, 5 conflict with a later change,
    6 something needed is missing or busy, 7 trouble with the journal, 130/143 interrupted.
    """


def main() -> int:
    """Every error is one clear message on standard error; the answer is a documented exit code."""
    listen()
    try:
        code = remit(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = BAD_INPUT
    except RemitError as error:
        click.echo(f"remit: {error}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("remit: interrupted; `remit resume` goes on where it stopped", err=True)
        code = exit_code()
    except BrokenPipeError:
        code = DONE
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:  # noqa: BLE001 - raised on where no signal came
        code = _broken_off()
    return code if isinstance(code, int) else DONE


def _broken_off() -> int:
    """A library in another language makes a panic of its own of the interrupt that reached it. Anything else is raised on."""
    if not came():
        raise  # noqa: PLE0704 - called where it is handled
    click.echo("remit: interrupted; `remit resume` goes on where it stopped", err=True)
    return exit_code()
