"""`ops up`: bring a stack up to date, after a question if that would destroy anything."""

import os
import sys
from typing import Annotated

import typer

from ops import console
from ops.commands.heal import heal_killed
from ops.commands.options import stack
from ops.errors import RefusedError
from ops.pulumi_cli import become_update, has_resources, preview_of, project_folder, select_stack, selected_stack
from ops.update import Plan, plan_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(up)


def up(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not preview, and do not ask")] = False,
) -> None:
    """Create the platform, or update it to match the stack file; what `make up` runs.

    Asks first if a preview says that something would be destroyed: a resource, a topic, or what may hold data and is
    replaced. Without a terminal, or with CI=true, it then refuses. A container that is replaced is routine, since its
    data is in a volume.
    """
    folder = project_folder()
    name = stack(context) or selected_stack(folder)
    select_stack(folder, name)
    heal_killed(name)
    # In an empty stack there is nothing to destroy.
    if not yes and has_resources(folder, name):
        _ask(plan_of(preview_of(folder, name)), name)
    console.flush()
    become_update(folder, name)


def _ask(plan: Plan, name: str) -> None:
    """Ask whether what the plan destroys may go.

    Raises:
        RefusedError: The answer is no, or nobody can be asked.
    """
    if not plan.destroyed:
        return
    for line in [*plan.messages, *plan.others]:
        console.say(line)
    what = f"this update of {name} destroys"
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or os.environ.get("CI"):
        raise RefusedError(
            f"{what} what is listed here, and nobody can be asked; nothing was done",
            [*plan.destroyed, f"if that is meant: make up STACK={name} YES=1, or python -m ops -s {name} up --yes"],
        )
    console.say("\n".join([f"{what}:", *(f"  - {line}" for line in plan.destroyed)]))
    if not typer.confirm("Go on?", err=True):
        raise RefusedError("nothing was done")
