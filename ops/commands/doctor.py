"""`ops doctor`: finds what is wrong, and the command that fixes it."""

import typer

from ops import console
from ops.commands.options import AsJson, stack
from ops.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("doctor")(doctor)


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check this machine, the stack and its platform, and show the command that fixes each problem.

    Needs neither a running stack nor an engine. Exits with 1 if anything is wrong or could not be checked; a warning
    alone is no error.
    """
    from rich.text import Text

    from components.errors import count
    from ops.doctor.checks import CHECKS, run_checks
    from ops.doctor.local_stack import LocalStack
    from ops.doctor.outcome import State

    styles = {
        State.OK: "green",
        State.WARNING: "bold yellow",
        State.WRONG: "bold red",
        State.UNCHECKED: "bold yellow",
        State.SKIPPED: "dim",
    }
    results = run_checks(CHECKS, LocalStack(stack(context)))
    if as_json:
        console.json_document([result.to_json() for result in results])
    else:
        rows: list[list[console.Cell]] = [
            [
                result.name,
                Text(result.outcome.state.value, style=styles[result.outcome.state]),
                result.outcome.seen,
                result.outcome.fix,
            ]
            for result in results
        ]
        console.table(("CHECK", "STATE", "SEEN", "FIX"), rows)
    broken = sum(result.is_wrong for result in results)
    if broken:
        console.say(f"{count(broken, 'check')} of {len(results)} found a problem")
        raise typer.Exit(ExitCode.FOUND_WRONG)
    warnings = sum(result.outcome.state is State.WARNING for result in results)
    console.say(f"no problems found, {count(warnings, 'warning')}" if warnings else "no problems found")
