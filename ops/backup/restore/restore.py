"""`ops restore`: writes an archive into a platform, all or nothing."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.errors import PlatformError
from ops import console
from ops.backup.archive.model import Cut, Manifest, choose
from ops.backup.archive.verify import Contents, check, summary
from ops.backup.restore import journal as journals
from ops.backup.restore.interrupts import interrupts_postponed, sigterm_as_interrupt
from ops.backup.restore.journal import Journal
from ops.backup.restore.plan import Plan, Request, Target, plan, refusals
from ops.backup.restore.retention import age_warnings, limits, size_warnings
from ops.backup.restore.steps import RestoreSteps
from ops.backup.restore.target import read_target
from ops.backup.restore.undo import roll_back
from ops.errors import OpsError, RefusedError, UnreachableError
from ops.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of ``ops restore``.

    Args:
        topics: Names and patterns of the archive's topics; empty for all.
        groups: Whether to restore committed offsets.
        acls: Whether to restore ACLs.
        redis: Whether to restore Redis keys.
        replication: Replication factor of created topics; None for that of the archive.
        compression: The codec of record batches.
        journal: The path of the journal; None for next to the archive.
    """

    topics: tuple[str, ...] = ()
    groups: bool = True
    acls: bool = True
    redis: bool = True
    replication: int | None = None
    compression: str = "none"
    journal: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A planned restore of a verified archive."""

    contents: Contents
    plan: Plan
    warnings: tuple[str, ...]

    @property
    def records(self) -> int:
        """Number of records to write."""
        return sum(number for partition, number in self.contents.records.items() if partition.topic in self.plan.specs)

    @property
    def keys(self) -> int:
        """Number of Redis keys to write."""
        return sum(self.contents.keys.values()) if self.plan.redis else 0


def prepare(platform: Platform, archive: Path, options: Options) -> Prepared:
    """Verify the archive, examine the platform and plan the restore; changes nothing.

    Raises:
        RefusedError: The archive is damaged, or the platform cannot take it; lists all reasons.
    """
    path = journal_path(platform, archive, options)
    if path.exists():
        raise RefusedError(
            f"an earlier restore into stack {platform.stack} was neither finished nor rolled back ({path})",
            [f"`python -m ops -s {platform.stack} restore {archive} --undo` removes what it left"],
        )
    cut, manifest = summary(archive)
    request = Request(
        topics=choose(sorted(cut.topics), options.topics, str(archive)),
        groups=options.groups,
        acls=options.acls,
        redis=options.redis and manifest.redis is not None,
        replication=options.replication,
    )
    target = _checked_target(platform, archive, cut, manifest, request)
    specs = plan(cut, manifest.redis, request, target).specs
    ages = limits("retention.ms", specs, target.retention)
    sizes = limits("retention.bytes", specs, target.retention)
    now = int(time.time() * 1000)
    with console.progress("verifying the archive", total=archive.stat().st_size) as advance:
        contents = check(archive, limits={name: now - kept for name, kept in ages.items()}, advance=advance)
    # Verifying a large archive takes long; the platform may be in use by now.
    decided = plan(cut, manifest.redis, request, _checked_target(platform, archive, cut, manifest, request))
    return Prepared(
        contents, decided, (*decided.warnings, *age_warnings(contents.old, ages), *size_warnings(contents.sizes, sizes))
    )


def _checked_target(platform: Platform, archive: Path, cut: Cut, manifest: Manifest, request: Request) -> Target:
    """The platform, after checking that nothing prevents the restore."""
    with platform.admin() as client:
        target = read_target(platform, client, cut, request)
    problems = refusals(cut, manifest.redis, request, target)
    if problems:
        raise RefusedError(f"{archive} cannot be restored into stack {platform.stack}; nothing was done", problems)
    return target


def journal_path(platform: Platform, archive: Path, options: Options) -> Path:
    """The path of the journal of a restore."""
    return options.journal or journals.path_of(archive, platform.stack)


def restore(platform: Platform, archive: Path, options: Options, prepared: Prepared) -> None:
    """Execute a prepared restore; a failure is rolled back.

    Raises:
        OpsError: It failed; the message lists what could not be rolled back.
        KeyboardInterrupt: Ctrl-C; everything was rolled back.
    """
    path = journal_path(platform, archive, options)
    journal = Journal(archive=str(archive.resolve()), made=prepared.contents.cut.made)
    with sigterm_as_interrupt(), _all_or_nothing(platform, archive, journal, path):
        RestoreSteps(platform, archive, prepared.contents, prepared.plan, journal, path).run(options.compression)
    path.unlink(missing_ok=True)


def undo(platform: Platform, archive: Path, options: Options) -> None:
    """Roll back a restore that could not do so itself.

    Raises:
        RefusedError: There is nothing to undo.
        OpsError: Lists what could not be removed.
    """
    path = journal_path(platform, archive, options)
    with interrupts_postponed():
        roll_back(platform, journals.load(path))
        path.unlink()


@contextmanager
def _all_or_nothing(platform: Platform, archive: Path, journal: Journal, path: Path) -> Generator[None]:
    from kafka.errors import KafkaError
    from redis.exceptions import RedisError

    try:
        yield
    except (PlatformError, KafkaError, RedisError, OSError, KeyboardInterrupt) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        console.say(f"{why}\nrolling back the restore; please wait")
        try:
            with interrupts_postponed():
                roll_back(platform, journal)
                path.unlink(missing_ok=True)
                console.say("rolled back: nothing of the archive is left on the platform")
        except PlatformError as left:
            command = (
                f"`python -m ops -s {platform.stack} restore {archive} --undo` removes them, once all members answer"
            )
            raise OpsError(f"the restore failed, and {left.headline}", [*left.problems, command]) from error
        if isinstance(error, PlatformError | KeyboardInterrupt):
            raise
        raise UnreachableError(f"the restore failed: {why}") from error
