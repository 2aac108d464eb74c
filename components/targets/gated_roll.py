"""Dynamic resources by which a StatefulSet's pods and volumes change safely."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.providers.rolls import GatedRollProvider
from components.providers.storage import MemberStorageProvider
from components.targets.base import Cluster


class GatedRoll(Resource, module="millrace", name="GatedRoll"):
    """Replaces the pods of a StatefulSet that are out of date, one at a time, while its cluster stays well.

    Args:
        name: The resource's name.
        workload: The StatefulSet's name.
        cluster: The cluster that its pods form.
        route: How this program's clients get to the pods.
        template: What a pod is made from, readable: whatever changes in it restarts the pods, and is told.
        generation: The StatefulSet's, which counts its changes. A roll that failed, and a template that was then set
            back, leave pods out of date whose template looks unchanged.
        logs: For each member the command that shows its logs.
        opts: Resource options.
    """

    identities: pulumi.Output[dict[str, str]]
    """The uid of each member's pod."""

    def __init__(
        self,
        name: str,
        workload: str,
        cluster: Cluster,
        route: Mapping[str, Any],
        template: Mapping[str, Any],
        generation: pulumi.Input[int | None],
        logs: Mapping[str, str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        props: dict[str, object] = {
            "kind": cluster.kind,
            "workload": workload,
            "members": dict(cluster.addresses),
            "route": dict(route),
            "template": dict(template),
            "generation": generation,
            "deadline": cluster.deadline,
            "logs": dict(logs),
            "identities": None,
        }
        super().__init__(GatedRollProvider(), name, props, opts)


class MemberStorage(Resource, module="millrace", name="MemberStorage"):
    """The volume claims of a workload's members, made before the members and removed after them.

    A StatefulSet uses a claim that is there under the name that it would give; so claims can grow in place, which
    claim templates cannot.

    Args:
        name: The resource's name.
        workload: The StatefulSet's name.
        cluster: The cluster that the members form; brokers that hold partitions are not removed.
        route: How this program's clients get to the cluster.
        size: Bytes of each member's volume.
        storage_class: StorageClass, or None for the cluster's default.
        labels: Labels of the claims.
        opts: Resource options.
    """

    def __init__(
        self,
        name: str,
        workload: str,
        cluster: Cluster,
        route: Mapping[str, Any],
        size: int,
        storage_class: str | None,
        labels: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        props: dict[str, object] = {
            "kind": cluster.kind,
            "workload": workload,
            "members": dict(cluster.addresses),
            "route": dict(route),
            "size": size,
            "storageClass": storage_class,
            "labels": dict(labels),
            "deadline": cluster.deadline,
        }
        super().__init__(MemberStorageProvider(), name, props, opts)
