"""The target Kubernetes: workloads as StatefulSets in one namespace of one cluster."""
