"""`ops groups`: list, describe and reset consumer groups."""

from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import count
from ops import console
from ops.commands.options import AsJson, platform, position_option, selection_option

if TYPE_CHECKING:
    from ops.groups.reset import Move


def register(app: typer.Typer) -> None:
    """Add the commands."""
    groups = typer.Typer(no_args_is_help=True, help="List, describe and reset consumer groups.")
    groups.command("list")(list_groups)
    groups.command("describe")(describe)
    groups.command("reset")(reset)
    app.add_typer(groups, name="groups")


def list_groups(context: typer.Context, as_json: AsJson = False) -> None:
    """List consumer groups: state, members, topics and lag in records."""
    from ops.groups.progress import group_names, read_groups

    with platform(context).admin() as client:
        found = read_groups(client, group_names(client))
    if as_json:
        console.json_document([group.to_json() for group in found])
        return
    rows = [
        [group.name, group.state, str(len(group.members)), ",".join(group.topics) or "none", str(group.lag)]
        for group in found
    ]
    console.table(("GROUP", "STATE", "MEMBERS", "TOPICS", "LAG"), rows, numbers=("MEMBERS", "LAG"))


def describe(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="GROUP", help="The group's id")],
    as_json: AsJson = False,
) -> None:
    """Show a group's committed offset, lag and consumer in each partition. LAG counts records."""
    from ops.groups.progress import read_groups, require_group

    with platform(context).admin() as client:
        require_group(client, name)
        group = read_groups(client, [name])[0]
    if as_json:
        console.json_document(group.to_json())
        return
    members, lag = count(len(group.members), "member"), count(group.lag, "record")
    console.say(f"group {group.name} is {group.state}, {members}, lag {lag}")
    rows = [
        [
            part.topic,
            str(part.partition),
            console.number(part.committed),
            console.number(part.end),
            console.number(part.lag),
            part.consumer or "none",
        ]
        for part in group.progress
    ]
    headings = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "CONSUMER")
    console.table(headings, rows, numbers=("PARTITION", "COMMITTED", "END", "LAG"))


def reset(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="GROUP", help="The group's id")],
    topic: Annotated[
        list[str],
        typer.Option(metavar="TOPIC[:PARTITION]", help="Topic or partition to reset: orders, or orders:3; repeatable"),
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="POSITION",
            help="earliest, latest, an offset (120), a time (2026-03-01T12:00:00Z; local time without a time zone), "
            "or a shift from the committed offset in records (+10, -10)",
        ),
    ],
    execute: Annotated[
        bool, typer.Option("--execute", help="Commit the new offsets, do not only show the plan")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move a group's committed offsets; without --execute, only show the plan.

    Example: `python -m ops groups reset billing --topic orders --to 2026-03-01T12:00:00Z --execute`
    """
    from ops.groups import reset as group_reset

    selections = [selection_option("--topic", text) for text in topic]
    position = position_option("--to", to)
    with platform(context).admin() as client:
        plan = group_reset.plan_reset(client, name, selections, position)
        _show(plan, as_json=as_json)
        if execute:
            group_reset.execute(client, name, plan)
    skipped, replayed = sum(move.skipped for move in plan), sum(move.replayed for move in plan)
    effect = f"{count(len(plan), 'partition')}, {count(skipped, 'record')} skipped, {replayed} read again"
    console.say(f"done: {effect}" if execute else f"plan: {effect}; nothing was changed, add --execute to apply it")


def _show(plan: "list[Move]", *, as_json: bool) -> None:
    if as_json:
        console.json_document(
            [
                {
                    "topic": move.topic,
                    "partition": move.partition,
                    "from": move.committed,
                    "to": move.target,
                    "skipped": move.skipped,
                    "replayed": move.replayed,
                    "note": move.note,
                }
                for move in plan
            ]
        )
        return
    rows = [
        [
            move.topic,
            str(move.partition),
            "none" if move.committed is None else str(move.committed),
            str(move.target),
            str(move.skipped),
            str(move.replayed),
            move.note,
        ]
        for move in plan
    ]
    headings = ("TOPIC", "PARTITION", "FROM", "TO", "SKIPPED", "REPLAYED", "NOTE")
    console.table(headings, rows, numbers=("PARTITION", "FROM", "TO", "SKIPPED", "REPLAYED"))
