"""What a stack file says about the Kubernetes cluster."""

from typing import Literal

from pydantic import (
    Field,
)

from components.stack_file.sections import DnsLabel, Section


class KubernetesSettings(Section):
    """Where and how the platform runs on Kubernetes."""

    context: str | None = Field(
        default=None, min_length=1, description="The kubeconfig's context to run in; no other is used"
    )
    kubeconfig: str | None = Field(
        default=None, min_length=1, description="Path of the kubeconfig; unset takes KUBECONFIG"
    )
    namespace: DnsLabel | None = Field(default=None, description="Namespace; unset takes the platform's name")
    create_namespace: bool = Field(default=True, description="Whether the stack makes the namespace")
    cluster_domain: str = Field(
        default="cluster.local", pattern=r"^[a-z0-9.-]+$", description="The cluster's DNS domain"
    )
    storage_class: str | None = Field(
        default=None, min_length=1, description="StorageClass of the volumes; unset: the default"
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        default="IfNotPresent", description="When a node pulls an image"
    )
    image_pull_secrets: list[DnsLabel] = Field(
        default_factory=list[str], description="Secrets of the namespace with the registries' credentials"
    )
    spread: Literal["required", "preferred"] = Field(
        default="required", description="Whether members must or should run on nodes and in zones of their own"
    )
    zones: bool = Field(
        default=True,
        description="Whether brokers are told their zone as `broker.rack`; takes a ClusterRole that reads nodes",
    )
    client_namespaces: list[DnsLabel] = Field(
        default_factory=list[str], description="Further namespaces whose pods may connect to Kafka and Redis"
    )
