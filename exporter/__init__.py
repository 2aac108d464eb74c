"""The metrics exporter: checks Kafka, ZooKeeper and Redis periodically and serves the results to Prometheus."""
