"""The manifests of production, checked by independent tools: kubeconform and checkov.

Not covered: kubeconform checks fields and their types as the test cluster's API server publishes them, not what an
admission controller may refuse; checkov checks its own rules. Neither starts a pod.
"""

import copy
import json
import subprocess
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from offline.checkov import ensure_checkov, offline_environment
from offline.cluster.kubectl import kubectl
from tests.manifests import as_yaml, manifests
from tests.schemas import kubeconform, write_schemas
from tests.unit.mocks import run_on_cluster, settings_of

EXCEPTIONS = Path(__file__).parent / "checkov-exceptions.yaml"
_OPEN = {"allowInsecureExternal": True}
_PLACE = {"context": "production", "namespace": "streaming"}
VARIANTS: dict[str, dict[str, Any]] = {
    "prod": {},
    "node-port": {"kafka": {**_OPEN, "external": "nodePort", "advertisedHost": "nodes.example"}},
    "load-balancer": {
        "kafka": {
            **_OPEN,
            "external": "loadBalancer",
            "advertisedHost": "kafka-{ordinal}.example",
            "port": 9094,
            "sourceRanges": ["10.0.0.0/8", "2001:db8::/32"],
            "serviceAnnotations": {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"},
        }
    },
    "no-zones": {"kubernetes": {**_PLACE, "zones": False}},
    "pull-secrets": {
        "kubernetes": {**_PLACE, "imagePullSecrets": ["registry"], "imagePullPolicy": "Always", "storageClass": "fast"}
    },
    "preferred": {"kubernetes": {**_PLACE, "spread": "preferred", "clientNamespaces": ["apps"]}},
    "given-namespace": {"kubernetes": {**_PLACE, "createNamespace": False}},
}
"""Settings that change the kinds of objects or their fields, by the variant's name."""

Manifests = dict[str, list[dict[str, Any]]]
Check = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def rendered() -> Manifests:
    """The manifests of each variant, with the public images that production runs."""
    return {
        name: manifests(run_on_cluster(settings_of("prod", **changes), "millrace-prod"))
        for name, changes in VARIANTS.items()
    }


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Runs kubeconform on objects, with schemas from the cluster's own API server."""
    folder = tmp_path_factory.mktemp("kubeconform")
    location = write_schemas(json.loads(kubectl("get", "--raw", "/openapi/v2")), folder / "schemas")

    def checked(objects: list[dict[str, Any]]) -> dict[str, Any]:
        file = folder / "manifests.yaml"
        file.write_text(as_yaml(objects))
        return kubeconform(location, file)

    return checked


@pytest.fixture(scope="module")
def failed_checks(rendered: Manifests, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """Id, resource and name of each checkov check that fails in any variant."""
    folder = tmp_path_factory.mktemp("checkov")
    for name, objects in rendered.items():
        (folder / f"{name}.yaml").write_text(as_yaml(objects))
    options = ["--framework", "kubernetes", "--compact", "--skip-download", "--output", "json"]
    done = subprocess.run(
        [str(ensure_checkov()), *options, "--directory", str(folder)],
        env=offline_environment(),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    summary = report["summary"]
    assert summary["parsing_errors"] == summary["skipped"] == 0
    assert summary["passed"] > 200 * len(VARIANTS), f"too few checks ran: {summary}"
    return sorted(
        {(item["check_id"], item["resource"], item["check_name"]) for item in report["results"]["failed_checks"]}
    )


def problems(report: dict[str, Any]) -> list[str]:
    """What kubeconform finds wrong, one line per object."""
    return [
        f"{item['kind']} {item['name']}: {item['msg']}"
        for item in report["resources"]
        if item["status"] != "statusValid"
    ]


def broken(objects: list[dict[str, Any]], change: Callable[[dict[str, Any]], object]) -> list[dict[str, Any]]:
    """Only Kafka's StatefulSet, changed."""
    (kafka,) = (item for item in objects if item["kind"] == "StatefulSet" and item["metadata"]["name"] == "kafka")
    made = copy.deepcopy(kafka)
    change(made["spec"])
    return [made]


# ---------------------------------------------------------------------------------------------------- kubeconform


@pytest.mark.parametrize("variant", VARIANTS)
def test_kubeconform_knows_every_object_and_finds_no_problem(rendered: Manifests, check: Check, variant: str) -> None:
    report = check(rendered[variant])
    assert problems(report) == []
    assert report["summary"] == {"valid": len(rendered[variant]), "invalid": 0, "errors": 0, "skipped": 0}


def misspelt(spec: dict[str, Any]) -> None:
    container = spec["template"]["spec"]["containers"][0]
    container["imagePullPolcy"] = container.pop("imagePullPolicy")


def misplaced(spec: dict[str, Any]) -> None:
    spec["template"]["spec"]["readOnlyRootFilesystem"] = True


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(misspelt, "imagePullPolcy", id="a misspelt field"),
        pytest.param(misplaced, "readOnlyRootFilesystem", id="a field of another object"),
        pytest.param(lambda spec: spec.update(replicas="3"), "replicas", id="a string instead of a number"),
        pytest.param(lambda spec: spec.pop("selector"), "selector", id="a missing required field"),
        pytest.param(
            lambda spec: spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"].update(storage="100GB"),
            "storage",
            id="an invalid quantity",
        ),
        pytest.param(lambda spec: spec.update(replicas=None), "replicas", id="null"),
    ],
)
def test_kubeconform_reports_wrong_fields(
    rendered: Manifests, check: Check, change: Callable[[dict[str, Any]], object], expected: str
) -> None:
    report = check(broken(rendered["prod"], change))
    assert report["summary"]["invalid"] == 1
    assert expected in problems(report)[0]


def test_kubeconform_reports_an_unknown_kind(rendered: Manifests, check: Check) -> None:
    unknown = copy.deepcopy(rendered["prod"][0]) | {"apiVersion": "apps/v1beta1", "kind": "StatefulSet"}
    assert check([unknown])["summary"]["errors"] == 1


def test_each_variant_changes_the_manifests_as_intended(rendered: Manifests) -> None:
    kinds = {name: Counter(item["kind"] for item in objects) for name, objects in rendered.items()}
    services = {
        name: {item["spec"].get("type") for item in objects if item["kind"] == "Service"}
        for name, objects in rendered.items()
    }
    assert "NodePort" in services["node-port"]
    assert "LoadBalancer" in services["load-balancer"]
    assert kinds["prod"]["ClusterRole"] == 1
    assert kinds["no-zones"]["ClusterRole"] == 0
    assert kinds["given-namespace"]["Namespace"] == 0
    assert "imagePullSecrets" in as_yaml(rendered["pull-secrets"])
    assert "ScheduleAnyway" in as_yaml(rendered["preferred"])


# -------------------------------------------------------------------------------------------------------- checkov


def test_every_failed_check_of_checkov_is_a_listed_exception(
    failed_checks: list[tuple[str, str, str]],
) -> None:
    unlisted = [
        f"{check} {resource}: {name}"
        for check, resource, name in failed_checks
        if not any(item["check"] == check and fnmatchcase(resource, item["resources"]) for item in exceptions())
    ]
    assert unlisted == [], f"fix it, or give a reason in {EXCEPTIONS.name}"


def test_every_listed_exception_still_occurs(failed_checks: list[tuple[str, str, str]]) -> None:
    unused = [
        f"{item['check']} {item['resources']}"
        for item in exceptions()
        if not any(check == item["check"] and fnmatchcase(name, item["resources"]) for check, name, _ in failed_checks)
    ]
    assert unused == [], f"remove it from {EXCEPTIONS.name}"


def test_every_exception_has_a_reason(failed_checks: list[tuple[str, str, str]]) -> None:
    names = {check: name for check, _, name in failed_checks}
    for item in exceptions():
        assert set(item) == {"check", "name", "resources", "reason"}
        assert len(item["reason"].split()) > 10, f"{item['check']}: the reason is too short"
        assert names.get(item["check"], item["name"]) == item["name"], "the name differs from checkov's"


def exceptions() -> list[dict[str, str]]:
    return yaml.safe_load(EXCEPTIONS.read_text())
