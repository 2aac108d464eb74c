"""The Kafka brokers."""
