"""Resources of Docker and of Kubernetes as one neutral view: servers, pods, topics."""
