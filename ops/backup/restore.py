"""`ops restore`: all of an archive into a platform, or nothing of it."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.errors import PlatformError
from ops import console
from ops.backup import journal as journals
from ops.backup.interrupts import postponed, terminated_is_interrupted
from ops.backup.journal import Journal
from ops.backup.model import Cut, Manifest, choose
from ops.backup.plan import Plan, Target, Wanted, plan, refusals
from ops.backup.retention import age_warnings, limits, size_warnings
from ops.backup.steps import RestoreSteps
from ops.backup.target import look
from ops.backup.undo import take_back
from ops.backup.verify import Contents, check, summary
from ops.errors import OpsError, RefusedError, UnreachableError
from ops.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person asked for.

    Args:
        topics: Names and patterns of the archive's topics; none stands for all of them.
        groups: Whether committed offsets are restored.
        acls: Whether access rules are.
        redis: Whether keys of Redis are.
        replication: Replication factor of topics that are made; None for the archive's.
        compression: How batches of records are compressed.
        journal: Where the journal is kept; None is beside the archive.
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
    """A restore that nothing speaks against, of an archive that is as it was written."""

    contents: Contents
    plan: Plan
    warnings: tuple[str, ...]

    @property
    def records(self) -> int:
        """Records that are written."""
        return sum(number for place, number in self.contents.records.items() if place.topic in self.plan.specs)

    @property
    def keys(self) -> int:
        """Keys of Redis that are written."""
        return sum(self.contents.keys.values()) if self.plan.redis else 0


def prepare(platform: Platform, archive: Path, options: Options) -> Prepared:
    """Read all of the archive and look at the platform; nothing is changed.

    Raises:
        RefusedError: The archive is damaged, or the platform is not as it must be; all reasons at once.
    """
    path = journal_path(platform, archive, options)
    if path.exists():
        raise RefusedError(
            f"an earlier restore into stack {platform.stack} ended before it was done or taken back ({path})",
            [f"`python -m ops -s {platform.stack} restore {archive} --undo` removes what it left"],
        )
    cut, manifest = summary(archive)
    wanted = Wanted(
        topics=choose(sorted(cut.topics), options.topics, str(archive)),
        groups=options.groups,
        acls=options.acls,
        redis=options.redis and manifest.redis is not None,
        replication=options.replication,
    )
    target = _accepting(platform, archive, cut, manifest, wanted)
    specs = plan(cut, manifest.redis, wanted, target).specs
    ages = limits("retention.ms", specs, target.retention)
    sizes = limits("retention.bytes", specs, target.retention)
    now = int(time.time() * 1000)
    with console.progress("checking the archive", total=archive.stat().st_size) as advance:
        contents = check(archive, limits={name: now - kept for name, kept in ages.items()}, advance=advance)
    # Checking a large archive takes long enough for somebody to begin to use the platform.
    decided = plan(cut, manifest.redis, wanted, _accepting(platform, archive, cut, manifest, wanted))
    return Prepared(
        contents, decided, (*decided.warnings, *age_warnings(contents.old, ages), *size_warnings(contents.sizes, sizes))
    )


def _accepting(platform: Platform, archive: Path, cut: Cut, manifest: Manifest, wanted: Wanted) -> Target:
    """The platform, where nothing on it speaks against the restore."""
    with platform.admin() as client:
        target = look(platform, client, cut, wanted)
    problems = refusals(cut, manifest.redis, wanted, target)
    if problems:
        raise RefusedError(f"{archive} cannot be restored into stack {platform.stack}; nothing was done", problems)
    return target


def journal_path(platform: Platform, archive: Path, options: Options) -> Path:
    """Where the journal of a restore is."""
    return options.journal or journals.path_of(archive, platform.stack)


def restore(platform: Platform, archive: Path, options: Options, prepared: Prepared) -> None:
    """Write what was prepared; where that fails, all of it is taken back.

    Raises:
        OpsError: It failed. The message says what is left, where something is.
        KeyboardInterrupt: Ctrl-C; everything was taken back.
    """
    path = journal_path(platform, archive, options)
    journal = Journal(archive=str(archive.resolve()), made=prepared.contents.cut.made)
    with terminated_is_interrupted(), _all_or_nothing(platform, archive, journal, path):
        RestoreSteps(platform, archive, prepared.contents, prepared.plan, journal, path).run(options.compression)
    path.unlink(missing_ok=True)


def undo(platform: Platform, archive: Path, options: Options) -> None:
    """Take back what a restore left that could not do so itself.

    Raises:
        RefusedError: There is nothing to take back.
        OpsError: Something could not be removed; it is listed.
    """
    path = journal_path(platform, archive, options)
    with postponed():
        take_back(platform, journals.load(path))
        path.unlink()


@contextmanager
def _all_or_nothing(platform: Platform, archive: Path, journal: Journal, path: Path) -> Generator[None]:
    from kafka.errors import KafkaError
    from redis.exceptions import RedisError

    try:
        yield
    except (PlatformError, KafkaError, RedisError, OSError, KeyboardInterrupt) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        console.say(f"{why}\ntaking back what was restored so far; please wait")
        try:
            with postponed():
                take_back(platform, journal)
                path.unlink(missing_ok=True)
                console.say("nothing of the archive is left on the platform")
        except PlatformError as left:
            command = (
                f"`python -m ops -s {platform.stack} restore {archive} --undo` removes them, once all answer again"
            )
            raise OpsError(f"the restore failed, and {left.headline}", [*left.problems, command]) from error
        if isinstance(error, PlatformError | KeyboardInterrupt):
            raise
        raise UnreachableError(f"the restore failed: {why}") from error
