"""A namespace that another team's program creates and exports by name; replace this program with yours."""

import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config()
cluster = k8s.Provider("cluster", context=config.require("context"))
namespace = k8s.core.v1.Namespace(
    "namespace",
    metadata=k8s.meta.v1.ObjectMetaArgs(
        name=config.require("namespace"),
        # The strictest level that Kubernetes has; the servers need no more.
        labels={"pod-security.kubernetes.io/enforce": "restricted"},
    ),
    opts=pulumi.ResourceOptions(provider=cluster),
)
pulumi.export("namespace", namespace.metadata.apply(lambda metadata: metadata.name))
