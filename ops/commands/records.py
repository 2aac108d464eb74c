"""`ops produce` and `ops consume`: write and read records."""

import sys
from typing import Annotated

import typer

from ops import console
from ops.commands.options import platform, position_option
from ops.records.formats import Header, InputFormat, OutputFormat
from ops.records.positions import Edge, Shift

_ACKS = {"all": "all", "-1": "all", "1": 1, "0": 0}

Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="An existing topic; none is ever created")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("produce")(produce)
    app.command("consume")(consume)


def produce(
    context: typer.Context,
    topic: Topic,
    value: Annotated[str | None, typer.Option(help="Write this one record instead of standard input")] = None,
    key: Annotated[str | None, typer.Option(help="Key of records whose line has none")] = None,
    key_separator: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Separates key and value in a line, such as : or a tab")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A header for every record; repeatable")
    ] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="The partition; default: chosen by key")] = None,
    form: Annotated[
        InputFormat,
        typer.Option("--format", help="text: the line is the value; json: what `consume --format json` prints; base64"),
    ] = InputFormat.TEXT,
    acks: Annotated[str, typer.Option(metavar="all|1|0", help="Replicas that must acknowledge a record")] = "all",
) -> None:
    r"""Write records, one per line of standard input, and count them by partition.

    Example: `printf 'a:1\nb:2\n' | python -m ops produce orders --key-separator :`

    With --format json, a line is {"key": …, "value": …, "headers": …, "timestamp": …}; the value null is a tombstone.
    """
    from components.errors import count
    from ops.records.producing import produce as write
    from ops.records.producing import records_of

    if acks not in _ACKS:
        raise typer.BadParameter(f'"{acks}" is not one of all, 1, 0', param_hint="--acks")
    if key_separator is not None and form is InputFormat.JSON:
        raise typer.BadParameter("JSON lines contain their key", param_hint="--key-separator")
    lines = sys.stdin.buffer if value is None else [value.encode()]
    if value is None and sys.stdin.isatty():
        console.say("reading records from the keyboard, one per line; Ctrl-D ends")
    records = records_of(
        lines,
        form,
        separator=key_separator or None,
        key=None if key is None else key.encode(),
        headers=[_header(text) for text in header or ()],
    )
    target = platform(context)
    with console.progress(f"records written to {topic}") as advance:
        written = write(target, topic, records, partition=partition, acks=_ACKS[acks], advance=advance)
    console.say(f"{count(written.records, 'record')} written to {topic}" + (f" ({written})" if written.records else ""))


def _header(text: str) -> Header:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f'"{text}" is not a header; expected NAME=VALUE', param_hint="--header")
    return name, value.encode()


def consume(
    context: typer.Context,
    topic: Topic,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="POSITION",
            help="beginning, end, an offset (120), a time (2026-03-01T12:00:00Z; local time without a time zone), "
            "or -10 for the last 10 records of each partition",
        ),
    ] = "beginning",
    count: Annotated[int | None, typer.Option(min=1, help="The number of records to print")] = None,
    partition: Annotated[list[int] | None, typer.Option(help="Read only this partition; repeatable")] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Join this consumer group, start at its committed offsets, and commit the printed records"),
    ] = None,
    form: Annotated[
        OutputFormat,
        typer.Option(
            "--format", help="text (other bytes as \\xff), value (raw bytes), base64, or json with all fields"
        ),
    ] = OutputFormat.TEXT,
    key_separator: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Also print the key, separated from the value by this")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new records; Ctrl-C ends")] = False,
) -> None:
    """Print records, one per line, up to the current end of the topic.

    Example: `python -m ops consume orders --from -10 --format json`

    In JSON, bytes that are not UTF-8 become base64 under valueBase64 and keyBase64.
    """
    from ops.records.consuming import Reading, read
    from ops.records.formats import format_record

    position = position_option("--from", start)
    if isinstance(position, Shift) and position.records > 0:
        raise typer.BadParameter(f'"{start}" is after the end', param_hint="--from")
    if group is not None and not isinstance(position, Edge):
        raise typer.BadParameter(
            "a group starts at its committed offsets; move them with `groups reset` first", param_hint="--from"
        )
    if group is not None and partition:
        raise typer.BadParameter("a group assigns partitions to its members", param_hint="--partition")
    reading = Reading(
        topic=topic, position=position, partitions=partition or (), count=count, group=group, follow=follow
    )
    try:
        for record in read(platform(context), reading):
            console.raw(format_record(record, form, key_separator))
    except KeyboardInterrupt:
        if not follow:
            raise
