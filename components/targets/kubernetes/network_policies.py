"""Network policies as pure functions: no traffic is allowed but what the workloads' ports declare."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.naming import CLIENT_LABEL
from components.workload import ANYONE, CLIENTS, Port, Workload

Selector = Callable[[str], Mapping[str, str]]
"""The labels that select a workload's pods, by the workload's name."""


def default_deny(selector: Mapping[str, str]) -> dict[str, Any]:
    """The policy that denies all traffic of the selected pods which no other policy allows."""
    return {"podSelector": {"matchLabels": dict(selector)}, "policyTypes": ["Ingress", "Egress"]}


def policy_of(
    workload: Workload,
    workloads: Sequence[Workload],
    selector: Selector,
    *,
    client_namespaces: Sequence[str],
    reads_nodes: bool,
) -> dict[str, Any]:
    """The policy of one workload's pods.

    Args:
        workload: The workload.
        workloads: All workloads of the platform; their ports say who reaches them.
        selector: Labels of a workload's pods.
        client_namespaces: Further namespaces whose pods are clients.
        reads_nodes: Whether its pods connect to the API server.
    """
    ingress = [
        {"ports": [_port(port)], **_senders(port, selector, client_namespaces)}
        for port in workload.ports
        if port.reached_by
    ]
    egress: list[dict[str, Any]] = [
        {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]},  # DNS
        *(
            {"to": [{"podSelector": {"matchLabels": dict(selector(other.name))}}], "ports": [_port(port)]}
            for other in workloads
            for port in other.ports
            if workload.name in port.reached_by
        ),
    ]
    # The API server's address is not known here, so any address is allowed; 443 and 6443 are its usual ports.
    if outgoing := [*((443, 6443) if reads_nodes else ()), *workload.outgoing]:
        egress.append({"ports": [{"protocol": "TCP", "port": number} for number in outgoing]})
    return {
        "podSelector": {"matchLabels": dict(selector(workload.name))},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }


def _senders(port: Port, selector: Selector, client_namespaces: Sequence[str]) -> dict[str, Any]:
    if ANYONE in port.reached_by:
        # Not narrowed to a load balancer's source ranges: nodes and most load balancers put their own address in place
        # of the client's before a packet reaches the pod, so that a rule on clients' addresses would admit nobody.
        return {}
    senders: list[dict[str, Any]] = [
        {"podSelector": {"matchLabels": dict(selector(name))}} for name in port.reached_by if name != CLIENTS
    ]
    if CLIENTS in port.reached_by:
        senders.append({"podSelector": {"matchLabels": {CLIENT_LABEL: "true"}}})
        senders += [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
            for namespace in client_namespaces
        ]
    return {"from": senders}


def _port(port: Port) -> dict[str, Any]:
    return {"protocol": "TCP", "port": port.number}
