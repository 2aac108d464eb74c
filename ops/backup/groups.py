"""Reads, commits and deletes the offsets of consumer groups."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

from ops.backup.archive.model import Commit, PartitionId
from ops.errors import OpsError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

Answer = TypeVar("Answer")

COORDINATOR_SECONDS = 30.0
"""Timeout for the group coordinator: a new cluster creates its topic on the first request."""


def _retried(ask: Callable[[], Answer]) -> Answer:
    """Retry retriable errors for :data:`COORDINATOR_SECONDS`."""
    from kafka.errors import KafkaError

    end = time.monotonic() + COORDINATOR_SECONDS
    while True:
        try:
            return ask()
        except KafkaError as error:
            if not error.retriable or time.monotonic() > end:
                raise
        time.sleep(0.2)


def read(client: "KafkaAdminClient", topics: Collection[str]) -> dict[str, list[Commit]]:
    """Committed offsets of these topics, by group; groups without any are left out."""
    names = sorted(group["group_id"] for group in client.list_groups())
    found = _retried(lambda: client.list_group_offsets(names)) if names else {}
    commits = {
        group: sorted(
            (
                Commit(
                    topic=partition.topic,
                    partition=partition.partition,
                    offset=at.offset,
                    metadata=at.metadata or "",
                )
                for partition, at in offsets.items()
                if partition.topic in topics and at.offset >= 0
            ),
            key=lambda commit: commit.partition_id,
        )
        for group, offsets in found.items()
    }
    return {group: offsets for group, offsets in sorted(commits.items()) if offsets}


def write(client: "KafkaAdminClient", group: str, commits: Sequence[Commit]) -> None:
    """Commit offsets for a group without members.

    Raises:
        OpsError: The cluster refused one.
    """
    from kafka import OffsetAndMetadata, TopicPartition
    from kafka.errors import NoError

    offsets = {
        TopicPartition(*commit.partition_id): OffsetAndMetadata(commit.offset, commit.metadata, -1)
        for commit in commits
    }

    def commit_all() -> None:
        answer = client.alter_group_offsets(group, offsets)
        refused = {PartitionId(*partition): error for partition, error in answer.items() if error is not NoError}
        if any(error.retriable for error in refused.values()):
            raise next(iter(refused.values()))
        if refused:
            reasons = [f"{partition}: {error.__name__}" for partition, error in refused.items()]
            raise OpsError(f"the cluster refused offsets of group {group}", reasons)

    _retried(commit_all)


def remove(client: "KafkaAdminClient", groups: Sequence[str]) -> None:
    """Delete groups; missing ones are no error.

    Raises:
        OpsError: The cluster refused one, such as a group with members.
    """
    if groups:
        answer = _retried(lambda: client.delete_groups(list(groups)))
        refused = [
            f"{name}: {result}" for name, result in answer.items() if result not in ("OK", "GroupIdNotFoundError")
        ]
        if refused:
            raise OpsError("the cluster refused to delete groups", refused)
