"""Fills a platform with data of every kind, and reads all of it for comparison."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition, admin
from kafka.errors import KafkaError
from redis import Redis

from ops.backup.archive.frames import Record
from ops.backup.archive.model import PartitionId
from ops.backup.restore.produce import Producer
from tests.integration.stacks import Stack, bootstrap, eventually

PAST = 1_500_000_000_000
"""A timestamp of 2017."""

NO_RETENTION_LIMIT = {"retention.ms": "-1", "retention.bytes": "-1"}

TOPICS: dict[str, dict[str, Any]] = {
    "plain": {"num_partitions": 3, "configs": NO_RETENTION_LIMIT},
    "compacted": {
        "num_partitions": 1,
        "configs": {"cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.01"},
    },
    "transactions": {"num_partitions": 1, "configs": NO_RETENTION_LIMIT},
    "appended": {"num_partitions": 1, "configs": {"message.timestamp.type": "LogAppendTime"}},
    "squeezed": {"num_partitions": 1, "configs": {**NO_RETENTION_LIMIT, "max.message.bytes": "20000"}},
    "emptied": {"num_partitions": 1, "configs": NO_RETENTION_LIMIT},
    "big": {"num_partitions": 2, "configs": NO_RETENTION_LIMIT},
}

RULES = [("orders", "User:reader", 3), ("users", "User:writer", 4)]

CODECS = ("gzip", "snappy", "lz4", "zstd")

BIG_RECORDS = 100_000
"""Records of 1 KB in each partition of the topic ``big``: 200 MB together."""


@contextmanager
def clients(stack: Stack) -> Iterator[tuple[KafkaAdminClient, dict[str, Any]]]:
    servers = {"bootstrap_servers": list(bootstrap(stack))}
    client = KafkaAdminClient(**servers)
    try:
        yield client, servers
    finally:
        client.close()


def redis(stack: Stack, db: int = 0) -> Any:
    return Redis.from_url(stack.outputs()["redisUrl"].rpartition("/")[0] + f"/{db}")


def fill(stack: Stack) -> None:
    """Write everything that a backup must contain."""
    make_topics(stack, *TOPICS)
    with clients(stack) as (client, servers):
        _plain(servers)
        _transactions(servers)
        _others(servers)
        _compacted(servers)
        client.delete_records({TopicPartition("emptied", 0): 7})
        _groups(client)
        client.create_acls([_rule(*rule) for rule in RULES])
    write_big(servers, BIG_RECORDS)
    _keys(stack)


def make_topics(stack: Stack, *names: str) -> None:
    topics = {name: {"replication_factor": 1, **TOPICS[name]} for name in names}
    with clients(stack) as (client, _):
        client.create_topics(topics, wait_for_metadata=True)


def use_up_offsets(stack: Stack, topic: str) -> None:
    """Write records and delete them, so that the next offset is not 0."""
    with clients(stack) as (client, servers):
        producer = KafkaProducer(**servers)
        for _ in range(3):
            producer.send(topic, b"gone")
        producer.close()
        client.delete_records({TopicPartition(topic, 0): 3})


def _plain(servers: dict[str, Any]) -> None:
    for number, codec in enumerate((None, *CODECS)):
        producer = KafkaProducer(**servers, compression_type=codec, linger_ms=20)
        for i in range(40):
            headers = [("codec", str(codec).encode()), ("codec", b""), ("ä", b"\x00\xff")] if i % 2 else None
            key = None if i % 5 == 0 else b"" if i % 5 == 1 else b"key-%d" % i
            value = b"" if i % 7 == 0 else b"value-%d-%d " % (number, i) * 20
            producer.send("plain", value, key=key, headers=headers, partition=i % 3, timestamp_ms=PAST + 1000 * i)
        producer.send("plain", None, key=b"tombstone", partition=0, timestamp_ms=PAST)
        producer.close()
    odd = [
        Record(0, PAST, 0, None, None, ()),
        Record(0, PAST - 5, 0, b"k", b"v", (("null", None), ("empty", b""), ("null", b"x"))),
        Record(0, 0, 0, b"", b"", ()),
    ]
    with Producer({**servers, "proxy_url": None}, "none") as producer:
        producer.write(PartitionId("plain", 1), odd)
        producer.flush()


def _transactions(servers: dict[str, Any]) -> None:
    producer = KafkaProducer(**servers, transactional_id="backup-test")
    producer.init_transactions()
    for number in range(6):
        producer.begin_transaction()
        for i in range(10):
            producer.send("transactions", b"%d-%d" % (number, i), timestamp_ms=PAST)
        producer.flush()
        if number % 2:
            producer.abort_transaction()
        else:
            producer.commit_transaction()
    producer.close()


def _others(servers: dict[str, Any]) -> None:
    producer = KafkaProducer(**servers, compression_type="zstd", max_request_size=2**24)
    for i in range(20):
        producer.send("appended", b"appended-%d" % i, timestamp_ms=PAST)
        producer.send("squeezed", b"%d" % i * 100_000, timestamp_ms=PAST)
        producer.send("emptied", b"emptied-%d" % i, timestamp_ms=PAST)
        producer.send("tda_jobs", b"job-%d" % i, key=b"%d" % i, partition=i % 3)
        producer.send("tda_results", b"result-%d" % i, key=b"%d" % i, partition=i % 3)
        producer.flush()
    producer.close()


def _compacted(servers: dict[str, Any]) -> None:
    """Overwrite keys until the broker has compacted them, which leaves gaps in the offsets."""
    producer = KafkaProducer(**servers)
    for i in range(100):
        producer.send("compacted", b"%d" % i, key=b"key-%d" % (i % 10))
    producer.flush()

    def compacted() -> bool:
        producer.send("compacted", b"last", key=b"last")  # the segment before it is closed, and may be compacted
        producer.flush()
        time.sleep(0.5)
        return len(records(consumer, "compacted", 0)) < 80

    with reader(servers) as consumer:
        eventually(compacted, 60, "compaction")
    producer.close()


def _groups(client: KafkaAdminClient) -> None:
    positions = {
        "at-begin": {("plain", 0): 0, ("transactions", 0): 0},
        "midway": {("plain", 1): 13, ("transactions", 0): 27, ("compacted", 0): 95, ("emptied", 0): 9},
        "at-end": {("plain", 2): 65, ("emptied", 0): 20, ("transactions", 0): 66, ("tda_jobs", 1): 7},
        "before-begin": {("emptied", 0): 2},
    }
    for group, offsets in positions.items():
        commit = {TopicPartition(*place): OffsetAndMetadata(at, f"of {group}", -1) for place, at in offsets.items()}
        eventually(lambda group=group, commit=commit: _commits(client, group, commit), 30, "the coordinator")


def _commits(client: KafkaAdminClient, group: str, commit: dict[TopicPartition, Any]) -> bool:
    try:
        return all(not error.errno for error in client.alter_group_offsets(group, commit).values())
    except KafkaError as error:
        if not error.retriable:
            raise
        return False


def _rule(topic: str, principal: str, operation: int) -> admin.ACL:
    return admin.ACL(
        principal=principal,
        host="*",
        operation=admin.ACLOperation(operation),
        permission_type=admin.ACLPermissionType.ALLOW,
        resource_pattern=admin.ResourcePattern(admin.ResourceType.TOPIC, topic, admin.ACLResourcePatternType.LITERAL),
    )


def write_big(servers: dict[str, Any], number: int) -> None:
    """Write incompressible records of 1 KB."""
    values = [os.urandom(1000) for _ in range(2000)]
    with Producer({**servers, "proxy_url": None}, "none") as producer:
        for partition in range(2):
            for start in range(0, number, 10_000):
                batch = [
                    Record(0, PAST + i, 0, b"%09d" % i, values[i % 2000], ()) for i in range(start, start + 10_000)
                ]
                producer.write(PartitionId("big", partition), batch)
        producer.flush()


def _keys(stack: Stack) -> None:
    for db in (0, 3):
        with redis(stack, db) as client:
            client.set(b"binary\x00\xff", bytes(range(256)))
            client.set("expires", f"db {db}", px=3_600_000 + db)
            client.hset("hash", mapping={"a": "1", "b": "2"})
            client.rpush("list", *range(50))
            client.sadd("set", "x", "y")
            client.zadd("zset", {"one": 1, "half": 0.5})
            client.xadd("stream", {"field": "value"}, id="5-1")
            client.xgroup_create("stream", "group", id="0")
            client.pfadd("log", *range(100))
            for i in range(500):
                client.set(f"many-{i}", i)


@dataclass
class Snapshot:
    """All data of a platform."""

    records: dict[tuple[str, int], list[Any]]
    configs: dict[str, dict[str, str]]
    next_records: dict[tuple[str, str, int], Any]
    rules: set[str]
    keys: dict[tuple[int, bytes], Any]


def snapshot(stack: Stack) -> Snapshot:
    """Read all data of a platform."""
    with clients(stack) as (client, servers):
        topics = {topic["name"]: topic for topic in client.describe_topics() if not topic["name"].startswith("__")}
        with reader(servers) as consumer:
            held = {
                (name, number): records(consumer, name, number)
                for name, topic in topics.items()
                for number in range(len(topic["partitions"]))
            }
        return Snapshot(
            records={place: [kept(record) for record in found] for place, found in held.items()},
            configs=configs(client, list(topics)),
            next_records=_next_records(client, held),
            rules=_rules(client),
            keys={place: value for db in (0, 3) for place, value in _values(stack, db).items()},
        )


@dataclass
class Extent:
    """The amount of data and the topic configuration: faster than a snapshot."""

    records: dict[TopicPartition, int]
    configs: dict[str, dict[str, str]]
    positions: dict[str, Any]
    rules: set[str]
    keys: dict[tuple[int, bytes], Any]

    @property
    def empty(self) -> bool:
        return not (any(self.records.values()) or self.positions or self.rules or self.keys)


def extent(stack: Stack) -> Extent:
    with clients(stack) as (client, _):
        topics = [topic for topic in client.describe_topics() if not topic["name"].startswith("__")]
        places = [TopicPartition(topic["name"], n) for topic in topics for n in range(len(topic["partitions"]))]
        begins, ends = (client.list_partition_offsets(dict.fromkeys(places, at)) for at in (-2, -1))
        return Extent(
            records={place: ends[place].offset - begins[place].offset for place in places},
            configs=configs(client, [topic["name"] for topic in topics]),
            positions=positions(client),
            rules=_rules(client),
            keys={place: value for db in (0, 3) for place, value in _values(stack, db).items()},
        )


def kept(record: Any) -> tuple[Any, ...]:
    """The fields that a restore must preserve."""
    return (record.key, record.value, tuple(record.headers), record.timestamp)


@contextmanager
def reader(servers: dict[str, Any]) -> Iterator[KafkaConsumer]:
    """A consumer of committed records."""
    consumer = KafkaConsumer(**servers, isolation_level="read_committed", enable_auto_commit=False)
    try:
        yield consumer
    finally:
        consumer.close()


def records(consumer: KafkaConsumer, topic: str, partition: int) -> list[Any]:
    """A partition's committed records."""
    place = TopicPartition(topic, partition)
    found: list[Any] = []
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    while consumer.position(place) < end:
        found += consumer.poll(timeout_ms=1000).get(place, [])
    return found


def configs(client: KafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """The topics' own configuration."""
    resources = [admin.ConfigResource(admin.ConfigResourceType.TOPIC, name) for name in names]
    found = client.describe_configs(resources)["topic"] if names else {}
    return {
        name: {key: entry["value"] for key, entry in topic.items() if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"}
        for name, topic in found.items()
    }


def positions(client: KafkaAdminClient) -> dict[str, Any]:
    """Committed offsets of all groups that have any."""
    names = [group["group_id"] for group in client.list_groups()]
    found = client.list_group_offsets(names) if names else {}
    return {group: offsets for group, offsets in found.items() if offsets}


def _next_records(client: KafkaAdminClient, held: dict[tuple[str, int], list[Any]]) -> dict[tuple[str, str, int], Any]:
    """The next record of each group, and the metadata of its committed offset."""
    return {
        (group, place.topic, place.partition): (
            next((kept(record) for record in held[tuple(place)] if record.offset >= at.offset), None),
            at.metadata,
        )
        for group, offsets in positions(client).items()
        for place, at in offsets.items()
    }


def _rules(client: KafkaAdminClient) -> set[str]:
    everything = admin.ACLFilter(
        None,
        None,
        admin.ACLOperation.ANY,
        admin.ACLPermissionType.ANY,
        admin.ResourcePatternFilter(admin.ResourceType.ANY, None, admin.ACLResourcePatternType.ANY),
    )
    return {str(rule) for rule in client.describe_acls(everything)[0]}


def _values(stack: Stack, db: int) -> dict[tuple[int, bytes], Any]:
    reads = {
        b"string": lambda client, key: client.get(key),
        b"hash": lambda client, key: client.hgetall(key),
        b"list": lambda client, key: client.lrange(key, 0, -1),
        b"set": lambda client, key: client.smembers(key),
        b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
        b"stream": lambda client, key: (client.xrange(key), client.xinfo_groups(key)),
    }
    with redis(stack, db) as client:
        return {
            (db, key): (reads[client.type(key)](client, key), client.pexpiretime(key))
            for key in client.scan_iter()
            if key != b"millrace:health"
        }
