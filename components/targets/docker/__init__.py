"""The target Docker: workloads as containers on one engine."""
