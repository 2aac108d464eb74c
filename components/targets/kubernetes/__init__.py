"""Workloads on Kubernetes."""
