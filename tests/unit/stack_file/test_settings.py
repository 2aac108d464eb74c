"""Settings of a stack file: valid values, their meaning, and the messages for mistakes.

Source: components/stack_file/settings.py.
Proof limit: values are given as Python objects; the integration tests show how Pulumi passes a stack file.
"""

import re
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from components.errors import PlatformError, SettingsError
from components.kafka.settings import PROTECTED_KEYS as PROTECTED_BROKER_KEYS
from components.kafka.settings import KafkaSettings
from components.redis.settings import PROTECTED_KEYS as PROTECTED_REDIS_KEYS
from components.redis.settings import RedisSettings
from components.stack_file.profiles import PROFILES, with_profile
from components.stack_file.settings import Settings
from components.topics.settings import TopicSettings
from components.zookeeper.settings import PROTECTED_KEYS as PROTECTED_ZOOKEEPER_KEYS
from components.zookeeper.settings import ZooKeeperSettings
from tests.unit.regenerate_golden import settings_of
from tests.unit.stack_files import (
    FIELDS,
    GIB,
    MIB,
    NO_CONTEXT,
    NO_DURATION,
    NO_HOST,
    NO_SIZE,
    TOPIC,
    cluster,
    loaded,
    problems,
    topic,
    unknown,
    value_at,
)

COMPRESSIONS = "'producer', 'uncompressed', 'gzip', 'snappy', 'lz4' or 'zstd'"


# The project's own stack files


def test_the_dev_stack_is_one_small_server_of_each_kind() -> None:
    settings = settings_of("dev")
    assert (settings.target, settings.profile, settings.images) == ("docker", "light", "auto")
    assert settings.bind_address == "127.0.0.1", "no server is reachable from other machines"
    assert settings.host_ports() == {"zookeeper-0": 2181, "kafka-0": 9092, "redis-0": 6379}
    assert (settings.zookeeper.replicas, settings.zookeeper.heap) == (1, 256 * MIB)
    kafka = settings.kafka
    assert (kafka.replicas, kafka.heap) == (1, 512 * MIB)
    assert (kafka.retention, kafka.retention_bytes) == (timedelta(hours=24), 100 * MIB)
    assert kafka.auto_create_topics is True
    assert (kafka.replication_factor, kafka.min_in_sync_replicas) == (1, 1)
    assert kafka.advertised_host is None, "brokers advertise the address that their ports are bound to"
    redis = settings.redis
    assert (redis.save, redis.append_only, redis.authentication) == (["60 1000"], False, False)
    assert redis.password is None
    assert (settings.protect, settings.existing_topics) == (False, "refuse")


def test_the_staging_stack_is_replicated_and_loses_no_data() -> None:
    settings = settings_of("staging")
    assert settings.profile == "ha"
    assert settings.bind_address == "127.0.0.1"
    assert settings.host_ports() == {
        "zookeeper-0": 12181,
        "zookeeper-1": 12182,
        "zookeeper-2": 12183,
        "kafka-0": 19092,
        "kafka-1": 19093,
        "kafka-2": 19094,
        "redis-0": 16379,
        "exporter-0": 19090,
        "prometheus-0": 19091,
    }
    assert settings.zookeeper.replicas == 3
    kafka = settings.kafka
    assert (kafka.replicas, kafka.replication_factor, kafka.min_in_sync_replicas) == (3, 3, 2)
    assert kafka.auto_create_topics is False
    assert kafka.unclean_leader_election is False, "an unclean election loses records"
    assert (settings.redis.append_only, settings.redis.authentication) == (True, True)


def test_both_docker_profiles_fit_on_one_machine_together() -> None:
    ports = [*settings_of("dev").host_ports().values(), *settings_of("staging").host_ports().values()]
    assert len(set(ports)) == len(ports)


def test_the_dev_stack_has_the_topics_of_its_file() -> None:
    specs = settings_of("dev").topic_specs()
    day = 86_400_000
    assert {item.name: (item.partitions, item.replication_factor, dict(item.config)) for item in specs} == {
        "tda_errors": (1, 1, {"retention.ms": str(30 * day)}),
        "tda_events": (1, 1, {"retention.ms": str(14 * day)}),
        "tda_jobs": (3, 1, {"retention.ms": str(7 * day)}),
        "tda_results": (3, 1, {"retention.ms": str(30 * day), "cleanup.policy": "compact"}),
        "tda_uploads": (2, 1, {"retention.ms": str(3 * day)}),
    }
    assert [item.name for item in specs] == sorted(item.name for item in specs)


def test_the_staging_stacks_topics_have_three_replicas_by_default() -> None:
    specs = settings_of("staging").topic_specs()
    assert {item.name: (item.partitions, item.replication_factor, dict(item.config)) for item in specs} == {
        "dlq": (3, 3, {"min.insync.replicas": "2"}),
        "file_merge_requests": (50, 3, {"min.insync.replicas": "2"}),
        "message_status_updates": (50, 3, {"min.insync.replicas": "2"}),
        "messages": (100, 3, {"min.insync.replicas": "2"}),
        "stock_ticks": (6, 3, {"min.insync.replicas": "2"}),
    }


def test_the_prod_stack_runs_in_one_namespace_of_one_named_cluster() -> None:
    settings = settings_of("prod")
    assert (settings.target, settings.profile, settings.images) == ("kubernetes", "production", "auto")
    assert settings.on_kubernetes
    assert settings.kubernetes.model_dump() == {
        "context": "production",
        "kubeconfig": None,
        "namespace": "streaming",
        "create_namespace": True,
        "cluster_domain": "cluster.local",
        "storage_class": None,
        "image_pull_policy": "IfNotPresent",
        "image_pull_patience": "3m",
        "image_pull_secrets": [],
        "spread": "required",
        "zones": True,
        "client_namespaces": [],
    }
    assert settings.protect is True, "production data cannot be destroyed by mistake"
    assert settings.health.deadline == timedelta(minutes=10)


def test_the_prod_stack_is_sized_and_replicated_for_production() -> None:
    settings = settings_of("prod")
    zookeeper = settings.zookeeper
    assert (zookeeper.replicas, zookeeper.memory, zookeeper.heap_bytes) == (3, GIB, 512 * MIB)
    assert (zookeeper.cpu, zookeeper.cpu_limit, zookeeper.storage) == ("250m", "1", 10 * GIB)
    kafka = settings.kafka
    assert (kafka.replicas, kafka.replication_factor, kafka.min_in_sync_replicas) == (3, 3, 2)
    assert (kafka.memory, kafka.heap, kafka.heap_bytes) == (4 * GIB, None, 2 * GIB), "half is left for the page cache"
    assert (kafka.cpu, kafka.cpu_limit, kafka.storage) == ("500m", "2", 100 * GIB)
    assert (kafka.retention, kafka.retention_bytes, kafka.segment_bytes) == (timedelta(hours=168), -1, GIB)
    assert kafka.compression == "lz4"
    assert kafka.auto_create_topics is False
    assert kafka.unclean_leader_election is False, "an unclean election loses records"
    assert kafka.stop_grace == timedelta(seconds=120)
    assert (kafka.external, kafka.advertised_host) == ("none", None), "reachable only inside the cluster"
    redis = settings.redis
    assert (redis.max_memory, redis.eviction_policy) == (256 * MIB, "allkeys-lru")
    assert (redis.memory, redis.cpu, redis.cpu_limit) == (512 * MIB, "100m", "500m")
    assert (redis.append_only, redis.save, redis.authentication) == (True, [], True)
    assert redis.storage == 10 * GIB


def test_the_prod_stack_has_the_topics_of_staging() -> None:
    assert settings_of("prod").topic_specs() == settings_of("staging").topic_specs(), "prod runs what staging tests"


# Profiles and overrides


def test_an_empty_stack_file_is_the_light_profile() -> None:
    assert loaded({}) == loaded({"profile": "light"})


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_is_valid_on_its_own(profile: str) -> None:
    assert loaded({"profile": profile}).profile == profile


def test_an_override_keeps_the_other_values_of_its_section() -> None:
    plain, changed = loaded({}), loaded({"kafka": {"heap": "600MiB"}})
    assert changed.kafka.heap == 600 * MIB
    assert changed.kafka.model_copy(update={"heap": plain.kafka.heap}) == plain.kafka
    assert (changed.zookeeper, changed.redis) == (plain.zookeeper, plain.redis)


def test_config_is_merged_key_by_key_with_the_profiles() -> None:
    config = loaded({"kafka": {"config": {"message.max.bytes": 1, "zookeeper.session.timeout.ms": 9000}}}).kafka.config
    assert config == {
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": "1",
        "zookeeper.session.timeout.ms": "9000",
    }


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("redis", "save", ["1 1"]), ("redis", "save", []), ("kafka", "jvmOptions", ["-Xint"])],
)
def test_a_list_replaces_the_list_of_the_profile(section: str, key: str, value: list[str]) -> None:
    found = loaded({section: {key: value}}).model_dump(by_alias=True)[section][key]
    assert found == value


def test_loading_a_stack_file_never_changes_a_profile() -> None:
    before = repr(PROFILES)
    loaded({"profile": "ha", "kafka": {"config": {"message.max.bytes": 1}, "port": 9999}})
    with_profile({"kafka": {"config": {"a": "b"}}}, "light")
    assert repr(PROFILES) == before


def test_settings_cannot_be_changed_after_validation() -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded({}).kafka.port = 1


# Every field can be set

VALUES: dict[str, tuple[Any, Any]] = {
    "target": ("kubernetes", "kubernetes"),
    "profile": ("ha", "ha"),
    "images": ("local", "local"),
    "bindAddress": ("0.0.0.0", "0.0.0.0"),
    "protect": (True, True),
    "existingTopics": ("adopt", "adopt"),
    "topicsToDelete": (["left"], ["left"]),
    "topicsToRelease": (["stays"], ["stays"]),
    "health.deadline": ("90s", timedelta(seconds=90)),
    "kubernetes.context": ("test", "test"),
    "kubernetes.kubeconfig": ("/home/me/.kube/other", "/home/me/.kube/other"),
    "kubernetes.namespace": ("streaming", "streaming"),
    "kubernetes.createNamespace": (False, False),
    "kubernetes.clusterDomain": ("cluster.example", "cluster.example"),
    "kubernetes.storageClass": ("fast", "fast"),
    "kubernetes.imagePullPolicy": ("Never", "Never"),
    "kubernetes.imagePullPatience": ("90s", timedelta(seconds=90)),
    "kubernetes.imagePullSecrets": (["registry"], ["registry"]),
    "kubernetes.spread": ("preferred", "preferred"),
    "kubernetes.zones": (False, False),
    "kubernetes.clientNamespaces": (["apps", "jobs"], ["apps", "jobs"]),
    "zookeeper.image": ("own/zookeeper:1", "own/zookeeper:1"),
    "zookeeper.replicas": (3, 3),
    "zookeeper.heap": ("128MiB", 128 * MIB),
    "zookeeper.memory": ("1GiB", GIB),
    "zookeeper.cpu": ("500m", "500m"),
    "zookeeper.cpuLimit": (1.5, "1.5"),
    "zookeeper.storage": ("20GiB", 20 * GIB),
    "zookeeper.port": (22181, 22181),
    "zookeeper.jvmOptions": (["-Xint"], ["-Xint"]),
    "zookeeper.stopGrace": ("3s", timedelta(seconds=3)),
    "zookeeper.tickTime": ("500ms", timedelta(milliseconds=500)),
    "zookeeper.initLimit": (20, 20),
    "zookeeper.syncLimit": (7, 7),
    "zookeeper.config": ({"maxSessionTimeout": 60000}, {"maxSessionTimeout": "60000"}),
    "kafka.image": ("own/kafka:1", "own/kafka:1"),
    "kafka.replicas": (4, 4),
    "kafka.heap": ("700MiB", 700 * MIB),
    "kafka.memory": ("2GiB", 2 * GIB),
    "kafka.cpu": ("500m", "500m"),
    "kafka.cpuLimit": (1.5, "1.5"),
    "kafka.storage": ("20GiB", 20 * GIB),
    "kafka.port": (29192, 29192),
    "kafka.jvmOptions": ([], []),
    "kafka.stopGrace": ("1m", timedelta(minutes=1)),
    "kafka.internalPort": (30000, 30000),
    "kafka.external": ("loadBalancer", "loadBalancer"),
    "kafka.allowInsecureExternal": (True, True),
    "kafka.sourceRanges": (
        ["10.0.0.0/8", "192.0.2.7", "2001:DB8::/32"],
        ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"],
    ),
    "kafka.serviceAnnotations": ({"example.com/internal": True}, {"example.com/internal": "true"}),
    "kafka.advertisedHost": ("kafka-{ordinal}.example", "kafka-{ordinal}.example"),
    "kafka.retention": ("2d", timedelta(days=2)),
    "kafka.retentionBytes": (-1, -1),
    "kafka.segmentBytes": ("16MiB", 16 * MIB),
    "kafka.replicationFactor": (2, 2),
    "kafka.minInSyncReplicas": (2, 2),
    "kafka.numPartitions": (6, 6),
    "kafka.autoCreateTopics": (False, False),
    "kafka.uncleanLeaderElection": (True, True),
    "kafka.compression": ("zstd", "zstd"),
    "kafka.config": (
        {"message.max.bytes": 5},
        {
            "group.initial.rebalance.delay.ms": "0",
            "message.max.bytes": "5",
            "zookeeper.session.timeout.ms": "6000",
        },
    ),
    "monitor.enabled": (True, True),
    "monitor.image": ("own/exporter:1", "own/exporter:1"),
    "monitor.port": (29300, 29300),
    "monitor.memory": ("1GiB", GIB),
    "monitor.cpu": ("500m", "500m"),
    "monitor.cpuLimit": (1.5, "1.5"),
    "monitor.interval": ("45s", timedelta(seconds=45)),
    "monitor.lagThreshold": (5, 5),
    "monitor.jmx": (True, True),
    "monitor.prometheus.enabled": (True, True),
    "monitor.prometheus.image": ("own/prometheus:1", "own/prometheus:1"),
    "monitor.prometheus.port": (29301, 29301),
    "monitor.prometheus.memory": ("1GiB", GIB),
    "monitor.prometheus.cpu": ("500m", "500m"),
    "monitor.prometheus.cpuLimit": (1.5, "1.5"),
    "monitor.prometheus.storage": ("20GiB", 20 * GIB),
    "monitor.prometheus.retention": ("3d", timedelta(days=3)),
    "monitor.prometheus.retentionSize": ("5GiB", 5 * GIB),
    "monitor.prometheus.alertmanagers": (["alerts.example.com:9093"], ["alerts.example.com:9093"]),
    "monitor.grafana.enabled": (True, True),
    "monitor.grafana.image": ("own/grafana:1", "own/grafana:1"),
    "monitor.grafana.port": (29302, 29302),
    "monitor.grafana.memory": ("1GiB", GIB),
    "monitor.grafana.cpu": ("500m", "500m"),
    "monitor.grafana.cpuLimit": (1.5, "1.5"),
    "monitor.grafana.password": ("hunter2", SecretStr("hunter2")),
    "redis.image": ("own/redis:1", "own/redis:1"),
    "redis.port": (26379, 26379),
    "redis.memory": ("1GiB", GIB),
    "redis.cpu": ("500m", "500m"),
    "redis.cpuLimit": (1.5, "1.5"),
    "redis.storage": ("20GiB", 20 * GIB),
    "redis.maxMemory": ("100MiB", 100 * MIB),
    "redis.evictionPolicy": ("volatile-ttl", "volatile-ttl"),
    "redis.appendOnly": (True, True),
    "redis.save": (["3600 1", "60 5"], ["3600 1", "60 5"]),
    "redis.authentication": (True, True),
    "redis.acceptPreviousPassword": (False, False),
    "redis.password": ("hunter2", SecretStr("hunter2")),
    "redis.stopGrace": ("3s", timedelta(seconds=3)),
    "redis.config": ({"hz": 20}, {"hz": "20"}),
    "access.enabled": (True, True),
    "access.tls.lifetime": ("30d", timedelta(days=30)),
    "access.tls.sign": (2, 2),
    "access.tls.trust": ([1, 2], [1, 2]),
    "apps.name": ("billing-eu", "billing-eu"),
    "apps.produces": (["orders", "invoices-*"], ["orders", "invoices-*"]),
    "apps.consumes": (["payments"], ["payments"]),
    "apps.groups": (["billing-*"], ["billing-*"]),
    "apps.transactions": (["billing-*"], ["billing-*"]),
    "apps.redis": ("billing:*", ["billing:*"]),
    "apps.quota.produce": ("5MiB/s", 5 * MIB),
    "apps.quota.consume": ("10MiB/s", 10 * MIB),
    "apps.quota.requestPercent": (50, 50),
    "apps.namespace": ("billing", "billing"),
    "apps.generation": (2, 2),
    "apps.keepPrevious": (False, False),
    "topics.name": ("payments", "payments"),
    "topics.partitions": (12, 12),
    "topics.replicationFactor": (1, 1),
    "topics.minInSyncReplicas": (1, 1),
    "topics.retention": ("36h", timedelta(hours=36)),
    "topics.retentionBytes": ("5GiB", 5 * GIB),
    "topics.cleanup": ("compact,delete", "compact,delete"),
    "topics.compression": ("lz4", "lz4"),
    "topics.maxMessageBytes": ("2MiB", 2 * MIB),
    "topics.config": ({"preallocate": True}, {"preallocate": "true"}),
    "topics.protect": (True, True),
}
"""For every field by path: a value as in a stack file, and the resulting setting. No value is the default."""

BESIDE: dict[str, dict[str, Any]] = {
    "target": {"kubernetes": {"context": "test"}},
    "apps.redis": {"redis": {"authentication": True}},
    "monitor.jmx": {"monitor": {"enabled": True}},
    "monitor.prometheus.enabled": {"monitor": {"enabled": True}},
    "monitor.grafana.enabled": {"monitor": {"enabled": True, "prometheus": {"enabled": True}}},
}
"""Other settings that a stack file needs for a value to be valid."""

NEEDED: dict[str, dict[str, Any]] = {
    "kafka.replicationFactor": {"replicas": 3},
    "kafka.minInSyncReplicas": {"replicas": 3, "replicationFactor": 3},
    "kafka.external": {"allowInsecureExternal": True},
    "kafka.sourceRanges": {"external": "loadBalancer", "allowInsecureExternal": True},
    "kafka.serviceAnnotations": {"external": "nodePort", "port": 30092, "allowInsecureExternal": True},
    "redis.password": {"authentication": True},
    "access.tls.sign": {"trust": [1, 2]},
}
"""Other settings that a section needs for a value to be valid."""


WITH_APP: dict[str, Any] = {
    "access": {"enabled": True},
    "apps": [{"name": "billing", "produces": ["receipts"], "groups": ["billing"]}],
}
"""A stack file with an application, which needs something to do."""


def with_value(path: str, value: Any) -> dict[str, Any]:
    """A stack file with one value and the other values that it requires."""
    section, _, key = path.rpartition(".")
    if section == "topics":
        return {"topics": [{**TOPIC, key: value}]}
    if section in ("apps", "apps.quota"):
        app = WITH_APP["apps"][0]
        changed = {**app, **({key: value} if section == "apps" else {"quota": {key: value}})}
        return {**WITH_APP, **BESIDE.get(path, {}), "apps": [changed]}
    declared: dict[str, Any] = deepcopy(BESIDE.get(path, {}))
    here = declared
    for part in section.split(".") if section else []:
        here = here.setdefault(part, {})
    here.update({**NEEDED.get(path, {}), key: value})
    return declared


def test_every_field_has_a_value_in_the_table_of_these_tests() -> None:
    assert sorted(path for path, _, _ in FIELDS) == sorted(VALUES), "give a new field a line in VALUES"


ONLY_ON_KUBERNETES = {
    "apps.namespace",
    "kafka.external",
    "kafka.sourceRanges",
    "kafka.serviceAnnotations",
    "kubernetes.context",
}


@pytest.mark.parametrize("field", ["kafka", "kubernetes"])
def test_settings_of_kubernetes_are_refused_on_docker(field: str) -> None:
    """Most likely the target was forgotten, and production would be deployed to this machine."""
    declared, line = {
        "kafka": (
            {"kafka": {"external": "nodePort"}},
            "kafka.external is nodePort but target is docker, which publishes all ports",
        ),
        "kubernetes": (
            {"kubernetes": {"context": "production"}},
            "kubernetes.context is set but target is docker; set target to kubernetes, or remove it",
        ),
    }[field]
    assert problems(declared) == [line]


@pytest.mark.parametrize(
    ("server", "declared", "line"),
    [
        (
            "kafka",
            {"cpu": "2", "cpuLimit": "500m"},
            "kafka: cpuLimit 500m is below cpu 2; a limit must be at least the request",
        ),
        (
            "redis",
            {"cpu": "0.6", "cpuLimit": "0.5"},
            "redis: cpuLimit 0.5 is below cpu 0.6; a limit must be at least the request",
        ),
        ("zookeeper", {"storage": 0}, "zookeeper: storage must be at least 1MiB"),
    ],
)
def test_resources_that_contradict_each_other_are_refused(server: str, declared: dict[str, Any], line: str) -> None:
    assert problems({server: declared}) == [line]


@pytest.mark.parametrize("path", sorted(VALUES))
def test_every_field_can_be_set_from_a_stack_file(path: str) -> None:
    written, meant = VALUES[path]
    declared = with_value(path, written)
    if path in ONLY_ON_KUBERNETES:
        place = {"target": "kubernetes", "kubernetes": {"context": "test"}}
        declared = {**place, **declared, "kafka": {"advertisedHost": "kafka.example", **declared.get("kafka", {})}}
    assert value_at(loaded(declared, secrets=("redis", "monitor")), path) == meant
    default = loaded({"topics": [TOPIC], **({} if path == "access.enabled" else WITH_APP)})
    assert value_at(default, path) != meant, "the default would hide that the value was ignored"


@pytest.mark.parametrize(("path", "name", "description"), FIELDS, ids=[path for path, _, _ in FIELDS])
def test_every_field_has_a_camel_case_name_and_a_description(path: str, name: str, description: str | None) -> None:
    alias = path.rpartition(".")[2]
    first, *others = name.split("_")
    assert alias == first + "".join(word.capitalize() for word in others)
    assert description, f"{path} needs a description"
    assert description.strip() == description


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_section_has_a_description(name: str) -> None:
    assert Settings.model_fields[name].description


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"kafka": {"replicas": "three"}}, 'kafka.replicas is "three": must be a whole number'),
        ({"kafka": {"replicas": 2.5}}, "kafka.replicas is 2.5: must be a whole number"),
        ({"kafka": {"replicas": None}}, "kafka.replicas is empty: must be a whole number"),
        ({"kafka": {"replicas": [1]}}, "kafka.replicas is a list: must be a whole number"),
        ({"kafka": {"replicas": 0}}, "kafka.replicas is 0: must be at least 1"),
        ({"kafka": {"port": 0}}, "kafka.port is 0: must be at least 1"),
        ({"redis": {"port": 65536}}, "redis.port is 65536: must be at most 65535"),
        ({"kafka": {"autoCreateTopics": "maybe"}}, 'kafka.autoCreateTopics is "maybe": must be true or false'),
        ({"kafka": {"autoCreateTopics": []}}, "kafka.autoCreateTopics is a list: must be true or false"),
        ({"bindAddress": True}, "bindAddress is true: must be text"),
        ({"kafka": {"image": 3}}, "kafka.image is 3: must be text"),
        ({"kafka": {"advertisedHost": ""}}, f'kafka.advertisedHost is "": {NO_HOST}'),
        ({"kafka": {"jvmOptions": "-Xint"}}, 'kafka.jvmOptions is "-Xint": must be a list'),
        ({"kafka": {"jvmOptions": [1]}}, "kafka.jvmOptions[0] is 1: must be text"),
        ({"kafka": 3}, "kafka is 3: must be a mapping of keys to values"),
        ({"kafka": None}, "kafka is empty: must be a mapping of keys to values"),
        ({"kafka": []}, "kafka is a list: must be a mapping of keys to values"),
        ({"kafka": {"config": []}}, "kafka.config is a list: must be a mapping of keys to values"),
        ({"kafka": {"config": {"a": None}}}, "kafka.config.a is empty: must be text"),
        ({"kafka": {"config": {"a": {"b": 1}}}}, "kafka.config.a is a mapping: must be text"),
        ({"topics": "orders"}, 'topics is "orders": must be a list'),
        ({"topics": TOPIC}, "topics is a mapping: must be a list"),
        ({"topics": ["orders"]}, 'topics[0] is "orders": must be a mapping of keys to values'),
        ({"topics": [TOPIC, {"partitions": 3}]}, "topics[1].name is required"),
        (topic(name=3), "topics[0].name is 3: must be text"),
        (topic(partitions=0), "topics[0].partitions is 0: must be at least 1"),
        (topic(replicationFactor=0), "topics[0].replicationFactor is 0: must be at least 1"),
        ({"images": "private"}, "images is \"private\": allowed are 'auto', 'public' or 'local'"),
        (
            {"topics": [{"name": "a"}], "topicsToDelete": ["a"]},
            'topic "a" is in topics and in topicsToDelete; remove it from all but one',
        ),
        (
            {"topicsToDelete": ["a"], "topicsToRelease": ["a"]},
            'topic "a" is in topicsToDelete and in topicsToRelease; remove it from all but one',
        ),
        (
            {"topicsToDelete": ["__consumer_offsets"]},
            'topicsToDelete[0] is "__consumer_offsets": "__consumer_offsets" starts with "__", which is kept for '
            "internal topics",
        ),
        ({"existingTopics": "steal"}, "existingTopics is \"steal\": allowed are 'refuse' or 'adopt'"),
        (topic(cleanup="purge"), "topics[0].cleanup is \"purge\": allowed are 'delete', 'compact' or 'compact,delete'"),
        (topic(compression="zip"), f'topics[0].compression is "zip": allowed are {COMPRESSIONS}'),
        ({"kafka": {"compression": "zip"}}, f'kafka.compression is "zip": allowed are {COMPRESSIONS}'),
        (
            {"redis": {"evictionPolicy": "lru"}},
            "redis.evictionPolicy is \"lru\": allowed are 'noeviction', 'allkeys-lru', 'allkeys-lfu', "
            "'allkeys-random', 'volatile-lru', 'volatile-lfu', 'volatile-random' or 'volatile-ttl'",
        ),
    ],
)
def test_a_wrong_type_or_choice_is_reported_with_path_value_and_rule(declared: dict[str, Any], line: str) -> None:
    assert problems(declared) == [line]


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"profle": "light"}, unknown("profle", Settings, ' Did you mean "profile"?')),
        ({"zzz": 1}, unknown("zzz", Settings)),
        ({"kafka": {"retnetion": "7d"}}, unknown("kafka.retnetion", KafkaSettings, ' Did you mean "retention"?')),
        (
            {"kafka": {"min_in_sync_replicas": 1}},
            unknown("kafka.min_in_sync_replicas", KafkaSettings, ' Did you mean "minInSyncReplicas"?'),
        ),
        ({"zookeeper": {"zzz": 1}}, unknown("zookeeper.zzz", ZooKeeperSettings)),
        ({"redis": {"maxmemory": "1MiB"}}, unknown("redis.maxmemory", RedisSettings, ' Did you mean "maxMemory"?')),
        (topic(partitons=3), unknown("topics[0].partitons", TopicSettings, ' Did you mean "partitions"?')),
        ({"health": {"dedline": "1m"}}, 'health.dedline: unknown key. Did you mean "deadline"? Allowed are deadline'),
    ],
)
def test_an_unknown_key_is_reported_with_a_similar_one_and_all_valid_keys(declared: dict[str, Any], line: str) -> None:
    assert problems(declared) == [line]


@pytest.mark.parametrize("key", ["str", "int", "a[b]", "constrained-int"])
@pytest.mark.parametrize("section", ["", "kafka"])
def test_an_unknown_key_of_any_spelling_is_named(section: str, key: str) -> None:
    declared = {section: {key: 1}} if section else {key: 1}
    (line,) = problems(declared)
    assert line.startswith(f"{section}.{key}: unknown key." if section else f"{key}: unknown key.")


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"kafka": {"retention": "soon"}}, f'kafka.retention is "soon": {NO_DURATION}'),
        ({"kafka": {"retention": True}}, f"kafka.retention is true: {NO_DURATION}"),
        ({"kafka": {"retention": None}}, f"kafka.retention is empty: {NO_DURATION}"),
        ({"kafka": {"retention": [1]}}, f"kafka.retention is a list: {NO_DURATION}"),
        ({"zookeeper": {"tickTime": "2 s"}}, f'zookeeper.tickTime is "2 s": {NO_DURATION}'),
        ({"health": {"deadline": "P1D"}}, f'health.deadline is "P1D": {NO_DURATION}'),
        (topic(retention="soon"), f'topics[0].retention is "soon": {NO_DURATION}'),
        (topic(retention=[]), f"topics[0].retention is a list: {NO_DURATION}"),
        ({"kafka": {"heap": "lots"}}, f'kafka.heap is "lots": {NO_SIZE}'),
        ({"kafka": {"heap": "5 parsecs"}}, f'kafka.heap is "5 parsecs": {NO_SIZE}'),
        ({"kafka": {"heap": -1}}, f"kafka.heap is -1: {NO_SIZE}"),
        ({"kafka": {"memory": None}}, f"kafka.memory is empty: {NO_SIZE}"),
        ({"kafka": {"segmentBytes": -1}}, f"kafka.segmentBytes is -1: {NO_SIZE}"),
        ({"kafka": {"retentionBytes": "lots"}}, f'kafka.retentionBytes is "lots": {NO_SIZE}'),
        ({"kafka": {"retentionBytes": -2}}, f"kafka.retentionBytes is -2: {NO_SIZE}"),
        (topic(retentionBytes="lots"), f'topics[0].retentionBytes is "lots": {NO_SIZE}'),
        (topic(maxMessageBytes="big"), f'topics[0].maxMessageBytes is "big": {NO_SIZE}'),
        ({"redis": {"maxMemory": "much"}}, f'redis.maxMemory is "much": {NO_SIZE}'),
    ],
)
def test_an_invalid_duration_or_size_is_reported_in_one_line_with_examples(declared: dict[str, Any], line: str) -> None:
    assert problems(declared) == [line], "a value that may also be -1 must not cause a line for each alternative"


@pytest.mark.parametrize(
    ("declared", "shown"),
    [
        ({"health": {"deadline": -1}}, "health.deadline is -1"),
        ({"zookeeper": {"stopGrace": -5}}, "zookeeper.stopGrace is -5"),
        ({"zookeeper": {"tickTime": -2000}}, "zookeeper.tickTime is -2000"),
        (topic(retention=-2), "topics[0].retention is -2"),
    ],
)
def test_a_negative_duration_is_refused(declared: dict[str, Any], shown: str) -> None:
    assert problems(declared) == [f"{shown}: {NO_DURATION}"]


@pytest.mark.parametrize(
    ("retention", "shown"),
    [
        (9223372036854775807, "9223372036854775807"),
        ("9223372036854775807", '"9223372036854775807"'),
        ("99999999999d", '"99999999999d"'),
        ("36501d", '"36501d"'),
    ],
)
def test_a_too_large_duration_is_reported_without_a_traceback(retention: object, shown: str) -> None:
    """The largest number of milliseconds is a common way to tell Kafka "forever", so users write it."""
    assert problems({"kafka": {"retention": retention}}) == [
        f"kafka.retention is {shown}: {NO_DURATION}, of at most 36500d"
    ]


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"kafka": {"replicas": True}}, "kafka.replicas is true: must be a number"),
        ({"kafka": {"port": False}}, "kafka.port is false: must be a number"),
        ({"kafka": {"heap": True}}, "kafka.heap is true: must be a number"),
        ({"kafka": {"retentionBytes": True}}, "kafka.retentionBytes is true: must be a number"),
        (topic(partitions=True), "topics[0].partitions is true: must be a number"),
        (topic(replicationFactor=True), "topics[0].replicationFactor is true: must be a number"),
    ],
)
def test_a_boolean_is_not_a_number(declared: dict[str, Any], line: str) -> None:
    assert problems(declared) == [line]


@pytest.mark.parametrize(("heap", "shown"), [(0, "0"), ("1KiB", '"1KiB"')])
@pytest.mark.parametrize("section", ["zookeeper", "kafka"])
def test_a_heap_below_a_mebibyte_is_refused(section: str, heap: object, shown: str) -> None:
    """The JVM gets its heap in whole mebibytes and does not start with 0."""
    assert problems({section: {"heap": heap}}) == [f"{section}.heap is {shown}: heap must be at least 1MiB"]


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        (
            {"kafka": {"heap": "1GiB"}},
            "kafka: heap 1.0GiB does not fit into memory 1.0GiB: "
            "a JVM needs more than its heap, and a broker needs page cache",
        ),
        (
            {"zookeeper": {"heap": "600MiB"}},
            "zookeeper: heap 600.0MiB does not fit into memory 512.0MiB: "
            "a JVM needs more than its heap, and a broker needs page cache",
        ),
        (
            {"zookeeper": {"memory": "256MiB"}},
            "zookeeper: heap 256.0MiB does not fit into memory 256.0MiB: "
            "a JVM needs more than its heap, and a broker needs page cache",
        ),
        (
            {"redis": {"maxMemory": "256MiB"}},
            "redis: maxMemory 256.0MiB does not fit into memory 256.0MiB: a snapshot needs room beside the data",
        ),
        (
            {"redis": {"memory": "64MiB"}},
            "redis: maxMemory 128.0MiB does not fit into memory 64.0MiB: a snapshot needs room beside the data",
        ),
        ({"kafka": {"replicationFactor": 2}}, "kafka: replicationFactor 2 is above replicas 1"),
        ({"profile": "ha", "kafka": {"replicas": 2}}, "kafka: replicationFactor 3 is above replicas 2"),
        ({"kafka": {"minInSyncReplicas": 2}}, "kafka: minInSyncReplicas 2 is above replicationFactor 1"),
        (
            {"profile": "ha", "kafka": {"minInSyncReplicas": 4}},
            "kafka: minInSyncReplicas 4 is above replicationFactor 3",
        ),
    ],
)
def test_conflicting_values_of_a_section_are_reported(declared: dict[str, Any], line: str) -> None:
    assert problems(declared) == [line]


@pytest.mark.parametrize(
    ("declared", "lines"),
    [
        ({"kafka": {"port": 2181}}, ["zookeeper-0 and kafka-0 would both take port 2181"]),
        ({"redis": {"port": 9092}}, ["kafka-0 and redis-0 would both take port 9092"]),
        (
            {"profile": "ha", "redis": {"port": 19094}},
            ["kafka-2 and redis-0 would both take port 19094"],
        ),
        (
            {"profile": "ha", "kafka": {"port": 12182}},
            ["zookeeper-1 to zookeeper-2 and kafka-0 to kafka-1 would both take ports 12182 to 12183"],
        ),
        (
            {"zookeeper": {"port": 65535, "replicas": 3}},
            ["zookeeper-1 to zookeeper-2 would need ports 65536 to 65537, above 65535"],
        ),
        (
            {"zookeeper": {"port": 65534, "replicas": 3}},
            ["zookeeper-2 would need port 65536, above 65535"],
        ),
        (
            {"kafka": {"port": 65500, "replicas": 100}},
            ["kafka-36 to kafka-99 would need ports 65536 to 65599, above 65535"],
        ),
        (
            {"kafka": {"port": 2180, "replicas": 3}, "redis": {"port": 2182}},
            ["zookeeper-0 and kafka-1 would both take port 2181", "kafka-2 and redis-0 would both take port 2182"],
        ),
        (
            {"kafka": {"port": 6000, "replicas": 1000}, "zookeeper": {"port": 6300, "replicas": 3}},
            [
                "zookeeper-0 to zookeeper-2 and kafka-300 to kafka-302 would both take ports 6300 to 6302",
                "kafka-379 and redis-0 would both take port 6379",
            ],
        ),
    ],
)
def test_clashing_or_too_high_ports_are_reported_by_member(declared: dict[str, Any], lines: list[str]) -> None:
    assert problems(declared) == lines


def test_the_highest_port_can_be_used() -> None:
    assert loaded({"zookeeper": {"port": 65533, "replicas": 3}}).host_ports()["zookeeper-2"] == 65535


def test_a_container_port_may_equal_the_published_port_of_a_different_member() -> None:
    assert loaded({"kafka": {"internalPort": 6379}}).kafka.internal_port == 6379


@pytest.mark.parametrize(
    ("bound", "host", "line"),
    [
        ("192.0.2.7", None, None),
        ("192.0.2.7", "kafka.example", None),
        ("192.0.2.7", "198.51.100.1", None),
        ("0.0.0.0", "127.0.0.1", None),
        ("0.0.0.0", "localhost", None),
        ("127.0.0.1", "localhost", None),
        ("127.0.0.2", "127.0.0.2", None),
        ("192.0.2.7", "127.0.0.1", True),
        ("192.0.2.7", "localhost", True),
        ("127.0.0.2", "127.0.0.1", True),
    ],
)
def test_brokers_advertise_loopback_only_where_ports_are_bound_to_it(
    bound: str, host: str | None, line: object
) -> None:
    """A client that is sent to an address on which nothing listens never becomes healthy."""
    declared = {"bindAddress": bound, "kafka": {} if host is None else {"advertisedHost": host}}
    if line is None:
        assert loaded(declared).kafka.advertised_host == host
    else:
        assert problems(declared) == [
            f"kafka.advertisedHost is {host}, but ports are bound to {bound} only (bindAddress); "
            f"remove it, and brokers advertise {bound}"
        ]


# Upper bounds

HUGE = 10**30
TOO_LARGE: list[tuple[str, object, str]] = [
    *[
        (path, value, f"must be at most {most}")
        for path, most in {
            "kafka.replicas": 1000,
            "kafka.replicationFactor": 1000,
            "kafka.minInSyncReplicas": 1000,
            "kafka.numPartitions": 200_000,
            "kafka.port": 65535,
            "zookeeper.replicas": 255,
            "zookeeper.initLimit": 2**31 - 1,
            "zookeeper.syncLimit": 2**31 - 1,
            "monitor.lagThreshold": 2**53,
            "topics.partitions": 200_000,
            "topics.replicationFactor": 1000,
            "topics.minInSyncReplicas": 1000,
        }.items()
        for value in (most + 1, HUGE)
    ],
    *[
        (path, value, "must be at most 64TiB")
        for path in ("kafka.heap", "zookeeper.memory", "redis.maxMemory", "monitor.memory", "monitor.grafana.memory")
        for value in (64 * 1024**4 + 1, "65TiB", HUGE)
    ],
    *[
        (path, value, "must be at most 1EiB")
        for path in ("kafka.storage", "redis.storage", "monitor.prometheus.retentionSize")
        for value in ("2EiB", HUGE)
    ],
    *[(path, 2**31, "must be at most 2147483647 bytes") for path in ("kafka.segmentBytes", "topics.maxMessageBytes")],
    *[
        (path, 2**63, "must be at most 9223372036854775807 bytes")
        for path in ("kafka.retentionBytes", "topics.retentionBytes")
    ],
    *[
        (path, value, "must be at most 8192 cores")
        for path in ("kafka.cpu", "redis.cpuLimit")
        for value in (8193, "8192.001", "8192001m", "9" * 5000, "9" * 5000 + "m")
    ],
    *[
        (path, value, "must be at most 1d")
        for path in ("health.deadline", "kafka.stopGrace", "redis.stopGrace", "zookeeper.tickTime")
        for value in ("25h", 86_400_001)
    ],
    ("kafka.advertisedHost", "a" * 254, "must have at most 253 characters"),
    ("kafka.image", "a" * 521, "must have at most 520 characters"),
    ("kubernetes.context", "a" * 1025, "must have at most 1024 characters"),
    ("kubernetes.kubeconfig", "a" * 4097, "must have at most 4096 characters"),
    ("kubernetes.clusterDomain", "a" * 254, "must have at most 253 characters"),
    ("kubernetes.storageClass", "a" * 254, "must have at most 253 characters"),
    ("kubernetes.clientNamespaces", ["a"] * 101, "must have at most 100 entries"),
    ("kubernetes.imagePullSecrets", ["a"] * 101, "must have at most 100 entries"),
    ("kafka.jvmOptions", ["-Xint"] * 61, "must have at most 60 entries"),
    ("redis.save", ["60 1"] * 101, "must have at most 100 entries"),
    ("monitor.prometheus.alertmanagers", ["a:1"] * 101, "must have at most 100 entries"),
]


@pytest.mark.parametrize(
    ("path", "value", "rule"), TOO_LARGE, ids=[f"{path}-{number}" for number, (path, _, _) in enumerate(TOO_LARGE)]
)
def test_a_value_above_its_bound_is_one_mistake(path: str, value: object, rule: str) -> None:
    (line,) = problems(with_value(path, value))
    assert line.startswith(path.replace("topics.", "topics[0].") + " is ")
    assert line.endswith(f": {rule}")
    assert len(line) < 200, "a long value is cut"


@pytest.mark.parametrize(
    ("path", "value"),
    [("kafka.memory", "64TiB"), ("kafka.storage", "1EiB"), ("kafka.cpuLimit", 8192), ("kafka.stopGrace", "1d")],
)
def test_the_largest_value_is_accepted(path: str, value: object) -> None:
    loaded(with_value(path, value))


def test_a_password_that_is_too_long_is_not_repeated() -> None:
    declared = {"redis": {"authentication": True, "password": "hunter2" * 200}}
    assert problems(declared, secrets=("redis",)) == ["redis.password is (a secret): must have at most 1024 characters"]


def test_a_config_must_fit_into_a_config_map() -> None:
    loaded({"kafka": {"config": {"a": "x" * 50_000, "b": "x" * 49_000}}})
    (line,) = problems({"zookeeper": {"config": {"a": "x" * 50_000, "b": "x" * 50_000}}})
    assert line == "zookeeper.config: has 100002 characters; at most 100000 are allowed"


def test_topics_may_not_have_more_partitions_than_a_cluster_can_hold() -> None:
    topics = [{"name": f"t{number}", "partitions": 100_000} for number in range(3)]
    assert problems({"topics": topics}) == ["topics have 300000 partitions together; a cluster has at most 200000"]
    assert problems({"topics": [{"name": f"t{number}"} for number in range(10_001)]}) == [
        "topics is a list: must have at most 10000 entries"
    ]


def test_ticks_of_zookeeper_must_fit_into_its_numbers() -> None:
    assert problems({"zookeeper": {"tickTime": "1h", "initLimit": 600, "syncLimit": 596}}) == [
        "zookeeper: initLimit 600 times tickTime 3600000ms is above 2147483647ms, ZooKeeper's longest time"
    ]


def test_only_the_first_of_many_mistakes_are_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded({"topics": [{"name": ""}] * 2000})
    assert caught.value.headline == "Pulumi.test.yaml: 2000 mistakes; nothing was changed"
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1] == "and 1950 further mistakes"


@pytest.mark.parametrize(
    "cpu", ["abc", "", 0, -1, "1e3", None, [], {}, True, float("nan"), 1e300, HUGE, "9" * 2_000_000], ids=range(13)
)
@pytest.mark.parametrize(
    "beside", [{"replicas": 0}, {"zzz": 1}, {"cpuLimit": "x"}, {"cpuLimit": "1"}, {"heap": "9GiB"}], ids=range(5)
)
def test_an_invalid_cpu_is_reported_with_every_other_mistake(cpu: object, beside: dict[str, Any]) -> None:
    found = problems({"kafka": {"cpu": cpu, **beside}, "redis": {"port": 0}})
    assert found[0].startswith("kafka.cpu is ") or found[1].startswith("kafka.cpu is ")
    assert "redis.port is 0: must be at least 1" in found
    invalid = beside.keys() & {"replicas", "zzz"} or beside.get("cpuLimit") == "x"
    assert len(found) == (3 if invalid else 2)


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"kafka": {"port": 10**5000}}, "kafka.port is a very large number: must be at most 65535"),
        ({"kafka": {"port": "9" * 5000}}, f'kafka.port is "{"9" * 79}…": must be a whole number of fewer digits'),
        (
            {"kafka": {"retention": 10**5000}},
            f"kafka.retention is a very large number: {NO_DURATION}, of at most 36500d",
        ),
        ({"kafka": {"memory": "1GiB junk"}}, f'kafka.memory is "1GiB junk": {NO_SIZE}'),
        ({"kafka": {"image": "\ud800"}}, 'kafka.image is "\\ud800": must be text'),
        ({"kafka": {"image": ["\x1b[2J"]}}, "kafka.image is a list: must be text"),
        ({"kafka": {"port": "\x1b[2J"}}, 'kafka.port is "\\x1b[2J": must be a whole number'),
        ({"kafka": {"config": {"\ud800": "x"}}}, "kafka.config: has a key or value that is not Unicode text"),
        (
            {"kafka": {"advertisedHost": "0.0.0.0"}},
            'kafka.advertisedHost is "0.0.0.0": brokers refuse to advertise '
            "0.0.0.0, which stands for all addresses; name one host",
        ),
        ({"profile": {"a": [1]}}, 'profile is "a mapping": allowed are light, ha, production.'),
    ],
    ids=range(10),
)
def test_odd_numbers_and_text_are_shown_in_a_readable_form(declared: dict[str, Any], line: str) -> None:
    assert problems(declared) == [line]


def test_a_secret_profile_is_not_repeated() -> None:
    assert problems({"profile": "hunter2"}, secrets=("profile",)) == [
        'profile is "(a secret)": allowed are light, ha, production.'
    ]


# Kubernetes

NO_CPU = "must be cores such as 2 or 0.5, or thousandths such as 500m"


@pytest.mark.parametrize(
    ("kafka", "lines"),
    [
        pytest.param({"external": "nodePort", "advertisedHost": "a.example"}, [], id="node-ports"),
        pytest.param({"external": "nodePort", "advertisedHost": "a.example", "port": 30000}, [], id="first-node-port"),
        pytest.param({"external": "nodePort", "advertisedHost": "a.example", "port": 32765}, [], id="last-node-ports"),
        pytest.param({"external": "nodePort", "advertisedHost": "n{ordinal}.example"}, [], id="one-node-per-broker"),
        pytest.param(
            {"external": "nodePort", "advertisedHost": "a.example", "port": 29999},
            ["kafka.port is 29999: node ports are 30000 to 32767, one for each broker"],
            id="below-the-node-ports",
        ),
        pytest.param(
            {"external": "nodePort", "advertisedHost": "a.example", "port": 32766},
            ["kafka.port is 32766: node ports are 30000 to 32767, one for each broker"],
            id="the-last-broker-is-above-the-node-ports",
        ),
        pytest.param(
            {"external": "nodePort"},
            ["kafka.advertisedHost must be a host that outside clients reach: external is nodePort"],
            id="node-ports-without-a-host",
        ),
        pytest.param(
            {"external": "nodePort", "port": 9092},
            [
                "kafka.port is 9092: node ports are 30000 to 32767, one for each broker",
                "kafka.advertisedHost must be a host that outside clients reach: external is nodePort",
            ],
            id="both",
        ),
        pytest.param({"external": "loadBalancer", "advertisedHost": "k{ordinal}.example"}, [], id="load-balancers"),
        pytest.param(
            {"external": "loadBalancer", "advertisedHost": "k{ordinal}.example", "port": 9094},
            [],
            id="load-balancers-on-any-port",
        ),
        pytest.param(
            {
                "external": "loadBalancer",
                "advertisedHost": "kafka.example",
                "replicas": 1,
                "replicationFactor": 1,
                "minInSyncReplicas": 1,
            },
            [],
            id="a-single-load-balancer",
        ),
        pytest.param(
            {"external": "loadBalancer", "advertisedHost": "kafka.example"},
            [
                'kafka.advertisedHost is "kafka.example": every broker needs a name of its own behind its load '
                'balancer; write {ordinal} where they differ, as in "kafka-{ordinal}.example.com"'
            ],
            id="load-balancers-with-the-same-name",
        ),
        pytest.param(
            {"external": "loadBalancer"},
            ["kafka.advertisedHost must be a host that outside clients reach: external is loadBalancer"],
            id="load-balancers-without-a-host",
        ),
        pytest.param(
            {"external": "loadBalancer", "advertisedHost": "127.0.0.1"},
            [
                "kafka.advertisedHost must be a host that outside clients reach: external is loadBalancer",
                'kafka.advertisedHost is "127.0.0.1": every broker needs a name of its own behind its load '
                'balancer; write {ordinal} where they differ, as in "kafka-{ordinal}.example.com"',
            ],
            id="load-balancers-on-loopback",
        ),
        pytest.param({"port": 9092, "advertisedHost": "kafka.example"}, [], id="not-exposed"),
    ],
)
def test_brokers_that_clients_outside_cannot_reach_are_reported(kafka: dict[str, Any], lines: list[str]) -> None:
    declared = cluster(kafka={"allowInsecureExternal": True, **kafka})
    if lines:
        assert problems(declared) == lines
    else:
        assert loaded(declared).kafka.external == kafka.get("external", "none")


EXPOSED = (
    "kafka.external is {} but access.enabled is false: whoever reaches the ports may read and write all records. For a "
    "new platform set access.enabled to true; in a network that you trust, kafka.allowInsecureExternal"
)
OUTSIDE = {"advertisedHost": "k{ordinal}.example"}


@pytest.mark.parametrize("external", ["nodePort", "loadBalancer"])
def test_brokers_that_ask_for_no_user_are_exposed_only_if_the_stack_file_says_so(external: str) -> None:
    kafka = {**OUTSIDE, "external": external}
    assert problems(cluster(kafka=kafka)) == [EXPOSED.format(external)]
    assert loaded(cluster(kafka={**kafka, "allowInsecureExternal": True})).kafka.external == external
    assert loaded(cluster(kafka=kafka, access={"enabled": True})).kafka.external == external


NO_NETWORK = "must be a network such as 10.0.0.0/8 or 2001:db8::/32"


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("10.0.0.0/33", NO_NETWORK),
        ("10.0.0/8", NO_NETWORK),
        ("everyone", NO_NETWORK),
        ("", NO_NETWORK),
        ("2001:db8::/129", NO_NETWORK),
        ("fe80::%eth0/64", NO_NETWORK),
        ("10.0.0.1/8", "must be a network; this is an address in 10.0.0.0/8"),
        ("2001:db8::1/32", "must be a network; this is an address in 2001:db8::/32"),
    ],
)
def test_a_source_range_is_a_network(written: str, wrong: str) -> None:
    kafka = {**OUTSIDE, "external": "loadBalancer", "sourceRanges": ["10.0.0.0/8", written]}
    assert problems(cluster(kafka=kafka)) == [f'kafka.sourceRanges[1] is "{written}": {wrong}']


@pytest.mark.parametrize("key", ["a", "A.b_c-1", "a" * 63, "example.com/a", "Example.com/a", f"{'a.' * 126}a/b"])
def test_an_annotation_is_a_name_with_or_without_a_domain(key: str) -> None:
    kafka = {**OUTSIDE, "external": "nodePort", "allowInsecureExternal": True, "serviceAnnotations": {key: "x"}}
    assert loaded(cluster(kafka=kafka)).kafka.service_annotations == {key: "x"}


@pytest.mark.parametrize(
    "key",
    ["", "a b", "-a", "a-", "a" * 64, "/a", "a/", "a/b/c", "a..b/c", "-a/b", "a_b/c", "ä", "a\n", f"{'a.' * 127}a/b"],
)
def test_another_key_of_an_annotation_is_refused(key: str) -> None:
    kafka = {**OUTSIDE, "external": "nodePort", "serviceAnnotations": {key: "x", "good": "y"}}
    (line,) = problems(cluster(kafka=kafka))
    assert line.startswith('kafka.serviceAnnotations: "')
    assert line.endswith(
        'is no key of an annotation: it is a name of at most 63 letters, digits, "-", "_" and ".", after a domain and '
        '"/" if it has one'
    )


def test_annotations_for_pulumi_itself_are_refused() -> None:
    kafka = {**OUTSIDE, "external": "nodePort", "serviceAnnotations": {"pulumi.com/skipAwait": "false"}}
    assert problems(cluster(kafka=kafka)) == [
        'kafka.serviceAnnotations: "pulumi.com/skipAwait" tells Pulumi how to change an object, which the platform '
        "does; remove it"
    ]


@pytest.mark.parametrize("external", ["none", "nodePort"])
def test_source_ranges_without_load_balancers_are_refused(external: str) -> None:
    kafka = {**OUTSIDE, "external": external, "allowInsecureExternal": True, "sourceRanges": ["10.0.0.0/8"]}
    assert problems(cluster(kafka=kafka)) == [
        f"kafka: sourceRanges is set but external is {external}: only load balancers have source ranges; set external "
        "to loadBalancer, or remove sourceRanges"
    ]


def test_annotations_without_services_are_refused() -> None:
    assert problems(cluster(kafka={"serviceAnnotations": {"a": "b"}})) == [
        "kafka: serviceAnnotations is set but external is none, which makes no Service; set external to loadBalancer "
        "or nodePort, or remove serviceAnnotations"
    ]


def test_ports_may_clash_on_kubernetes() -> None:
    sections = {"zookeeper": {"port": 1000}, "kafka": {"port": 1000}, "redis": {"port": 1000}}
    assert loaded(cluster(**sections)).on_kubernetes, "each pod has an address of its own"
    assert problems({"profile": "production", **sections}) == [
        "zookeeper-0 to zookeeper-2 and kafka-0 to kafka-2 would both take ports 1000 to 1002",
        "zookeeper-0 and redis-0 would both take port 1000",
    ]


def test_mistakes_of_cluster_and_topics_are_reported_together() -> None:
    declared = cluster(kubernetes={}, topics=[{"name": "wide", "replicationFactor": 4}], kafka={"external": "nodePort"})
    assert problems(declared) == [
        NO_CONTEXT,
        EXPOSED.format("nodePort"),
        "kafka.advertisedHost must be a host that outside clients reach: external is nodePort",
        "topics[0] (wide): replication factor 4 is more than the 3 brokers there are",
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (1, "1"),
        (12, "12"),
        (0.5, "0.5"),
        (1.0, "1.0"),
        (2.25, "2.25"),
        ("2", "2"),
        ("500m", "500m"),
        ("1500m", "1500m"),
        ("0.125", "0.125"),
        (".5", ".5"),
    ],
)
@pytest.mark.parametrize("key", ["cpu", "cpuLimit"])
def test_cpu_is_cores_or_millicores(key: str, written: object, meant: str) -> None:
    assert value_at(loaded({"kafka": {"cpu": "1m", key: written}}), f"kafka.{key}") == meant


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (0, "0"),
        (-1, "-1"),
        ("0", '"0"'),
        ("0m", '"0m"'),
        ("", '""'),
        ("m", '"m"'),
        ("2 cores", '"2 cores"'),
        ("500M", '"500M"'),
        ("500 m", '"500 m"'),
        ("0.5m", '"0.5m"'),
        ("01", '"01"'),
        ("0.0001", '"0.0001"'),
        ("1.", '"1."'),
        ("1e3", '"1e3"'),
        ("\uff11", '"\uff11"'),
        ("1\n", '"1\n"'),
        (float("inf"), "inf"),
    ],
)
@pytest.mark.parametrize("key", ["cpu", "cpuLimit"])
def test_an_invalid_cpu_amount_is_refused(key: str, written: object, shown: str) -> None:
    assert problems({"redis": {key: written}}) == [f"redis.{key} is {shown}: {NO_CPU}"]


# Keys that the platform derives

PROTECTED = [
    (section, key, cure)
    for section, keys in (
        ("zookeeper", PROTECTED_ZOOKEEPER_KEYS),
        ("kafka", PROTECTED_BROKER_KEYS),
        ("redis", PROTECTED_REDIS_KEYS),
    )
    for key, cure in keys.items()
]


@pytest.mark.parametrize(("section", "key", "cure"), PROTECTED)
def test_a_key_that_the_platform_renders_is_refused_with_the_setting_to_use(section: str, key: str, cure: str) -> None:
    assert problems({section: {"config": {key: "x"}}}) == [
        f'{section}.config: "{key}" is rendered by the platform; {cure}'
    ]


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("zookeeper", "clientPort dataDir dataLogDir initLimit syncLimit tickTime 4lw.commands.whitelist"),
        ("kafka", "broker.id node.id process.roles log.dir log.dirs zookeeper.connect num.partitions"),
        ("kafka", "listeners advertised.listeners listener.security.protocol.map inter.broker.listener.name"),
        ("kafka", "log.retention.ms log.retention.minutes log.retention.hours log.retention.bytes log.segment.bytes"),
        ("kafka", "default.replication.factor min.insync.replicas offsets.topic.replication.factor"),
        ("kafka", "transaction.state.log.replication.factor transaction.state.log.min.isr compression.type"),
        ("kafka", "auto.create.topics.enable unclean.leader.election.enable"),
        ("redis", "port bind dir include save appendonly maxmemory maxmemory-policy requirepass"),
    ],
)
def test_every_key_behind_a_setting_or_a_members_identity_is_protected(section: str, keys: str) -> None:
    protected = {key for of, key, _ in PROTECTED if of == section}
    assert set(keys.split()) - protected == set(), "any spelling of it would override the settings"


@pytest.mark.parametrize(("section", "key", "cure"), PROTECTED)
def test_the_setting_to_use_instead_exists(section: str, key: str, cure: str) -> None:
    named = re.findall(r"\b(?:zookeeper|kafka|redis)\.\w+", cure)
    assert bool(named) == cure.startswith("set "), key
    assert set(named) <= {path for path, _, _ in FIELDS}, f"{section}.{key} refers to a field that does not exist"


def test_the_most_frequent_fixes_name_the_field() -> None:
    assert problems({"kafka": {"config": {"log.retention.hours": 1}}}) == [
        'kafka.config: "log.retention.hours" is rendered by the platform; set kafka.retention'
    ]
    assert problems({"zookeeper": {"config": {"clientPort": 1}}}) == [
        'zookeeper.config: "clientPort" is rendered by the platform; set zookeeper.port'
    ]
    assert problems({"redis": {"config": {"requirepass": "x"}}}) == [
        'redis.config: "requirepass" is rendered by the platform; set redis.password'
    ]


def test_several_protected_keys_are_reported_together_sorted() -> None:
    assert problems({"kafka": {"config": {"log.dirs": "/x", "broker.id": 3, "message.max.bytes": 1}}}) == [
        'kafka.config: "broker.id" is rendered by the platform; it differs from member to member; '
        '"log.dirs" is rendered by the platform; the platform derives it'
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (-1, "-1"),
        (0.5, "0.5"),
        (60000.0, "60000"),
        (1e15, "1000000000000000"),
        ("text", "text"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("section", ["zookeeper", "kafka", "redis"])
def test_config_values_become_text_in_the_servers_spelling(section: str, written: object, meant: str) -> None:
    config = getattr(loaded({section: {"config": {"some-key": written}}}), section).config
    assert config["some-key"] == meant


# Values as text: `pulumi config set` stores them so


@pytest.mark.parametrize(
    ("declared", "path", "meant"),
    [
        ({"protect": "true"}, "protect", True),
        ({"kafka": {"port": "9093"}}, "kafka.port", 9093),
        ({"kafka": {"autoCreateTopics": "false"}}, "kafka.autoCreateTopics", False),
        ({"kafka": {"retention": "86400000"}}, "kafka.retention", timedelta(days=1)),
        ({"kafka": {"segmentBytes": "1048576"}}, "kafka.segmentBytes", MIB),
        ({"kafka": {"replicas": 1.0}}, "kafka.replicas", 1),
    ],
)
def test_a_number_or_boolean_may_be_given_as_text(declared: dict[str, Any], path: str, meant: object) -> None:
    assert value_at(loaded(declared), path) == meant


def test_data_is_protected_by_its_own_setting_or_by_a_topic() -> None:
    assert not loaded(topic()).protects_data
    assert loaded({"protect": True}).protects_data
    assert loaded({"topics": [TOPIC, {"name": "kept", "protect": True}]}).protects_data


# Several mistakes at once


def test_several_mistakes_are_one_error_with_one_line_each() -> None:
    declared = {
        "profle": "light",
        "zookeeper": {"replicas": 2},
        "kafka": {"replicas": "three", "retnetion": "7d", "config": {"log.dirs": "/x"}},
        "redis": {"maxMemory": "1GiB"},
        "topics": [{"name": "in sync"}, {"partitions": 0}],
    }
    with pytest.raises(SettingsError) as caught:
        loaded(declared)
    error = caught.value
    assert isinstance(error, PlatformError)
    assert error.headline == "Pulumi.test.yaml: 9 mistakes; nothing was changed"
    assert set(error.problems) == {
        unknown("profle", Settings, ' Did you mean "profile"?'),
        "zookeeper.replicas is 2: must be odd: 2 members survive no more failures than 1",
        'kafka.replicas is "three": must be a whole number',
        unknown("kafka.retnetion", KafkaSettings, ' Did you mean "retention"?'),
        'kafka.config: "log.dirs" is rendered by the platform; the platform derives it',
        "redis: maxMemory 1.0GiB does not fit into memory 256.0MiB: a snapshot needs room beside the data",
        'topics[0].name is "in sync": "in sync" has characters other than letters, digits, ".", "_" and "-"',
        "topics[1].name is required",
        "topics[1].partitions is 0: must be at least 1",
    }
    assert len(error.problems) == 9, "each mistake once"


def test_mistakes_between_sections_are_reported_together() -> None:
    declared = {
        "kafka": {"port": 2181},
        "topics": [{"name": "wide", "replicationFactor": 3}, {"name": "a.b"}, {"name": "a_b"}],
    }
    assert problems(declared) == [
        "zookeeper-0 and kafka-0 would both take port 2181",
        'topics "a.b" and "a_b" differ only in "." and "_", which Kafka refuses',
        "topics[0] (wide): replication factor 3 is more than the 1 broker there are",
    ]


def test_all_rules_that_one_section_breaks_are_reported_together() -> None:
    assert problems({"kafka": {"heap": "2GiB", "replicationFactor": 2, "minInSyncReplicas": 3}}) == [
        "kafka: heap 2.0GiB does not fit into memory 1.0GiB: "
        "a JVM needs more than its heap, and a broker needs page cache",
        "kafka: replicationFactor 2 is above replicas 1",
        "kafka: minInSyncReplicas 3 is above replicationFactor 2",
    ]
    assert problems({"redis": {"maxMemory": "1GiB", "password": "x"}}, secrets=("redis",)) == [
        "redis: maxMemory 1.0GiB does not fit into memory 256.0MiB: a snapshot needs room beside the data",
        "redis: password is set but authentication is false; set authentication to true",
    ]
    twice = topic(retention="7d", cleanup="compact", config={"retention.ms": 1, "cleanup.policy": "compact"})
    assert problems(twice) == [
        'topics[0]: "retention.ms" is set twice: as retention and in config',
        'topics[0]: "cleanup.policy" is set twice: as cleanup and in config',
    ]


@pytest.mark.parametrize(
    ("declared", "lines"),
    [
        (
            {"topics": [{"name": name, "config": {"frobnicate": 1}} for name in ("a", "b", "c")]},
            [f'topics[{index}].config: unknown topic config "frobnicate".' for index in range(3)],
        ),
        (
            {"topics": [{"name": name, "retention": "7d", "config": {"retention.ms": 1}} for name in ("a", "b")]},
            [f'topics[{index}]: "retention.ms" is set twice: as retention and in config' for index in range(2)],
        ),
        (
            {"zookeeper": {"heap": "1GiB", "memory": "1GiB"}, "kafka": {"heap": "1GiB", "memory": "1GiB"}},
            [
                f"{section}: heap 1.0GiB does not fit into memory 1.0GiB: "
                "a JVM needs more than its heap, and a broker needs page cache"
                for section in ("zookeeper", "kafka")
            ],
        ),
        (
            {"topics": [{"name": "in sync"}, {"name": "in sync"}]},
            [
                f'topics[{index}].name is "in sync": "in sync" has characters other than letters, digits, '
                '".", "_" and "-"'
                for index in range(2)
            ],
        ),
    ],
    ids=["unknown topic config", "set twice", "heap", "name"],
)
def test_the_same_mistake_in_two_places_is_reported_twice(declared: dict[str, Any], lines: list[str]) -> None:
    assert problems(declared) == lines


def test_the_whole_message_is_a_headline_and_a_list() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded({"kafka": {"replicas": "three"}})
    assert str(caught.value) == (
        'Pulumi.test.yaml: 1 mistake; nothing was changed\n  - kafka.replicas is "three": must be a whole number'
    )
    with pytest.raises(SettingsError) as caught:
        loaded({"redis": {"authentication": True, "password": "hunter2"}})
    assert str(caught.value) == (
        "Pulumi.test.yaml: 1 mistake; nothing was changed\n"
        "  - redis.password is in plain text; remove it and set it encrypted with\n"
        "    pulumi config set --secret --path 'millrace:redis.password'"
    )


@pytest.mark.parametrize(
    ("profile", "line"),
    [
        ("heavy", 'profile is "heavy": allowed are light, ha, production.'),
        ("lite", 'profile is "lite": allowed are light, ha, production. Did you mean "light"?'),
        ("", 'profile is "": allowed are light, ha, production.'),
        (3, 'profile is "3": allowed are light, ha, production.'),
        (["ha"], 'profile is "a list": allowed are light, ha, production.'),
    ],
)
def test_an_unknown_profile_is_reported_and_does_not_hide_other_mistakes(profile: object, line: str) -> None:
    assert problems({"profile": profile}) == [line]
    assert problems({"profile": profile, "kafka": {"replicas": 0}}) == [line, "kafka.replicas is 0: must be at least 1"]
