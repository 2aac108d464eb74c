"""What a killed update left on a Docker engine: containers and networks of a stack that are in no state.

What belongs to another checkout of the same stack has the same names and labels, so these prove nothing. A container is
this stack's if it is on the network whose id the state has. It may also never have been started: then it holds
nothing, and no other can have been created under the name that the state says was being created.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.naming import MEMBER_LABEL, PLATFORM_LABEL
from components.safety import Members, safety_of
from components.waiting import wait_until
from ops.console import say
from ops.heal.plan import Resources, Step

CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
_GATE = "pulumi-python:dynamic/millrace:MemberGate"

_DEFAULT_GRACE_SECONDS = 10
"""Docker's own stop grace of a container that sets none."""


@dataclass(frozen=True)
class Engine:
    """The objects of one platform on an engine, as the engine lists them.

    Args:
        containers: All containers of the engine, by id.
        networks: All networks of the engine, by id.
        platform: The platform's name.
    """

    containers: Mapping[str, Mapping[str, Any]]
    networks: Mapping[str, Mapping[str, Any]]
    platform: str

    @classmethod
    def read(cls, api: Any, platform: str) -> "Engine":
        """Ask the engine.

        Args:
            api: Docker's low-level client.
            platform: The platform's name.
        """
        containers = {item["Id"]: item for item in api.containers(all=True)}
        return cls(containers, {item["Id"]: item for item in api.networks()}, platform)

    def is_own(self, item: Mapping[str, Any]) -> bool:
        """Whether an object has the platform's label."""
        return _labels(item).get(PLATFORM_LABEL) == self.platform

    def networks_of(self, container: Mapping[str, Any]) -> set[str]:
        """Ids of the networks that a container is on; a container that was never started knows only their names."""
        attached: Mapping[str, Mapping[str, Any]] = container["NetworkSettings"]["Networks"] or {}
        by_name = {item["Name"]: id_ for id_, item in self.networks.items()}
        return {entry.get("NetworkID") or by_name.get(name, "") for name, entry in attached.items()}

    def users_of(self, network: str) -> list[str]:
        """Names of the containers on a network, running or not."""
        return sorted(name_of(item) for item in self.containers.values() if network in self.networks_of(item))


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item.get("Labels") or {}


def name_of(container: Mapping[str, Any]) -> str:
    """A container's name."""
    return str(container["Names"][0]).lstrip("/")


def judge(engine: Engine, resources: Resources) -> tuple[list[str], list[str], list[str]]:
    """Compare the engine with the state.

    Returns:
        Ids of containers to remove, ids of networks to remove, and a line for each object that stays.
    """
    known = resources.ids(CONTAINER, NETWORK)
    expected = {str(item["inputs"].get("name")) for item in resources.unfinished if item["type"] == CONTAINER}
    others = {id_ for id_, item in engine.networks.items() if id_ not in known and engine.is_own(item)}
    containers: list[str] = []
    kept: list[str] = []
    for id_, item in sorted(engine.containers.items(), key=lambda pair: name_of(pair[1])):
        if id_ in known or not engine.is_own(item) or MEMBER_LABEL not in _labels(item):
            continue
        joined = engine.networks_of(item)
        never_started = item["State"] == "created" and name_of(item) in expected
        if joined & known or (never_started and not joined & others):
            containers.append(id_)
        else:
            kept.append(f"container {name_of(item)} is on a network that this state does not have")
    networks: list[str] = []
    for id_ in sorted(others):
        item = engine.networks[id_]
        users = [name for name in engine.users_of(id_) if name not in _names(engine, containers)]
        if users:
            kept.append(f"network {item['Name']} is in no state, but used by {', '.join(users)}")
        else:
            networks.append(id_)
    return containers, networks, kept


def _names(engine: Engine, ids: Collection[str]) -> set[str]:
    return {name_of(engine.containers[id_]) for id_ in ids}


def steps(api: Any, platform: str, resources: Resources) -> tuple[list[Step], list[str]]:
    """What to remove from the engine, in this order, and what stays.

    Args:
        api: Docker's low-level client.
        platform: The platform's name.
        resources: The stack's state.
    """
    engine = Engine.read(api, platform)
    containers, networks, kept = judge(engine, resources)
    found = [
        Step(
            f"remove container {name_of(engine.containers[id_])} ({engine.containers[id_]['Status']}); "
            "its data is in a volume and stays",
            lambda id_=id_: _remove_container(api, engine.containers[id_], resources),
        )
        for id_ in containers
    ]
    found += [
        Step(f"remove network {engine.networks[id_]['Name']}", lambda id_=id_: _tolerant(api.remove_network, id_))
        for id_ in networks
    ]
    return found, kept


def _remove_container(api: Any, container: Mapping[str, Any], resources: Resources) -> None:
    """Stop a container with its grace and remove it; a member that others need is waited for.

    Raises:
        UnhealthyError: The member could not be stopped safely before its gate's deadline; it still runs.
    """
    member = _labels(container)[MEMBER_LABEL]
    for gate in resources.inputs(_GATE):
        if gate.get("stops") == member and container["State"] == "running":
            _wait_until_it_may_stop(api, gate, member)
    seen: Mapping[str, Any] = api.inspect_container(container["Id"])
    grace = seen["Config"].get("StopTimeout") or _DEFAULT_GRACE_SECONDS
    _tolerant(api.stop, container["Id"], timeout=int(grace))
    _tolerant(api.remove_container, container["Id"], v=True, force=True)


def _wait_until_it_may_stop(api: Any, gate: Mapping[str, Any], member: str) -> None:
    """Ask what the gate before the member asks; see :mod:`components.targets.docker.provider`."""

    def findings() -> Sequence[str]:
        status = {name_of(item): str(item["Status"]) for item in api.containers(all=True)}
        existing = {name: status[where] for name, where in gate["containers"].items() if where in status}
        ready = [name for name, said in existing.items() if "(healthy)" in said]
        addresses = {name: gate["members"][name] for name in sorted(existing)}
        return safety_of(gate["safety"], Members(addresses=addresses, logs=gate["logs"])).stop_findings(member, ready)

    deadline = float(gate["deadline"])
    wait_until(findings, what=member, deadline=deadline, report=say, state="safe to remove")


def _tolerant(remove: Any, id_: str, **options: Any) -> None:
    """Ask the engine to stop or remove an object; one that is gone is no error."""
    from docker.errors import NotFound

    try:
        remove(id_, **options)
    except NotFound:
        return
