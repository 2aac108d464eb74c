"""Workloads on a Docker engine."""
