"""The stack file's section ``kubernetes``: the cluster, the namespace, and placement."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from components.limits import MAX_ENTRIES, MAX_HOST, MAX_PATH, MAX_TEXT
from components.sections import DnsLabel, Section, Wait


class KubernetesSettings(Section):
    """Where and how the platform runs on Kubernetes."""

    context: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_TEXT,
        description="The kubeconfig's context to run in; no other is used",
    )
    kubeconfig: str | None = Field(
        default=None, min_length=1, max_length=MAX_PATH, description="Path of the kubeconfig; unset takes KUBECONFIG"
    )
    namespace: DnsLabel | None = Field(default=None, description="Namespace; unset takes the platform's name")
    create_namespace: bool = Field(default=True, description="Whether the stack creates the namespace")
    cluster_domain: str = Field(
        default="cluster.local", max_length=MAX_HOST, pattern=r"^[a-z0-9.-]+$", description="The cluster's DNS domain"
    )
    storage_class: str | None = Field(
        default=None, min_length=1, max_length=MAX_HOST, description="StorageClass of the volumes; unset: the default"
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        default="IfNotPresent", description="When a node pulls an image"
    )
    image_pull_secrets: list[DnsLabel] = Field(
        default_factory=list[str],
        max_length=MAX_ENTRIES,
        description="Secrets of the namespace with the registries' credentials",
    )
    image_pull_patience: Wait = Field(
        default=timedelta(minutes=3),
        description="Time that a node may fail to pull an image before a roll gives up",
    )
    spread: Literal["required", "preferred"] = Field(
        default="required", description="Whether members must or should run on separate nodes and in separate zones"
    )
    zones: bool = Field(
        default=True,
        description="Whether brokers get their zone as `broker.rack`; requires a ClusterRole that reads nodes",
    )
    client_namespaces: list[DnsLabel] = Field(
        default_factory=list[str],
        max_length=MAX_ENTRIES,
        description="Further namespaces whose pods may connect to Kafka and Redis",
    )
