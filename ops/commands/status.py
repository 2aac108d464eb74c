"""`ops status`: members, roles, disk and lag."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ops import console
from ops.commands.options import AsJson, platform
from ops.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ops.members.status import Status
    from ops.platform import Platform

MEMBER_HEADINGS = ("MEMBER", "ROLE", "STATE", "ADDRESS", "LEADS", "HOLDS", "NOT IN SYNC", "SIZE")
MEMBER_NUMBERS = ("LEADS", "HOLDS", "NOT IN SYNC", "SIZE")
GROUP_HEADINGS = ("GROUP", "STATE", "MEMBERS", "LAG")
GROUP_NUMBERS = ("MEMBERS", "LAG")

WATCH_SECONDS = 2.0
"""Default interval of ``--watch`` in seconds."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(status)


def status(
    context: typer.Context,
    seconds: Annotated[
        float | None, typer.Argument(min=0.5, metavar="SECONDS", help="Interval of --watch in seconds; default: 2")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until Ctrl-C")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every member (role, state, partitions, size) and the lag of consumer groups.

    Exits with 1 if something is wrong. LEADS, HOLDS and NOT IN SYNC count partitions; SIZE is a broker's logs, an
    ensemble member's data and the memory that Redis uses; LAG counts records.

    Example: `python -m ops status --watch 5`
    """
    from ops.members.status import read_status

    if seconds is not None and not watch:
        raise typer.BadParameter("it needs --watch", param_hint="SECONDS")
    target = platform(context)
    if watch:
        _watch(target, WATCH_SECONDS if seconds is None else seconds, as_json=as_json)
        return
    found = read_status(target)
    _show(found, as_json=as_json)
    if found.problems:
        raise typer.Exit(ExitCode.FOUND_WRONG)


def _watch(target: "Platform", seconds: float, *, as_json: bool) -> None:
    """Refresh until Ctrl-C, which is no error here."""
    from rich.live import Live

    from ops.members.status import read_status

    try:
        if as_json or not console.out.is_terminal:
            while True:
                _show(read_status(target), as_json=as_json)
                console.flush()
                time.sleep(seconds)
        with Live(console=console.out, auto_refresh=False, screen=False) as live:
            while True:
                live.update(_view(read_status(target)), refresh=True)
                time.sleep(seconds)
    except KeyboardInterrupt:
        return


def _show(found: "Status", *, as_json: bool) -> None:
    if as_json:
        console.json_document(found.to_json())
    elif console.out.is_terminal:
        console.out.print(_view(found))
    else:
        for line in _headlines(found):
            console.line(line)
        console.table(MEMBER_HEADINGS, _member_rows(found))
        if found.groups:
            console.table(GROUP_HEADINGS, _group_rows(found))


def _view(found: "Status") -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    style = "bold red" if found.problems else "bold green"
    parts: list[RenderableType] = [Text("\n".join(_headlines(found)), style=style)]
    parts.append(console.view(MEMBER_HEADINGS, _member_rows(found), numbers=MEMBER_NUMBERS))
    if found.groups:
        parts.append(console.view(GROUP_HEADINGS, _group_rows(found), numbers=GROUP_NUMBERS))
    return Group(*parts)


def _headlines(found: "Status") -> list[str]:
    return [found.headline, *(f"  - {problem.replace(chr(10), '; ')}" for problem in found.problems)]


def _member_rows(found: "Status") -> list[list[console.Cell]]:
    from rich.text import Text

    return [
        [
            member.name,
            member.role or "-",
            Text("up", style="green") if member.up else Text("down", style="bold red"),
            member.address,
            _partitions(member.led),
            _partitions(member.held),
            _partitions(member.lagging),
            console.size(member.disk),
        ]
        for member in found.members
    ]


def _partitions(number: int | None) -> str:
    """A count of partitions; "-" for servers other than brokers."""
    return "-" if number is None else str(number)


def _group_rows(found: "Status") -> list[list[console.Cell]]:
    return [[group.name, group.state, str(len(group.members)), str(group.lag)] for group in found.groups]
