"""Two stacks that follow all rules, as the engine passes them to a policy, and functions to change them."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from policies.view.resources import Resource
from policies.view.stack import Stack
from policies.view.values import Object

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
REMOVED = object()

Plain = dict[str, Any]
Change = tuple[str, str, Any]
"""``StatefulSet kafka``, ``spec/replicas`` and a value, a function of the old value, or REMOVED."""

SERVER_PROPERTIES = """\
zookeeper.connect=zookeeper:2181
auto.create.topics.enable=false
default.replication.factor=3
delete.topic.enable=true
log.retention.ms=604800000
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.replication.factor=3
unclean.leader.election.enable=false
"""
ZOO_CFG = "clientPort=2181\nautopurge.purgeInterval=1\n"
REDIS_CONF = "maxmemory 256mb\nmaxmemory-policy allkeys-lru\ninclude /etc/redis/password.conf\n"
START_KAFKA = """\
#!/bin/bash
listeners="INTERNAL://$2:9092"
listeners="$listeners,EXTERNAL://$3"
exec kafka-server-start.sh /etc/kafka/server.properties --override "advertised.listeners=$listeners"
"""


def plain(type_: str, name: str, props: Plain, *, protect: bool = False, sources: Any = None) -> Plain:
    """One resource as plain values."""
    return {"type": type_, "name": name, "props": props, "protect": protect, "sources": sources or {}}


def urn(resource: Plain) -> str:
    """The URN of a sample's resource."""
    return f"urn:pulumi:sample::project::{resource['type']}::{resource['name']}"


def stack(resources: Sequence[Plain], name: str) -> Stack:
    """A stack of plain resources."""
    return Stack(
        [
            Resource(
                type=item["type"],
                name=item["name"],
                urn=urn(item),
                props=Object(item["props"]),
                protect=item["protect"],
                sources=item["sources"],
            )
            for item in resources
        ],
        name,
    )


def changed(resources: Sequence[Plain], changes: Sequence[Change | Plain]) -> list[Plain]:
    """The same resources with changed properties or additional resources."""
    made = json.loads(json.dumps(list(resources)))  # a deep copy
    for change in changes:
        if isinstance(change, dict):
            made.append(change)
            continue
        title, path, value = change
        (found,) = (item for item in made if f"{item['type'].rpartition(':')[2]} {item['name']}" == title)
        if not path:
            made.remove(found)
        elif path.startswith("@"):
            found[path[1:]] = value
        else:
            _change(found["props"], path.split("/"), value)
    return made


def _change(here: Any, path: Sequence[str], value: Any) -> None:
    *above, last = path
    for step in above:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    key: Any = int(last) if isinstance(here, list) else last
    if value is REMOVED:
        del here[key]
    elif callable(value):
        here[key] = value(here[key])
    elif isinstance(here, list) and key == len(here):
        here.append(value)
    else:
        here[key] = value


def line(old: str, new: str) -> Callable[[str], str]:
    """An edit that replaces a part of a text."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return edit


def dynamic(kind: str, name: str, props: Plain, *, protect: bool = False) -> Plain:
    """One of this project's dynamic resources."""
    return plain(f"pulumi-python:dynamic/millrace:{kind}", name, {"deadline": 180.0, **props}, protect=protect)


def manifest(api: str, kind: str, name: str, **props: Any) -> Plain:
    """A Kubernetes object."""
    metadata = {"name": name, "namespace": "streaming"}
    return plain(f"kubernetes:{api}:{kind}", name, {"kind": kind, "metadata": metadata, **props})


def cluster() -> list[Plain]:
    """A platform on Kubernetes that follows all production rules."""
    kafka = ["kafka-server-start.sh", "/etc/kafka/server.properties", "--override"]
    kafka.append("advertised.listeners=INTERNAL://$(POD_NAME).kafka.streaming.svc:9092")
    return [
        *_workload("zookeeper", 3, "zookeeper:3.8.4", ["zkServer.sh", "start-foreground"], {"zoo.cfg": ZOO_CFG}),
        *_workload("kafka", 3, "apache/kafka:3.9.2", kafka, {"server.properties": SERVER_PROPERTIES}),
        *_workload("redis", 1, "redis:7.2.16", ["redis-server", "/etc/redis/redis.conf"], {"redis.conf": REDIS_CONF}),
        manifest("core/v1", "Secret", "redis-password", stringData={"password.conf": "requirepass hunter2-canary"}),
        manifest("storage.k8s.io/v1", "StorageClass", "keep", reclaimPolicy="Retain"),
        *_gates({f"kafka-{index}": f"kafka-{index}:9092" for index in range(3)}),
    ]


def topic(partitions: int = 3, replicas: int = 3, **config: str) -> Plain:
    """A topic of a TopicSet."""
    return {"partitions": float(partitions), "replicationFactor": float(replicas), "config": config, "protect": False}


def _gates(brokers: dict[str, str]) -> list[Plain]:
    topics = {"jobs": topic(6, 3, **{"min.insync.replicas": "2", "retention.ms": "86400000"})}
    return [
        dynamic(
            "MemberStorage",
            "kafka-storage",
            {"workload": "kafka", "members": brokers, "storageClass": "keep"},
            protect=True,
        ),
        dynamic("TopicSet", "topics", {"bootstrap": "kafka:9092", "brokers": brokers, "topics": topics}),
        dynamic(
            "HealthGate",
            "health",
            {"kafka": {"bootstrap": "kafka:9092", "brokers": brokers}, "redis": {"password": "hunter2-canary"}},
        ),
    ]


def _workload(name: str, replicas: int, image: str, command: list[str], files: dict[str, str]) -> list[Plain]:
    selector = {"matchLabels": {"app": name}}
    members = {f"{name}-{index}": f"{name}-{index}" for index in range(replicas)}
    spec = {
        "replicas": float(replicas),
        "updateStrategy": {"type": "OnDelete"},
        "selector": selector,
        "template": {"metadata": {"labels": {"app": name}}, "spec": _pod(name, image, command)},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"storageClassName": "keep"}}],
    }
    ingress = [{"from": [{"podSelector": {"matchLabels": {"client": "true"}}}]}]
    budget = {"maxUnavailable": 1.0, "selector": selector}
    policy = {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": ingress}
    return [
        manifest("apps/v1", "StatefulSet", name, spec=spec),
        manifest("core/v1", "ConfigMap", f"{name}-config", data=files),
        manifest("policy/v1", "PodDisruptionBudget", name, spec=budget),
        manifest("networking.k8s.io/v1", "NetworkPolicy", name, spec=policy),
        dynamic("GatedRoll", f"{name}-roll", {"workload": name, "members": members, "template": {"files": files}}),
    ]


def _pod(name: str, image: str, command: list[str]) -> Plain:
    term = {"labelSelector": {"matchLabels": {"app": name}}}
    config = {"sources": [{"configMap": {"name": f"{name}-config"}}, {"secret": {"name": f"{name}-password"}}]}
    if name != "redis":
        del config["sources"][1]
    return {
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 120.0 if name == "kafka" else 30.0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000.0, "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [{**term, "topologyKey": "kubernetes.io/hostname"}]
            }
        },
        "topologySpreadConstraints": [{**term, "topologyKey": "topology.kubernetes.io/zone"}],
        "containers": [
            {
                "name": name,
                "image": image,
                "command": command,
                "env": [
                    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "KAFKA_HEAP_OPTS", "value": "-Xmx512m"},
                ],
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
                "readinessProbe": {"exec": {"command": ["sh", "-c", "echo srvr | nc localhost 1 | grep Mode"]}},
                "livenessProbe": {"tcpSocket": {"port": 1.0}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "config", "mountPath": f"/etc/{name}"},
                ],
            }
        ],
        "volumes": [{"name": "config", "projected": config}],
    }


def engine() -> list[Plain]:
    """A platform on Docker that follows all rules, including production's."""
    members = range(3)
    return [
        plain("docker:index/remoteImage:RemoteImage", "image", {"name": "confluentinc/cp-kafka:7.9.7"}),
        plain("docker:index/volume:Volume", "data", {"name": "data"}, protect=True),
        *[_container(f"zookeeper-{index}", "confluentinc/cp-zookeeper:7.9.7", _zookeeper(index)) for index in members],
        *[_kafka_container(index) for index in members],
        _container("redis-0", "redis:7.2.16", [], ["redis-server", "/etc/redis/redis.conf"]),
        *_gates({f"kafka-{index}": f"kafka-{index}:9092" for index in members})[1:],
    ]


def _zookeeper(index: int) -> list[str]:
    servers = ";".join("0.0.0.0:2888:3888" if other == index else f"zk-{other}:2888:3888" for other in range(3))
    return [
        f"ZOOKEEPER_SERVER_ID={index + 1}",
        f"ZOOKEEPER_SERVERS={servers}",
        "ZOOKEEPER_AUTOPURGE_PURGE_INTERVAL=1",
        "KAFKA_HEAP_OPTS=-Xmx512m",
    ]


def _kafka_container(index: int) -> Plain:
    envs = [
        f"KAFKA_{key.upper().replace('.', '_')}={value}"
        for key, value in (entry.split("=") for entry in SERVER_PROPERTIES.split())
    ]
    address = f"KAFKA_ADVERTISED_LISTENERS=INTERNAL://kafka-{index}:29092,EXTERNAL://localhost:{9092 + index}"
    made = _container(f"kafka-{index}", UNKNOWN, [*envs, address, "KAFKA_HEAP_OPTS=-Xms512m -Xmx512m"])
    made["sources"] = {"image": [urn(plain("docker:index/remoteImage:RemoteImage", "image", {}))]}
    return made


def _container(name: str, image: str, envs: list[str], command: Sequence[str] = ()) -> Plain:
    kafka = name.startswith("kafka")
    texts = {"redis.conf": REDIS_CONF, "password.conf": "requirepass hunter2-canary\n"}
    return plain(
        "docker:index/container:Container",
        name,
        {
            "image": image,
            "command": list(command),
            "envs": envs,
            "hostname": name,
            "memory": 1024.0,
            "stopTimeout": 120.0 if kafka else 30.0,
            "destroyGraceSeconds": 120.0 if kafka else 30.0,
            "healthcheck": {"tests": ["CMD-SHELL", "echo srvr | nc localhost 2181 | grep Mode"]},
            "ports": [{"internal": 1.0, "external": 1.0, "ip": "127.0.0.1"}],
            "uploads": [{"file": f"/etc/redis/{key}", "content": text} for key, text in texts.items()]
            if command
            else [],
            "volumes": [{"volumeName": "data", "containerPath": "/data"}],
        },
    )
