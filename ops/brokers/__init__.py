"""Brokers: what each holds, and moving replicas between them."""
