"""The end of a namespace: only when no volume claim is left in it.

Source: components/targets/kubernetes/provider.py.
Proof limit: no API server. tests/cluster/test_prod_stack.py destroys a real platform.
"""

from typing import Any

import pytest

from components.targets.kubernetes import provider
from components.targets.kubernetes.provider import NamespaceRemovalProvider

PROPS = {"route": {"context": "test", "namespace": "streaming", "hosts": []}}


class FakeCluster:
    """A cluster with one namespace, which goes at the third look after its deletion."""

    def __init__(self, claims: list[str]) -> None:
        self.there, self.going, self.looks = claims, False, 0

    def claims(self, namespace: str, selector: dict[str, str]) -> dict[str, None]:
        assert (namespace, selector) == ("streaming", {}), "claims of whoever made them count"
        return dict.fromkeys(self.there)

    def delete_namespace(self, name: str) -> None:
        assert name == "streaming"
        self.going = True

    def has_namespace(self, name: str) -> bool:
        self.looks += 1
        return self.looks < 3


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the provider use a given cluster."""

    def connect(cluster: FakeCluster) -> FakeCluster:
        monkeypatch.setattr(provider, "connect", lambda kubeconfig, context: cluster)
        return cluster

    return connect


def test_an_empty_namespace_is_deleted_and_waited_for(connected: Any) -> None:
    cluster = connected(FakeCluster([]))
    NamespaceRemovalProvider().delete("streaming", PROPS)
    assert cluster.going
    assert cluster.looks == 3


def test_a_namespace_with_claims_stays_and_that_is_said(connected: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = connected(FakeCluster(["data-kafka-0", "data-kafka-1"]))
    NamespaceRemovalProvider().delete("streaming", PROPS)
    assert not cluster.going
    assert capsys.readouterr().err == (
        "namespace streaming stays: it has the volume claims data-kafka-0, data-kafka-1. To delete it with their data: "
        "kubectl --context test delete namespace streaming\n"
    )
