"""What heals a stack after an update was killed: which locks are released, which leftovers are removed, what stays.

Source: ops/heal/, components/stack_file/interrupted.py.
Proof limit: the Docker engine is imitated; tests/crash kills real updates.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from components.errors import PreflightError, UnhealthyError
from components.naming import MEMBER_LABEL, PLATFORM_LABEL
from components.safety import Safety
from components.stack_file.interrupted import StateFiles, backend_folder, refuse_unfinished, unfinished
from ops.errors import RefusedError
from ops.heal import containers, locks, objects
from ops.heal.containers import CONTAINER, NETWORK, Engine, judge
from ops.heal.locks import locked, locks_of
from ops.heal.plan import Resources
from ops.heal.torn import torn

GONE = 2**22 + 1
"""Id of no process: above Linux' maximum."""

GATE = "pulumi-python:dynamic/millrace:MemberGate"


@pytest.fixture
def files(tmp_path: Path) -> StateFiles:
    found = StateFiles(tmp_path, "millrace", "dev")
    found.locks.mkdir(parents=True)
    (tmp_path / "stacks" / "millrace").mkdir(parents=True)
    return found


def write_lock(files: StateFiles, *, pid: int, host: str | None = None, taken: str | None = None) -> Path:
    content = {
        "pid": pid,
        "username": "me",
        "hostname": host or socket.gethostname(),
        "timestamp": taken or datetime.now(UTC).isoformat(),
    }
    path = files.locks / "1.json"
    path.write_text(json.dumps(content))
    path.with_name("1.json.attrs").write_text("{}")
    return path


def write_state(files: StateFiles, **latest: Any) -> None:
    path = files.folder / "stacks" / "millrace" / "dev.json"
    path.write_text(json.dumps({"version": 3, "checkpoint": {"latest": latest}}))


def container(name: str, network: str, *, state: str = "running", labels: Mapping[str, str] | None = None) -> Any:
    own = {PLATFORM_LABEL: "millrace-dev", MEMBER_LABEL: name.removeprefix("millrace-dev-")}
    return {
        "Id": f"{name}-id",
        "Names": [f"/{name}"],
        "State": state,
        "Status": "Up 3 seconds (healthy)" if state == "running" else "Created",
        "Labels": own if labels is None else labels,
        "NetworkSettings": {"Networks": {network: {"NetworkID": "" if state == "created" else f"{network}-id"}}},
    }


def network(name: str, *, own: bool = True) -> Any:
    return {"Id": f"{name}-id", "Name": name, "Labels": {PLATFORM_LABEL: "millrace-dev"} if own else None}


def engine(networks: list[Any], items: list[Any]) -> Engine:
    return Engine({item["Id"]: item for item in items}, {item["Id"]: item for item in networks}, "millrace-dev")


def known(type_: str, id_: str, **inputs: Any) -> dict[str, Any]:
    return {"type": type_, "id": id_, "inputs": inputs, "urn": f"urn:pulumi:dev::millrace::{type_}::{id_}"}


OWN_NETWORK = known(NETWORK, "millrace-dev-id")
CREATING = known(CONTAINER, "", name="millrace-dev-kafka-0")


# ------------------------------------------------------------------------------------------------------------- locks


def test_a_lock_of_a_running_process_is_held(files: StateFiles) -> None:
    write_lock(files, pid=os.getpid())
    with pytest.raises(RefusedError, match="stack dev is locked"), locked(files, "dev"):
        pass
    assert len(locks_of(files)) == 1, "only the lock of this call is removed"


def test_a_lock_whose_process_is_gone_is_released_with_its_attributes(files: StateFiles) -> None:
    write_lock(files, pid=GONE)
    with locked(files, "dev") as stale:
        assert len(locks_of(files)) == 2, "this call holds a lock, so that no update starts"
        for lock in stale:
            lock.release()
    assert list(files.locks.iterdir()) == []


def test_a_process_that_started_after_the_lock_only_has_its_holders_id(files: StateFiles) -> None:
    write_lock(files, pid=os.getpid(), taken="2001-02-03T04:05:06.123456789Z")
    assert not locks_of(files)[0].is_held
    write_lock(files, pid=os.getpid(), taken="not a time")
    assert locks_of(files)[0].is_held, "unknown is not gone"


def test_a_lock_of_another_machine_is_never_released(files: StateFiles) -> None:
    write_lock(files, pid=GONE, host="elsewhere")
    with pytest.raises(RefusedError, match="pulumi cancel -s dev"), locked(files, "dev"):
        pass


def test_a_killed_process_that_nobody_has_waited_for_holds_no_lock(files: StateFiles) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        time.sleep(0.1)
        write_lock(files, pid=child)
        assert not locks_of(files)[0].is_held
    finally:
        os.waitpid(child, 0)


def test_a_time_of_the_engine_is_read_with_nine_digits_and_a_zone() -> None:
    assert locks._seconds("2026-11-26T11:23:25.5Z") == pytest.approx(1795692205.5)
    assert locks._seconds("2026-11-26T12:23:25.500000001+01:00") == pytest.approx(1795692205.5)


# ------------------------------------------------------------------------------------------------------------- state


def test_unfinished_creations_are_read_from_the_state_in_a_folder(files: StateFiles) -> None:
    assert files.unfinished() == ()
    write_state(files, resources=[])
    assert files.unfinished() == ()
    pending = [{"type": "creating", "resource": CREATING}, {"type": "deleting", "resource": OWN_NETWORK}]
    write_state(files, resources=[], pending_operations=pending)
    assert files.unfinished() == [CREATING]


def test_an_update_is_refused_while_leftovers_are_in_its_way() -> None:
    refuse_unfinished([known("kubernetes:core/v1:Service", "")], "dev")
    with pytest.raises(PreflightError, match="python -m ops -s dev heal"):
        refuse_unfinished([CREATING], "dev")


def test_only_a_backend_in_a_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    assert backend_folder(tmp_path, {"backend": {"url": "file://."}}) == tmp_path / ".pulumi"
    assert backend_folder(tmp_path, {}) is None
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    assert backend_folder(tmp_path, {"backend": {"url": "file://."}}) is None


def test_half_written_files_are_found_and_whole_ones_stay(files: StateFiles) -> None:
    folder = files.folder / "stacks" / "millrace"
    write_state(files, resources=[])
    (folder / "dev.json.attrs").write_text("")
    (folder / "dev.json.18eb.tmp").write_text("{")
    (folder / "dev.json.bak.attrs").write_text("{}")
    (folder / "staging.json.attrs").write_text("")
    assert files.is_torn()
    assert [path.name for path in torn(files)] == ["dev.json.attrs", "dev.json.18eb.tmp"]


# ------------------------------------------------------------------------------------------------------------ Docker


def test_containers_on_the_states_network_that_are_in_no_state_are_removed() -> None:
    items = [container("millrace-dev-kafka-0", "millrace-dev"), container("millrace-dev-redis-0", "millrace-dev")]
    state = Resources([OWN_NETWORK, known(CONTAINER, "millrace-dev-redis-0-id")], [])
    assert judge(engine([network("millrace-dev")], items), state) == (["millrace-dev-kafka-0-id"], [], [])


def test_running_containers_of_another_checkout_are_never_removed() -> None:
    items = [container("millrace-dev-kafka-0", "millrace-dev")]
    state = Resources([], [CREATING, known(NETWORK, "", name="millrace-dev")])
    remove, networks, kept = judge(engine([network("millrace-dev")], items), state)
    assert (remove, networks) == ([], [])
    assert kept == [
        "container millrace-dev-kafka-0 is on a network that this state does not have",
        "network millrace-dev is in no state, but used by millrace-dev-kafka-0",
    ]


@pytest.mark.parametrize(
    ("where", "creating", "removed"),
    [
        pytest.param("bridge", [CREATING], True, id="as-the-state-says"),
        pytest.param("bridge", [], False, id="the-state-does-not-say-so"),
        pytest.param("millrace-dev", [CREATING], False, id="on-another-checkouts-network"),
    ],
)
def test_a_container_that_was_never_started_is_removed_if_the_state_names_it(
    where: str, creating: list[Any], removed: bool
) -> None:
    items = [container("millrace-dev-kafka-0", where, state="created")]
    found, _, _ = judge(engine([network("bridge", own=False), network("millrace-dev")], items), Resources([], creating))
    assert bool(found) is removed


def test_containers_of_drills_and_of_others_are_left_alone() -> None:
    helper = container("millrace-dev-helper", "millrace-dev", labels={PLATFORM_LABEL: "millrace-dev"})
    other = container("someone", "millrace-dev", labels={})
    found = judge(engine([network("millrace-dev")], [helper, other]), Resources([OWN_NETWORK], []))
    assert found == ([], [], [])


def test_a_network_that_nothing_uses_is_removed() -> None:
    assert judge(engine([network("millrace-dev")], []), Resources([], [])) == ([], ["millrace-dev-id"], [])


class Api:
    """Imitates Docker's low-level client."""

    def __init__(self, items: list[Any]) -> None:
        self.items = {item["Id"]: item for item in items}
        self.done: list[tuple[str, str, int | None]] = []

    def containers(self, **_: Any) -> list[Any]:
        return list(self.items.values())

    def networks(self) -> list[Any]:
        return [network("millrace-dev")]

    def inspect_container(self, _id: str) -> Any:
        return {"Config": {"StopTimeout": 30}}

    def stop(self, id_: str, timeout: int) -> None:
        self.done.append(("stop", id_, timeout))

    def remove_container(self, id_: str, **_: Any) -> None:
        self.done.append(("remove", id_, None))
        raise docker.errors.NotFound("gone meanwhile")


class Needed(Safety):
    """No member may stop while another is ready."""

    def stop_findings(self, name: str, ready: Any) -> list[str]:
        return [f"{name}: needed by {other}" for other in ready if other != name]


def gate() -> dict[str, Any]:
    names = ("kafka-0", "kafka-1")
    inputs: dict[str, Any] = {
        "stops": "kafka-0",
        "safety": f"{__name__}:Needed",
        "deadline": 0.0,
        "logs": {},
        "members": dict.fromkeys(names, "127.0.0.1:1"),
        "containers": {name: f"millrace-dev-{name}" for name in names},
    }
    return known(GATE, "kafka-0", **inputs)


def test_a_member_is_stopped_with_its_grace() -> None:
    api = Api([container("millrace-dev-kafka-0", "millrace-dev")])
    steps, kept = containers.steps(api, "millrace-dev", Resources([OWN_NETWORK, gate()], []))
    assert kept == []
    for step in steps:
        step.run()
    assert api.done == [("stop", "millrace-dev-kafka-0-id", 30), ("remove", "millrace-dev-kafka-0-id", None)]


def test_a_member_that_others_need_still_runs_after_the_deadline() -> None:
    items = [container("millrace-dev-kafka-0", "millrace-dev"), container("millrace-dev-kafka-1", "millrace-dev")]
    api = Api(items)
    state = Resources([OWN_NETWORK, gate(), known(CONTAINER, "millrace-dev-kafka-1-id")], [])
    (step,), _ = containers.steps(api, "millrace-dev", state)
    with pytest.raises(UnhealthyError, match="kafka-0 is not safe to remove"):
        step.run()
    assert api.done == []


# -------------------------------------------------------------------------------------------------------- Kubernetes


def manifest(kind: str, name: str, *, generated: bool) -> dict[str, Any]:
    annotations = {"pulumi.com/autonamed": "true"} if generated else {}
    metadata = {"name": name, "namespace": "orders", "annotations": annotations}
    return known(f"kubernetes:core/v1:{kind}", "", apiVersion="v1", kind=kind, metadata=metadata)


@pytest.mark.parametrize(
    ("everything", "expected"),
    [(False, ["orders/kafka-config-1f"]), (True, ["orders/kafka", "orders/kafka-config-1f"])],
)
def test_objects_with_generated_names_are_removed_and_others_taken_over(everything: bool, expected: list[str]) -> None:
    creating = [
        manifest("ConfigMap", "kafka-config-1f", generated=True),
        manifest("Service", "kafka", generated=False),
        manifest("Namespace", "orders", generated=False),
        manifest("Secret", "kafka-files-2a", generated=True),
        CREATING,
    ]
    state = Resources([known("kubernetes:core/v1:Secret", "orders/kafka-files-2a")], creating)
    found = objects.leftovers(state, everything=everything)
    assert sorted(map(objects.id_of, found)) == expected


def test_pending_operations_of_other_kinds_are_no_creations() -> None:
    assert unfinished({"pending_operations": [{"type": "updating", "resource": CREATING}]}) == []
    assert unfinished({}) == []
