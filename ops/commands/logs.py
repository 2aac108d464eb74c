"""`ops logs`: a member's logs."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ops import console
from ops.commands.options import platform


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("logs")(logs)


def logs(
    context: typer.Context,
    member: Annotated[str, typer.Argument(metavar="MEMBER", help="kafka-0, zookeeper-1, redis-0 …")],
    tail: Annotated[int | None, typer.Option(min=0, help="Number of lines at the end; default: all")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Earliest time: 10m or 2h ago, or a time such as 2026-03-01T12:00:00Z"),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new lines; Ctrl-C ends")] = False,
) -> None:
    """Print a member's log, from Docker or Kubernetes.

    Example: `python -m ops logs kafka-1 --since 10m --follow`
    """
    from ops.members.logs import LogRange, parse_since, read_logs

    try:
        earliest = None if since is None else parse_since(since, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
    try:
        for piece in read_logs(platform(context), member, LogRange(tail=tail, since=earliest, follow=follow)):
            console.raw(piece)
    except KeyboardInterrupt:
        if not follow:
            raise
