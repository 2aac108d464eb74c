"""Rolls back a restore by its journal; can be repeated."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import PlatformError, count
from components.topics.client import apply_topics, delete_topics
from components.topics.rules import TopicSpec
from ops import console
from ops.backup import acls, groups, redis_keys
from ops.backup.archive.model import KeysMeta, PartitionId
from ops.backup.archive.parts import read_cut, read_parts
from ops.backup.restore.journal import Journal
from ops.backup.restore.plan import WHILE_RESTORING
from ops.backup.restore.target import offsets
from ops.errors import OpsError, RefusedError
from ops.platform import Platform

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition

DEADLINE_SECONDS = 30.0
"""Seconds to retry failed steps, and to wait for deleted topics to disappear: on a busy machine, leaders and
coordinators change."""

Step = tuple[str, Callable[[], None]]
"""What a step removes, as text, and the function that does it."""


def roll_back(platform: Platform, journal: Journal) -> None:
    """Remove everything in the journal; failed steps are retried for :data:`DEADLINE_SECONDS`.

    Raises:
        OpsError: Lists what could not be removed.
    """
    steps = _steps(platform, journal)
    end = time.monotonic() + DEADLINE_SECONDS
    while left := [(step, why) for step in steps if (why := _failure(step))]:
        if time.monotonic() > end:
            reasons = [f"{what}\n({why})" for (what, _), why in left]
            raise OpsError(f"stack {platform.stack} still holds parts of the restore", reasons)
        steps = [step for step, _ in left]
        time.sleep(0.5)


def _steps(platform: Platform, journal: Journal) -> list[Step]:
    """The steps of the rollback; each can be repeated."""
    steps: list[Step] = []
    if journal.redis_parts:
        steps.append(("Redis keys of the archive", lambda: _keys(platform, journal)))
    if journal.acls:
        what = f"{count(len(journal.acls), 'ACL')}: " + ", ".join(
            f"{rule.permission} {rule.operation} on {rule.resource} {rule.name} for {rule.principal}"
            for rule in journal.acls
        )
        steps.append((what, lambda: _acls(platform, journal)))
    if journal.groups:
        steps.append((f"offsets of groups {', '.join(journal.groups)}", lambda: _groups(platform, journal)))
    if journal.filled:
        what = f"records and changed configuration of topics {', '.join(journal.filled)}"
        steps.append((what, lambda: _empty(platform, journal)))
    if journal.created:
        steps.append((f"topics {', '.join(journal.created)}", lambda: _delete(platform, journal.created)))
    return steps


def _failure(step: Step) -> str | None:
    """Run a step; the reason if it failed, else None."""
    from kafka.errors import KafkaError
    from redis.exceptions import RedisError

    try:
        step[1]()
    except (PlatformError, KafkaError, RedisError, OSError) as error:
        return str(error)
    return None


def _delete(platform: Platform, names: Sequence[str]) -> None:
    from kafka.errors import KafkaError

    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            delete_topics(platform.bootstrap, names, route=platform.route, security=platform.security)
            return
        except KafkaError as error:
            if time.monotonic() > end:
                raise OpsError(str(error)) from error
        time.sleep(0.2)


def _empty(platform: Platform, journal: Journal) -> None:
    from kafka import TopicPartition

    specs = {
        name: TopicSpec(
            name=name, partitions=topic.partitions, replication_factor=topic.replication, config=topic.config
        )
        for name, topic in journal.filled.items()
    }
    with platform.admin() as client:
        current = set(client.list_topics())
        kept = {name: spec for name, spec in specs.items() if name in current}
        held = offsets(client, {PartitionId(name, n) for name, spec in kept.items() for n in range(spec.partitions)})
        full = {TopicPartition(*partition): end for partition, (begin, end) in held.items() if end > begin}
        if full:
            # Brokers refuse to delete records of a topic that is only compacted.
            deletes = {name: replace(spec, config={**spec.config, **WHILE_RESTORING}) for name, spec in kept.items()}
            apply_specs(platform, deletes, existing=deletes)
            _delete_records(client, full)
    apply_specs(platform, kept, existing=kept)


def _delete_records(client: "KafkaAdminClient", ends: "Mapping[TopicPartition, int]") -> None:
    """Delete records up to these offsets, once the brokers know the changed cleanup policy."""
    from kafka.errors import PolicyViolationError

    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            client.delete_records(ends)
        except PolicyViolationError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def apply_specs(platform: Platform, specs: Mapping[str, TopicSpec], *, existing: Collection[str]) -> None:
    """Create topics, or change their configuration.

    Args:
        platform: The platform.
        specs: The desired topics.
        existing: Names of topics that may exist; any other topic must not exist, or already be empty and as desired.

    Raises:
        TopicError: The cluster refused, or a topic unexpectedly exists.
    """
    apply_topics(
        bootstrap=platform.bootstrap,
        declared=specs,
        owned=set(existing),
        adopt=False,
        own_cluster=True,  # an interrupted restore made them
        deadline=DEADLINE_SECONDS,
        report=console.say,
        route=platform.route,
        security=platform.security,
    )


def _groups(platform: Platform, journal: Journal) -> None:
    with platform.admin() as client:
        groups.remove(client, journal.groups)


def _acls(platform: Platform, journal: Journal) -> None:
    with platform.admin() as client:
        acls.remove(client, journal.acls)


def _keys(platform: Platform, journal: Journal) -> None:
    archive = Path(journal.archive)
    left = journal.redis_parts
    for part in read_parts(archive):
        if part.begin == 0 and read_cut(part, archive).made != journal.made:
            raise RefusedError(f"{archive} is not the archive of the interrupted restore")
        if part.holds_keys and left:
            left -= 1
            meta = KeysMeta.model_validate(part.meta)
            keys = list(redis_keys.decode(part.content))
            with platform.redis_client(db=meta.database) as client:
                redis_keys.remove(client, keys)
        if not left:
            return
