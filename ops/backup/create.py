"""`ops backup`: writes an archive, or goes on with one that was interrupted."""

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
from ops.backup.archive import Archive, begin, resumed
from ops.backup.model import Manifest, RedisSummary, Selection
from ops.backup.parts import PARTIAL
from ops.errors import OpsError, RefusedError, UnreachableError
from ops.platform import Platform

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def back_up(platform: Platform, file: Path, selection: Selection) -> Manifest:
    """Write an archive; a backup that was interrupted goes on where it stopped.

    Args:
        platform: What is backed up.
        file: The archive, which appears when it is complete; until then it is called ``FILE.partial``.
        selection: What is kept.

    Returns:
        What the archive holds.

    Raises:
        RefusedError: The file is there already, or what is there is another backup.
        OpsError: The disk is full, or the platform stopped answering; the partial archive stays.
    """
    if file.exists():
        raise RefusedError(f"{file} is there already", ["give another name, or remove it"])
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
                cutting.refuse_others(archive.cut, client, selection, str(partial))
                console.say(f"going on with {partial}, begun {archive.cut.made}")
            if selection.redis and archive.redis is None:
                _keep_redis(platform, archive)
            _keep_records(archive, lambda *wanted: records.back_up(consumer, *wanted))
            manifest = archive.finish()
    except KeyboardInterrupt:
        console.say(_goes_on(file))
        raise
    except UnreachableError as error:
        if not partial.exists():
            raise
        raise UnreachableError(f"the backup stopped: {error.headline}", [*error.problems, _goes_on(file)]) from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OpsError(
            f"the disk of {partial} is full ({error.strerror})", [f"free some space; {_goes_on(file)}"]
        ) from error
    partial.rename(file)
    _sync_folder(file)
    return manifest


def _goes_on(file: Path) -> str:
    return f"what is complete is kept in {file}{PARTIAL}: the same command goes on where it stopped"


@contextmanager
def _locked(partial: Path) -> Generator[BinaryIO]:
    """The partial archive, open for this process alone; an empty one is not left behind."""
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RefusedError(f"{partial} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "r+b") as target:
        try:
            fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(f"another backup is writing {partial}") from None
        try:
            yield target
        finally:
            if os.fstat(descriptor).st_size == 0:
                partial.unlink()


def _keep_redis(platform: Platform, archive: Archive) -> None:
    from redis.exceptions import RedisError

    keys: dict[int, int] = {}
    try:
        with platform.redis_client() as client:
            version, numbers = redis_keys.version(client), redis_keys.databases(client)
        with console.progress("Redis") as advance:
            for database in numbers:
                with platform.redis_client(db=database) as client:
                    for number, batch in enumerate(redis_keys.read(client)):
                        archive.add_keys(database, number, batch)
                        keys[database] = keys.get(database, 0) + len(batch)
                        advance(len(batch))
    except RedisError as error:
        raise UnreachableError(f"Redis of stack {platform.stack}: {error}") from error
    archive.end_redis(RedisSummary(version=version, keys=keys))


def _keep_records(archive: Archive, read: Callable[..., None]) -> None:
    total = sum(span.end - span.begin for span in archive.cut.spans.values())
    left = archive.left
    with console.progress("records", total=total or 1) as advance:
        advance(total - sum(span.end - span.begin for span in left.values()))
        for place, span in left.items():
            read(place, span, archive.add_records, advance)
    for name, topic in archive.totals.items():
        if topic.lost:
            console.say(
                f"warning: topic {name}: retention deleted {count(topic.lost, 'offset')} before they were read; "
                "they are not in the archive"
            )


def _sync_folder(file: Path) -> None:
    """Make a rename last when the machine loses its power."""
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
