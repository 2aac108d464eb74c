"""The roles of docs/RBAC.md permit every request of the program and the command line to a cluster.

Source: docs/RBAC.md.
Proof limit: rights are compared as RBAC defines them; no API server judges the roles here.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.errors import PreflightError
from components.targets.kubernetes.client import Cluster
from components.targets.kubernetes.objects import StorageClass
from components.targets.kubernetes.preflight import ClusterNeeds, preflight
from components.targets.kubernetes.rights import READING
from tools.tables import RBAC, rbac_manifest

PROJECT = Path(__file__).resolve().parents[2]
NAMESPACE = "streaming"
CHANGES = {"get", "create", "patch", "delete"}
WATCHES = {"list", "watch"}
UNWATCHED = {"StatefulSet"}
"""Kinds whose deletion the plugin does not await if ``pulumi.com/skipAwait`` is set; it awaits that of Services."""

PLURALS = {"NetworkPolicy": "networkpolicies"}

Right = tuple[str, str, str]
"""A verb, an API group and a resource, which may have a subresource."""


def documents() -> list[dict[str, Any]]:
    page = (PROJECT / "docs" / "RBAC.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [document for block in blocks for document in yaml.safe_load_all(block)]


def rights(*roles: str) -> set[tuple[str | None, Right]]:
    """The permissions of roles, each with its namespace; None means the whole cluster."""
    granted: set[tuple[str | None, Right]] = set()
    for document in documents():
        if document["kind"] in ("Role", "ClusterRole") and document["metadata"]["name"] in roles:
            place = document["metadata"].get("namespace")
            for rule in document["rules"]:
                assert rule.keys() == {"apiGroups", "resources", "verbs"}
                granted |= {
                    (place, (verb, group, resource))
                    for verb in rule["verbs"]
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                }
    assert granted, f"the page has no role {roles}"
    return granted


class Judge:
    """A cluster whose answers about permissions follow the page's roles."""

    def __init__(self, *roles: str, without: frozenset[Right] = frozenset()) -> None:
        self._granted = {(place, right) for place, right in rights(*roles) if right not in without}
        self.asked: set[Right] = set()

    def server_version(self) -> str:
        return "1.33.0"

    def denied(self, namespace: str | None, needs: Sequence[Right]) -> list[Right]:
        self.asked |= {*needs}
        return [need for need in needs if not {(namespace, need), (None, need)} & self._granted]

    def storage_class(self, _name: str | None) -> StorageClass:
        return StorageClass(name="gp3", expandable=True, binding_mode="", default=True, reclaim="Retain")


DEPLOYER = ("millrace-deployer", "millrace-storageclasses")
WITH_ZONES = (*DEPLOYER, "millrace-zones")
FULL = ("millrace-full-deployer",)


def check(
    patch: pytest.MonkeyPatch,
    roles: Sequence[str],
    *,
    create_namespace: bool,
    zones: bool,
    without: frozenset[Right] = frozenset(),
    dry_run: bool = False,
) -> set[Right]:
    """Run the preflight checks with the permissions of these roles; returns the permissions that were checked."""
    judge = Judge(*roles, without=without)
    module = sys.modules[preflight.__module__]
    patch.setattr(module, "contexts", lambda _: ["production"])
    patch.setattr(module, "connect", lambda _, __: judge)
    needs = ClusterNeeds(
        context="production",
        kubeconfig=None,
        namespace=NAMESPACE,
        create_namespace=create_namespace,
        storage_class=None,
        zones=zones,
    )
    preflight(needs, dry_run=dry_run)
    return judge.asked


@pytest.mark.parametrize(
    ("roles", "create_namespace", "zones"),
    [
        pytest.param(DEPLOYER, False, False, id="deployer of one namespace"),
        pytest.param(WITH_ZONES, False, True, id="with zones"),
        pytest.param(FULL, True, True, id="full deployer"),
    ],
)
def test_preflight_finds_no_missing_permission(
    monkeypatch: pytest.MonkeyPatch, roles: Sequence[str], create_namespace: bool, zones: bool
) -> None:
    check(monkeypatch, roles, create_namespace=create_namespace, zones=zones)


@pytest.mark.parametrize(
    ("roles", "create_namespace", "zones", "missing"),
    [
        pytest.param(DEPLOYER, False, True, "clusterroles", id="zones without their role"),
        pytest.param(WITH_ZONES, True, True, "namespaces", id="a namespace that is to be created"),
        pytest.param(("millrace-operator",), False, False, "secrets", id="an operator's `up`"),
    ],
)
def test_a_role_for_a_smaller_task_is_not_enough_for_a_larger_one(
    monkeypatch: pytest.MonkeyPatch, roles: Sequence[str], create_namespace: bool, zones: bool, missing: str
) -> None:
    with pytest.raises(PreflightError, match=missing):
        check(monkeypatch, roles, create_namespace=create_namespace, zones=zones)


ZONES = "rbac.authorization.k8s.io"


@pytest.mark.parametrize(
    ("right", "named"),
    [
        pytest.param(("get", "", "pods/portforward"), "get pods/portforward in", id="the tunnel up to 1.34"),
        pytest.param(("create", "", "pods/portforward"), "create pods/portforward in", id="the tunnel from 1.35"),
        pytest.param(("create", "", "pods/eviction"), "create pods/eviction in", id="evictions"),
        pytest.param(("list", "", "persistentvolumeclaims"), "list persistentvolumeclaims in", id="volume claims"),
        pytest.param(
            ("patch", "apps", "statefulsets/scale"), "patch statefulsets/scale.apps in", id="stopping members"
        ),
        pytest.param(("watch", "", "services"), "watch services in", id="waiting for deletions"),
        pytest.param(("list", "policy", "poddisruptionbudgets"), "list poddisruptionbudgets.policy in", id="the same"),
        pytest.param(("get", "", "nodes"), "get nodes in the cluster; or set kubernetes.zones", id="granting zones"),
        pytest.param(
            ("watch", ZONES, "clusterroles"), f"watch clusterroles.{ZONES} in", id="waiting for zones' deletion"
        ),
        pytest.param(("list", "", "namespaces"), "list namespaces in", id="waiting for the namespace's deletion"),
    ],
)
def test_preflight_names_a_missing_permission(monkeypatch: pytest.MonkeyPatch, right: Right, named: str) -> None:
    with pytest.raises(PreflightError) as caught:
        check(monkeypatch, FULL, create_namespace=True, zones=True, without=frozenset({right}))
    (problem,) = caught.value.problems
    assert problem.startswith(f"you may not {named}")


def test_a_preview_needs_no_right_to_change_and_says_that_up_does(monkeypatch: pytest.MonkeyPatch) -> None:
    changing = frozenset(right for _, right in rights(*FULL) if right[0] not in READING)
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    check(monkeypatch, FULL, create_namespace=True, zones=True, without=changing, dry_run=True)
    (text,) = warned
    assert text.startswith(
        "`up` would be refused with these credentials:\nyou may not create, patch, delete configmaps"
    )
    with pytest.raises(PreflightError, match="create, patch, delete configmaps"):
        check(monkeypatch, FULL, create_namespace=True, zones=True, without=changing)
    unseen = frozenset({("list", "", "pods")})
    with pytest.raises(PreflightError, match="list pods in namespace"):
        check(monkeypatch, FULL, create_namespace=True, zones=True, without=unseen, dry_run=True)


def test_the_manifest_is_generated_and_grants_what_the_page_grants() -> None:
    assert RBAC.read_text() == rbac_manifest(), "run python -m tools.tables"
    role, binding = yaml.safe_load_all(RBAC.read_text())
    granted = {
        (verb, group, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == {right for _, right in rights(*FULL)}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


def test_without_zones_preflight_checks_no_permission_on_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = check(monkeypatch, DEPLOYER, create_namespace=False, zones=False)
    assert ("get", "", "nodes") not in asked


def test_the_page_grants_what_preflight_checks_and_little_more(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = check(monkeypatch, FULL, create_namespace=True, zones=True)
    granted = {right for _, right in rights(*FULL)}
    assert asked <= granted
    assert granted - asked == {
        ("create", "", "pods"),
        ("list", "", "events"),
    }


class Listener:
    """An API server that answers every request and records the permissions that it needs."""

    context = "production"

    def __init__(self) -> None:
        self.needed: set[Right] = set()

    def request(self, method: str, path: str, body: Any, content_type: str) -> tuple[int, bytes]:
        self.needed |= set(_rights_of(method, path.partition("?")[0]))
        item = {"metadata": {"name": "kafka-0", "uid": "u"}, "spec": {"nodeName": "node-1"}, "status": {}}
        return 200, json.dumps({**item, "gitVersion": "v1.33.0", "items": [item]}).encode()


def _rights_of(method: str, path: str) -> Iterator[Right]:
    """The permission that RBAC requires for a request."""
    match = re.fullmatch(r"/(?:api/v1|apis/(?P<group>[^/]+)/v1)(?:/namespaces/[^/]+)?/(?P<rest>[a-z].*)", path)
    if match is None:
        assert path == "/version", path
        return
    resource, _, rest = match["rest"].partition("/")
    name, _, subresource = rest.partition("/")
    verb = {"GET": "get" if name else "list", "POST": "create", "PATCH": "patch", "DELETE": "delete"}[method]
    yield verb, match["group"] or "", f"{resource}/{subresource}" if subresource else resource


LEFT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kafka-files", "namespace": NAMESPACE}}
"""An object that a killed update left behind."""

REQUESTS: Mapping[str, Callable[[Cluster], object]] = {
    "server_version": lambda made: made.server_version(),
    "storage_class": lambda made: (made.storage_class("gp3"), made.storage_class(None)),
    "storage_classes": lambda made: made.storage_classes(),
    "pods": lambda made: made.pods(NAMESPACE, {}),
    "last_log_lines": lambda made: made.last_log_lines(NAMESPACE, "kafka-0"),
    "log_lines": lambda made: made.log_lines(NAMESPACE, "kafka-0", 10),
    "create_pod": lambda made: made.create_pod(NAMESPACE, {"metadata": {"name": "bench"}}),
    "pull_secrets": lambda made: made.pull_secrets(NAMESPACE, "kafka"),
    "file_sources": lambda made: made.file_sources(NAMESPACE, "kafka"),
    "stateful_set": lambda made: made.stateful_set(NAMESPACE, "kafka"),
    "scale": lambda made: made.scale(NAMESPACE, "kafka", 0),
    "delete_pod": lambda made: made.delete_pod(NAMESPACE, "kafka-0", "u"),
    "evict_pod": lambda made: made.evict_pod(NAMESPACE, "kafka-0", "u"),
    "claims": lambda made: made.claims(NAMESPACE, {}),
    "create_claim": lambda made: made.create_claim(NAMESPACE, "data-kafka-0", {}, 1, None),
    "resize_claim": lambda made: made.resize_claim(NAMESPACE, "data-kafka-0", 2),
    "delete_claim": lambda made: made.delete_claim(NAMESPACE, "data-kafka-0"),
    "create_config_map": lambda made: made.create_config_map(NAMESPACE, "zookeeper-founding", {}, {"members": "3"}),
    "delete_config_map": lambda made: made.delete_config_map(NAMESPACE, "zookeeper-founding"),
    "has_namespace": lambda made: made.has_namespace(NAMESPACE),
    "delete_namespace": lambda made: made.delete_namespace(NAMESPACE),
    "labels_of": lambda made: made.labels_of(LEFT),
    "delete_object": lambda made: made.delete_object(LEFT),
}
"""Every query and change of the client, by method name."""

OF_EVERYONE = {"denied"}
"""Methods that need no permission: any authenticated user may check their own permissions."""

OF_CREATORS = ("has_namespace", "delete_namespace")
"""Methods that only a stack calls which creates its namespace."""

OPERATIONS = ("pods", "log_lines", "create_pod", "delete_pod", "pull_secrets", "file_sources")
"""Methods that the command line calls."""


def needed_by(methods: Sequence[str]) -> set[Right]:
    api = Listener()
    for method in methods:
        REQUESTS[method](Cluster(api))
    return api.needed


def test_every_request_of_the_client_is_listed_in_this_module() -> None:
    methods = {name for name in vars(Cluster) if not name.startswith("_")}
    assert methods == REQUESTS.keys() | OF_EVERYONE


def test_a_full_deployer_is_permitted_every_request_of_the_client() -> None:
    assert needed_by([*REQUESTS]) - {right for _, right in rights(*FULL)} == set()


def test_a_deployer_with_zones_lacks_only_namespaces() -> None:
    lacking = needed_by([*REQUESTS]) - {right for _, right in rights(*WITH_ZONES)}
    assert lacking == needed_by(OF_CREATORS) == {("get", "", "namespaces"), ("delete", "", "namespaces")}


def test_without_zones_a_deployer_lacks_only_the_optional_access_to_nodes() -> None:
    methods = [name for name in REQUESTS if name not in OF_CREATORS]
    assert needed_by(methods) - {right for _, right in rights(*DEPLOYER)} == {("get", "", "nodes")}


def test_an_operator_is_permitted_every_request_of_the_command_line() -> None:
    granted = {right for _, right in rights("millrace-operator")}
    assert needed_by(OPERATIONS) - granted == {("get", "", "nodes")}, "zones are shown only as an explanation"


@pytest.mark.parametrize("role", ["millrace-deployer", "millrace-full-deployer", "millrace-operator"])
def test_the_tunnel_is_permitted_by_both_verbs_that_kubernetes_checks(role: str) -> None:
    granted = {right for _, right in rights(role)}
    assert {(verb, "", "pods/portforward") for verb in ("get", "create")} <= granted


@pytest.mark.parametrize("roles", [WITH_ZONES, FULL], ids=["deployer with zones", "full deployer"])
def test_a_deployer_is_permitted_to_change_and_watch_every_kind_of_production(roles: Sequence[str]) -> None:
    granted = {right for _, right in rights(*roles)}
    declared = {
        (item["apiVersion"].rpartition("/")[0].removeprefix("v1"), item["kind"])
        for item in yaml.safe_load_all((PROJECT / "tests" / "golden" / "prod" / "manifests.yaml").read_text())
    }
    assert len(declared) >= 8, "the golden file holds the kinds of production"
    made = declared - ({("", "Namespace")} if roles is WITH_ZONES else set())
    for group, kind in made:
        plural = PLURALS.get(kind, f"{kind.lower()}s")
        verbs = CHANGES if kind in UNWATCHED else CHANGES | WATCHES
        assert {(verb, group, plural) for verb in verbs} <= granted, kind


def test_every_role_is_bound_and_every_binding_has_its_role() -> None:
    roles = {(item["kind"], item["metadata"]["name"]) for item in documents() if item["kind"].endswith("Role")}
    bound = {(item["roleRef"]["kind"], item["roleRef"]["name"]) for item in documents() if "roleRef" in item}
    assert roles == bound
