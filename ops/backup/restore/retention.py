"""What retention would delete soon after a restore; does no I/O."""

from collections.abc import Mapping

from components.errors import count
from components.topics.rules import TopicSpec
from ops.backup.archive.model import PartitionId

DAY_MS = 86_400_000


def limits(key: str, specs: Mapping[str, TopicSpec], defaults: Mapping[str, int]) -> dict[str, int]:
    """The retention limits of topics that delete records.

    Args:
        key: ``retention.ms`` or ``retention.bytes``, which applies to each partition.
        specs: The topics.
        defaults: The brokers' defaults, by the same keys.
    """
    found = {
        name: int(spec.config.get(key, defaults.get(key, -1)))
        for name, spec in specs.items()
        if "delete" in spec.config.get("cleanup.policy", "delete")
    }
    return {name: limit for name, limit in found.items() if limit >= 0}


def age_warnings(old: Mapping[str, int], kept: Mapping[str, int]) -> list[str]:
    """Warn of records that are older than their topic's retention.

    Args:
        old: Records that are older than their topic's retention, by topic.
        kept: The topics' retention in milliseconds.
    """
    return [
        f"topic {name}: {count(number, 'record')} of the archive are older than its retention "
        f"({kept[name] / DAY_MS:g} days): the brokers delete them soon after the restore"
        for name, number in sorted(old.items())
        if number
    ]


def size_warnings(sizes: Mapping[PartitionId, int], kept: Mapping[str, int]) -> list[str]:
    """Warn of partitions that are larger than their topic's retention.

    Args:
        sizes: Bytes of each partition's records before compression.
        kept: The topics' retention in bytes per partition.
    """
    return [
        f"{partition}: its {size} bytes are more than the topic's retention.bytes ({kept[partition.topic]}): the "
        "brokers delete the oldest records soon after the restore"
        for partition, size in sorted(sizes.items())
        if partition.topic in kept and size > kept[partition.topic]
    ]
