"""`ops backup`, `ops restore` and `ops archive`: everything that a platform holds in one file, and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import count
from ops import console
from ops.context import platform
from ops.errors import BrokenError, RefusedError

if TYPE_CHECKING:
    from ops.backup.restore import Prepared

File = Annotated[Path, typer.Argument(help="The archive", dir_okay=False)]
Topics = Annotated[
    list[str] | None,
    typer.Option("--topics", help="Topics or patterns such as 'orders*', separated by commas; may be given again"),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)
    archive = typer.Typer(no_args_is_help=True, help="Look at an archive of `ops backup`; no platform is needed.")
    archive.command("show")(show)
    archive.command("verify")(verify)
    app.add_typer(archive, name="archive")


def backup(
    context: typer.Context,
    file: File,
    topics: Topics = None,
    records: Annotated[bool, typer.Option(help="Keep records, not only the topics")] = True,
    redis: Annotated[bool, typer.Option(help="Keep the keys of Redis")] = True,
) -> None:
    """Write topics, records, group offsets, access rules and Redis to one archive.

    Every partition is kept up to the record that was its last when the backup began. FILE appears when it is
    complete; after an interruption the same command goes on with FILE.partial.
    """
    from ops.backup.create import back_up
    from ops.backup.model import Selection

    selection = Selection(topics=patterns(topics), records=records, redis=redis)
    manifest = back_up(platform(context), file, selection)
    kept = sum(topic.records for topic in manifest.topics.values())
    console.say(
        f"{file} is complete: {count(len(manifest.topics), 'topic')}, {count(kept, 'record')}, "
        f"{count(manifest.groups, 'group')}, {_rules(manifest.acls)}, {_keys(manifest.redis and manifest.redis.keys)}; "
        f"{_size(file.stat().st_size)}"
    )


def restore(
    context: typer.Context,
    file: File,
    topics: Topics = None,
    groups: Annotated[bool, typer.Option(help="Restore the groups' committed offsets")] = True,
    acls: Annotated[bool, typer.Option(help="Restore access rules")] = True,
    redis: Annotated[bool, typer.Option(help="Restore the keys of Redis")] = True,
    replication_factor: Annotated[
        int | None, typer.Option(min=1, help="Of topics that are made; unset: the archive's")
    ] = None,
    compression: Annotated[
        str, typer.Option(help="Of the records on the brokers: none, gzip, snappy, lz4 or zstd")
    ] = "none",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and change nothing")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Remove what an interrupted restore of FILE left")] = False,
    journal: Annotated[Path | None, typer.Option(help="Where what was done is noted; unset: beside FILE")] = None,
) -> None:
    """Write an archive into a platform that holds nothing of it yet.

    The whole archive is checked first. Records keep partition, order, key, value, headers and timestamp; groups go on
    at the same record. What cannot be finished is taken back.
    """
    from ops.backup import restore as restoring
    from ops.backup.produce import CODECS

    if compression not in CODECS:
        raise typer.BadParameter(f"{compression!r} is none of {', '.join(CODECS)}", param_hint="--compression")
    options = restoring.Options(
        topics=tuple(patterns(topics)),
        groups=groups,
        acls=acls,
        redis=redis,
        replication=replication_factor,
        compression=compression,
        journal=journal,
    )
    where = platform(context)
    if undo:
        restoring.undo(where, file, options)
        console.say(f"nothing of {file} is left on stack {where.stack}")
        return
    prepared = restoring.prepare(where, file, options)
    for warning in prepared.warnings:
        console.say(f"warning: {warning}")
    if dry_run:
        _show_plan(prepared)
        return
    restoring.restore(where, file, options, prepared)
    console.say(
        f"{file} is restored into stack {where.stack}: {count(len(prepared.plan.specs), 'topic')}, "
        f"{count(prepared.records, 'record')}, {count(len(prepared.plan.groups), 'group')}, "
        f"{_rules(len(prepared.plan.acls))}, {count(prepared.keys, 'key')} of Redis"
    )


def show(file: File) -> None:
    """What an archive holds, by its own manifest; records are not read."""
    from ops.backup.verify import summary

    cut, manifest = summary(file)
    console.say(f"{file}: stack {cut.stack}, cluster {cut.cluster}, begun {cut.made}, finished {manifest.finished}")
    console.say(
        f"{count(manifest.groups, 'group')}, {_rules(manifest.acls)}, {_keys(manifest.redis and manifest.redis.keys)}, "
        f"{count(len(manifest.parts), 'part')}, {_size(file.stat().st_size)}"
    )
    console.table(
        ("TOPIC", "PARTITIONS", "REPLICATION", "RECORDS", "BYTES", "LOST"),
        [
            (
                name,
                str(len(cut.topics[name].spans)),
                str(cut.topics[name].replication),
                str(total.records),
                str(total.size),
                str(total.lost),
            )
            for name, total in sorted(manifest.topics.items())
        ],
        numbers=("PARTITIONS", "REPLICATION", "RECORDS", "BYTES", "LOST"),
    )


def verify(file: File) -> None:
    """Read all of an archive and compare it with its checksums and counts."""
    from ops.backup.verify import check

    try:
        size = file.stat().st_size if file.exists() else 0
        with console.progress("checking the archive", total=size or None) as advance:
            contents = check(file, advance=advance)
    except RefusedError as error:
        raise BrokenError(error.headline, error.problems) from error
    console.say(
        f"{file} is whole: {count(sum(contents.records.values()), 'record')}, {_keys(contents.keys)}, "
        "every checksum and count is right"
    )


def patterns(given: Sequence[str] | None) -> list[str]:
    """What was given with ``--topics``, once or several times, each with commas."""
    return [pattern.strip() for text in given or () for pattern in text.split(",") if pattern.strip()]


def _show_plan(prepared: "Prepared") -> None:
    contents = prepared.contents.records
    console.table(
        ("TOPIC", "ACTION", "PARTITIONS", "REPLICATION", "RECORDS"),
        [
            (
                name,
                "create" if name in prepared.plan.create else "fill",
                str(spec.partitions),
                str(spec.replication_factor),
                str(sum(number for place, number in contents.items() if place.topic == name)),
            )
            for name, spec in sorted(prepared.plan.specs.items())
        ],
        numbers=("PARTITIONS", "REPLICATION", "RECORDS"),
    )
    console.say(
        f"dry run: nothing was changed; {count(len(prepared.plan.groups), 'group')}, "
        f"{_rules(len(prepared.plan.acls))} and {count(prepared.keys, 'key')} of Redis would be restored too"
    )


def _rules(number: int | None) -> str:
    return "no authorizer" if number is None else count(number, "access rule")


def _keys(keys: dict[int, int] | None) -> str:
    return "no Redis" if keys is None else f"{count(sum(keys.values()), 'key')} of Redis"


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
