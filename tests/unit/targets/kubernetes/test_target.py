"""The resources of a platform on Kubernetes, and the connections that its network policies allow.

Source: components/targets/kubernetes/target.py.
Proof limit: no cluster is contacted. Only the tests on a real cluster show that an API server accepts these objects,
that the servers run in such pods and that a network enforces the policies.
"""

import base64
import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pulumi
import pytest
import yaml

from components.errors import PreflightError, SettingsError
from components.outputs import OUTPUTS
from components.targets.kubernetes.addresses import ClusterOptions
from components.targets.kubernetes.pods import ZONE_SCRIPT
from components.targets.kubernetes.preflight import ClusterNeeds
from components.targets.kubernetes.target import KubernetesTarget
from components.workload import File
from tests.manifests import as_yaml, manifests
from tests.unit.mocks import (
    CREDENTIALS,
    GATED_ROLL,
    GENERATED_PASSWORD,
    HEALTH_GATE,
    MEMBER_STORAGE,
    NAME_SUFFIX,
    REDIS_PASSWORDS,
    SECRET,
    SECRET_MARK,
    TOPIC_SET,
    RecordingMocks,
    RecordingMonitor,
    Registered,
    Run,
    declared_by,
    masked,
    run_on_cluster,
    settings_of,
    unmasked,
)
from tests.unit.regenerate_golden import GOLDEN, MANIFESTS
from tests.unit.workloads import workload as workload_named

GIB = 1024**3
NAME = "millrace-prod"
SERVERS = ("zookeeper", "kafka", "redis")
REPLICAS = {"zookeeper": 3, "kafka": 3, "redis": 1}
PORTS = {"zookeeper": [2181, 2888, 3888], "kafka": [29092], "redis": [6379]}
SAFETY = {
    "zookeeper": "components.zookeeper.safety:EnsembleSafety",
    "kafka": "components.kafka.safety:BrokerSafety",
    "redis": "components.safety:Safety",
}
CLIENT = {"millrace.client": "true"}

PROVIDER = "pulumi:providers:kubernetes"
NAMESPACE = "kubernetes:core/v1:Namespace"
NAMESPACE_REMOVAL = "pulumi-python:dynamic/millrace:NamespaceRemoval"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SERVICE = "kubernetes:core/v1:Service"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
ROLE = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
BINDING = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"

EXPECTED_NAMES = {
    "millrace:index:StreamingPlatform": [NAME],
    "millrace:index:ZooKeeperEnsemble": ["zookeeper"],
    "millrace:index:KafkaCluster": ["kafka"],
    "millrace:index:RedisServer": ["redis"],
    PROVIDER: ["cluster"],
    NAMESPACE: ["namespace"],
    NAMESPACE_REMOVAL: ["namespace-removal"],
    POLICY: ["default-deny", "kafka", "redis", "zookeeper"],
    CONFIG_MAP: ["clients", "kafka-config", "redis-config", "zookeeper-config"],
    SECRET: ["clients", "redis-files", "zookeeper-files"],
    SERVICE: ["kafka", "kafka-client", "redis", "redis-client", "zookeeper", "zookeeper-client"],
    ACCOUNT: ["kafka", "redis", "zookeeper"],
    STATEFUL_SET: ["kafka", "redis", "zookeeper"],
    BUDGET: ["kafka", "redis", "zookeeper"],
    ROLE: ["kafka-zones"],
    BINDING: ["kafka-zones"],
    MEMBER_STORAGE: ["kafka-storage", "redis-storage", "zookeeper-storage"],
    GATED_ROLL: ["kafka-roll", "redis-roll", "zookeeper-roll"],
    CREDENTIALS: ["redis-password", "zookeeper-super"],
    REDIS_PASSWORDS: ["redis-passwords"],
    TOPIC_SET: ["topics"],
    HEALTH_GATE: ["health"],
}

NODE_PORT = {"external": "nodePort", "advertisedHost": "nodes.example", "allowInsecureExternal": True}
LOAD_BALANCER = {
    "external": "loadBalancer",
    "advertisedHost": "kafka-{ordinal}.example",
    "port": 9094,
    "allowInsecureExternal": True,
}


def cluster(**changes: Any) -> dict[str, Any]:
    """The ``kubernetes`` section of the prod stack with changes."""
    return {"context": "production", "namespace": "streaming", **changes}


@cache
def run_with(key: str, value: str | None) -> Run:
    """The prod stack with one key of its ``kubernetes`` section set; tests share it and must not change it."""
    return run_on_cluster(settings_of("prod", kubernetes=cluster(**{key: value})), NAME)


@pytest.fixture(scope="module")
def prod() -> Run:
    return run_on_cluster(settings_of("prod"), NAME)


@pytest.fixture(scope="module")
def without_zones() -> Run:
    return run_on_cluster(settings_of("prod", kubernetes=cluster(zones=False)), NAME)


@pytest.fixture(scope="module")
def node_port() -> Run:
    return run_on_cluster(settings_of("prod", kafka=NODE_PORT), NAME)


@pytest.fixture(scope="module")
def load_balancer() -> Run:
    return run_on_cluster(settings_of("prod", kafka=LOAD_BALANCER), NAME)


def host(member: str, namespace: str = "streaming", domain: str = "cluster.local") -> str:
    return f"{member}.{member.rpartition('-')[0]}.{namespace}.svc.{domain}"


def members(workload: str) -> list[str]:
    return [f"{workload}-{ordinal}" for ordinal in range(REPLICAS[workload])]


def spec(run: Run, type_: str, name: str) -> dict[str, Any]:
    return run.one(type_, name).inputs["spec"]


def pod(run: Run, workload: str) -> dict[str, Any]:
    return unmasked(spec(run, STATEFUL_SET, workload))["template"]["spec"]


def server(run: Run, workload: str) -> dict[str, Any]:
    (container,) = pod(run, workload)["containers"]
    return container


def objects(run: Run) -> list[Registered]:
    """The objects that are declared through the official provider."""
    return [item for item in run.resources if item.type.startswith("kubernetes:")]


def selector(workload: str | None = None) -> dict[str, str]:
    name = {"app.kubernetes.io/name": workload} if workload else {}
    return {"app.kubernetes.io/instance": NAME, **name}


def labels(workload: str | None = None) -> dict[str, str]:
    own = {"app.kubernetes.io/part-of": "millrace", "app.kubernetes.io/managed-by": "pulumi"}
    return {**selector(workload), **own}


# ----------------------------------------------------------------------------------------------------- the whole


def test_the_prod_stack_declares_exactly_these_resources(prod: Run) -> None:
    assert Counter(item.type for item in prod.resources) == {type_: len(n) for type_, n in EXPECTED_NAMES.items()}
    assert {type_: prod.names(type_) for type_ in EXPECTED_NAMES} == EXPECTED_NAMES


def test_the_prod_stacks_objects_equal_the_golden_ones(prod: Run) -> None:
    golden = list(yaml.safe_load_all((GOLDEN / "prod" / MANIFESTS).read_text()))
    made = manifests(prod)
    key = [f"{item['kind']} {item['metadata']['name']}" for item in made]
    assert key == [f"{item['kind']} {item['metadata']['name']}" for item in golden]
    for name, mine, kept in zip(key, made, golden, strict=True):
        assert mine == kept, f"{name}: if intended: python -m tests.unit.regenerate_golden, then read the difference"


def test_manifests_survive_a_round_trip_through_yaml(prod: Run) -> None:
    assert list(yaml.safe_load_all(as_yaml(manifests(prod)))) == manifests(prod)


def test_manifests_contain_no_secret_and_every_object_is_named(prod: Run) -> None:
    made = manifests(prod)
    assert GENERATED_PASSWORD not in as_yaml(made)
    assert len({(item["kind"], item["metadata"]["name"]) for item in made}) == len(objects(prod)), "no object is hidden"


def test_every_object_has_the_namespace_the_platforms_labels_and_the_named_cluster(
    prod: Run,
) -> None:
    (provider,) = prod.of(PROVIDER)
    assert provider.inputs == {
        "context": "production",
        "enableConfigMapMutable": "true",
        "enableSecretMutable": "true",
    }
    for item in objects(prod):
        metadata = item.inputs["metadata"]
        assert item.provider == "cluster", f"{item.name}: no other context is ever used"
        workload = item.parent if item.parent in SERVERS else None
        everywhere = {key: value for key, value in metadata["labels"].items() if "pod-security" not in key}
        assert everywhere == labels(workload), item.name
        if item.type not in (NAMESPACE, ROLE, BINDING):
            assert metadata["namespace"] == "streaming", item.name


def test_the_kubeconfig_of_the_stack_file_is_used() -> None:
    run = run_on_cluster(settings_of("prod", kubernetes=cluster(kubeconfig="/etc/kube/prod")), NAME)
    (provider,) = run.of(PROVIDER)
    assert provider.inputs["kubeconfig"] == "/etc/kube/prod"
    for type_ in (GATED_ROLL, MEMBER_STORAGE, TOPIC_SET, HEALTH_GATE):
        assert {item.inputs["route"]["kubeconfig"] for item in run.of(type_)} == {"/etc/kube/prod"}


def test_everything_is_a_child_of_the_platform_or_of_its_server(prod: Run) -> None:
    shared = {PROVIDER, NAMESPACE, NAMESPACE_REMOVAL, TOPIC_SET, HEALTH_GATE}
    for item in prod.resources:
        if item.type.startswith("millrace:"):
            expected = "" if item.name == NAME else NAME
        elif item.type in shared or item.name in ("default-deny", "clients"):
            expected = NAME
        else:
            expected = item.name.partition("-")[0]
        assert item.parent == expected, f"{item.type} {item.name}"


def test_names_of_objects_match_the_addresses_of_clients_and_members(prod: Run) -> None:
    for type_ in (STATEFUL_SET, ACCOUNT, BUDGET, POLICY, SERVICE):
        for item in prod.of(type_):
            assert item.inputs["metadata"]["name"] == item.name
    assert prod.one(NAMESPACE, "namespace").inputs["metadata"]["name"] == "streaming"


@pytest.mark.parametrize("declared", ["streaming", None])
def test_the_namespace_is_named_after_the_platform_by_default(declared: str | None) -> None:
    run = run_on_cluster(settings_of("prod", kubernetes={"context": "production", "namespace": declared}), NAME)
    assert {item.inputs["metadata"].get("namespace") for item in objects(run)} == {declared or NAME, None}
    assert run.outputs["namespace"] == (declared or NAME)


def test_the_namespace_is_deleted_only_by_what_looks_for_claims_and_after_all_objects(prod: Run) -> None:
    (namespace,), (removal,) = prod.of(NAMESPACE), prod.of(NAMESPACE_REMOVAL)
    assert namespace.retain_on_delete
    assert removal.after == {(NAMESPACE, "namespace")}
    assert removal.inputs["route"] == {"context": "production", "namespace": "streaming", "hosts": []}
    for item in [*objects(prod), *prod.of(MEMBER_STORAGE), *prod.of(GATED_ROLL)]:
        assert item.type == NAMESPACE or (NAMESPACE_REMOVAL, "namespace-removal") in item.after, item.name


def test_the_namespace_enforces_the_restricted_profile(prod: Run) -> None:
    (namespace,) = prod.of(NAMESPACE)
    modes = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    assert namespace.inputs["metadata"]["labels"] == {**labels(), **modes}
    for item in [*objects(prod), *prod.of(MEMBER_STORAGE), *prod.of(GATED_ROLL)]:
        assert item is namespace or (NAMESPACE, "namespace") in item.after, f"{item.name} is created in it"


def test_an_existing_namespace_is_used_and_not_created() -> None:
    run = run_on_cluster(settings_of("prod", kubernetes=cluster(createNamespace=False)), NAME)
    assert run.of(NAMESPACE) == []
    names = {item.type: run.names(item.type) for item in run.resources}
    assert names == {type_: kept for type_, kept in EXPECTED_NAMES.items() if "Namespace" not in type_}
    assert {item.inputs["metadata"].get("namespace") for item in objects(run) if item.type not in (ROLE, BINDING)} == {
        "streaming"
    }
    assert not [item.name for item in run.resources if (NAMESPACE, "namespace") in item.after]


# ----------------------------------------------------------------------------------------------------- preflight


def test_preflight_gets_the_platforms_requirements_of_the_cluster() -> None:
    asked: list[tuple[ClusterNeeds, bool]] = []

    def preflight(needs: ClusterNeeds, *, dry_run: bool) -> None:
        asked.append((needs, dry_run))

    kubernetes = cluster(storageClass="fast", kubeconfig="/k", createNamespace=False)
    run_on_cluster(settings_of("prod", kubernetes=kubernetes), NAME, preflight=preflight)
    run_on_cluster(settings_of("prod", kubernetes=cluster(zones=False)), NAME, preflight=preflight)
    common = {"context": "production", "namespace": "streaming"}
    assert {workload.name for workload in asked[0][0].stored} >= {"zookeeper", "kafka", "redis"}
    assert [(replace(needs, workloads=()), dry_run) for needs, dry_run in asked] == [
        (ClusterNeeds(**common, kubeconfig="/k", create_namespace=False, storage_class="fast", zones=True), False),
        (ClusterNeeds(**common, kubeconfig=None, create_namespace=True, storage_class=None, zones=False), False),
    ]


WITH_SHOP: dict[str, Any] = {
    "access": {"enabled": True},
    "apps": [{"name": "shop", "produces": ["orders"], "namespace": "stores"}],
}


def test_preflight_gets_the_namespaces_in_which_applications_get_secrets() -> None:
    asked: list[ClusterNeeds] = []
    run_on_cluster(settings_of("prod", **WITH_SHOP), NAME, preflight=lambda needs, *, dry_run: asked.append(needs))
    assert asked[0].application_namespaces == ("stores",)


def test_an_application_gets_a_secret_in_its_namespace_whose_pods_may_connect() -> None:
    run = run_on_cluster(settings_of("prod", **WITH_SHOP), NAME)
    secret = run.one(SECRET, "app-shop").inputs
    assert (secret["metadata"]["name"], secret["metadata"]["namespace"]) == ("shop-kafka", "stores")
    assert secret["stringData"]["value"].keys() >= {
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_PASSWORD",
        "client.properties",
        "ca.crt",
    }
    senders = run.one(POLICY, "kafka").inputs["spec"]["ingress"]
    assert "stores" in str(senders)


def test_nothing_is_registered_if_preflight_fails() -> None:
    def preflight(needs: ClusterNeeds, *, dry_run: bool) -> None:
        raise PreflightError("the platform cannot run there")

    monitor = RecordingMonitor(RecordingMocks())
    with pytest.raises(PreflightError, match="cannot run there"):
        run_on_cluster(settings_of("prod"), NAME, monitor, preflight)
    assert monitor.declared() == [], "a failed preflight creates nothing"


# ------------------------------------------------------------------------------------------------- stateful sets


@pytest.mark.parametrize("workload", SERVERS)
def test_a_stateful_set_replaces_no_pod_and_deletes_no_claim_on_its_own(prod: Run, workload: str) -> None:
    stateful_set = prod.one(STATEFUL_SET, workload)
    given = dict(stateful_set.inputs["spec"])
    template = given.pop("template")
    (claim,) = given.pop("volumeClaimTemplates")
    assert given == {
        "serviceName": workload,
        "replicas": REPLICAS[workload],
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "selector": {"matchLabels": selector(workload)},
    }
    assert template["metadata"] == {"labels": labels(workload)}
    assert claim["metadata"] == {"name": "data", "labels": labels(workload)}
    assert stateful_set.ignore_changes == ("spec.volumeClaimTemplates",), "expanding a volume must not replace anything"
    assert stateful_set.inputs["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}, "the roll waits instead"


@pytest.mark.parametrize(("workload", "size"), [("zookeeper", 10), ("kafka", 100), ("redis", 10)])
@pytest.mark.parametrize("storage_class", [None, "fast"])
def test_the_claim_template_matches_the_claims_of_member_storage(
    workload: str, size: int, storage_class: str | None
) -> None:
    run = run_with("storageClass", storage_class)
    (claim,) = spec(run, STATEFUL_SET, workload)["volumeClaimTemplates"]
    named = {"storageClassName": storage_class} if storage_class else {}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(size * GIB)}},
        **named,
    }
    storage = run.one(MEMBER_STORAGE, f"{workload}-storage").inputs
    assert (storage["size"], storage.get("storageClass")) == (size * GIB, storage_class)
    assert storage["labels"] == claim["metadata"]["labels"]


@pytest.mark.parametrize(
    ("workload", "user", "grace"), [("zookeeper", 1000, 30), ("kafka", 1000, 120), ("redis", 999, 30)]
)
def test_a_pod_follows_the_restricted_profile_and_has_no_api_access(
    prod: Run, workload: str, user: int, grace: int
) -> None:
    given = pod(prod, workload)
    assert given["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in [*given["containers"], *given.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
    assert given["serviceAccountName"] == workload
    assert given["automountServiceAccountToken"] is False
    assert prod.one(ACCOUNT, workload).inputs["automountServiceAccountToken"] is False
    assert given["enableServiceLinks"] is False, "a Service called kafka would set KAFKA_PORT"
    assert given["terminationGracePeriodSeconds"] == grace
    assert "hostNetwork" not in given
    assert "hostPID" not in given
    assert not [volume for volume in given["volumes"] if "hostPath" in volume]


@pytest.mark.parametrize("workload", SERVERS)
def test_a_server_never_mounts_its_service_account_token(prod: Run, workload: str) -> None:
    mounts = server(prod, workload)["volumeMounts"]
    assert "token" not in {mount["name"] for mount in mounts}
    assert not [mount for mount in mounts if mount["mountPath"].startswith("/var/run/secrets")]


@pytest.mark.parametrize(
    ("workload", "cpu", "limit", "memory"),
    [("zookeeper", "250m", "1", GIB), ("kafka", "500m", "2", 4 * GIB), ("redis", "100m", "500m", GIB // 2)],
)
def test_a_servers_resources_come_from_the_settings(
    prod: Run, workload: str, cpu: str, limit: str, memory: int
) -> None:
    assert server(prod, workload)["resources"] == {
        "requests": {"cpu": cpu, "memory": str(memory)},
        "limits": {"cpu": limit, "memory": str(memory)},
    }


def test_a_server_without_a_cpu_limit_in_the_settings_has_none() -> None:
    run = run_on_cluster(settings_of("prod", kafka={"cpuLimit": None}), NAME)
    assert server(run, "kafka")["resources"]["limits"] == {"memory": str(4 * GIB)}


def test_a_broker_is_ready_only_after_it_has_caught_up_and_is_never_restarted_for_it(prod: Run) -> None:
    assert server(prod, "kafka")["startupProbe"] == {
        "exec": {"command": ["bash", "/etc/millrace/caught-up.sh"]},
        "periodSeconds": 2,
        "timeoutSeconds": 30,
        "failureThreshold": 2**31 - 1,
    }


@pytest.mark.parametrize("workload", ["zookeeper", "redis"])
def test_other_servers_have_started_when_they_answer(prod: Run, workload: str) -> None:
    container = server(prod, workload)
    assert container["startupProbe"] == {
        "exec": container["readinessProbe"]["exec"],
        "periodSeconds": 2,
        "timeoutSeconds": 5,
        "failureThreshold": 300,
    }


@pytest.mark.parametrize("workload", SERVERS)
def test_readiness_needs_the_servers_answer_and_liveness_an_open_port(prod: Run, workload: str) -> None:
    container = server(prod, workload)
    action = container["readinessProbe"]["exec"]
    assert container["readinessProbe"] == {
        "exec": action,
        "periodSeconds": 5,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }
    assert container["livenessProbe"] == {
        "tcpSocket": {"port": PORTS[workload][0]},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 6,
    }, "the loss of a quorum must not restart the ensemble"


@pytest.mark.parametrize("workload", SERVERS)
@pytest.mark.parametrize("spread", ["required", "preferred"])
def test_members_are_spread_over_nodes_and_zones(spread: str, workload: str) -> None:
    given = pod(run_with("spread", spread), workload)
    mine = {"matchLabels": selector(workload)}
    term = {"labelSelector": mine, "topologyKey": "kubernetes.io/hostname"}
    rules = {
        "required": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
        "preferred": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]},
    }
    assert given["affinity"] == {"podAntiAffinity": rules[spread]}
    assert given["topologySpreadConstraints"] == [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule" if spread == "required" else "ScheduleAnyway",
            "labelSelector": mine,
        }
    ]


def test_every_placeholder_of_a_command_is_a_variable_defined_before_its_use(prod: Run) -> None:
    """Kubernetes does not expand $(NAME) if no variable of that name is defined before."""
    for workload in SERVERS:
        known: set[str] = set()
        for variable in server(prod, workload)["env"]:
            used = {name for name in ("POD_NAME", "ORDINAL", "HOST") if f"$({name})" in variable.get("value", "")}
            assert used <= known, f"{workload}: {variable['name']} uses a later variable"
            known.add(variable["name"])
        names = [variable["name"] for variable in server(prod, workload)["env"]]
        assert len(names) == len(set(names))
        command = " ".join(server(prod, workload)["command"])
        assert {name for name in ("ORDINAL", "HOST") if f"$({name})" in command} <= known


def test_a_member_gets_its_ordinal_and_its_host_from_its_pod(prod: Run) -> None:
    assert server(prod, "kafka")["env"][:3] == [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        {
            "name": "ORDINAL",
            "valueFrom": {
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}
            },
        },
        {"name": "HOST", "value": "$(POD_NAME).kafka.streaming.svc.cluster.local"},
    ]
    target = KubernetesTarget(NAME, ClusterOptions(context="c", namespace="streaming"))
    for member in members("kafka"):
        assert target.host("kafka", int(member[-1])) == "$(POD_NAME).kafka.streaming.svc.cluster.local".replace(
            "$(POD_NAME)", member
        ), "a pod uses the same name for itself as others do"


@pytest.mark.parametrize(
    ("paths", "taken"),
    [
        (["/a/x.conf", "/b/y.conf"], []),
        (["/a/x.conf", "/b/x.conf"], ["/a/x.conf", "/b/x.conf"]),
        (["/a/x.conf", "/b/read-zone.sh"], ["/b/read-zone.sh"]),
    ],
)
@pytest.mark.parametrize("secret", [False, True])
def test_two_files_of_one_name_are_refused(secret: bool, paths: list[str], taken: list[str]) -> None:
    """One of them would silently replace the other in the ConfigMap, or hide it in the pod."""
    files = [File(path=path, content=path, secret=secret) for path in paths]
    item = replace(workload_named("kafka"), files=files)
    target = KubernetesTarget(NAME, ClusterOptions(context="c", namespace="streaming"))

    problems: list[str] = []

    def program() -> Mapping[str, object]:
        parent = pulumi.ComponentResource("test:index:Parent", "parent")
        try:  # a program that ends with an error would leave registrations behind, for which later ones wait
            target.prepare().deploy(item, parent, deadline=60)
        except SettingsError as error:
            problems.extend(error.problems)
        return {}

    declared_by(program)
    assert problems == [f"rename {path}" for path in taken]


@pytest.mark.parametrize("workload", SERVERS)
def test_every_mounted_volume_exists_and_only_data_and_scratch_are_writable(prod: Run, workload: str) -> None:
    given = pod(prod, workload)
    there = {volume["name"] for volume in given["volumes"]} | {"data"}
    assert len(there) == len(given["volumes"]) + 1
    writable = set()
    for container in given["containers"]:
        for mount in container["volumeMounts"]:
            assert mount["name"] in there
            if not mount.get("readOnly"):
                writable.add(mount["mountPath"])
    assert writable == {"/data" if workload == "redis" else "/var/lib/kafka/data", "/tmp"}  # noqa: S108
    mounted = {
        mount["name"]
        for item in (*given["containers"], *given.get("initContainers", []))
        for mount in item["volumeMounts"]
    }
    assert mounted == there, "an unused volume is a mistake"


@pytest.mark.parametrize("workload", SERVERS)
def test_a_pods_files_are_in_the_config_map_that_it_mounts(prod: Run, workload: str) -> None:
    config = prod.one(CONFIG_MAP, f"{workload}-config")
    (volume,) = (item for item in pod(prod, workload)["volumes"] if item["name"] == "config")
    sources = [{"configMap": {"name": f"{workload}-config-{NAME_SUFFIX}"}}]
    if workload in ("redis", "zookeeper"):
        sources.append({"secret": {"name": f"{workload}-files-{NAME_SUFFIX}"}})
    assert volume["projected"] == {"sources": sources, "defaultMode": 0o440}
    assert config.inputs["immutable"] is True
    wanted = {
        "zookeeper": {"java.security", "log4j.properties", "start-zookeeper.sh", "zoo.cfg"},
        "kafka": {
            "java.security",
            "log4j.properties",
            "start-kafka.sh",
            "caught-up.sh",
            "server.properties",
            "read-zone.sh",
        },
        "redis": {"redis.conf", "start-redis.sh"},
    }
    assert set(config.inputs["data"]) == wanted[workload]
    assert {"name": "config", "mountPath": "/etc/millrace", "readOnly": True} in server(prod, workload)["volumeMounts"]


def test_a_changed_file_creates_a_new_config_map_and_others_stay(prod: Run) -> None:
    """Running pods keep the old ConfigMap: files must not change under a running server."""
    changed = run_on_cluster(settings_of("prod", kafka={"retention": "200h"}), NAME)

    def config(run: Run, workload: str) -> Registered:
        return run.one(CONFIG_MAP, f"{workload}-config")

    for workload in SERVERS:
        assert "name" not in config(prod, workload).inputs["metadata"], (
            "the provider generates a new name for each replacement"
        )
        assert tuple(config(prod, workload).replace_on_changes) == ("data",)
        same = config(changed, workload).inputs["data"] == config(prod, workload).inputs["data"]
        assert same == (workload != "kafka")
    assert pod(changed, "zookeeper") == pod(prod, "zookeeper"), "the others are not restarted"


def test_pull_policy_and_pull_secrets_reach_every_pod() -> None:
    kubernetes = cluster(imagePullPolicy="Always", imagePullSecrets=["one", "two"])
    run = run_on_cluster(settings_of("prod", kubernetes=kubernetes), NAME)
    for workload in SERVERS:
        given = pod(run, workload)
        assert given["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}]
        for container in [*given["containers"], *given.get("initContainers", [])]:
            assert container["imagePullPolicy"] == "Always"


def test_without_pull_secrets_a_pod_has_none(prod: Run) -> None:
    assert not [workload for workload in SERVERS if "imagePullSecrets" in pod(prod, workload)]


# --------------------------------------------------------------------------------------------- budgets and services


@pytest.mark.parametrize("workload", SERVERS)
def test_a_drain_evicts_one_member_at_a_time(prod: Run, workload: str) -> None:
    assert spec(prod, BUDGET, workload) == {"maxUnavailable": 1, "selector": {"matchLabels": selector(workload)}}


@pytest.mark.parametrize("workload", SERVERS)
def test_members_find_each_other_before_they_are_ready(prod: Run, workload: str) -> None:
    names = {2181: "client", 2888: "follower", 3888: "election", 29092: "internal", 6379: "client"}
    ports = [
        {"name": names[number], "port": number, "targetPort": number, "protocol": "TCP"} for number in PORTS[workload]
    ]
    assert spec(prod, SERVICE, workload) == {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": selector(workload),
        "ports": ports,
    }
    assert spec(prod, SERVICE, f"{workload}-client") == {
        "type": "ClusterIP",
        "selector": selector(workload),
        "ports": ports[:1],
    }, "the client Service has only ready members and only the port for clients"
    listening = [port["containerPort"] for port in server(prod, workload)["ports"]]
    assert listening == PORTS[workload]


def external_services(run: Run) -> dict[str, dict[str, Any]]:
    return {name: spec(run, SERVICE, name) for name in run.names(SERVICE) if name.endswith("-external")}


def member_selector(member: str) -> dict[str, str]:
    return {**selector("kafka"), "statefulset.kubernetes.io/pod-name": member}


def test_nothing_is_exposed_by_default(prod: Run) -> None:
    assert external_services(prod) == {}
    assert {spec(prod, SERVICE, name).get("type", "headless") for name in prod.names(SERVICE)} == {
        "ClusterIP",
        "headless",
    }


def test_each_broker_has_a_node_port_of_its_own(node_port: Run) -> None:
    port = {"name": "external", "port": 9092, "targetPort": 9092, "protocol": "TCP"}
    assert external_services(node_port) == {
        f"kafka-{ordinal}-external": {
            "type": "NodePort",
            "ports": [port | {"nodePort": 30092 + ordinal}],
            "publishNotReadyAddresses": True,
            "selector": member_selector(f"kafka-{ordinal}"),
        }
        for ordinal in range(3)
    }


def test_each_broker_has_a_load_balancer_of_its_own(load_balancer: Run) -> None:
    port = {"name": "external", "port": 9094, "targetPort": 9092, "protocol": "TCP"}
    assert external_services(load_balancer) == {
        f"kafka-{ordinal}-external": {
            "type": "LoadBalancer",
            "ports": [port],
            "publishNotReadyAddresses": True,
            "selector": member_selector(f"kafka-{ordinal}"),
        }
        for ordinal in range(3)
    }


def test_source_ranges_and_annotations_are_those_of_the_services_outside_alone() -> None:
    said = {"sourceRanges": ["10.0.0.0/8", "2001:db8::/32"], "serviceAnnotations": {"example.com/scheme": "internal"}}
    run = run_on_cluster(settings_of("prod", kafka={**LOAD_BALANCER, **said}), NAME)
    outside = external_services(run)
    assert [item["loadBalancerSourceRanges"] for item in outside.values()] == [["10.0.0.0/8", "2001:db8::/32"]] * 3
    await_nothing = {"pulumi.com/skipAwait": "true"}
    assert {item.name: item.inputs["metadata"]["annotations"] for item in run.of(SERVICE)} == {
        name: ({"example.com/scheme": "internal"} if name in outside else {}) | await_nothing
        for name in run.names(SERVICE)
    }


def test_node_ports_have_annotations_too() -> None:
    run = run_on_cluster(settings_of("prod", kafka={**NODE_PORT, "serviceAnnotations": {"a": "b"}}), NAME)
    service = run.one(SERVICE, "kafka-0-external").inputs["metadata"]["annotations"]
    assert service == {"a": "b", "pulumi.com/skipAwait": "true"}


def test_policies_admit_everyone_to_the_port_outside_whatever_the_source_ranges(load_balancer: Run) -> None:
    """Pods see the address of a node or of the load balancer in place of the client's."""
    run = run_on_cluster(settings_of("prod", kafka={**LOAD_BALANCER, "sourceRanges": ["10.0.0.0/8"]}), NAME)
    assert spec(run, POLICY, "kafka") == spec(load_balancer, POLICY, "kafka")
    assert {"ports": [{"protocol": "TCP", "port": 9092}]} in spec(run, POLICY, "kafka")["ingress"]


def advertised(run: Run) -> list[str]:
    """The listeners that each broker's start script passes to the server."""
    script = run.one(CONFIG_MAP, "kafka-config").inputs["data"]["start-kafka.sh"]
    start = "/opt/kafka/bin/kafka-server-start.sh"
    assert script.count(start) == 1
    shown = []
    for member in members("kafka"):
        shell = ["bash", "-c", script.replace(start, "printf '%s\\n'"), "start", member[-1], host(member)]
        done = subprocess.run(shell, capture_output=True, text=True, check=True)
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("advertised.listeners="))
        shown.append(line.partition("=")[2])
    return shown


def test_brokers_advertise_exactly_the_ports_of_their_services(prod: Run, node_port: Run, load_balancer: Run) -> None:
    inside = [f"INTERNAL://{host(member)}:29092" for member in members("kafka")]
    assert advertised(prod) == inside
    nodes = [f"nodes.example:{30092 + ordinal}" for ordinal in range(3)]
    balancers = [f"kafka-{ordinal}.example:9094" for ordinal in range(3)]
    for run, outside in ((node_port, nodes), (load_balancer, balancers)):
        assert advertised(run) == [f"{a},EXTERNAL://{b}" for a, b in zip(inside, outside, strict=True)]
        assert run.outputs["kafkaBootstrapServers"] == ",".join(outside)
        services = external_services(run).values()
        numbers = [item["ports"][0].get("nodePort", item["ports"][0]["port"]) for item in services]
        assert [int(address.rpartition(":")[2]) for address in outside] == numbers
        properties = run.one(CONFIG_MAP, "kafka-config").inputs["data"]["server.properties"]
        assert "listeners=INTERNAL://:29092,EXTERNAL://:9092\n" in properties
        assert [port["containerPort"] for port in server(run, "kafka")["ports"]] == [29092, 9092]


def test_the_platforms_clients_reach_brokers_inside_even_if_these_are_exposed(
    prod: Run, node_port: Run, load_balancer: Run
) -> None:
    for run in (prod, node_port, load_balancer):
        (topics,) = run.of(TOPIC_SET)
        assert topics.inputs["brokers"] == {member: f"{host(member)}:29092" for member in members("kafka")}


# ------------------------------------------------------------------------------------------------------- selectors


def pods_of_namespace() -> dict[str, dict[str, str]]:
    """Labels of pods in the namespace: the platform's, as a cluster sets them, and others'."""
    ours = {
        member: {
            **labels(workload),
            "statefulset.kubernetes.io/pod-name": member,
            "apps.kubernetes.io/pod-index": member[-1],
            "controller-revision-hash": f"{workload}-1",
        }
        for workload in SERVERS
        for member in members(workload)
    }
    return {
        **ours,
        "client": {"app": "shop", **CLIENT},
        "stranger": {"app": "shop"},
        "claimant": {"app": "shop", "millrace.client": "false"},
        "another-platform": {**labels("kafka"), "app.kubernetes.io/instance": "millrace-other"},
        "another-kafka": {"app.kubernetes.io/name": "kafka"},
    }


PODS = pods_of_namespace()


def selected(by: Mapping[str, str]) -> list[str]:
    """Names of the pods that a selector's labels match; no labels match all."""
    return sorted(name for name, its in PODS.items() if by.items() <= its.items())


@pytest.mark.parametrize("workload", SERVERS)
def test_every_selector_of_a_workload_finds_its_pods_and_no_others(node_port: Run, workload: str) -> None:
    given = pod(node_port, workload)
    (term,) = given["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (constraint,) = given["topologySpreadConstraints"]
    found = [
        spec(node_port, STATEFUL_SET, workload)["selector"]["matchLabels"],
        spec(node_port, BUDGET, workload)["selector"]["matchLabels"],
        spec(node_port, POLICY, workload)["podSelector"]["matchLabels"],
        spec(node_port, SERVICE, workload)["selector"],
        spec(node_port, SERVICE, f"{workload}-client")["selector"],
        term["labelSelector"]["matchLabels"],
        constraint["labelSelector"]["matchLabels"],
    ]
    assert [selected(by) for by in found] == [members(workload)] * len(found)


def test_a_members_own_service_selects_only_that_member(node_port: Run, load_balancer: Run) -> None:
    for run in (node_port, load_balancer):
        for name, service in external_services(run).items():
            assert selected(service["selector"]) == [name.removesuffix("-external")]


def test_the_selector_of_a_stateful_set_matches_its_own_template(prod: Run) -> None:
    for workload in SERVERS:
        given = spec(prod, STATEFUL_SET, workload)
        assert given["selector"]["matchLabels"].items() <= given["template"]["metadata"]["labels"].items()


# ------------------------------------------------------------------------------------------------------- policies


def test_the_default_deny_policy_selects_only_the_platforms_pods(prod: Run) -> None:
    given = spec(prod, POLICY, "default-deny")
    assert given == {"podSelector": {"matchLabels": selector()}, "policyTypes": ["Ingress", "Egress"]}
    ours = sorted(member for workload in SERVERS for member in members(workload))
    assert selected(given["podSelector"]["matchLabels"]) == ours, "a namespace may also hold applications"


def peer(workload: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": selector(workload)}}


def tcp(*numbers: int) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": number} for number in numbers]


NAMES = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
API = {"ports": tcp(443, 6443)}
CLIENTS_HERE = {"podSelector": {"matchLabels": CLIENT}}


def ingress_and_egress(run: Run, workload: str) -> tuple[list[Any], list[Any]]:
    given = spec(run, POLICY, workload)
    assert given["policyTypes"] == ["Ingress", "Egress"], "an unnamed direction would be open"
    assert given["podSelector"] == {"matchLabels": selector(workload)}
    assert set(given) == {"policyTypes", "podSelector", "ingress", "egress"}
    return given["ingress"], given["egress"]


def test_the_ensemble_admits_brokers_and_its_own_members(prod: Run) -> None:
    ingress, egress = ingress_and_egress(prod, "zookeeper")
    assert ingress == [
        {"from": [peer("kafka")], "ports": tcp(2181)},
        {"from": [peer("zookeeper")], "ports": tcp(2888)},
        {"from": [peer("zookeeper")], "ports": tcp(3888)},
    ]
    assert egress == [
        NAMES,
        {"to": [peer("zookeeper")], "ports": tcp(2888)},
        {"to": [peer("zookeeper")], "ports": tcp(3888)},
    ]


def test_brokers_admit_each_other_and_clients(prod: Run, without_zones: Run) -> None:
    ingress, egress = ingress_and_egress(prod, "kafka")
    assert ingress == [{"from": [peer("kafka"), CLIENTS_HERE], "ports": tcp(29092)}]
    others = [{"to": [peer("zookeeper")], "ports": tcp(2181)}, {"to": [peer("kafka")], "ports": tcp(29092)}]
    assert egress == [NAMES, *others, API]
    assert ingress_and_egress(without_zones, "kafka") == (ingress, [NAMES, *others]), "no zones, no API"


def test_redis_admits_clients_and_connects_to_nothing(prod: Run) -> None:
    ingress, egress = ingress_and_egress(prod, "redis")
    assert ingress == [{"from": [CLIENTS_HERE], "ports": tcp(6379)}]
    assert egress == [NAMES]


@pytest.mark.parametrize("exposed", ["node_port", "load_balancer"])
def test_only_an_exposed_port_admits_any_address(exposed: str, prod: Run, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(exposed)
    ingress, egress = ingress_and_egress(run, "kafka")
    before, same = ingress_and_egress(prod, "kafka")
    assert ingress == [*before, {"ports": tcp(9092)}], "the load balancer or node hides outside addresses"
    assert egress == same
    for workload in ("zookeeper", "redis"):
        assert ingress_and_egress(run, workload) == ingress_and_egress(prod, workload)


def test_further_namespaces_may_reach_only_the_ports_for_clients(prod: Run) -> None:
    run = run_on_cluster(settings_of("prod", kubernetes=cluster(clientNamespaces=["apps", "jobs"])), NAME)
    further = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in ("apps", "jobs")
    ]
    kafka, redis = ingress_and_egress(run, "kafka")[0], ingress_and_egress(run, "redis")[0]
    assert kafka == [{"from": [peer("kafka"), CLIENTS_HERE, *further], "ports": tcp(29092)}]
    assert redis == [{"from": [CLIENTS_HERE, *further], "ports": tcp(6379)}]
    assert ingress_and_egress(run, "zookeeper") == ingress_and_egress(prod, "zookeeper")


def rules(run: Run, name: str, way: str) -> list[dict[str, Any]] | None:
    """The rules for a pod in one direction; None for a pod that no policy selects."""
    mine = [
        spec(run, POLICY, policy)
        for policy in run.names(POLICY)
        if name in selected(spec(run, POLICY, policy)["podSelector"]["matchLabels"])
    ]
    return [rule for policy in mine for rule in policy.get(way, [])] if mine else None


def allows(found: list[dict[str, Any]] | None, other: str, number: int, peers: str) -> bool:
    if found is None:
        return True
    return any(
        {"protocol": "TCP", "port": number} in rule["ports"]
        and (peers not in rule or any(other in selected(item["podSelector"]["matchLabels"]) for item in rule[peers]))
        for rule in found
    )


def test_exactly_these_connections_are_possible_in_the_namespace(prod: Run) -> None:
    """The policies as a network evaluates them: both ends must allow a connection."""
    numbers = sorted({number for found in PORTS.values() for number in found} | {9092, 22, 443})
    ours = [member for workload in SERVERS for member in members(workload)]
    senders = {name: rules(prod, name, "egress") for name in PODS}
    receivers = {name: rules(prod, name, "ingress") for name in PODS}
    possible = {
        (sender.rstrip("-012"), receiver.rstrip("-012"), number)
        for sender, receiver, number in product(PODS, ours, numbers)
        if allows(senders[sender], receiver, number, "to") and allows(receivers[receiver], sender, number, "from")
    }
    assert possible == {
        ("zookeeper", "zookeeper", 2888),
        ("zookeeper", "zookeeper", 3888),
        ("kafka", "zookeeper", 2181),
        ("kafka", "kafka", 29092),
        ("client", "kafka", 29092),
        ("client", "redis", 6379),
    }


# ----------------------------------------------------------------------------------------------------------- zones


def test_only_brokers_get_their_zone_from_an_init_container(prod: Run) -> None:
    assert [workload for workload in SERVERS if "initContainers" in pod(prod, workload)] == ["kafka"]
    given = pod(prod, "kafka")
    (reader,) = given["initContainers"]
    assert reader["image"] == server(prod, "kafka")["image"]
    assert reader["command"] == ["bash", "/etc/millrace/read-zone.sh", "$(NODE_NAME)", "/run/millrace/zone"]
    assert [variable["name"] for variable in reader["env"]] == ["NODE_NAME"]
    written = {mount["mountPath"] for mount in reader["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"/run/millrace"}
    assert {"name": "zone", "mountPath": "/run/millrace", "readOnly": True} in server(prod, "kafka")["volumeMounts"]
    assert {mount["mountPath"] for mount in reader["volumeMounts"] if mount["name"] == "token"} == {
        "/var/run/secrets/kubernetes.io/serviceaccount"
    }


def test_the_brokers_service_account_may_only_read_nodes(prod: Run) -> None:
    name = f"{NAME}-kafka-zones"
    (role,), (binding,) = prod.of(ROLE), prod.of(BINDING)
    assert role.inputs["metadata"]["name"] == binding.inputs["metadata"]["name"] == name, "shared by all namespaces"
    assert role.inputs["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]
    assert binding.inputs["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": name,
    }
    assert binding.inputs["subjects"] == [{"kind": "ServiceAccount", "name": "kafka", "namespace": "streaming"}]
    assert {(ROLE, "kafka-zones"), (BINDING, "kafka-zones")} <= prod.one(STATEFUL_SET, "kafka").after


def test_without_zones_brokers_need_no_permission_and_no_api(without_zones: Run) -> None:
    assert without_zones.of(ROLE) == []
    assert without_zones.of(BINDING) == []
    given = pod(without_zones, "kafka")
    assert "initContainers" not in given
    assert {volume["name"] for volume in given["volumes"]} == {"config", "tmp"}
    assert "read-zone.sh" not in without_zones.one(CONFIG_MAP, "kafka-config").inputs["data"]
    assert not [mount for mount in server(without_zones, "kafka")["volumeMounts"] if mount["name"] == "zone"]


def read_zone(tmp_path: Path, answer: str, *, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the script with a fake openssl that records its input and answers."""
    account, program = tmp_path / "account", tmp_path / "bin"
    account.mkdir()
    program.mkdir()
    (account / "token").write_text("the-token")
    (tmp_path / "answer").write_bytes(answer.encode())
    openssl = program / "openssl"
    kept = f'echo "$@" > {tmp_path}/arguments\ncat > {tmp_path}/request'
    openssl.write_text(f"#!/bin/bash\n{kept}\ncat {tmp_path}/answer\nexit {status}\n")
    openssl.chmod(0o755)
    script = tmp_path / "read-zone.sh"
    place = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert ZONE_SCRIPT.count(place) == 1
    script.write_text(ZONE_SCRIPT.replace(place, str(account)))
    environment = {
        "PATH": f"{program}:{os.environ['PATH']}",
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
    }
    command = ["bash", str(script), "node-1", str(tmp_path / "zone")]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def node(body: str) -> str:
    return f"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}"


@pytest.mark.parametrize(
    ("answer", "zone"),
    [
        (node('{"metadata":{"labels":{"topology.kubernetes.io/zone":"eu-1a"}}}'), "eu-1a"),
        (node('{"metadata": {"labels": {"topology.kubernetes.io/zone": "eu-1a", "x": "y"}}}'), "eu-1a"),
        (node('{"metadata":{"labels":{"topology.kubernetes.io/region":"eu-1"}}}'), ""),
        (node('{"metadata":{"labels":{"topology.kubernetes.io/zone":""}}}'), ""),
        (node('{"metadata":{"labels":{}}}'), ""),
        (node('{"metadata":{"labels":{"my-topology.kubernetes.io/zone":"no","a":"b"}}}'), ""),
        (node(r'{"metadata":{"annotations":{"last":"{\"topology.kubernetes.io/zone\":\"old\"}"}}}'), ""),
    ],
)
def test_the_zone_of_a_node_is_written_into_the_file(tmp_path: Path, answer: str, zone: str) -> None:
    done = read_zone(tmp_path, answer)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "zone").read_text() == zone
    assert done.stdout == f"node node-1 is in zone {zone or '(none)'}\n"


def test_the_api_server_is_asked_only_for_metadata_over_a_verified_connection(tmp_path: Path) -> None:
    read_zone(tmp_path, node("{}"))
    lines = (tmp_path / "request").read_bytes().decode().split("\r\n")
    assert lines == [
        "GET /api/v1/nodes/node-1 HTTP/1.0",
        "Host: kubernetes.default.svc",
        "Accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        "Authorization: Bearer the-token",
        "",
        "",
    ]
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[0] == "s_client"
    assert {"-verify_return_error", "-verify_hostname", "-CAfile"} <= set(arguments), (
        "the token is sent only to the API server"
    )
    assert arguments[arguments.index("-verify_hostname") + 1] == "kubernetes.default.svc"
    assert arguments[arguments.index("-CAfile") + 1] == str(tmp_path / "account" / "ca.crt")
    assert arguments[arguments.index("-connect") + 1] == "10.0.0.1:443"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("HTTP/1.0 403 Forbidden\r\n\r\n{}", 0),
        ("HTTP/1.0 404 Not Found\r\n\r\n" + '{"topology.kubernetes.io/zone":"eu-1a"}', 0),
        ("", 0),
        ("", 1),
        (node('{"metadata":{"labels":{"topology.kubernetes.io/zone":"eu-1a"}}}'), 1),
    ],
    ids=["forbidden", "not-found", "nothing", "no-connection", "a-connection-that-breaks"],
)
def test_a_broker_does_not_start_if_its_zone_cannot_be_read(tmp_path: Path, answer: str, status: int) -> None:
    """A broker without its former rack would change the placement of replicas."""
    done = read_zone(tmp_path, answer, status=status)
    assert done.returncode != 0
    assert not (tmp_path / "zone").exists()
    assert "the-token" not in done.stdout + done.stderr


# --------------------------------------------------------------------------------------------------------- secrets


def texts(value: object) -> Iterator[str]:
    """Every string in a value, including keys."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from (key, *texts(entry))
    elif isinstance(value, list):
        for entry in value:
            yield from texts(entry)
    elif isinstance(value, str):
        yield value


GIVEN_PASSWORD = 'a "quoted" p@ss/word: 100%'


@pytest.fixture(scope="module")
def given_password() -> Run:
    return run_on_cluster(settings_of("prod", redis={"password": GIVEN_PASSWORD}, secret_keys=["redis"]), NAME)


@pytest.mark.parametrize(("run_name", "password"), [("prod", GENERATED_PASSWORD), ("given_password", GIVEN_PASSWORD)])
def test_the_password_is_only_in_secrets(run_name: str, password: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(run_name)
    spellings = {password, quote(password, safe=""), password.replace('"', '\\"')}

    spellings |= {base64.b64encode(spelling.encode()).decode().rstrip("=") for spelling in spellings}

    def holds(value: object) -> bool:
        return any(spelling in text for text in texts(value) for spelling in spellings)

    knowing = {(item.type, item.name) for item in run.resources if holds(unmasked(item.inputs))}
    assert knowing == {
        (SECRET, "redis-files"),
        (SECRET, "clients"),
        (REDIS_PASSWORDS, "redis-passwords"),
        (HEALTH_GATE, "health"),
    }
    assert [item.name for item in run.resources if holds(masked(item.inputs))] == [], (
        "unencrypted values are plain text"
    )
    for _, name, outputs in run.registered_outputs:
        assert not holds(masked(outputs)), name
    for item in run.of(SECRET):
        assert {"data", "stringData"} <= set(item.secret_outputs)


def test_redis_files_are_in_a_secret_that_gets_a_new_name_when_they_change(given_password: Run) -> None:
    secret = given_password.one(SECRET, "redis-files")
    data = {key: base64.b64decode(value).decode() for key, value in unmasked(secret.inputs["data"]).items()}
    assert data == {
        "redis-password": GIVEN_PASSWORD,
        "redis-password.conf": 'requirepass "a \\"quoted\\" p@ss/word: 100%"\n',
    }
    assert "name" not in secret.inputs["metadata"], "with a fixed name, pods would keep the old password"
    assert secret.replace_on_changes == ("data",), "the provider compares what `stringData` becomes"
    assert secret.inputs["immutable"] is True


def test_a_roll_compares_the_secrets_name_and_never_its_content(prod: Run) -> None:
    roll = prod.one(GATED_ROLL, "redis-roll")
    (volume,) = (item for item in roll.inputs["template"]["pod"]["volumes"] if item["name"] == "config")
    assert {"secret": {"name": f"redis-files-{NAME_SUFFIX}"}} in volume["projected"]["sources"]
    assert set(roll.inputs["template"]["files"]) == {"redis.conf", "start-redis.sh"}


# -------------------------------------------------------------------------------------------------- order and rolls


def route(*workloads: str) -> dict[str, Any]:
    """The route of the platform's clients to the pods of these workloads, as in a resource's inputs."""
    hosts = [host(member) for workload in workloads for member in members(workload)]
    return {"context": "production", "namespace": "streaming", "hosts": hosts}


OF_ENSEMBLES = {"zookeeper": {"login": SECRET_MARK, "founded": True}}
"""What only resources of a group that is founded, joined and left need."""


@pytest.mark.parametrize(("workload", "size"), [("zookeeper", 10), ("kafka", 100), ("redis", 10)])
def test_member_storage_has_exactly_these_inputs(prod: Run, workload: str, size: int) -> None:
    storage = prod.one(MEMBER_STORAGE, f"{workload}-storage")
    assert masked(storage.inputs) == {
        "__provider": SECRET_MARK,
        "safety": SAFETY[workload],
        "workload": workload,
        "members": {member: f"{host(member)}:{PORTS[workload][0]}" for member in members(workload)},
        "route": route(workload),
        "size": size * GIB,
        "labels": labels(workload),
        "deadline": 600,
        **OF_ENSEMBLES.get(workload, {}),
    }


@pytest.mark.parametrize("workload", SERVERS)
def test_a_roll_has_exactly_these_inputs(prod: Run, workload: str) -> None:
    roll = prod.one(GATED_ROLL, f"{workload}-roll")
    inputs = masked(roll.inputs)
    assert isinstance(inputs, dict)
    template = inputs.pop("template")
    assert inputs == {
        "__provider": SECRET_MARK,
        "safety": SAFETY[workload],
        "workload": workload,
        "members": {member: f"{host(member)}:{PORTS[workload][0]}" for member in members(workload)},
        "route": route(workload),
        "deadline": 600,
        "imagePullPatience": 180,
        "logs": {
            member: f"kubectl --context production -n streaming logs --tail 50 {member}" for member in members(workload)
        },
        **OF_ENSEMBLES.get(workload, {}),
    }
    config = prod.one(CONFIG_MAP, f"{workload}-config").inputs
    assert template["files"] == config["data"]
    expected = pod(prod, workload)
    (volume,) = (item for item in expected["volumes"] if item["name"] == "config")
    (source,) = (item for item in volume["projected"]["sources"] if "configMap" in item)
    assert source["configMap"].pop("name") == f"{workload}-config-{NAME_SUFFIX}"
    source["configMap"]["name"] = ""
    assert template["pod"] == expected, "a changed file is reported by its lines, not by its derived name"


@pytest.mark.parametrize("workload", SERVERS)
def test_pods_are_created_after_their_claims_and_everything_that_protects_them(prod: Run, workload: str) -> None:
    after = prod.one(STATEFUL_SET, workload).after
    assert {
        (MEMBER_STORAGE, f"{workload}-storage"),
        (ACCOUNT, workload),
        (BUDGET, workload),
        (POLICY, workload),
        (SERVICE, workload),
        (SERVICE, f"{workload}-client"),
        (NAMESPACE, "namespace"),
    } <= after
    assert (STATEFUL_SET, workload) in prod.one(GATED_ROLL, f"{workload}-roll").after


def test_brokers_roll_after_the_ensemble_but_all_pods_start_at_once(prod: Run) -> None:
    namespace = {(NAMESPACE, "namespace"), (NAMESPACE_REMOVAL, "namespace-removal")}
    assert prod.one(GATED_ROLL, "kafka-roll").after == {
        *namespace,
        (STATEFUL_SET, "kafka"),
        (STATEFUL_SET, "zookeeper"),
        (GATED_ROLL, "zookeeper-roll"),
    }
    secret = {(CREDENTIALS, "zookeeper-super"), (SECRET, "zookeeper-files")}
    assert prod.one(GATED_ROLL, "zookeeper-roll").after == {*namespace, *secret, (STATEFUL_SET, "zookeeper")}
    brokers = prod.one(STATEFUL_SET, "kafka").after
    assert (STATEFUL_SET, "zookeeper") in brokers, "brokers are removed before the ensemble"
    rolls = {(GATED_ROLL, name) for name in prod.names(GATED_ROLL)}
    assert not rolls & {dependency for item in prod.of(STATEFUL_SET) for dependency in item.after}, (
        "changed brokers are declared before the ensemble has rolled, so that a first start waits only once"
    )
    servers = {(type_, name) for type_ in (STATEFUL_SET, GATED_ROLL) for name in ("kafka", "zookeeper", "kafka-roll")}
    assert not servers & prod.one(STATEFUL_SET, "redis").after


def test_topics_are_created_after_the_brokers_roll_and_go_with_their_volumes(prod: Run) -> None:
    (topics,) = prod.of(TOPIC_SET)
    assert topics.after == {(STATEFUL_SET, "kafka"), (GATED_ROLL, "kafka-roll")}
    assert topics.retain_on_delete
    assert topics.inputs["route"] == route("kafka")
    assert topics.inputs["trigger"] == {member: f"{member}-uid" for member in members("kafka")}
    assert topics.inputs["deadline"] == 600


def test_the_health_gate_is_last_and_connects_through_the_api(prod: Run) -> None:
    (gate,) = prod.of(HEALTH_GATE)
    assert {(TOPIC_SET, "topics"), *((GATED_ROLL, f"{workload}-roll") for workload in SERVERS)} <= gate.after
    trigger = dict(gate.inputs["trigger"])
    assert len(trigger.pop("topics")) == 16
    assert trigger == {member: f"{member}-uid" for workload in SERVERS for member in members(workload)}
    assert gate.inputs["route"] == route(*SERVERS)
    assert gate.inputs["zookeeper"] == {member: f"{host(member)}:2181" for member in members("zookeeper")}
    brokers = {member: f"{host(member)}:29092" for member in members("kafka")}
    assert gate.inputs["kafka"] == {"bootstrap": ",".join(brokers.values()), "brokers": brokers}


@pytest.mark.parametrize("protect", [True, False])
def test_only_volumes_are_protected_if_the_stack_file_says_so(protect: bool) -> None:
    run = run_on_cluster(settings_of("prod", protect=protect), NAME)
    guarded = {(item.type, item.name) for item in run.resources if item.protect}
    assert guarded == ({(MEMBER_STORAGE, name) for name in run.names(MEMBER_STORAGE)} if protect else set())


def test_a_protected_topic_protects_only_the_volumes_that_store_it() -> None:
    run = run_on_cluster(settings_of("prod", protect=False, topics=[{"name": "kept", "protect": True}]), NAME)
    assert {item.name for item in run.resources if item.protect} == {"kafka-storage", "zookeeper-storage"}


# --------------------------------------------------------------------------------------------------------- outputs


def test_the_prod_stack_has_exactly_these_outputs(prod: Run) -> None:
    told = {"readme", "network"}  # the program adds the first; only Docker has the second
    told |= {"metricsUrl", "prometheusUrl", "grafanaUrl", "grafanaPassword", "apps", "kafkaLogin"}  # where these run
    assert {*prod.outputs, *told} == set(OUTPUTS)
    assert "network" not in prod.outputs
    assert prod.secret_outputs == {"clientEnvironment", "dotenv", "redisUrl"}
    plain = {key: prod.outputs[key] for key in ("namespace", "clientConfigMap", "clientSecret", "health")}
    assert plain == {
        "namespace": "streaming",
        "clientConfigMap": f"{NAME}-clients",
        "clientSecret": f"{NAME}-clients",
        "health": "all parts are healthy",
    }


def test_outputs_for_clients_in_the_cluster_name_every_member(prod: Run) -> None:
    brokers = ",".join(f"{host(member)}:29092" for member in members("kafka"))
    ensemble = ",".join(f"{host(member)}:2181" for member in members("zookeeper"))
    assert prod.outputs["kafkaBootstrapServers"] == brokers
    assert prod.outputs["kafkaInternalBootstrapServers"] == brokers
    assert prod.outputs["zookeeperConnect"] == ensemble
    assert prod.outputs["redisUrl"] == f"redis://:{GENERATED_PASSWORD}@{host('redis-0')}:6379/0"


def test_applications_read_their_environment_from_a_config_map_and_a_secret(prod: Run) -> None:
    environment = dict(prod.outputs["clientEnvironment"])  # pyright: ignore[reportArgumentType]
    config, secret = prod.one(CONFIG_MAP, "clients"), prod.one(SECRET, "clients")
    names = [item.inputs["metadata"]["name"] for item in (config, secret)]
    assert names == [prod.outputs["clientConfigMap"], prod.outputs["clientSecret"]]
    assert unmasked(secret.inputs["stringData"]) == environment
    assert config.inputs["data"] == {"KAFKA_BOOTSTRAP_SERVERS": environment["KAFKA_BOOTSTRAP_SERVERS"]}, (
        "a value that contains a password is secret"
    )
    assert "immutable" not in config.inputs, "its name stays when it changes"


def test_without_a_password_only_the_combined_variables_are_secret() -> None:
    run = run_on_cluster(settings_of("prod", redis={"authentication": False}), NAME)
    assert run.names(SECRET) == ["clients", "zookeeper-files"]
    assert run.names(CREDENTIALS) == ["zookeeper-super"]
    (volume,) = (item for item in pod(run, "redis")["volumes"] if item["name"] == "config")
    assert [list(source) for source in volume["projected"]["sources"]] == [["configMap"]]
    assert run.outputs["redisUrl"] == f"redis://{host('redis-0')}:6379/0"


def test_a_different_domain_and_namespace_are_in_every_name() -> None:
    kubernetes = cluster(namespace="data", clusterDomain="example.internal")
    run = run_on_cluster(settings_of("prod", kubernetes=kubernetes), NAME)
    shown = [*texts([unmasked(item.inputs) for item in run.resources]), *texts(dict(run.outputs))]
    assert any(".data.svc.example.internal" in text for text in shown)
    assert not [text for text in shown if "cluster.local" in text or ".streaming." in text]
