"""Clients of Kafka, ZooKeeper, Redis and the Docker engine; they know nothing of Pulumi."""
