"""A three-node, three-zone Kubernetes cluster for tests, from package registries alone."""
