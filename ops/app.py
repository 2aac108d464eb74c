"""The command line's root: which commands there are, and how errors become exit codes."""

import sys
from typing import Annotated

import typer

from components.errors import PlatformError
from ops import exits
from ops.commands import backup, bench, doctor, drill, groups, logs, monitoring, records, status, topics
from ops.console import say
from ops.context import Context
from ops.errors import OpsError

COMMANDS = (status, topics, records, groups, logs, doctor, monitoring, backup, drill, bench)


def build() -> typer.Typer:
    """The command line with all its commands."""
    app = typer.Typer(
        name="ops",
        help="Look at a running platform, work with it, back it up, and prove that it survives.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        context: typer.Context,
        stack: Annotated[
            str | None,
            typer.Option("--stack", "-s", envvar="MILLRACE_STACK", help="The stack; unset: the selected one"),
        ] = None,
    ) -> None:
        context.obj = Context(stack)

    for command in COMMANDS:
        command.register(app)
    return app


def run() -> None:
    """Run the command line; errors that a person can mend are shown without a traceback."""
    try:
        build()(standalone_mode=True)
    except OpsError as error:
        say(f"error: {error}")
        sys.exit(error.code)
    except PlatformError as error:
        say(f"error: {error}")
        sys.exit(exits.UNREACHABLE)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(exits.INTERRUPTED)
