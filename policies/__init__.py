"""A policy pack for Kafka, ZooKeeper and Redis on Docker and Kubernetes."""
