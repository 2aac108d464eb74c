"""Targets: each deploys workloads as resources, on Docker or on Kubernetes."""
