"""The metrics exporter: looks at Kafka, ZooKeeper and Redis now and then, and serves what it saw to Prometheus."""
