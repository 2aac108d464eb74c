"""Where a platform runs on Kubernetes, and the DNS names and addresses of its members there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi

from components.inputs import lift
from components.outside import LOOPBACK, Outside
from components.workload import Workload, internal_addresses


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where and how a platform runs on Kubernetes.

    Args:
        context: The kubeconfig's context; no other is ever used.
        kubeconfig: Path of the kubeconfig; None takes KUBECONFIG or the default path.
        namespace: Namespace of all objects; may be an output of a different resource.
        create_namespace: Whether the namespace is created, too.
        domain: The cluster's DNS domain.
        storage_class: StorageClass of the volumes, or None for the cluster's default.
        pull_policy: When a node pulls an image.
        pull_secrets: Secrets with the registries' credentials.
        pull_patience: Seconds that a node may fail to pull an image before a roll gives up.
        spread: Whether members must (``required``) or should (``preferred``) run on separate nodes and zones.
        zones: Whether members that ask for it learn their zone, which requires the right to read nodes.
        client_namespaces: Further namespaces whose pods may connect to ports for clients.
        application_namespaces: Namespaces of applications, which get Secrets; their pods may connect too.
    """

    context: str
    namespace: pulumi.Input[str]
    kubeconfig: str | None = None
    create_namespace: bool = True
    domain: str = "cluster.local"
    storage_class: str | None = None
    pull_policy: str = "IfNotPresent"
    pull_secrets: Sequence[str] = ()
    pull_patience: float = 180
    spread: str = "required"
    zones: bool = True
    client_namespaces: Sequence[str] = field(default_factory=tuple[str, ...])
    application_namespaces: Sequence[str] = field(default_factory=tuple[str, ...])


class ClusterAddresses:
    """Names and addresses of the members of one platform.

    Args:
        platform: The platform's name.
        options: Where and how it runs.
    """

    def __init__(self, platform: str, options: ClusterOptions) -> None:
        self.platform = platform
        self.options = options

    def host(self, workload: str, ordinal: int) -> pulumi.Input[str]:
        """A pod's name in the cluster's DNS, given by the headless Service."""
        return self.pod_host(workload, f"{workload}-{ordinal}")

    def pod_host(self, workload: str, pod: str) -> pulumi.Input[str]:
        """The DNS name of a pod of a workload."""
        domain = self.options.domain
        return lift(lambda names: f"{pod}.{workload}.{names[0]}.svc.{domain}", [self.options.namespace])

    def addresses(self, workload: Workload) -> dict[str, pulumi.Input[str]]:
        """The pods' own addresses, which the tunnel reaches; nothing has to be exposed."""
        return internal_addresses(workload, self.host)

    def outside(self, port: int, *, host: str | None = None, external: str = "none") -> Outside | None:
        """None unless asked for: a node port for each member, or a load balancer with its own host."""
        if external == "none":
            return None
        return Outside(host=host or LOOPBACK, port=port, step=1 if external == "nodePort" else 0, kind=external)

    def logs_command(self, member: str) -> pulumi.Input[str]:
        """``kubectl logs`` of the member's pod."""
        context = self.options.context
        return lift(
            lambda names: f"kubectl --context {context} -n {names[0]} logs --tail 50 {member}", [self.options.namespace]
        )
