"""One Kafka broker with its ZooKeeper, two topics and a health gate on this machine's Docker."""

import pulumi

from components.errors import PlatformError
from components.health.component import HealthGate, HealthGateArgs, KafkaCheck
from components.kafka.component import KafkaCluster, KafkaClusterArgs, kafka_workload
from components.kafka.settings import KafkaSettings
from components.naming import platform_name
from components.targets.docker.target import DockerTarget
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
    ensemble = ZooKeeperSettings.of(port=config.require_int("zookeeperPort"))
    brokers = KafkaSettings.of("light", port=config.require_int("kafkaPort"), auto_create_topics=False)
    topics = [
        TopicSettings.of(name="orders", partitions=3, retention="7d").spec(),
        TopicSettings.of(name="customers", partitions=3, cleanup="compact").spec(),
    ]

    # A taken port or a missing image stops the program here, before anything is declared.
    platform = platform_name(pulumi.get_project(), pulumi.get_stack())
    docker = DockerTarget(platform)
    members = connect_string(ensemble.replicas, docker.host)
    docker.preflight([zookeeper_workload(ensemble, docker), kafka_workload(brokers, docker, zookeeper=members)])

    target = docker.prepare()
    zookeeper = ZooKeeperEnsemble("zookeeper", ZooKeeperEnsembleArgs(target=target, settings=ensemble))
    kafka = KafkaCluster("kafka", KafkaClusterArgs(target=target, zookeeper=zookeeper, settings=brokers))
    made = TopicSet(
        "topics",
        TopicSetArgs(
            bootstrap=kafka.bootstrap_servers,
            brokers=kafka.brokers,
            topics=topics,
            own_cluster=True,
            logs=kafka.deployment.logs,
            trigger=kafka.deployment.identities,
        ),
        # The topics live in the brokers' volume: they go with it, and need no deletion of their own.
        pulumi.ResourceOptions(depends_on=[kafka], retain_on_delete=True),
    )
    health = HealthGate(
        "health",
        HealthGateArgs(
            platform=platform,
            zookeeper=zookeeper.members,
            kafka=KafkaCheck.of(kafka),
            logs={**zookeeper.deployment.logs, **kafka.deployment.logs},
            trigger={**zookeeper.deployment.identities, **kafka.deployment.identities},
        ),
        pulumi.ResourceOptions(depends_on=[made]),
    )

    pulumi.export("bootstrapServers", kafka.bootstrap_servers)
    pulumi.export("topics", made.topics)
    pulumi.export("health", health.summary)


try:
    main()
except PlatformError as error:
    raise pulumi.RunError(str(error)) from None  # the message without a traceback
