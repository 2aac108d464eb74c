"""Committed offsets of consumer groups, out of a cluster and into another."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from ops.backup.model import Commit, Place
from ops.errors import OpsError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

Answer = TypeVar("Answer")

COORDINATOR_SECONDS = 30.0
"""Seconds for the groups' coordinator: a new cluster makes the topic that it needs when it is first asked for."""


def _patiently(ask: Callable[[], Answer]) -> Answer:
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
    """Committed offsets of these topics, by group; groups that have none are not there."""
    names = sorted(group["group_id"] for group in client.list_groups())
    found = _patiently(lambda: client.list_group_offsets(names)) if names else {}
    commits = {
        group: sorted(
            (
                Commit(topic=place.topic, partition=place.partition, offset=at.offset, metadata=at.metadata or "")
                for place, at in offsets.items()
                if place.topic in topics and at.offset >= 0
            ),
            key=lambda commit: commit.place,
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
    from kafka.errors import KafkaError, NoError

    offsets = {
        TopicPartition(*commit.place): OffsetAndMetadata(commit.offset, commit.metadata, -1) for commit in commits
    }

    def commit_all() -> None:
        answer: Mapping[TopicPartition, type[KafkaError]] = client.alter_group_offsets(group, offsets)
        refused = {Place(*place): error for place, error in answer.items() if error is not NoError}
        if any(error.retriable for error in refused.values()):
            raise next(iter(refused.values()))
        if refused:
            reasons = [f"{place}: {error.__name__}" for place, error in refused.items()]
            raise OpsError(f"the cluster refused offsets of group {group}", reasons)

    _patiently(commit_all)


def remove(client: "KafkaAdminClient", groups: Sequence[str]) -> None:
    """Delete groups; those that are gone already are no error.

    Raises:
        OpsError: The cluster refused one, such as a group that has members.
    """
    if groups:
        answer: Mapping[str, str] = _patiently(lambda: client.delete_groups(list(groups)))
        refused = [f"{name}: {said}" for name, said in answer.items() if said not in ("OK", "GroupIdNotFoundError")]
        if refused:
            raise OpsError("the cluster refused to delete groups", refused)
