"""The volume claims of a workload's members: created once, expanded in place, kept or removed together.

Source: components/targets/kubernetes/provider.py, components/targets/kubernetes/claims.py.
Proof limit: the cluster is a model; the tests on a real cluster expand a volume under a running server.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from components.errors import ClusterError, PlatformError, SafetyError, UnhealthyError
from components.safety import Report, Safety, reference
from components.targets.kubernetes import claims as storage
from components.targets.kubernetes.provider import MemberStorageProvider
from tests.unit.dynamic import from_engine, shown, unknown
from tests.unit.targets.kubernetes.clusters import (
    LABELS,
    Clock,
    FakeClaims,
    FakeCluster,
    FakeServers,
    claim,
    connected,
    inputs,
)

GIB = 1024**3
Props = dict[str, Any]


def props(workload: str = "kafka", replicas: int = 3, size: int = 10 * GIB, **changes: Any) -> Props:
    """Inputs as the engine passes them: integers are floats, and None is omitted."""
    return from_engine({**inputs(workload, replicas, size=size, labels=LABELS), **changes})


def stored(given: Props, reclaim_policy: str = "Delete") -> Props:
    """Outputs of a provider with these inputs."""
    return {**given, "reclaimPolicy": reclaim_policy}


class Scene:
    """Claims in a cluster, and the provider that manages them."""

    def __init__(self, patch: pytest.MonkeyPatch, claims: dict[str, int], storage_class: str | None) -> None:
        self.clock = Clock()
        self.clock.runs(patch, storage)
        self.claims = FakeClaims(self.clock, claims, storage_class)
        self.asked = connected(patch, storage, self.claims)

    def create(self, given: Props) -> Any:
        create: Any = MemberStorageProvider.create
        return create.__wrapped__(MemberStorageProvider(), given)

    def update(self, olds: Props, news: Props) -> Any:
        update: Any = MemberStorageProvider.update
        return update.__wrapped__(MemberStorageProvider(), "id", olds, news)

    def delete(self, given: Props) -> None:
        delete: Any = MemberStorageProvider.delete
        delete.__wrapped__(MemberStorageProvider(), "id", given)


def sizes(*gibibytes: int, workload: str = "kafka") -> dict[str, int]:
    """Claims by name with their sizes."""
    return {f"data-{workload}-{ordinal}": size * GIB for ordinal, size in enumerate(gibibytes)}


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    def make(claims: dict[str, int] | None = None, storage_class: str | None = "standard") -> Scene:
        return Scene(monkeypatch, claims or {}, storage_class)

    return make


# ---------------------------------------------------------------------------------------------------------- making


@pytest.mark.parametrize("storage_class", [None, "fast"])
def test_each_member_gets_a_claim_with_the_name_that_its_stateful_set_expects(
    storage_class: str | None, scene: Callable[..., Scene]
) -> None:
    made = scene()
    given = props(**({"storageClass": storage_class} if storage_class else {}))
    result = made.create(given)
    assert made.claims.changes == [("create", f"data-kafka-{ordinal}", 10 * GIB, storage_class) for ordinal in range(3)]
    assert (result.id, result.outs) == ("streaming/kafka", stored(given, "" if storage_class else "Delete")), (
        "of a class that is not there, nothing is known"
    )
    assert made.asked == [(None, "test")], "no other context is ever used"


def test_claims_of_an_earlier_platform_are_reused_and_missing_ones_created(
    scene: Callable[..., Scene],
) -> None:
    made = scene({"data-kafka-1": 10 * GIB})
    made.create(props())
    assert made.claims.changes == [
        ("create", "data-kafka-0", 10 * GIB, None),
        ("create", "data-kafka-2", 10 * GIB, None),
    ]


def test_an_interrupted_create_continues_where_it_stopped(scene: Callable[..., Scene]) -> None:
    made = scene()
    made.create(props(replicas=2))
    made.create(props(replicas=3))
    assert [change[1] for change in made.claims.changes] == ["data-kafka-0", "data-kafka-1", "data-kafka-2"]


def test_claims_that_are_as_declared_are_not_changed(scene: Callable[..., Scene]) -> None:
    made = scene(sizes(10, 10, 10))
    made.create(props())
    assert made.update(props(), props(deadline=9)).outs == stored(props(deadline=9))
    assert made.claims.changes == []


# --------------------------------------------------------------------------------------------------------- growing


def test_volumes_are_expanded_in_place(scene: Callable[..., Scene]) -> None:
    made = scene(sizes(10, 10, 10))
    news = props(size=20 * GIB)
    assert made.update(props(), news).outs == stored(news)
    assert made.claims.changes == [("resize", f"data-kafka-{ordinal}", 20 * GIB) for ordinal in range(3)]


def test_an_update_ends_when_the_volumes_have_grown(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    """That the request was accepted says nothing."""
    made = scene(sizes(10, 10))
    made.update(props(replicas=2), props(replicas=2, size=20 * GIB))
    assert {item.capacity for item in made.claims.there.values()} == {20 * GIB}
    assert made.clock.now >= 5
    assert capsys.readouterr().err == (
        "waiting for the storage of kafka: data-kafka-0: its volume has 10240MiB; expected 20480MiB (and 1 more)\n"
    )


def test_a_volume_that_does_not_grow_fails_the_update_with_what_was_seen(scene: Callable[..., Scene]) -> None:
    made = scene(sizes(10, 10))
    made.claims.unexpanded["data-kafka-1"] = {"resizing": ("Resizing: True", "quota of the account is used up")}
    with pytest.raises(UnhealthyError) as caught:
        made.update(props(replicas=2), props(replicas=2, size=20 * GIB))
    assert str(caught.value) == (
        "the storage of kafka is not expanded after 60 s (1 finding)\n"
        "  - data-kafka-1: its volume has 10240MiB; expected 20480MiB "
        "(Resizing: True; quota of the account is used up)\n"
        "  - what the storage driver says: kubectl --context test -n streaming describe pvc; once that is resolved, "
        "`pulumi up` goes on\n"
        "  - to give up, set the storage of kafka back: its volumes keep their size"
    )


def test_a_volume_that_did_not_grow_is_awaited_by_the_next_update(scene: Callable[..., Scene]) -> None:
    """It was requested before, so nothing is requested again."""
    made = scene(sizes(10))
    news = props(replicas=1, size=20 * GIB)
    made.claims.unexpanded["data-kafka-0"] = {}
    for _ in range(2):
        with pytest.raises(UnhealthyError, match="the storage of kafka is not expanded"):
            made.update(props(replicas=1), news)
    assert made.claims.changes == [("resize", "data-kafka-0", 20 * GIB)]
    made.claims.unexpanded.clear()
    assert made.update(props(replicas=1), news).outs == stored(news)


def test_a_growth_that_the_driver_has_given_up_is_not_awaited(scene: Callable[..., Scene]) -> None:
    made = scene(sizes(10, 10))
    made.claims.unexpanded["data-kafka-0"] = {"infeasible": True, "resizing": ("16Ti is the largest volume",)}
    with pytest.raises(UnhealthyError) as caught:
        made.update(props(replicas=2), props(replicas=2, size=20 * GIB))
    assert caught.value.headline == "the storage driver cannot expand volumes of kafka"
    assert caught.value.problems[0] == (
        "data-kafka-0: its volume has 10240MiB; expected 20480MiB (16Ti is the largest volume)"
    )
    assert made.clock.now < 1


@pytest.mark.parametrize("runs", [True, False])
def test_a_file_system_that_grows_when_its_pod_starts_is_awaited_only_where_a_pod_runs(
    runs: bool, scene: Callable[..., Scene]
) -> None:
    made = scene(sizes(10))
    made.claims.unexpanded["data-kafka-0"] = {"waits_for_pod": True}
    made.claims.running = ["kafka-0"] if runs else []
    news = props(replicas=1, size=20 * GIB)
    if runs:
        with pytest.raises(UnhealthyError):
            made.update(props(replicas=1), news)
    else:
        assert made.update(props(replicas=1), news).outs == stored(news)


def test_a_volume_that_is_not_bound_yet_is_not_awaited(scene: Callable[..., Scene]) -> None:
    """Its pod, which comes later, decides where it is."""
    made = scene(sizes(10))
    made.claims.unexpanded["data-kafka-0"] = {"phase": "Pending", "capacity": 0}
    made.update(props(replicas=1), props(replicas=1, size=20 * GIB))


def test_only_a_volume_that_is_too_small_is_expanded(scene: Callable[..., Scene]) -> None:
    """One was expanded manually, and one before an interruption."""
    made = scene(sizes(10, 20, 50))
    made.update(props(), props(size=20 * GIB))
    assert made.claims.changes == [("resize", "data-kafka-0", 20 * GIB)]


def test_added_members_get_a_claim_of_the_new_size_while_the_others_are_expanded(scene: Callable[..., Scene]) -> None:
    made = scene(sizes(10))
    made.update(props(replicas=1), props(replicas=2, size=20 * GIB))
    assert made.claims.changes == [
        ("resize", "data-kafka-0", 20 * GIB),
        ("create", "data-kafka-1", 20 * GIB, None),
    ]


def test_a_storage_class_without_expansion_is_refused_before_the_first_claim_changes(
    scene: Callable[..., Scene],
) -> None:
    made = scene(sizes(10, 10))
    made.claims.there["data-kafka-1"] = claim("data-kafka-1", 10 * GIB, "rigid")
    with pytest.raises(ClusterError) as caught:
        made.update(props(replicas=2), props(replicas=3, size=20 * GIB))
    assert str(caught.value) == (
        'StorageClass "rigid" cannot expand volumes (allowVolumeExpansion is not true)\n'
        "  - set kafka.storage back, or allow it for the class; nothing was changed"
    )
    assert made.claims.changes == [], "the first claim's class allows expansion, and a third claim was missing"


def test_a_storage_class_without_expansion_is_accepted_if_nothing_is_expanded(scene: Callable[..., Scene]) -> None:
    made = scene(sizes(10), storage_class="rigid")
    made.update(props(replicas=1), props(replicas=2))
    assert made.claims.changes == [("create", "data-kafka-1", 10 * GIB, None)]


@pytest.mark.parametrize("storage_class", [None, "gone"])
def test_an_unknown_storage_class_is_left_to_the_cluster(
    storage_class: str | None, scene: Callable[..., Scene]
) -> None:
    made = scene(sizes(10), storage_class=storage_class)
    made.update(props(replicas=1), props(replicas=1, size=20 * GIB))
    assert made.claims.changes == [("resize", "data-kafka-0", 20 * GIB)]


# ---------------------------------------------------------------------------------------- what a policy pack reads


@pytest.mark.parametrize(
    ("classes", "policy"),
    [
        (["keeps", "keeps"], "Retain"),
        (["keeps", "standard"], "Delete"),
        (["keeps", "gone"], ""),
        (["gone", "standard"], "Delete"),
        (["keeps", "unseen"], ""),
        (["keeps", None], ""),
    ],
)
def test_the_volumes_reclaim_policy_is_that_of_their_classes(
    classes: list[str | None], policy: str, scene: Callable[..., Scene]
) -> None:
    made = scene(sizes(10, 10))
    for ordinal, name in enumerate(classes):
        made.claims.there[f"data-kafka-{ordinal}"] = claim(f"data-kafka-{ordinal}", 10 * GIB, name)
    assert made.create(props(replicas=2)).outs["reclaimPolicy"] == policy


# -------------------------------------------------------------------------------------------- reported in a preview


def check(olds: Props, news: Props) -> list[str]:
    result = MemberStorageProvider().check(olds, news)
    assert result.inputs == news, "a check changes no input"
    return [failure.reason for failure in result.failures]


def test_a_smaller_volume_is_refused_in_a_preview(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(props(size=20 * GIB), props(size=10 * GIB)) == [
        "the volumes of kafka have 20480MiB and cannot become 10240MiB: Kubernetes cannot shrink volumes. "
        "Keep kafka.storage, or move to a new platform with smaller ones",
    ]
    assert capsys.readouterr().err == ""


def test_expanding_a_volume_is_reported_with_the_note_that_nothing_restarts(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(props(size=10 * GIB), props(size=20 * GIB)) == []
    assert capsys.readouterr().err == "kafka: volumes grow from 10240MiB to 20480MiB in place; nothing restarts\n"


@pytest.mark.parametrize(("old", "new"), [(None, "fast"), ("fast", None), ("fast", "slow")])
def test_a_different_storage_class_is_refused(old: str | None, new: str | None) -> None:
    olds, news = (props(**({"storageClass": name} if name else {})) for name in (old, new))
    assert check(olds, news) == ["the StorageClass of kafka cannot change: its volumes exist already"]


@pytest.mark.parametrize(
    ("olds", "news"),
    [
        ({}, props()),
        (props(), props()),
        (props(), props(replicas=5)),
        (props(storageClass="fast"), props(storageClass="fast", deadline=9)),
        (props(), {**props(), "size": unknown()}),
        ({**props(), "size": unknown()}, props(size=1)),
    ],
)
def test_a_change_without_effect_on_volumes_is_neither_refused_nor_reported(
    olds: Props, news: Props, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(olds, news) == []
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------------------------ members that leave


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> FakeServers:
    """Five brokers that serve."""
    return FakeServers(FakeCluster(Clock(), "kafka", 5), monkeypatch)


class Group(Safety):
    """Members that leave when asked, unless there are reasons why they are needed."""

    reasons: ClassVar[list[str]] = []
    left: ClassVar[list[str]] = []
    rights: ClassVar[list[tuple[str, float]]] = []

    def leave(self, names: Sequence[str], report: Report) -> None:
        self.left.extend(names)
        self.rights.append((self.members.login, self.members.deadline))

    def removal_findings(self, names: Sequence[str]) -> list[str]:
        assert self.left == [*names], "members leave before it is asked whether they are needed"
        return self.reasons


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> type[Group]:
    monkeypatch.setattr(Group, "reasons", [])
    monkeypatch.setattr(Group, "left", [])
    monkeypatch.setattr(Group, "rights", [])
    return Group


def in_group(**changes: int) -> Props:
    return {**props(**changes), "safety": reference(Group)}


def test_members_that_are_needed_are_not_removed(scene: Callable[..., Scene], group: type[Group]) -> None:
    made = scene(sizes(10, 10, 10, 10, 10))
    group.reasons.append("2 partitions would lose a replica")
    with pytest.raises(SafetyError) as caught:
        made.update(in_group(replicas=5), in_group(replicas=3, size=20 * GIB))
    assert caught.value.headline == "kafka-3 and kafka-4 cannot be removed"
    assert caught.value.problems[0] == "2 partitions would lose a replica"
    assert made.claims.changes == [], "not even a claim that should be expanded"


def test_members_that_have_left_are_removed_and_their_claims_kept(
    scene: Callable[..., Scene], group: type[Group]
) -> None:
    made = scene(sizes(10, 10, 10, 10, 10))
    assert made.update(in_group(replicas=5), in_group(replicas=3)).outs == stored(in_group(replicas=3))
    assert group.left == ["kafka-3", "kafka-4"]
    assert made.claims.changes == [], "data is removed only with the whole platform"


def test_members_leave_with_the_login_that_is_declared_now(scene: Callable[..., Scene], group: type[Group]) -> None:
    made = scene(sizes(10, 10, 10, 10, 10))
    made.update(in_group(replicas=5), {**in_group(replicas=3), "login": {"password": "secret"}})
    assert group.rights == [({"password": "secret"}, 60.0)]


def test_an_ensemble_may_be_founded_only_where_there_is_no_volume_of_an_earlier_one(
    scene: Callable[..., Scene],
) -> None:
    made = scene()
    made.create(props("zookeeper", 3))
    assert made.claims.config_maps == {"zookeeper-founding": {"members": "3"}}
    made.create(props("zookeeper", 5))
    assert made.claims.config_maps == {"zookeeper-founding": {"members": "3"}}, "an interrupted start goes on as it was"

    earlier = scene(sizes(10, workload="zookeeper"))
    earlier.create(props("zookeeper", 3))
    assert earlier.claims.config_maps == {}, "one volume of three may be lost: the other members have the data"


def test_no_ensemble_is_founded_by_a_change_of_its_size(scene: Callable[..., Scene]) -> None:
    made = scene()
    made.update(props("zookeeper", 1), props("zookeeper", 3))
    assert made.claims.config_maps == {}


def test_brokers_found_nothing(scene: Callable[..., Scene]) -> None:
    made = scene()
    made.create(props("kafka"))
    assert made.claims.config_maps == {}


def test_a_right_to_found_an_ensemble_goes_with_its_volumes(scene: Callable[..., Scene]) -> None:
    made = scene()
    made.create(props("zookeeper", 3))
    made.delete(props("zookeeper", 3))
    assert made.claims.config_maps == {}


@pytest.mark.parametrize(("workload", "before", "after"), [("kafka", 3, 5), ("kafka", 3, 3), ("zookeeper", 3, 5)])
def test_brokers_are_not_queried_if_none_leaves(
    workload: str, before: int, after: int, scene: Callable[..., Scene], brokers: FakeServers
) -> None:
    made = scene(sizes(*[10] * 5, workload=workload))
    made.update(props(workload, before), props(workload, after))
    assert brokers.routes == []


def test_the_error_of_a_needed_member_has_no_traceback(scene: Callable[..., Scene], group: type[Group]) -> None:
    scene(sizes(*[10] * 5))
    group.reasons.append("no broker answers")
    text = shown(lambda: MemberStorageProvider().update("id", in_group(replicas=5), in_group(replicas=3)))
    assert text.startswith("Error: kafka-3 and kafka-4 cannot be removed\n  - no broker answers\n")


# ----------------------------------------------------------------------------------------------- refresh and removal


def test_a_refresh_keeps_complete_claims(scene: Callable[..., Scene]) -> None:
    made = scene(sizes(10, 50, 10, 10))
    result = MemberStorageProvider().read("streaming/kafka", {**stored(props(), "Retain"), "__provider": "code"})
    assert (result.id, result.outs, result.inputs) == ("streaming/kafka", stored(props()), props())
    assert made.claims.changes == []


def test_a_refresh_removes_the_claims_from_the_state_if_one_is_missing(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    scene({"data-kafka-1": GIB})
    result = MemberStorageProvider().read("streaming/kafka", props())
    assert (result.id, result.outs) == (None, {}), "so that the next update creates it again"
    assert capsys.readouterr().err == "kafka: there is no claim data-kafka-0, data-kafka-2\n"


def test_delete_removes_all_claims_and_waits_until_they_are_gone(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene(sizes(10, 10, 10, 10))
    made.delete(props())
    assert made.claims.changes == [("delete", f"data-kafka-{ordinal}") for ordinal in range(4)], (
        "also the claim of a member that was removed earlier"
    )
    assert made.claims.there == {}
    assert made.clock.now >= 5
    assert "data-kafka-0, data-kafka-1, data-kafka-2, data-kafka-3 still there" in capsys.readouterr().err


def test_claims_that_are_not_deleted_are_reported_at_the_deadline(scene: Callable[..., Scene]) -> None:
    """A foreign pod still uses one."""
    made = scene(sizes(10))
    made.claims.removal_seconds = 1000.0
    with pytest.raises(UnhealthyError) as caught:
        made.delete(props(replicas=1))
    assert caught.value.problems == ("the volume claims of kafka: data-kafka-0 still there",)
    assert 60 <= made.clock.now < 70


def test_delete_of_missing_claims_is_no_error(scene: Callable[..., Scene]) -> None:
    made = scene()
    made.delete(props())
    assert (made.claims.changes, made.clock.now) == ([], 0)


@pytest.mark.parametrize("method", ["create", "update", "read", "delete"])
def test_an_unreachable_cluster_is_reported_without_a_traceback(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(kubeconfig: str | None, context: str) -> None:
        raise PlatformError(f"context {context} cannot be used")

    monkeypatch.setattr(storage, "connect", connect)
    arguments = {"create": [props()], "update": ["id", props(), props()]}
    given = arguments.get(method, ["id", props()])
    text = shown(lambda: getattr(MemberStorageProvider(), method)(*given))
    assert text == "Error: context test cannot be used\n"
