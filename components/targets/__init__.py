"""Workloads to resources."""
