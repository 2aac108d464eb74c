"""`ops backup`, `ops restore` and `ops archive`: a platform's data to one archive, and back."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import count
from ops import console
from ops.commands.options import platform
from ops.errors import BrokenError, RefusedError

if TYPE_CHECKING:
    from ops.backup.restore.restore import Prepared

File = Annotated[Path, typer.Argument(help="The archive", dir_okay=False)]
Topics = Annotated[
    list[str] | None,
    typer.Option("--topics", help="Topics or patterns such as 'orders*', separated by commas; repeatable"),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)
    archive = typer.Typer(no_args_is_help=True, help="Inspect an archive of `ops backup`; needs no platform.")
    archive.command("show")(show)
    archive.command("verify")(verify)
    app.add_typer(archive, name="archive")


def backup(
    context: typer.Context,
    file: File,
    topics: Topics = None,
    records: Annotated[bool, typer.Option(help="Include records, not only topics")] = True,
    redis: Annotated[bool, typer.Option(help="Include Redis keys")] = True,
) -> None:
    """Write topics, records, group offsets, ACLs and Redis keys to one archive.

    Every partition is saved up to its last committed record at the start of the backup. FILE appears when it is
    complete; after an interruption, the same command continues with FILE.partial.
    """
    from ops.backup.archive.model import Selection
    from ops.backup.create import back_up

    selection = Selection(topics=_patterns(topics), records=records, redis=redis)
    manifest = back_up(platform(context), file, selection)
    kept = sum(topic.records for topic in manifest.topics.values())
    console.say(
        f"{file} is complete: {count(len(manifest.topics), 'topic')}, {count(kept, 'record')}, "
        f"{count(manifest.groups, 'group')}, {_acls(manifest.acls)}, {_keys(manifest.redis and manifest.redis.keys)}; "
        f"{console.size(file.stat().st_size)}"
    )


def restore(
    context: typer.Context,
    file: File,
    topics: Topics = None,
    groups: Annotated[bool, typer.Option(help="Restore committed offsets of groups")] = True,
    acls: Annotated[bool, typer.Option(help="Restore ACLs")] = True,
    redis: Annotated[bool, typer.Option(help="Restore Redis keys")] = True,
    replication_factor: Annotated[
        int | None, typer.Option(min=1, help="Of created topics; default: as in the archive")
    ] = None,
    compression: Annotated[str, typer.Option(help="Of record batches: none, gzip, snappy, lz4 or zstd")] = "none",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and change nothing")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Remove what an interrupted restore of FILE left")] = False,
    journal: Annotated[Path | None, typer.Option(help="The journal, which --undo reads; default: next to FILE")] = None,
) -> None:
    """Restore an archive into a platform that holds none of its data.

    The whole archive is verified first. Records keep partition, order, key, value, headers and timestamp; groups
    continue at the same record. A failed restore is rolled back.
    """
    from ops.backup.restore import restore as restoring
    from ops.backup.restore.produce import CODECS

    if compression not in CODECS:
        raise typer.BadParameter(f"{compression!r} is not one of {', '.join(CODECS)}", param_hint="--compression")
    options = restoring.Options(
        topics=tuple(_patterns(topics)),
        groups=groups,
        acls=acls,
        redis=redis,
        replication=replication_factor,
        compression=compression,
        journal=journal,
    )
    target = platform(context)
    if undo:
        restoring.undo(target, file, options)
        console.say(f"the restore of {file} into stack {target.stack} is rolled back")
        return
    prepared = restoring.prepare(target, file, options)
    for warning in prepared.warnings:
        console.say(f"warning: {warning}")
    if dry_run:
        _show_plan(prepared)
        return
    restoring.restore(target, file, options, prepared)
    console.say(
        f"{file} is restored into stack {target.stack}: {count(len(prepared.plan.specs), 'topic')}, "
        f"{count(prepared.records, 'record')}, {count(len(prepared.plan.groups), 'group')}, "
        f"{_acls(len(prepared.plan.acls))}, {count(prepared.keys, 'Redis key')}"
    )


def show(file: File) -> None:
    """Show the contents of an archive from its manifest, without reading records."""
    from ops.backup.archive.verify import summary

    cut, manifest = summary(file)
    console.say(f"{file}: stack {cut.stack}, cluster {cut.cluster}, started {cut.made}, finished {manifest.finished}")
    console.say(
        f"{count(manifest.groups, 'group')}, {_acls(manifest.acls)}, {_keys(manifest.redis and manifest.redis.keys)}, "
        f"{count(len(manifest.parts), 'part')}, {console.size(file.stat().st_size)}"
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
    """Read a whole archive and verify its checksums and counts."""
    from ops.backup.archive.verify import check

    try:
        size = file.stat().st_size if file.exists() else 0
        with console.progress("verifying the archive", total=size or None) as advance:
            contents = check(file, advance=advance)
    except RefusedError as error:
        raise BrokenError(error.headline, error.problems) from error
    console.say(
        f"{file} is intact: {count(sum(contents.records.values()), 'record')}, {_keys(contents.keys)}, "
        "all checksums and counts match"
    )


def _patterns(given: Sequence[str] | None) -> list[str]:
    """The patterns of ``--topics``: the option can be repeated, and each value can contain commas."""
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
                str(sum(number for partition, number in contents.items() if partition.topic == name)),
            )
            for name, spec in sorted(prepared.plan.specs.items())
        ],
        numbers=("PARTITIONS", "REPLICATION", "RECORDS"),
    )
    console.say(
        f"dry run: nothing was changed; {count(len(prepared.plan.groups), 'group')}, "
        f"{_acls(len(prepared.plan.acls))} and {count(prepared.keys, 'Redis key')} would be restored too"
    )


def _acls(number: int | None) -> str:
    return "no authorizer" if number is None else count(number, "ACL")


def _keys(keys: dict[int, int] | None) -> str:
    return "no Redis" if keys is None else count(sum(keys.values()), "Redis key")
