"""Facts about the platform and the machine that are needed to interpret the figures."""

import os
from collections.abc import Mapping
from typing import Any

from components.kafka.client import minimum_in_sync
from components.quantities import MIB, format_size
from ops.benchmark.plan import Plan
from ops.drills.scratch import replication_factor
from ops.platform import Platform

_BROKER_KEYS = (
    "zookeeper.session.timeout.ms",
    "replica.lag.time.max.ms",
    "compression.type",
    "inter.broker.protocol.version",
)
"""Broker settings that decide what a producer sees when a broker is lost, and how much the disks must write."""


def facts(platform: Platform, plan: Plan) -> dict[str, Any]:
    """Facts about the platform, the topic and the tools.

    Call it once the topic has records: before, the broker that answers may not know the topic yet.
    """
    with platform.admin() as client:
        in_sync = minimum_in_sync(client, [plan.topic])[plan.topic]
        brokers = _broker_settings(client)
    return {
        "stack": platform.stack,
        "target": platform.target,
        "brokers": len(platform.brokers),
        "image": platform.images["kafka"],
        "partitions": plan.partitions,
        "replicationFactor": replication_factor(platform),
        "minInSyncReplicas": in_sync,
        "acks": "all",
        "toolMemory": format_size(plan.memory),
        "toolHeap": format_size(plan.heap // MIB * MIB),
        "brokerSettings": brokers,
    }


def machine() -> dict[str, Any]:
    """The machine that runs the command, and its load: on a busy machine, figures do not show the platform's speed."""
    return {"processors": os.cpu_count(), "loadAverage": [round(load, 1) for load in os.getloadavg()]}


def _broker_settings(client: Any) -> Mapping[str, str]:
    from kafka.admin import ConfigResource, ConfigResourceType

    broker = str(client.describe_cluster()["brokers"][0]["broker_id"])
    resource = ConfigResource(ConfigResourceType.BROKER, broker, list(_BROKER_KEYS))
    found: dict[str, Any] = client.describe_configs([resource], config_filter="all")["broker"][broker]
    return {key: str(found[key]["value"]) for key in _BROKER_KEYS if key in found}
