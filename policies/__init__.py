"""A policy pack that knows Kafka, ZooKeeper and Redis, on Docker and on Kubernetes."""
