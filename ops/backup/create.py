"""`ops backup`: writes an archive, or resumes an interrupted one."""

import errno
import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from components.errors import count
from ops import console
from ops.backup import cut as cutting
from ops.backup import records, redis_keys
from ops.backup.archive.model import Manifest, RedisSummary, Selection
from ops.backup.archive.parts import PARTIAL
from ops.backup.archive.writer import Archive, begin, resumed
from ops.errors import OpsError, RefusedError, UnreachableError
from ops.files import sync_folder
from ops.platform import Platform

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def back_up(platform: Platform, file: Path, selection: Selection) -> Manifest:
    """Write an archive; an interrupted backup continues where it stopped.

    Args:
        platform: The platform to back up.
        file: The archive, which appears when it is complete; until then it is called ``FILE.partial``.
        selection: What to back up.

    Returns:
        The manifest of the archive.

    Raises:
        RefusedError: The file exists, or the partial file belongs to a different backup.
        OpsError: The disk is full, or the platform stopped answering; the partial archive stays.
    """
    if file.exists():
        raise RefusedError(f"{file} already exists", ["choose a different name, or remove it"])
    partial = file.with_name(file.name + PARTIAL)
    try:
        with (
            _locked(partial) as target,
            platform.admin() as client,
            platform.consumer(**records.CONSUMER_OPTIONS) as consumer,
        ):
            archive = resumed(partial, target)
            if archive is None:
                archive = begin(target, cutting.take(platform, client, consumer, selection))
            else:
                cutting.refuse_different_backup(archive.cut, client, selection, str(partial))
                console.say(f"resuming {partial}, started {archive.cut.made}")
            if selection.redis and archive.redis is None:
                _add_redis(platform, archive)
            _add_records(archive, lambda *wanted: records.back_up(consumer, *wanted))
            manifest = archive.finish()
    except KeyboardInterrupt:
        console.say(_resume_hint(file))
        raise
    except UnreachableError as error:
        if not partial.exists():
            raise
        raise UnreachableError(
            f"the backup stopped: {error.headline}", [*error.problems, _resume_hint(file)]
        ) from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OpsError(
            f"the disk of {partial} is full ({error.strerror})", [f"free some space; {_resume_hint(file)}"]
        ) from error
    partial.rename(file)
    sync_folder(file.parent)
    return manifest


def _resume_hint(file: Path) -> str:
    return f"complete parts are kept in {file}{PARTIAL}: the same command continues where it stopped"


@contextmanager
def _locked(partial: Path) -> Generator[BinaryIO]:
    """The partial archive, locked for this process; removed if it stays empty."""
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RefusedError(f"{partial} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "r+b") as target:
        try:
            fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(f"a different process is writing {partial}") from None
        try:
            yield target
        finally:
            if os.fstat(descriptor).st_size == 0:
                partial.unlink()


def _add_redis(platform: Platform, archive: Archive) -> None:
    keys: dict[int, int] = {}
    with redis_keys.redis_errors(platform.stack), console.progress("Redis") as advance:
        with platform.redis_client() as client:
            version, numbers = redis_keys.version(client), redis_keys.databases(client)
        for database in numbers:
            with platform.redis_client(db=database) as client:
                for number, batch in enumerate(redis_keys.read(client)):
                    archive.add_keys(database, number, batch)
                    keys[database] = keys.get(database, 0) + len(batch)
                    advance(len(batch))
    archive.end_redis(RedisSummary(version=version, keys=keys))


def _add_records(archive: Archive, read: Callable[..., None]) -> None:
    total = sum(span.end - span.begin for span in archive.cut.spans.values())
    left = archive.left
    with console.progress("records", total=total or 1) as advance:
        advance(total - sum(span.end - span.begin for span in left.values()))
        for partition, span in left.items():
            read(partition, span, archive.add_records, advance)
    for name, topic in archive.totals.items():
        if topic.lost:
            console.say(
                f"warning: topic {name}: retention deleted {count(topic.lost, 'offset')} before they were read; "
                "they are not in the archive"
            )
