"""The test cluster's setup, without Docker and Kubernetes: rendered settings and decisions.

Source: offline/cluster/.
Proof limit: nothing is started here; tests/cluster proves that the settings work.
"""

import base64
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from offline.cluster import certificates, control_plane, layout, lifecycle, network, nodes, processes, storage
from offline.steps import SetupError

ONE, TWO, THREE = layout.NODES


class FakeApi:
    """Answers `kubectl get` with prepared lists, and records patches."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists = lists
        self.patches: list[tuple[str, str, dict[str, Any]]] = []
        self.statuses: list[str] = []

    def __call__(self, *words: str) -> str:
        verb, kind = words[:2]
        if verb == "get":
            return json.dumps({"items": self.lists[kind]})
        self.patches.append((kind, words[2], json.loads(words[words.index("-p") + 1])))
        if "--subresource=status" in words:
            self.statuses.append(words[2])
        return ""


def claim(name: str, wanted: str, capacity: str | None) -> dict[str, Any]:
    status = {"phase": "Bound", "capacity": {"storage": capacity}} if capacity else {"phase": "Pending"}
    spec = {"volumeName": f"pv-{name}", "resources": {"requests": {"storage": wanted}}}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def volume(name: str, **claim: str) -> dict[str, Any]:
    host = {"key": "kubernetes.io/hostname", "operator": "In", "values": [THREE.name]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}}
    spec = {"local": {"path": f"/var/volumes/{name}"}, "nodeAffinity": affinity}
    return {"metadata": {"name": name}, "spec": spec | ({"claimRef": claim} if claim else {})}


def option(words: Sequence[str], name: str) -> list[str]:
    return [word.removeprefix(f"--{name}=") for word in words if word.startswith(f"--{name}=")]


def test_the_kubeconfig_names_one_context_and_holds_the_certificates() -> None:
    config = json.loads(certificates.kubeconfig(b"authority", b"certificate", b"key"))
    assert config["current-context"] == layout.CONTEXT == "millrace-test"
    assert [context["name"] for context in config["contexts"]] == ["millrace-test"], "tests refuse every other context"
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    assert cluster["server"] == "https://172.30.0.1:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"authority"
    assert base64.b64decode(user["client-certificate-data"]) == b"certificate"
    assert base64.b64decode(user["client-key-data"]) == b"key"


def test_a_private_file_becomes_readable_by_its_user_only(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("old")
    path.chmod(0o644)
    certificates.write_private(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_listener_of_the_control_plane_is_on_the_nodes_gateway_or_on_loopback() -> None:
    commands = control_plane.commands()
    for name in ("listen-client-urls", "listen-peer-urls"):
        assert option(commands["etcd"], name)[0].startswith("http://127.0.0.1:")
    assert option(commands["kube-apiserver"], "bind-address") == [layout.GATEWAY]
    for name in ("kube-controller-manager", "kube-scheduler"):
        assert option(commands[name], "bind-address") == ["127.0.0.1"], f"{name} listens on all addresses by default"
    assert f"bind {layout.GATEWAY}\n" in control_plane.corefile()


def test_permissions_are_enforced_and_a_dead_node_is_detected_within_a_minute() -> None:
    commands = control_plane.commands()
    assert option(commands["kube-apiserver"], "authorization-mode") == ["RBAC"]
    grace = int(option(commands["kube-controller-manager"], "node-monitor-grace-period")[0].removesuffix("s"))
    tolerated = [
        int(option(commands["kube-apiserver"], f"default-{kind}-toleration-seconds")[0])
        for kind in ("not-ready", "unreachable")
    ]
    assert grace + max(tolerated) < 60
    assert nodes.kubelet_config()["nodeLeaseDurationSeconds"] <= grace, "a living node would count as dead"


def test_every_process_of_the_control_plane_is_recognized_by_its_command_line() -> None:
    for name, command in control_plane.commands().items():
        assert processes.is_ours(command), f"{name} would keep running after the cluster is removed"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["/usr/bin/etcd", "--data-dir=/var/lib/etcd"],
        ["kube", "kubelet", "--config=/etc/kube/kubelet.json"],
        ["tail", "-f", f"{layout.STATE}/logs/etcd.log"],
        ["/usr/bin/etcd", f"--data-dir={layout.STATE}-of-somebody-else/etcd"],
    ],
)
def test_foreign_processes_are_left_alone(words: list[str]) -> None:
    assert not processes.is_ours(words)


def test_a_command_counts_as_running_only_if_every_argument_is_equal() -> None:
    own = Path("/proc/self/cmdline").read_bytes().decode().split("\0")[:-1]
    assert processes.running(own)
    assert not processes.running([*own, "--more"]), (
        "a process with different settings must not count as the expected one"
    )


def test_nodes_differ_in_name_zone_address_and_pods() -> None:
    assert [node.name for node in layout.NODES] == ["millrace-node-1", "millrace-node-2", "millrace-node-3"]
    assert [node.zone for node in layout.NODES] == ["zone-1", "zone-2", "zone-3"]
    assert len({node.address for node in layout.NODES} | {node.pods for node in layout.NODES}) == 6


def test_a_node_gets_its_zone_its_volumes_and_routes_to_the_others() -> None:
    words = nodes.container(TWO)
    variables = dict(word.split("=", 1) for word in option(words, "env"))
    assert variables["ZONE"] == "zone-2"
    assert variables["POD_CIDR"] == TWO.pods
    assert variables["ROUTES"] == f"{ONE.pods}={ONE.address} {THREE.pods}={THREE.address}"
    assert variables["VOLUMES"].split() == storage.folders()
    assert words[-1] == nodes.IMAGE, "options after the image belong to the entry point"
    assert option(words, "hostname") == option(words, "name") == ["millrace-node-2"]


def test_nodes_get_only_the_privileges_they_need() -> None:
    words = nodes.container(ONE)
    assert "--privileged" not in words
    assert not option(words, "publish"), "nothing of the cluster is reachable from other machines"
    read_only = [volume for volume in option(words, "volume") if ":" in volume]
    assert all(volume.endswith(":ro") for volume in read_only)


def test_the_fingerprint_changes_with_the_inputs_of_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = nodes.fingerprint()
    assert nodes.fingerprint() == before
    monkeypatch.setattr(storage, "CAPACITY", "20Gi")
    assert nodes.fingerprint() != before


def test_nodes_get_exactly_the_variables_that_the_entry_point_reads() -> None:
    script = (layout.SOURCES / "node" / "entry.sh").read_text()
    for word in option(nodes.container(ONE), "env"):
        name = word.partition("=")[0]
        assert f"${name}" in script, f"the entry point ignores {name}"


def test_each_node_has_volumes_of_each_storage_class() -> None:
    volumes = [item for item in storage.manifests() if item["kind"] == "PersistentVolume"]
    names = [volume["metadata"]["name"] for volume in volumes]
    assert len(set(names)) == len(names) == 45
    for node in layout.NODES:
        for name, count in {"standard": 12, "rigid": 3}.items():
            own = [
                volume
                for volume in volumes
                if storage._node_of(volume) == node.name and volume["spec"]["storageClassName"] == name
            ]
            assert len({volume["spec"]["local"]["path"] for volume in own}) == count
            assert {volume["spec"]["capacity"]["storage"] for volume in own} == {"10Gi"}


def test_a_node_has_exactly_the_folders_that_its_volumes_name() -> None:
    volumes = [item for item in storage.manifests() if item["kind"] == "PersistentVolume"]
    paths = {volume["spec"]["local"]["path"] for volume in volumes}
    assert paths == {f"/var/volumes/{folder}" for folder in storage.folders()}


def test_one_storage_class_is_the_default_and_the_other_cannot_expand() -> None:
    classes = {item["metadata"]["name"]: item for item in storage.manifests() if item["kind"] == "StorageClass"}
    assert {name: made["allowVolumeExpansion"] for name, made in classes.items()} == {"standard": True, "rigid": False}
    default = "storageclass.kubernetes.io/is-default-class"
    assert [name for name, made in classes.items() if made["metadata"]["annotations"].get(default)] == ["standard"]
    assert {made["reclaimPolicy"] for made in classes.values()} == {"Retain"}
    assert {made["volumeBindingMode"] for made in classes.values()} == {"WaitForFirstConsumer"}


NO_GROWTH = {"allocatedResources": None, "allocatedResourceStatuses": None}
"""What a volume resizer removes from the status at the end."""


def test_only_claims_that_request_more_than_their_capacity_grow() -> None:
    api = FakeApi(pvc=[claim("grows", "20Gi", "10Gi"), claim("fits", "1Gi", "10Gi"), claim("waits", "20Gi", None)])
    assert storage.grant_expansions("kafka", api) == ["grows"]
    assert api.patches == [
        ("pv", "pv-grows", {"spec": {"capacity": {"storage": "20Gi"}}}),
        ("pvc", "grows", {"status": {"capacity": {"storage": "20Gi"}, **NO_GROWTH}}),
    ]
    assert api.statuses == ["grows"], "the status of a claim is a subresource"


def test_only_a_growth_can_be_refused() -> None:
    api = FakeApi(pvc=[claim("grows", "20Gi", "10Gi"), claim("fits", "1Gi", "10Gi")])
    assert storage.refuse_expansions("kafka", api) == ["grows"]
    states = {"storage": "ControllerResizeInfeasible"}
    status = {"allocatedResources": {"storage": "20Gi"}, "allocatedResourceStatuses": states}
    assert api.patches == [("pvc", "grows", {"status": status})]
    assert api.statuses == ["grows"]


@pytest.mark.parametrize(("namespace", "expected"), [(None, ["a", "b"]), ("one", ["a"]), ("three", [])])
def test_only_volumes_whose_claims_were_deleted_are_emptied_and_made_available(
    monkeypatch: pytest.MonkeyPatch, namespace: str | None, expected: list[str]
) -> None:
    emptied: list[tuple[str, str]] = []
    monkeypatch.setattr(storage, "_empty", lambda node, folder: emptied.append((node, folder)))
    volumes = [
        volume("a", namespace="one", uid="gone"),
        volume("b", namespace="two", uid="gone too"),
        volume("c", namespace="one", uid="alive"),
        volume("never claimed"),
    ]
    api = FakeApi(pv=volumes, pvc=[{"metadata": {"uid": "alive"}}])
    assert storage.recycle_volumes(api, namespace) == expected
    assert emptied == [("millrace-node-3", f"/var/volumes/{name}") for name in expected]
    fresh = {"spec": {"claimRef": None, "capacity": {"storage": "10Gi"}}}
    assert api.patches == [("pv", name, fresh) for name in expected]


@pytest.mark.parametrize(
    ("text", "size"),
    [("10Gi", 10 * 2**30), ("1.5Gi", 3 * 2**29), ("500M", 500_000_000), ("1024", 1024), ("2Ti", 2**41), ("8k", 8000)],
)
def test_sizes_are_parsed_as_kubernetes_writes_them(text: str, size: int) -> None:
    assert storage.quantity(text) == Decimal(size)


def test_routes_that_overlap_with_the_clusters_networks_are_named() -> None:
    routes = [
        {"dst": "default", "dev": "eth0"},
        {"dst": "172.17.0.0/16", "dev": "docker0"},
        {"dst": "172.30.0.0/16", "dev": "br-1"},
        {"dst": "10.244.3.0/24", "dev": "flannel"},
    ]
    assert network.overlapping(routes) == ["172.30.0.0/16 on br-1", "10.244.3.0/24 on flannel"]


def test_a_start_with_taken_addresses_fails_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_routes", lambda: [{"dst": "172.30.0.0/16", "dev": "br-1"}])
    with pytest.raises(SetupError, match=r"172\.30\.0\.0/16 on br-1; remove them"):
        network.make_network()


def test_a_node_is_ready_only_if_its_status_says_so() -> None:
    def listed(name: str, status: str) -> dict[str, Any]:
        conditions = [{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": status}]
        return {"metadata": {"name": name}, "status": {"conditions": conditions}}

    items = [listed("a", "True"), listed("b", "Unknown"), listed("c", "False")]
    assert lifecycle.ready_nodes(items) == {"a"}
