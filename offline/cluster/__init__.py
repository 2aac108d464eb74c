"""A three-node, three-zone Kubernetes cluster for tests, built from package registries alone."""
