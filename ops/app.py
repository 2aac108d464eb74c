"""The command line's root: its commands, and how errors become exit codes."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from components.errors import PlatformError
from ops.commands import (
    access,
    backup,
    bench,
    brokers,
    certificates,
    doctor,
    drill,
    groups,
    heal,
    logs,
    monitoring,
    records,
    status,
    topics,
    up,
)
from ops.commands.options import Context
from ops.console import flush, say
from ops.errors import ExitCode, OpsError

COMMANDS = (
    up,
    status,
    topics,
    brokers,
    records,
    groups,
    access,
    certificates,
    logs,
    doctor,
    heal,
    monitoring,
    backup,
    drill,
    bench,
)

EPILOG = (
    "Exit codes: 0 healthy or done, 1 something is wrong, 2 wrong usage, 3 nothing answers, 4 refused and nothing was "
    "done, 130 ended by Ctrl-C."
)


def build() -> typer.Typer:
    """The command line with all its commands."""
    app = typer.Typer(
        name="ops",
        help="Inspect a running platform, work with it, back it up, and test that it survives failures.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )

    @app.callback()
    def root(
        context: typer.Context,
        stack: Annotated[
            str | None,
            typer.Option("--stack", "-s", envvar="MILLRACE_STACK", help="The stack; default: the selected one"),
        ] = None,
    ) -> None:
        context.obj = Context(stack)

    for command in COMMANDS:
        command.register(app)
    return app


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors that the user can fix are shown without a traceback.

    Args:
        arguments: The arguments after the program's name; None for the process's own.

    Raises:
        SystemExit: Always, with an :class:`ops.errors.ExitCode`.
    """
    try:
        build()(args=arguments, standalone_mode=True)
    except OpsError as error:
        _fail(error, error.code)
    except PlatformError as error:
        _fail(error, ExitCode.UNREACHABLE)
    except SystemExit as ending:  # from typer: usage errors, Ctrl-C, and the end of a command
        flush()
        if ending.code == ExitCode.INTERRUPTED:
            say("interrupted")
        raise


def _fail(error: PlatformError, code: int) -> None:
    flush()
    say(f"error: {error}")
    sys.exit(code)
