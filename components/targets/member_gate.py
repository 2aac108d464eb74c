"""The gate between two members on a target that replaces them one by one itself."""

from collections.abc import Mapping

import pulumi
from pulumi.dynamic import Resource

from components.providers.health import MemberGateProvider
from components.targets.base import Cluster

_GATE_SUFFIX = {"zookeeper": "in-quorum", "kafka": "in-sync"}


class MemberGate(Resource, module="millrace", name="MemberGate"):
    """Waits until one member is back in its cluster: the ensemble's quorum, or all replicas in sync.

    Args:
        member: The member that must be back.
        cluster: The cluster that it belongs to.
        trigger: Changes when the member does.
        logs: For the member, the command that shows its logs.
        opts: Resource options.
    """

    def __init__(
        self,
        member: str,
        cluster: Cluster,
        trigger: pulumi.Input[str],
        logs: Mapping[str, str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        props: dict[str, object] = {
            "kind": cluster.kind,
            "member": member,
            "members": dict(cluster.addresses),
            "deadline": cluster.deadline,
            "trigger": trigger,
            "logs": dict(logs),
        }
        super().__init__(MemberGateProvider(), f"{member}-{_GATE_SUFFIX[cluster.kind]}", props, opts)
