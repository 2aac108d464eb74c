"""How all of it runs where only package registries are reachable."""
