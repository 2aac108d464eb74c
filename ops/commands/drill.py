"""`ops drill`: break one part of a running platform under load, and judge the promises made for that failure."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ops.commands.options import platform
from ops.console import json_document, say, table
from ops.drills.catalogue import DRILLS, Drill
from ops.drills.plan import Request
from ops.drills.promises import Limits
from ops.errors import BrokenError
from ops.platform import refuse_production

_Rate = Annotated[float, typer.Option("--rate", min=1, max=20_000, help="Messages per second")]
_Size = Annotated[int, typer.Option("--size", min=64, max=900_000, help="Bytes of each message")]
_Seconds = Annotated[float | None, typer.Option("--seconds", min=1, help="Seconds of steady load before and after")]
_Minutes = Annotated[float | None, typer.Option("--minutes", min=0.02, help="The same in minutes")]
_Hold = Annotated[float | None, typer.Option("--hold", min=0, help="How long the fault lasts, in seconds")]
_Member = Annotated[str | None, typer.Option("--member", help="The member to break, instead of the drill's choice")]
_Report = Annotated[Path | None, typer.Option("--report", help="Report folder; default: drills/STACK-DRILL-TIME")]
_YesOn = Annotated[str | None, typer.Option("--yes-on", metavar="STACK", help="Go on although STACK is production")]
_Force = Annotated[bool, typer.Option("--force", help="Go on although some topics cannot lose a broker")]
_Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of a table")]
_Within = Annotated[float | None, typer.Option("--within", hidden=True, help="Recovery time to judge by, in seconds")]

STEADY_SECONDS = 10.0
"""Default seconds of steady load before the fault, and again after recovery."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        name="drill",
        help="Break one part under load, heal it, and judge the promises: exit code 1 if a promise is broken.",
        no_args_is_help=True,
    )
    group.command("list")(list_drills)
    group.command("heal")(heal)
    for drill in DRILLS.values():
        group.command(drill.name, help=f"{drill.breaks[0].upper()}{drill.breaks[1:]}. Promise: {drill.promise}.")(
            _command(drill)
        )
    app.add_typer(group)


def list_drills(context: typer.Context) -> None:
    """Show the drills, what they promise, and whether each applies to this platform."""
    found = platform(context)
    rows = [[drill.name, drill.breaks, drill.promise, drill.refusal(found) or "yes"] for drill in DRILLS.values()]
    table(("DRILL", "BREAKS", "PROMISE", "APPLIES"), rows)


def heal(context: typer.Context) -> None:
    """Heal the faults of a killed drill, and delete what it created."""
    from ops.drills import journal

    for line in journal.heal(platform(context)) or ["nothing to heal"]:
        say(line)


def _command(drill: Drill) -> Callable[..., None]:
    """The command of a drill; typer reads its options from the signature."""

    def run(
        context: typer.Context,
        rate: _Rate = 200,
        size: _Size = 1024,
        seconds: _Seconds = None,
        minutes: _Minutes = None,
        hold: _Hold = None,
        member: _Member = None,
        report: _Report = None,
        yes_on: _YesOn = None,
        force: _Force = False,
        as_json: _Json = False,
        within: _Within = None,
    ) -> None:
        if seconds is not None and minutes is not None:
            raise typer.BadParameter("give --seconds or --minutes, not both")
        request = Request(
            rate=rate,
            size=size,
            seconds=seconds or (minutes or 0) * 60 or STEADY_SECONDS,
            hold=hold,
            member=member,
            report=report,
            limits=Limits() if within is None else Limits().within(within),
            force=force,
        )
        _run(context, drill, request, yes_on=yes_on, as_json=as_json)

    return run


def _run(context: typer.Context, drill: Drill, request: Request, *, yes_on: str | None, as_json: bool) -> None:
    from ops.drills.report import default_folder, rows, write
    from ops.drills.runner import conduct, prepare

    found = platform(context)
    refuse_production(found, yes_on)
    plan, initial = prepare(drill, found, request, say)
    say(f"{drill.name} on stack {found.stack}: {drill.breaks} ({', '.join(plan.targets)})")
    say(f"promise: {drill.promise}")
    outcome = conduct(drill, plan, initial, say)
    folder = request.report or default_folder(outcome)
    document = write(outcome, folder)
    if as_json:
        json_document(document)
    else:
        table(("RESULT", "PROMISE", "MEASURED"), rows(outcome))
    say(f"report: {folder / 'report.md'}")
    if not outcome.kept:
        broken = [f"{promise.text}: {promise.measured}" for promise in outcome.promises if not promise.kept]
        raise BrokenError(f"{drill.name} on stack {found.stack}: promises were broken", broken)
