"""Settings of Kubernetes in a stack file.

Source: components/targets/kubernetes/settings.py.
"""

from typing import Any

import pytest

from components.stack_file.profiles import PROFILES
from components.targets.kubernetes.settings import KubernetesSettings
from tests.unit.stack_files import NO_CONTEXT, NO_SIZE, cluster, loaded, problems, unknown

NO_LABEL = "must match ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


@pytest.mark.parametrize(
    "kubernetes", [{}, {"context": None}, {"namespace": "streaming"}], ids=["no section", "null", "no context"]
)
def test_a_missing_context_is_refused(kubernetes: dict[str, Any]) -> None:
    assert problems(cluster(kubernetes=kubernetes)) == [NO_CONTEXT]
    assert loaded({"kubernetes": kubernetes}).on_kubernetes is False, "no context is needed without a cluster"


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_can_run_on_kubernetes(profile: str) -> None:
    assert loaded(cluster(profile=profile)).on_kubernetes


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"kafka": {"cpu": True}}, "kafka.cpu is true: must be text"),
        ({"kafka": {"cpu": []}}, "kafka.cpu is a list: must be text"),
        ({"kafka": {"storage": "big"}}, f'kafka.storage is "big": {NO_SIZE}'),
        ({"kafka": {"storage": True}}, "kafka.storage is true: must be a number"),
        (
            {"kafka": {"external": "ingress"}},
            "kafka.external is \"ingress\": allowed are 'none', 'nodePort' or 'loadBalancer'",
        ),
        ({"target": "nomad"}, "target is \"nomad\": allowed are 'docker' or 'kubernetes'"),
        ({"kubernetes": {"context": ""}}, 'kubernetes.context is "": must not be empty'),
        ({"kubernetes": {"kubeconfig": ""}}, 'kubernetes.kubeconfig is "": must not be empty'),
        ({"kubernetes": {"storageClass": ""}}, 'kubernetes.storageClass is "": must not be empty'),
        ({"kubernetes": {"namespace": "Streaming"}}, f'kubernetes.namespace is "Streaming": {NO_LABEL}'),
        ({"kubernetes": {"namespace": "a.b"}}, f'kubernetes.namespace is "a.b": {NO_LABEL}'),
        ({"kubernetes": {"namespace": "-a"}}, f'kubernetes.namespace is "-a": {NO_LABEL}'),
        ({"kubernetes": {"namespace": "a-"}}, f'kubernetes.namespace is "a-": {NO_LABEL}'),
        ({"kubernetes": {"namespace": ""}}, f'kubernetes.namespace is "": {NO_LABEL}'),
        ({"kubernetes": {"namespace": "x" * 64}}, f'kubernetes.namespace is "{"x" * 64}": {NO_LABEL}'),
        ({"kubernetes": {"namespace": "a\n"}}, f'kubernetes.namespace is "a\n": {NO_LABEL}'),
        (
            {"kubernetes": {"clusterDomain": "Cluster.Local"}},
            'kubernetes.clusterDomain is "Cluster.Local": must match ^[a-z0-9.-]+$',
        ),
        ({"kubernetes": {"clientNamespaces": "apps"}}, 'kubernetes.clientNamespaces is "apps": must be a list'),
        ({"kubernetes": {"clientNamespaces": ["a", "B"]}}, f'kubernetes.clientNamespaces[1] is "B": {NO_LABEL}'),
        ({"kubernetes": {"imagePullSecrets": ["A"]}}, f'kubernetes.imagePullSecrets[0] is "A": {NO_LABEL}'),
        ({"kubernetes": {"zones": "some"}}, 'kubernetes.zones is "some": must be true or false'),
        ({"kubernetes": {"spread": "none"}}, "kubernetes.spread is \"none\": allowed are 'required' or 'preferred'"),
        (
            {"kubernetes": {"imagePullPolicy": "Sometimes"}},
            "kubernetes.imagePullPolicy is \"Sometimes\": allowed are 'IfNotPresent', 'Always' or 'Never'",
        ),
        (
            {"kubernetes": {"contxt": "x"}},
            unknown("kubernetes.contxt", KubernetesSettings, ' Did you mean "context"?'),
        ),
        ({"kubernetes": "production"}, 'kubernetes is "production": must be a mapping of keys to values'),
    ],
)
def test_an_invalid_value_is_reported_with_path_value_and_rule(declared: dict[str, Any], line: str) -> None:
    assert problems(declared) == [line]


@pytest.mark.parametrize("namespace", ["a", "0", "streaming-2", "x" * 63])
def test_a_namespace_is_any_dns_label(namespace: str) -> None:
    assert loaded({"kubernetes": {"namespace": namespace}}).kubernetes.namespace == namespace
