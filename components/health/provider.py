"""Dynamic provider of health gates: ``up`` waits until the servers are healthy, or fails with the findings."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pulumi.dynamic import CreateResult, ReadResult, ResourceProvider, UpdateResult

from components.dynamic import Props, in_order, plain_errors, progress
from components.errors import UnhealthyError, count
from components.kafka import client as kafka
from components.kafka import health as kafka_health
from components.kafka.security import security_of
from components.naming import PART_OF_LABEL, PROJECT, ordinal_of
from components.redis import client as redis
from components.routes import Route, RouteProps
from components.targets.kubernetes.client import connect, pod_findings
from components.targets.routes import open_route
from components.waiting import wait_until
from components.zookeeper import client as zookeeper


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the platform as the gate checks it.

    Args:
        check: Checks the part once; returns the findings.
        summary: Describes the healthy part in one line.
    """

    check: Callable[[], list[str]]
    summary: Callable[[], str]


def parts_of(props: Props, *, writes: bool) -> dict[str, Part]:
    """The parts that a gate checks, by name; no server is contacted yet.

    Args:
        props: Properties of the gate.
        writes: Whether the checks also write to each server and read it back.
    """
    logs, route = props["logs"], open_route(props.get("route"))
    parts: dict[str, Part] = {}
    if props.get("zookeeper"):
        parts["ZooKeeper"] = _zookeeper(in_order(props["zookeeper"]), logs, route, writes)
    if props.get("kafka"):
        parts["Kafka"] = _kafka(props["kafka"], logs, route, writes)
    if props.get("redis"):
        parts["Redis"] = _redis(props["redis"], logs, route, writes)
    if props.get("route"):
        parts["Pods"] = _pods(props["route"])
    return parts


def _zookeeper(members: Mapping[str, str], logs: Mapping[str, str], route: Route, writes: bool) -> Part:
    def check() -> list[str]:
        roles = zookeeper.role_findings(members, logs, route=route)
        return roles if roles or not writes else zookeeper.session_findings(list(members.values()), route=route)

    return Part(check=check, summary=lambda: zookeeper.summary(members, route=route))


def _kafka(props: Props, logs: Mapping[str, str], route: Route, writes: bool) -> Part:
    bootstrap, brokers, security = props["bootstrap"], in_order(props["brokers"]), security_of(props)

    def summary() -> str:
        with kafka.admin_client(bootstrap, route=route, security=security) as client:
            state = kafka.cluster_state(client)
        names = {ordinal_of(name): name for name in brokers}
        return (
            f"{len(state.brokers)} of {count(len(names), 'broker')}, "
            f"controller {names.get(state.controller, state.controller)}, "
            f"{count(len(state.partitions), 'partition')} in sync, acks=all record read back"
        )

    def check() -> list[str]:
        return kafka_health.kafka_findings(bootstrap, brokers, logs, round_trip=writes, route=route, security=security)

    return Part(check=check, summary=summary)


def _redis(props: Props, logs: Mapping[str, str], route: Route, writes: bool) -> Part:
    def check() -> list[str]:
        return redis.findings(
            member=props["member"],
            address=props["address"],
            password=props.get("password"),
            append_only=props["appendOnly"],
            save=props["save"],
            logs=logs,
            writes=writes,
            route=route,
        )

    persistence = "append-only file" if props["appendOnly"] else "snapshots"
    return Part(check=check, summary=lambda: f"write and read, {persistence}")


def _pods(route: RouteProps) -> Part:
    """The pods of the route, with the reasons that Kubernetes gives for those that are not ready."""
    expected = [host.partition(".")[0] for host in route["hosts"]]

    def check() -> list[str]:
        cluster = connect(route.get("kubeconfig"), route["context"])
        pods = cluster.pods(route["namespace"], {PART_OF_LABEL: PROJECT})
        return pod_findings(expected, {pod.name: pod for pod in pods})

    return Part(check=check, summary=lambda: f"{len(expected)} ready")


class HealthGateProvider(ResourceProvider):
    """Checks a platform whenever the gate is created or its trigger changes."""

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait until the platform is healthy; the next ``up`` retries a failed create."""
        return CreateResult(props["platform"], {**props, "summary": _wait_for_all(props)})

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait until the changed platform is healthy."""
        return UpdateResult({**_news, "summary": _wait_for_all(_news)})

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Check once, and only read: a refresh changes nothing on the servers.

        The gate of an unhealthy platform is dropped from the state, so the next ``up`` checks again.
        """
        findings = [line for part in parts_of(props, writes=False).values() for line in part.check()]
        if not findings:
            return ReadResult(id_, props)
        for line in findings:
            progress(line)
        return ReadResult(None, {})


def _wait_for_all(props: Props) -> str:
    """Wait for all parts at once; return the summary.

    Raises:
        UnhealthyError: With the findings of all parts that did not become healthy.
    """
    deadline = float(props["deadline"])
    parts = parts_of(props, writes=True)

    def wait(name: str) -> float | UnhealthyError:
        try:
            return wait_until(parts[name].check, what=name, deadline=deadline, report=progress)
        except UnhealthyError as error:
            return error

    with ThreadPoolExecutor(max(len(parts), 1)) as pool:
        results = dict(zip(parts, pool.map(wait, parts), strict=True))
    failed = {name: result for name, result in results.items() if isinstance(result, UnhealthyError)}
    if failed:
        raise UnhealthyError(
            f"{' and '.join(failed)} did not become healthy within {deadline:.0f} s; what was created is still there",
            [line for error in failed.values() for line in error.problems],
        )
    seconds = {name: result for name, result in results.items() if isinstance(result, float)}
    first = [f"Pods: {parts['Pods'].summary()}"] if "Pods" in parts else []
    rest = [f"{name}: {part.summary()} ({seconds[name]:.1f} s)" for name, part in parts.items() if name != "Pods"]
    return "\n".join([*first, *rest])
