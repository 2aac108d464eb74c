"""The specifications of a workload's Services, as pure functions."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.outside import Outside
from components.workload import Workload


def headless_service(workload: Workload, selector: Mapping[str, str]) -> dict[str, Any]:
    """The Service that gives each pod a DNS name.

    Members must find each other before they are ready, and a draining one must stay reachable.
    """
    return {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": dict(selector),
        "ports": [_port(port.name, port.number) for port in workload.ports],
    }


def client_service(workload: Workload, selector: Mapping[str, str]) -> dict[str, Any]:
    """The Service by which clients inside the cluster reach any ready member."""
    port = workload.client_port
    return {"type": "ClusterIP", "selector": dict(selector), "ports": [_port(port.name, port.number)]}


def outside_services(
    workload: Workload, selector: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any], Mapping[str, str]]]:
    """Name, specification and annotations of a Service for each member and exposed port.

    Clients outside must reach the broker that leads a partition, so one Service for all brokers is not enough. A broker
    that is still catching up on some partitions may lead others already, so it is reachable before it is ready.
    """
    for port in workload.ports:
        if port.outside is None:
            continue
        for ordinal, member in enumerate(workload.members):
            own = {**selector, "statefulset.kubernetes.io/pod-name": member}
            made = _outside(port.name, port.number, port.outside, ordinal)
            spec = {**made, "publishNotReadyAddresses": True, "selector": own}
            yield f"{member}-{port.name}", spec, port.outside.annotations


def _port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": number, "protocol": "TCP"}


def _outside(name: str, number: int, outside: Outside, ordinal: int) -> dict[str, Any]:
    port = _port(name, number)
    if outside.kind == "loadBalancer":
        ranges = {"loadBalancerSourceRanges": list(outside.source_ranges)} if outside.source_ranges else {}
        return {"type": "LoadBalancer", "ports": [port | {"port": outside.number(ordinal)}], **ranges}
    return {"type": "NodePort", "ports": [port | {"nodePort": outside.number(ordinal)}]}
