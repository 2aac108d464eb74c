"""The stand-in for the Kubernetes resource plugin, compared with recordings of the official one.

Not covered: other programs and provider versions than the recorded ones, and enforcement of network policies.
"""

import json
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from components.images import SETS
from offline.cluster.layout import KUBECONFIG
from offline.cluster.storage import recycle_volumes
from tests.integration.stacks import PROJECT, Checkout, eventually

pytestmark = pytest.mark.cluster

RECORDED = PROJECT / "tests" / "fixtures" / "kubernetes"


# Values that differ between runs; the status depends on timing.
VARYING = {"__fieldManager", "ciphertext", "creationTimestamp", "resourceVersion", "status", "time", "uid"}
NAMES = {
    "redis-config-[0-9a-f]{8}": "redis-config",
    "millrace-test-[0-9a-f]{6}": "fixture",
    re.escape(SETS["local"]["redis"]): "redis:7",
}


@pytest.fixture(scope="module")
def api() -> client.ApiClient:
    assert KUBECONFIG.exists(), "no cluster: run `make cluster`"
    return new_client_from_config(str(KUBECONFIG))


@pytest.fixture(scope="module")
def used(api: client.ApiClient) -> Iterator[list[str]]:
    """Namespaces of this module; waits for their deletion at the end and frees their volumes."""
    names: list[str] = []
    yield names
    core = client.CoreV1Api(api)
    eventually(
        lambda: not {item.metadata.name for item in core.list_namespace().items} & {*names},
        60,
        "the deletion of the namespaces",
    )
    recycle(names)


def recycle(names: list[str]) -> None:
    for name in names:
        recycle_volumes(namespace=name)


@pytest.fixture
def namespace(api: client.ApiClient, used: list[str]) -> Iterator[str]:
    """A new namespace's name for each test, so that no test waits for the deletion of a previous one."""
    recycle(used)
    name = f"millrace-test-{uuid.uuid4().hex[:6]}"
    used.append(name)
    yield name
    with suppress(ApiException):  # already deleted
        client.CoreV1Api(api).delete_namespace(name)


@pytest.fixture
def fixture(tmp_path: Path, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("KUBECONFIG", str(KUBECONFIG))
    folder = tmp_path / "project"
    shutil.copytree(RECORDED / "program", folder)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    return Checkout(folder, "official", {"fixture:image": SETS["local"]["redis"], "fixture:namespace": namespace})


def comparable(value: Any) -> Any:
    """A value without the varying parts, and with generated names and images unified."""
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items() if key not in VARYING}
    if isinstance(value, list):
        return [comparable(item) for item in value if not (isinstance(item, dict) and item.get("subresource"))]
    if isinstance(value, str):
        for found, name in NAMES.items():
            value = re.sub(found, name, value)
    return value


def resources(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Resources of a state by type and name."""
    found = document["deployment"]["resources"]
    return {item["urn"].split(":")[-3] + "::" + item["urn"].rpartition("::")[2]: item for item in found}


def preview(checkout: Checkout, **environment: str) -> dict[str, Any]:
    done = checkout.run("preview", "--json", "--stack", "official", check=True, environment=environment)
    return json.loads(done.output[done.output.index("{") :])


def recorded(name: str) -> dict[str, Any]:
    return json.loads((RECORDED / f"{name}.json").read_text())


def steps(document: dict[str, Any]) -> dict[str, Any]:
    """The compared parts of each step of a preview, by type and name."""
    return {
        step["urn"].split("::", 2)[2]: comparable(
            {
                "op": step["op"],
                "detailedDiff": step.get("detailedDiff"),
                "replaceReasons": step.get("replaceReasons"),
                "inputs": step.get("newState", {}).get("inputs"),
                "propertyDependencies": step.get("newState", {}).get("propertyDependencies"),
            }
        )
        for step in document["steps"]
    }


def test_the_first_preview_equals_the_official_one_with_and_without_a_cluster(fixture: Checkout) -> None:
    assert steps(preview(fixture)) == steps(recorded("preview-create"))
    assert steps(preview(fixture, KUBECONFIG="/nowhere/kubeconfig")) == steps(recorded("preview-nocluster"))


def test_inputs_outputs_and_changes_equal_the_official_ones(fixture: Checkout) -> None:
    fixture.up()
    made = resources(json.loads(fixture.run("stack", "export", check=True).output))
    official = resources(recorded("state"))
    types = [key for key in official if "providers" not in official[key]["type"]]
    assert len(types) == 9
    for key in types:
        for part in ("id", "inputs", "outputs", "propertyDependencies", "additionalSecretOutputs"):
            assert comparable(made[key].get(part)) == comparable(official[key].get(part)), f"{part} of {key}"
    assert fixture.up().changed() == {}
    assert fixture.change("refresh").changed() == {}
    for key, value in (("replicas", "2"), ("size", "2Gi"), ("level", "debug")):
        fixture.config[f"fixture:{key}"] = value
        document = preview(fixture)
        assert document["changeSummary"] == recorded(f"preview-{key}")["changeSummary"]
        assert steps(document) == steps(recorded(f"preview-{key}")), key
        del fixture.config[f"fixture:{key}"]
    assert fixture.change("destroy").changed()["delete"] != []


def test_no_secret_is_in_the_state_or_the_output(fixture: Checkout) -> None:
    fixture.config["fixture:password"] = "never-to-be-seen"
    outputs = [fixture.up().output, fixture.change("refresh").output]
    fixture.config["fixture:password"] = "never-to-be-seen-either"
    outputs += [fixture.run("preview", "--diff", "--stack", "official").output, fixture.up().output]
    for text in (*outputs, fixture.state()):
        assert "never-to-be-seen" not in text
        assert "bmV2ZXItdG8tYmUtc2Vlb" not in text, "nor in base64, as a Secret stores it"


def test_refresh_shows_manual_scaling_and_up_resets_it(
    fixture: Checkout, api: client.ApiClient, namespace: str
) -> None:
    fixture.config["fixture:replicas"] = "2"
    fixture.up()
    apps, body = client.AppsV1Api(api), {"spec": {"replicas": 1}}
    apps.patch_namespaced_stateful_set_scale("redis", namespace, body, field_manager="kubectl")
    assert fixture.change("refresh").changed() == {"update": ["redis"]}
    again = steps(preview(fixture))
    assert again["kubernetes:apps/v1:StatefulSet::redis"]["detailedDiff"] == {
        "spec.replicas": {"kind": "update", "inputDiff": False}
    }
    assert fixture.up().changed() == {"update": ["redis"]}
    live = apps.read_namespaced_stateful_set("redis", namespace)
    assert live.status.ready_replicas == 2, "up waited for the second replica"


def test_refresh_detects_a_manually_removed_object(fixture: Checkout, api: client.ApiClient, namespace: str) -> None:
    fixture.up()
    client.PolicyV1Api(api).delete_namespaced_pod_disruption_budget("redis", namespace)
    assert fixture.change("refresh").changed() == {"delete": ["redis"]}
    assert fixture.up().changed() == {"create": ["redis"]}


def test_a_changed_claim_template_replaces_the_stateful_set_after_deleting_it(fixture: Checkout) -> None:
    fixture.up()
    fixture.config["fixture:size"] = "2Gi"
    assert fixture.up().changed()["replace"] == ["redis"]
    assert fixture.up().changed() == {}


def test_a_field_set_by_a_different_manager_is_a_named_conflict(
    fixture: Checkout, api: client.ApiClient, namespace: str
) -> None:
    fixture.up()
    body = {"spec": {"maxUnavailable": 2}}
    client.PolicyV1Api(api).patch_namespaced_pod_disruption_budget("redis", namespace, body, field_manager="someone")
    fixture.change("refresh")
    failed = fixture.up(check=False)
    assert failed.code != 0
    assert "Server-Side Apply field conflict detected" in failed.output
    assert 'conflict with "someone"' in failed.output


def test_an_existing_object_is_not_taken_over(fixture: Checkout, api: client.ApiClient, namespace: str) -> None:
    client.CoreV1Api(api).create_namespace({"metadata": {"name": namespace}})
    failed = fixture.up(check=False)
    assert failed.code != 0
    assert "was not successfully created by the Kubernetes API server" in failed.output
    assert f'namespaces "{namespace}" already exists' in failed.output


def test_a_server_that_does_not_become_ready_is_reported_with_its_reason_and_kept(fixture: Checkout) -> None:
    fixture.config |= {"fixture:image": "localhost:1/nothing:1", "fixture:timeout": "5s"}
    failed = fixture.up(check=False)
    assert failed.code != 0
    assert "'redis' timed out waiting to be Ready" in failed.output
    assert "0 out of 1 replicas succeeded readiness checks" in failed.output
    assert "[Pod redis-0]: containers with unready status: [redis][" in failed.output
    started = time.monotonic()
    assert fixture.change("destroy").changed()["delete"], "the failed object is in the state"
    assert time.monotonic() - started < 60


def test_a_misspelt_field_is_an_error_in_the_preview(fixture: Checkout) -> None:
    fixture.up()
    program = fixture.folder / "__main__.py"
    program.write_text(program.read_text().replace('"image": image,', '"image": image, "imagePullPolcy": "Always",'))
    failed = fixture.run("preview", "--stack", "official")
    assert failed.code != 0
    assert "imagePullPolcy: field not declared in schema" in failed.output


def test_without_a_cluster_nothing_is_created_or_removed_from_the_state(fixture: Checkout) -> None:
    nowhere = {"KUBECONFIG": "/nowhere/kubeconfig"}
    failed = fixture.up(check=False, environment=nowhere)
    assert failed.code != 0
    assert "configured Kubernetes cluster is unreachable: unable to load Kubernetes client config" in failed.output
    fixture.up()
    assert (
        "failed to read resource state due to unreachable cluster"
        in fixture.run(*("refresh", "--yes", "--skip-preview", "--stack", "official"), environment=nowhere).output
    )
    gone = {**nowhere, "PULUMI_K8S_DELETE_UNREACHABLE": "true"}
    assert len(fixture.change("destroy", environment=gone).changed()["delete"]) == 9


def test_an_unknown_context_is_named(fixture: Checkout) -> None:
    fixture.config["kubernetes:context"] = "nobody"
    assert preview(fixture)["changeSummary"] == {"create": 9}, "a preview needs no cluster"
    failed = fixture.up(check=False)
    assert failed.code != 0
    assert 'context "nobody" does not exist' in failed.output


def test_an_unsupported_type_is_refused_by_name(fixture: Checkout) -> None:
    program = fixture.folder / "__main__.py"
    program.write_text(program.read_text() + 'k8s.core.v1.Pod("pod", metadata={"name": "pod"})\n')
    failed = fixture.run("preview", "--stack", "official")
    assert failed.code != 0
    assert "not kubernetes:core/v1:Pod" in failed.output
