"""`ops heal`: goes on after a killed update."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ops.commands.options import stack
from ops.console import line, say
from ops.errors import ExitCode

if TYPE_CHECKING:
    from ops.doctor.local_stack import LocalStack
    from ops.heal.plan import Plan


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("heal")(heal)


def heal(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    if_killed: Annotated[
        bool, typer.Option("--if-killed", help="Do nothing unless the state shows a killed update; quick")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="On Kubernetes also remove what the next `up` would take over")
    ] = False,
) -> None:
    """Release the lock of a killed update, and remove what it left outside the state: `up` or `destroy` can go on.

    Shows what it will do, and asks. Volumes and claims always stay: `up` takes them over.
    """
    from ops.doctor.local_stack import LocalStack
    from ops.heal.heal import was_killed

    local = LocalStack(stack(context))
    if if_killed and not was_killed(local):
        return
    _heal(local, everything=everything, yes=yes)


def heal_killed(name: str) -> None:
    """Heal a stack without a question if its state shows a killed update; quick if it does not.

    Args:
        name: The stack's name.
    """
    from ops.doctor.local_stack import LocalStack
    from ops.heal.heal import was_killed

    local = LocalStack(name)
    if was_killed(local):
        _heal(local, everything=False, yes=True)


def _heal(local: "LocalStack", *, everything: bool, yes: bool) -> None:
    from ops.heal.heal import heal as heal_stack

    shown = False

    def confirm(plan: "Plan") -> bool:
        nonlocal shown
        shown = True
        say("an update of this stack was killed; to go on:")
        for step in plan.steps:
            line(step.text)
        for text in plan.kept:
            line(f"left alone, since it may be another checkout's: {text}")
        return yes or (sys.stdin.isatty() and typer.confirm("Go on?", err=True))

    if not heal_stack(local, confirm, everything=everything):
        say("nothing was changed; --yes does not ask")
        raise typer.Exit(ExitCode.REFUSED)
    say("done: `up` or `destroy` can go on" if shown else "no killed update left anything")
