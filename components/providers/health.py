"""Dynamic providers of health gates: they make ``up`` wait for a healthy platform, and fail with what is wrong."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from components.clients import kafka, redis, zookeeper
from components.clients.cluster import connect, pod_findings
from components.clients.routes import DIRECT, Route
from components.clients.routes import route as route_of
from components.clients.waiting import wait_until
from components.errors import UnhealthyError, count
from components.naming import PART_OF_LABEL, PROJECT
from components.providers.base import Props, in_order, plain_errors, progress

Look = Callable[[], list[str]]


def looks(props: Props) -> dict[str, Look]:
    """The checks of a platform, by the part that they check; each returns what it found wrong."""
    logs = cast("Mapping[str, str]", props["logs"])
    members = in_order(props["zookeeper"])
    cache = cast("dict[str, Any]", props["redis"])
    way = route_of(props.get("route"))

    def look_at_zookeeper() -> list[str]:
        roles = zookeeper.role_findings(members, logs, route=way)
        return roles or zookeeper.session_findings(list(members.values()), route=way)

    def look_at_redis() -> list[str]:
        return redis.findings(
            member=cache["member"],
            address=cache["address"],
            password=cache.get("password"),
            append_only=cache["appendOnly"],
            save=cache["save"],
            logs=logs,
            route=way,
        )

    def look_at_kafka() -> list[str]:
        return kafka_findings(props["bootstrap"], in_order(props["brokers"]), logs, round_trip=True, route=way)

    parts: dict[str, Look] = {"ZooKeeper": look_at_zookeeper, "Kafka": look_at_kafka, "Redis": look_at_redis}
    if props.get("route") is not None:
        parts["Pods"] = lambda: _pod_findings(props["route"])
    return parts


def _pod_findings(way: Mapping[str, Any]) -> list[str]:
    """What keeps the platform's pods from being ready."""
    expected = [str(host).partition(".")[0] for host in way["hosts"]]
    pods = connect(way.get("kubeconfig"), way["context"]).pods(way["namespace"], {PART_OF_LABEL: PROJECT})
    return pod_findings(expected, {pod.name: pod for pod in pods})


def kafka_findings(
    bootstrap: str,
    brokers: Mapping[str, str],
    logs: Mapping[str, str],
    *,
    round_trip: bool,
    route: Route = DIRECT,
) -> list[str]:
    """What is wrong with the cluster, and where all is well, with a record's way there and back."""
    from kafka.errors import KafkaError

    if not kafka.any_listens(bootstrap, route=route):
        return kafka.unreachable(bootstrap, brokers, logs, route=route)
    try:
        with kafka.admin_client(bootstrap, route=route) as client:
            state = kafka.cluster_state(client)
            findings = kafka.cluster_findings(state, brokers, logs)
            if not findings and round_trip:
                findings = kafka.round_trip_findings(bootstrap, client, state, route=route)
            return findings
    except KafkaError:
        return kafka.unreachable(bootstrap, brokers, logs, route=route)


class HealthGateProvider(ResourceProvider):
    """Checks a platform whenever it is made or its trigger changes."""

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait until the platform is well; a failed create is tried again by the next ``up``."""
        return CreateResult(props["platform"], {**props, "summary": _pass(props)})

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait until the changed platform is well."""
        return UpdateResult({**_news, "summary": _pass(_news)})

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Look once. A gate whose platform is not well any more is forgotten, so that the next ``up`` checks."""
        findings = [line for look in looks(props).values() for line in look()]
        if not findings:
            return ReadResult(id_, props)
        for line in findings:
            progress(line)
        return ReadResult(None, {})


def _pass(props: Props) -> str:
    """Wait for all parts at once; return the summary.

    Raises:
        UnhealthyError: With the findings of all parts that did not become well.
    """
    deadline = float(props["deadline"])
    parts = looks(props)

    def wait(part: str) -> float | UnhealthyError:
        try:
            return wait_until(parts[part], what=part, deadline=deadline, report=progress)
        except UnhealthyError as error:
            return error

    with ThreadPoolExecutor(len(parts)) as pool:
        results = dict(zip(parts, pool.map(wait, parts), strict=True))
    failed = {part: result for part, result in results.items() if isinstance(result, UnhealthyError)}
    if failed:
        raise UnhealthyError(
            f"{' and '.join(failed)} did not become healthy within {deadline:.0f} s; what was made is still there",
            [line for error in failed.values() for line in error.problems],
        )
    timings = {part: result for part, result in results.items() if isinstance(result, float)}
    return _summary(props, timings)


def _summary(props: Props, seconds: Mapping[str, float]) -> str:
    way = route_of(props.get("route"))
    with kafka.admin_client(props["bootstrap"], route=way) as client:
        state = kafka.cluster_state(client)
    names = {int(name.rpartition("-")[2]): name for name in props["brokers"]}
    persistence = "append-only file" if props["redis"]["appendOnly"] else "snapshots"
    brokers, partitions = len(state.brokers), len(state.partitions)
    controller = names.get(state.controller, state.controller)
    pods = f"Pods: {len(props['route']['hosts'])} ready\n" if props.get("route") else ""
    return pods + "\n".join(
        [
            f"ZooKeeper: {zookeeper.summary(in_order(props['zookeeper']), route=way)} ({seconds['ZooKeeper']:.1f} s)",
            f"Kafka: {brokers} of {count(len(names), 'broker')}, controller {controller}, "
            f"{count(partitions, 'partition')} in sync, acks=all record read back ({seconds['Kafka']:.1f} s)",
            f"Redis: write and read, {persistence} ({seconds['Redis']:.1f} s)",
        ]
    )


class MemberGateProvider(ResourceProvider):
    """Stands between two members of a workload: the next is touched when this one is back."""

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait until the member is back in its cluster."""
        _await_member(props)
        return CreateResult(props["member"], props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait until the changed member is back in its cluster."""
        _await_member(_news)
        return UpdateResult(_news)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Only a changed member is waited for; another address or deadline is no reason."""
        return DiffResult(changes=_olds.get("trigger") != _news.get("trigger"))


def _await_member(props: Props) -> None:
    member, members, logs = props["member"], in_order(props["members"]), props["logs"]

    def look() -> list[str]:
        if props["kind"] == "zookeeper":
            return zookeeper.restart_findings(member, members, logs)
        return kafka_findings(",".join(members.values()), {member: members[member]}, logs, round_trip=False)

    wait_until(look, what=member, deadline=float(props["deadline"]), report=progress)
