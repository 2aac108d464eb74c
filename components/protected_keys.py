"""Keys of the rendered files that a stack file's free ``config`` must not set, and what to set instead."""

from collections.abc import Mapping

_IDENTITY = "it differs from member to member"
_OWN = "the platform derives it"

PROTECTED_BROKER_KEYS: Mapping[str, str] = {
    "advertised.listeners": "set kafka.advertisedHost and kafka.port",
    "auto.create.topics.enable": "set kafka.autoCreateTopics",
    "broker.id": _IDENTITY,
    "broker.id.generation.enable": _IDENTITY,
    "compression.type": "set kafka.compression",
    "control.plane.listener.name": _OWN,
    "default.replication.factor": "set kafka.replicationFactor",
    "inter.broker.listener.name": _OWN,
    "listener.security.protocol.map": _OWN,
    "listeners": "set kafka.internalPort and kafka.port",
    "log.dir": _OWN,
    "log.dirs": _OWN,
    "log.retention.bytes": "set kafka.retentionBytes",
    "log.retention.hours": "set kafka.retention",
    "log.retention.minutes": "set kafka.retention",
    "log.retention.ms": "set kafka.retention",
    "log.segment.bytes": "set kafka.segmentBytes",
    "min.insync.replicas": "set kafka.minInSyncReplicas",
    "node.id": _IDENTITY,
    "num.partitions": "set kafka.numPartitions",
    "offsets.topic.replication.factor": "set kafka.replicationFactor",
    "process.roles": "brokers run with ZooKeeper here",
    "transaction.state.log.min.isr": "set kafka.minInSyncReplicas",
    "transaction.state.log.replication.factor": "set kafka.replicationFactor",
    "unclean.leader.election.enable": "set kafka.uncleanLeaderElection",
    "zookeeper.connect": _OWN,
}

PROTECTED_ZOOKEEPER_KEYS: Mapping[str, str] = {
    "4lw.commands.whitelist": "the health checks need the rendered one",
    "clientPort": "set zookeeper.port",
    "dataDir": _OWN,
    "dataLogDir": _OWN,
    "initLimit": "set zookeeper.initLimit",
    "syncLimit": "set zookeeper.syncLimit",
    "tickTime": "set zookeeper.tickTime",
}

PROTECTED_REDIS_KEYS: Mapping[str, str] = {
    "appendonly": "set redis.appendOnly",
    "bind": _OWN,
    "dir": _OWN,
    "include": _OWN,
    "maxmemory": "set redis.maxMemory",
    "maxmemory-policy": "set redis.evictionPolicy",
    "port": "set redis.port",
    "requirepass": "set redis.password",
    "save": "set redis.save",
}
