"""What preflight says of volumes and their StorageClass, before anything changes.

Source: components/targets/kubernetes/preflight.py.
Proof limit: the cluster is a model; tests/cluster refuses growth on a real one.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.errors import PreflightError
from components.targets.kubernetes.client import Claim, StorageClass
from components.targets.kubernetes.preflight import ClusterNeeds, preflight
from components.workload import Workload
from tests.unit.regenerate_golden import workloads_of
from tests.unit.stack_files import loaded
from tests.unit.targets.kubernetes.clusters import NAMESPACE, claim
from tests.unit.workloads import CLUSTER

GIB = 1024**3
SAFE = StorageClass(name="safe", expandable=True, binding_mode="WaitForFirstConsumer", default=True, reclaim="Retain")


class FakeCluster:
    """A cluster with one StorageClass and some claims; rights are denied by verb and resource."""

    def __init__(self, found: StorageClass, claims: Mapping[str, Claim], denied: tuple[str, ...]) -> None:
        self._found, self._claims, self._denied = found, claims, denied

    def server_version(self) -> str:
        return "1.33.0"

    def denied(self, _namespace: str | None, needs: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        return [need for need in needs if f"{need[0]} {need[2]}" in self._denied]

    def storage_class(self, name: str | None) -> StorageClass | None:
        assert "list storageclasses" not in self._denied
        return self._found if name in (None, self._found.name) else None

    def claims(self, namespace: str, selector: Mapping[str, str]) -> Mapping[str, Claim]:
        assert (namespace, selector) == (NAMESPACE, {})
        assert "list persistentvolumeclaims" not in self._denied
        return self._claims


def workloads(**declared: Any) -> list[Workload]:
    return list(workloads_of(loaded({**CLUSTER, **declared}, secrets=("redis",))).values())


class Preflight:
    """Runs the checks; keeps the warnings."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.warnings: list[str] = []
        patch.setattr(pulumi.log, "warn", self.warnings.append)

    def __call__(
        self,
        found: StorageClass = SAFE,
        claims: Mapping[str, Claim] | None = None,
        *denied: str,
        namespace: str | None = NAMESPACE,
        dry_run: bool = False,
        members: int | None = None,
        **declared: Any,
    ) -> list[str]:
        """The problems."""
        module = sys.modules[preflight.__module__]
        self._patch.setattr(module, "contexts", lambda _: ["production"])
        self._patch.setattr(module, "connect", lambda _, __: FakeCluster(found, claims or {}, denied))
        needs = ClusterNeeds(
            context="production",
            kubeconfig=None,
            namespace=namespace,
            create_namespace=False,
            storage_class=None,
            zones=False,
            workloads=[item if members is None else replace(item, replicas=members) for item in workloads(**declared)],
        )
        try:
            preflight(needs, dry_run=dry_run)
        except PreflightError as error:
            return list(error.problems)
        return []


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Preflight:
    return Preflight(monkeypatch)


RIGID = replace(SAFE, name="rigid", expandable=False)
SMALL = {"data-kafka-1": claim("data-kafka-1", GIB, "rigid")}


@pytest.mark.parametrize("dry_run", [True, False])
def test_growth_that_the_class_does_not_allow_is_refused_with_the_ways_that_work(
    dry_run: bool, check: Preflight
) -> None:
    assert check(RIGID, SMALL, dry_run=dry_run, kafka={"storage": "2GiB"}) == [
        'StorageClass "rigid" cannot expand volumes (allowVolumeExpansion is not true): set the storage of kafka back; '
        "or allow it for the class, if its driver can; or back up, `up` a new stack with larger volumes and restore "
        "into it"
    ]


def test_volumes_that_do_not_grow_may_have_any_class(check: Preflight) -> None:
    assert check(RIGID, SMALL, kafka={"storage": "1GiB"}) == []
    assert check(RIGID, {"data-other-1": claim("data-other-1", 1, "rigid")}, kafka={"storage": "2GiB"}) == []
    assert check(RIGID, {}, kafka={"storage": "2GiB"}) == [], "new volumes"


def test_growth_is_not_judged_where_nothing_can_be_seen(check: Preflight) -> None:
    big = {"kafka": {"storage": "2GiB"}}
    assert check(RIGID, SMALL, "list storageclasses", **big) == []
    assert check(RIGID, SMALL, namespace=None, **big) == [], "the namespace's name is an output"
    (missing,) = check(RIGID, SMALL, "list persistentvolumeclaims", **big)
    assert missing.startswith("you may not list persistentvolumeclaims")


def test_a_class_that_retains_volumes_where_pods_run_needs_no_advice(check: Preflight) -> None:
    assert check(protect=True) == []
    assert check.warnings == []


def test_a_class_that_deletes_volumes_is_told_where_data_is_protected(check: Preflight) -> None:
    deletes = replace(SAFE, reclaim="Delete")
    assert check(deletes, protect=True) == []
    (line,) = check.warnings
    assert line.startswith('StorageClass "safe" deletes a volume as soon as its claim or namespace is deleted')
    assert "the data of zookeeper, kafka, redis is protected" in line
    check.warnings.clear()
    assert check(deletes, protect=False) == []
    assert check.warnings == [], "the data is meant to go with its stack"


def test_a_class_that_places_volumes_before_pods_is_told_where_members_are_spread(check: Preflight) -> None:
    early = replace(SAFE, binding_mode="Immediate")
    assert check(early) == []
    (line,) = check.warnings
    assert "volumeBindingMode Immediate" in line
    assert "members of zookeeper, kafka are spread over zones" in line
    check.warnings.clear()
    assert check(early, members=1) == []
    assert check.warnings == [], "one member runs wherever its volume is"
