"""Throughput and latency, measured by Kafka's own performance tools."""
