"""Throughput and latency, measured by the distribution's own performance tools and by nothing else."""
