"""What a restore would do, what prevents it, and the groups' offsets afterwards.

Source: ops/backup/restore/plan.py, ops/backup/restore/retention.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.topics.safety import ObservedTopic
from ops.backup.archive.model import Acl, Commit, PartitionId, RedisSummary, Selection, choose
from ops.backup.restore.plan import Request, Target, plan, refusals, translate
from ops.backup.restore.retention import age_warnings, limits, size_warnings
from ops.errors import RefusedError
from tests.unit.ops import backup_archives

CUT = backup_archives.cut()
REDIS = RedisSummary(version="7.0.15", keys={0: 2})
RULE = Acl(
    resource="TOPIC",
    name="orders",
    pattern="LITERAL",
    principal="User:a",
    host="*",
    operation="READ",
    permission="ALLOW",
)


def request(**changes: object) -> Request:
    return Request(**{"topics": ["orders"], **changes})  # pyright: ignore[reportArgumentType]


def target(**changes: object) -> Target:
    return Target(**{"brokers": 3, "redis": RedisSummary(version="7.0.15", keys={}), **changes})  # pyright: ignore


def existing(partitions: int = 2, **config: str) -> dict[str, ObservedTopic]:
    return {"orders": ObservedTopic(replicas=((0, 1, 2),) * partitions, config=config)}


def test_an_empty_platform_takes_everything() -> None:
    assert refusals(CUT, REDIS, request(), target()) == []
    made = plan(CUT, REDIS, request(), target())
    assert (made.create, made.fill, made.redis) == (["orders"], [], True)
    assert made.specs["orders"].config == CUT.topics["orders"].config
    assert made.groups == CUT.groups


def test_an_existing_empty_topic_is_filled_and_keeps_its_configuration() -> None:
    there = target(topics=existing(**{"retention.ms": "5"}), held={PartitionId("orders", 0): (4, 4)})
    assert refusals(CUT, REDIS, request(), there) == []
    made = plan(CUT, REDIS, request(), there)
    assert (made.create, made.fill) == ([], ["orders"])
    assert made.specs["orders"].config == {"retention.ms": "5"}


def test_everything_that_would_be_overwritten_is_refused_at_once() -> None:
    there = target(
        topics=existing(partitions=3),
        held={PartitionId("orders", 0): (0, 2), PartitionId("orders", 1): (3, 4)},
        groups=["readers", "others"],
        redis=RedisSummary(version="6.2.1", keys={0: 1, 4: 1}),
    )
    assert refusals(CUT, REDIS, request(), there) == [
        "topic orders already holds 3 records; only an empty topic can be filled",
        "topic orders has 3 partitions; in the archive it has 2",
        "group readers already has committed offsets; stop and delete it first",
        "Redis database 0 already holds keys; only an empty one can be filled (--no-redis skips Redis)",
        "Redis database 4 already holds keys; only an empty one can be filled (--no-redis skips Redis)",
        "the keys come from Redis 7.0.15; Redis 6.2.1 is older and cannot read them",
    ]


def test_skipped_data_is_not_refused() -> None:
    there = target(groups=["readers"], redis=RedisSummary(version="7.0.15", keys={0: 1}))
    assert refusals(CUT, REDIS, request(groups=False, redis=False), there) == []


def test_too_many_replicas_are_refused_with_the_fix() -> None:
    problems = refusals(CUT, REDIS, request(), target(brokers=1))
    assert problems == [
        "topic orders: replication factor 3 is more than the 1 broker there are",
        "topic orders: `--replication-factor 1` creates it with fewer replicas",
    ]


def test_a_lower_replication_factor_lowers_min_insync_replicas_with_a_warning() -> None:
    fewer = request(replication=1)
    assert refusals(CUT, REDIS, fewer, target(brokers=1)) == []
    made = plan(CUT, REDIS, fewer, target(brokers=1))
    assert made.specs["orders"].replication_factor == 1
    assert made.specs["orders"].config["min.insync.replicas"] == "1"
    assert made.warnings == ["topic orders: min.insync.replicas 2 is lowered to 1, its replication factor"]


def test_acls_need_an_authorizer() -> None:
    cut = backup_archives.cut(acls=[RULE])
    assert "--no-acls skips them" in refusals(cut, None, request(), target(acls=None))[0]
    assert refusals(cut, None, request(acls=False), target(acls=None)) == []


def test_existing_acls_are_not_created_and_so_not_rolled_back() -> None:
    other = RULE.model_copy(update={"name": "others"})
    cut = backup_archives.cut(acls=[RULE, other])
    assert plan(cut, None, request(), target(acls=[RULE])).acls == [other]


def test_nothing_is_deleted_or_compacted_while_records_are_written() -> None:
    config = plan(CUT, REDIS, request(), target()).while_restoring["orders"].config
    assert config["retention.ms"] == "-1"
    assert config["cleanup.policy"] == "delete"
    assert config["message.timestamp.type"] == "CreateTime"
    assert config["min.insync.replicas"] == "2", "what does no harm stays as it is"


def test_retention_is_the_topics_own_or_the_brokers() -> None:
    def kept(there: Target, default: int = 99) -> dict[str, int]:
        return limits("retention.ms", plan(CUT, REDIS, request(), there).specs, {"retention.ms": default})

    assert kept(target()) == {"orders": 1000}
    assert kept(target(topics=existing(**{"cleanup.policy": "compact"}))) == {}
    assert kept(target(topics=existing())) == {"orders": 99}
    assert kept(target(topics=existing()), default=-1) == {}


def test_records_that_are_older_than_retention_are_reported_with_their_number() -> None:
    (warning,) = age_warnings({"orders": 7, "others": 0}, {"orders": 86_400_000, "others": 1})
    assert "7 records" in warning
    assert "(1 days)" in warning


def test_partitions_that_are_larger_than_retention_are_reported_with_both_sizes() -> None:
    sizes = {PartitionId("orders", 0): 100, PartitionId("orders", 1): 101, PartitionId("others", 0): 500}
    (warning,) = size_warnings(sizes, {"orders": 100})
    assert warning.startswith("orders-1: its 101 bytes are more than the topic's retention.bytes (100)")


@given(st.sets(st.integers(0, 60)), st.integers(0, 70), st.integers(0, 5))
def test_a_translated_offset_is_the_same_record(offsets: set[int], committed: int, base: int) -> None:
    partition = PartitionId("t", 0)
    records = sorted(offsets)
    before = {partition: {committed: sum(offset < committed for offset in records)}}
    (made,) = translate([Commit(topic="t", partition=0, offset=committed, metadata="m")], before, {partition: base})
    restored = [None] * base + list(records)
    next_one = next((offset for offset in records if offset >= committed), None)
    assert (restored[made.offset] if made.offset < len(restored) else None) == next_one
    assert made.metadata == "m"


def test_patterns_choose_topics_and_internal_ones_only_by_name() -> None:
    names = ["orders", "orders.dlq", "users", "__consumer_offsets"]
    assert choose(names, [], "x") == ["orders", "orders.dlq", "users"]
    assert choose(names, ["orders*"], "x") == ["orders", "orders.dlq"]
    assert choose(names, ["__consumer_offsets"], "x") == ["__consumer_offsets"]


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(RefusedError, match='"order" matches none of its topics: orders'):
        choose(["orders"], ["order"], "stack dev")


def test_records_that_were_not_asked_for_are_not_expected() -> None:
    assert backup_archives.cut(selection=Selection(records=False)).spans == {}
