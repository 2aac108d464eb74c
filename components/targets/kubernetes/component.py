"""Dynamic resources that change a StatefulSet's pods and volumes safely."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.inputs import secret_of
from components.safety import Safety, reference
from components.targets.base import RouteInputs
from components.targets.kubernetes.provider import (
    GatedRollProvider,
    MemberStorageProvider,
    NamespaceRemovalProvider,
)


@dataclass(frozen=True, kw_only=True)
class MembersArgs:
    """The members of a workload, as inputs of a resource.

    Args:
        workload: Name of the workload and of its StatefulSet.
        addresses: ``host:port`` of each member, by name.
        safety: The rules of the members.
        route: How this program's clients reach the members.
        deadline: Seconds that a changed member may take to be back.
        login: How the rules log in to the members, or None.
        founded: Whether the members must know whether they are the first ones.
    """

    workload: str
    addresses: Mapping[str, pulumi.Input[str]]
    safety: type[Safety]
    route: RouteInputs
    deadline: float
    login: Mapping[str, pulumi.Input[str]] | None = None
    founded: bool = False

    def props(self) -> dict[str, object]:
        """The members as properties of a resource."""
        return {
            "workload": self.workload,
            "members": dict(self.addresses),
            "safety": reference(self.safety),
            "route": dict(self.route),
            "deadline": self.deadline,
            "login": None if self.login is None else secret_of(self.login),
            **({"founded": True} if self.founded else {}),
        }


class GatedRoll(Resource, module="millrace", name="GatedRoll"):
    """Replaces the pods of a StatefulSet that are out of date, one at a time, while their cluster stays healthy.

    Args:
        name: The resource's name.
        members: The StatefulSet's members.
        template: What a pod is created from, in readable form: a change restarts the pods, and a preview shows it.
        generation: The StatefulSet's generation, which counts its changes. After a failed roll and a reverted
            template, pods are out of date although the template looks unchanged.
        logs: For each member the command that shows its logs.
        pull_patience: Seconds that a node may fail to pull an image before the roll gives up.
        opts: Resource options.
    """

    identities: pulumi.Output[dict[str, str]]
    """The uid of each member's pod."""

    def __init__(
        self,
        name: str,
        members: MembersArgs,
        template: Mapping[str, Any],
        generation: pulumi.Input[int | None],
        logs: Mapping[str, pulumi.Input[str]],
        pull_patience: float,
        opts: pulumi.ResourceOptions,
    ) -> None:
        props: dict[str, object] = {
            **members.props(),
            "imagePullPatience": pull_patience,
            "template": dict(template),
            "generation": generation,
            "logs": dict(logs),
            "identities": None,
        }
        super().__init__(GatedRollProvider(), name, props, opts)


class MemberStorage(Resource, module="millrace", name="MemberStorage"):
    """The volume claims of a workload's members, created before the members and deleted after them.

    A StatefulSet uses an existing claim of the name that it would choose itself. Such a claim can be expanded in
    place; a claim template cannot change.

    Args:
        name: The resource's name.
        members: The members; one that is still needed is not removed.
        size: Bytes of each member's volume.
        storage_class: StorageClass, or None for the cluster's default.
        labels: Labels of the claims.
        opts: Resource options.
    """

    reclaim_policy: pulumi.Output[str]
    """``Delete`` if a claim's StorageClass deletes the volume with the claim, else ``Retain``; empty if not known."""

    def __init__(
        self,
        name: str,
        members: MembersArgs,
        size: int,
        storage_class: str | None,
        labels: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        props: dict[str, object] = {
            **members.props(),
            "size": size,
            "storageClass": storage_class,
            "labels": dict(labels),
            "reclaimPolicy": None,
        }
        super().__init__(MemberStorageProvider(), name, props, opts)


class NamespaceRemoval(Resource, module="millrace", name="NamespaceRemoval"):
    """Deletes a namespace on ``destroy``, after everything else, unless volume claims are left in it.

    Args:
        name: The resource's name.
        route: The cluster and the namespace.
        opts: Resource options.
    """

    def __init__(self, name: str, route: RouteInputs, opts: pulumi.ResourceOptions) -> None:
        super().__init__(NamespaceRemovalProvider(), name, {"route": dict(route)}, opts)
