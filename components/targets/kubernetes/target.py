"""The target Kubernetes: names, addresses and preflight; :mod:`prepared` declares the resources."""

from collections.abc import Sequence

import pulumi

from components.targets.kubernetes.addresses import ClusterAddresses
from components.targets.kubernetes.preflight import ClusterNeeds, preflight
from components.targets.kubernetes.prepared import PreparedKubernetes
from components.workload import Workload


class KubernetesTarget(ClusterAddresses):
    """Runs a platform's workloads in one namespace of one cluster.

    Args:
        platform: The platform's name.
        options: Where and how it runs.
    """

    def preflight(self, workloads: Sequence[Workload]) -> None:
        """Check the context, the rights in the namespace, the StorageClass and volumes that grow.

        Rights are not checked in a namespace whose name is an output, since it is not known yet.

        Raises:
            PreflightError: With every reason why the workloads cannot run.
        """
        options = self.options
        needs = ClusterNeeds(
            context=options.context,
            kubeconfig=options.kubeconfig,
            namespace=options.namespace if isinstance(options.namespace, str) else None,
            create_namespace=options.create_namespace,
            storage_class=options.storage_class,
            application_namespaces=options.application_namespaces,
            zones=options.zones and any(workload.zone_file for workload in workloads),
            workloads=workloads,
        )
        preflight(needs, dry_run=pulumi.runtime.is_dry_run())

    def prepare(self, parent: pulumi.Resource | None = None) -> PreparedKubernetes:
        """Declare the provider, the namespace and the policy that denies all traffic which no other allows."""
        return PreparedKubernetes(self.platform, self.options, parent)
