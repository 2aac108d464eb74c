"""`ops doctor`: what is wrong and what mends it."""

import typer

from ops import console, exits
from ops.commands.options import AsJson
from ops.context import stack


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("doctor")(doctor)


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Find out what is wrong on this machine, with the stack or its platform, and the command that mends it.

    Works with no stack up and without an engine. Exits with 1 when anything is wrong or could not be checked.
    """
    from rich.text import Text

    from components.errors import count
    from ops.doctor.case import Case
    from ops.doctor.checks import CHECKS
    from ops.doctor.report import State, run_checks

    styles = {State.OK: "green", State.WRONG: "bold red", State.UNCHECKED: "bold yellow", State.SKIPPED: "dim"}
    results = run_checks(CHECKS, Case(stack(context)))
    if as_json:
        console.json_document([result.to_json() for result in results])
    else:
        rows: list[list[console.Cell]] = [
            [
                result.name,
                Text(result.outcome.state.value, style=styles[result.outcome.state]),
                result.outcome.seen,
                result.outcome.mend,
            ]
            for result in results
        ]
        console.table(("CHECK", "STATE", "SEEN", "MEND"), rows)
    broken = sum(result.is_wrong for result in results)
    if broken:
        console.say(f"{count(broken, 'check')} of {len(results)} found something")
        raise typer.Exit(exits.FOUND_WRONG)
    console.say("all is well")
