"""Docker and Kubernetes resources in one model: servers, pods, topics."""
