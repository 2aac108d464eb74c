"""The Redis server."""
