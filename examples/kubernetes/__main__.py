"""Kafka and Redis on Kubernetes, in a namespace that another Pulumi program made."""

import pulumi

from components.errors import PlatformError
from components.health.component import HealthGate, HealthGateArgs, KafkaCheck, RedisCheck
from components.kafka.component import KafkaCluster, KafkaClusterArgs, kafka_workload
from components.kafka.settings import KafkaSettings
from components.naming import platform_name
from components.redis.component import RedisServer, RedisServerArgs, redis_workload
from components.redis.settings import RedisSettings
from components.targets.kubernetes.addresses import ClusterOptions
from components.targets.kubernetes.target import KubernetesTarget
from components.topics.component import TopicSet, TopicSetArgs
from components.topics.settings import TopicSettings
from components.zookeeper.component import (
    ZooKeeperEnsemble,
    ZooKeeperEnsembleArgs,
    connect_string,
    zookeeper_workload,
)
from components.zookeeper.settings import ZooKeeperSettings


def main() -> None:
    """Declare the servers, the topics in them, and the gate that ends ``up`` when all are healthy."""
    config = pulumi.Config()
    ensemble = ZooKeeperSettings.of("light", storage="1GiB")
    brokers = KafkaSettings.of("light", storage="5GiB", auto_create_topics=False)
    cache = RedisSettings.of("light", storage="1GiB", authentication=True)
    topics = [
        TopicSettings.of(name="orders", partitions=3, retention="7d").spec(brokers.replicas),
        TopicSettings.of(name="customers", partitions=3, cleanup="compact").spec(brokers.replicas),
    ]

    owner = pulumi.StackReference(config.require("namespaceStack"))
    platform = platform_name(pulumi.get_project(), pulumi.get_stack())
    cluster = KubernetesTarget(
        platform,
        ClusterOptions(
            context=config.require("context"),
            namespace=owner.require_output("namespace"),
            create_namespace=False,
            storage_class=config.get("storageClass") or None,
            zones=False,  # a broker's zone is a label of its node, which takes rights outside the namespace
        ),
    )
    # A wrong context, a missing right or a missing StorageClass stops the program here.
    members = connect_string(ensemble.replicas, cluster.host)
    cluster.preflight(
        [
            zookeeper_workload(ensemble, cluster),
            kafka_workload(brokers, cluster, zookeeper=members),
            redis_workload(cache, cluster),
        ]
    )

    target = cluster.prepare()
    zookeeper = ZooKeeperEnsemble("zookeeper", ZooKeeperEnsembleArgs(target=target, settings=ensemble))
    kafka = KafkaCluster("kafka", KafkaClusterArgs(target=target, zookeeper=zookeeper, settings=brokers))
    redis = RedisServer("redis", RedisServerArgs(target=target, settings=cache))
    made = TopicSet(
        "topics",
        TopicSetArgs(
            bootstrap=kafka.bootstrap_servers,
            brokers=kafka.brokers,
            topics=topics,
            own_cluster=True,
            logs=kafka.deployment.logs,
            trigger=kafka.deployment.identities,
            route=target.route([kafka.workload]),
        ),
        # The topics live in the brokers' volumes: they go with them, and need no deletion of their own.
        pulumi.ResourceOptions(depends_on=[kafka], retain_on_delete=True),
    )
    deployments = [server.deployment for server in (zookeeper, kafka, redis)]
    health = HealthGate(
        "health",
        HealthGateArgs(
            platform=platform,
            zookeeper=zookeeper.members,
            kafka=KafkaCheck.of(kafka),
            redis=RedisCheck.of(redis),
            logs={member: command for item in deployments for member, command in item.logs.items()},
            trigger={member: identity for item in deployments for member, identity in item.identities.items()},
            route=target.route(),
        ),
        pulumi.ResourceOptions(depends_on=[made, redis]),
    )

    pulumi.export("bootstrapServers", kafka.internal_bootstrap_servers)
    pulumi.export("redisUrl", redis.url)
    pulumi.export("topics", made.topics)
    pulumi.export("health", health.summary)


try:
    main()
except PlatformError as error:
    raise pulumi.RunError(str(error)) from None  # the message without a traceback
