"""The stack's outputs and their descriptions: docs/OUTPUTS.md is generated from them, and tests compare them."""

from collections.abc import Mapping

OUTPUTS: Mapping[str, str] = {
    "kafkaBootstrapServers": "`host:port` of every broker, for clients on this machine or, if brokers are "
    "exposed, outside the cluster; else for clients in the cluster",
    "kafkaInternalBootstrapServers": "the same for containers on the platform's network, or pods of the cluster",
    "zookeeperConnect": "`host:port` of every ensemble member, for operators' tools; applications do not need it",
    "redisUrl": "`redis://…` for clients on this machine or in the cluster; a secret if there is a password",
    "topics": "the topics as created: partitions, replication factor, configuration",
    "health": "what the health gate found when the platform last changed, with timings",
    "images": "the image set, the reason for its choice, and the image references",
    "network": "on Docker: the network that containers join to reach members by name",
    "namespace": "on Kubernetes: the namespace of all its objects",
    "clientConfigMap": "on Kubernetes: the ConfigMap with the client environment, without secrets, for `envFrom`",
    "clientSecret": "on Kubernetes: the Secret with the whole client environment, for `envFrom`",
    "metricsUrl": "with monitor.enabled: `http://…/metrics` of the exporter, on this machine or in the cluster",
    "prometheusUrl": "with monitor.prometheus.enabled: `http://…` of Prometheus, likewise",
    "grafanaUrl": "with monitor.grafana.enabled: `http://…` of Grafana, likewise",
    "grafanaPassword": "with monitor.grafana.enabled: the password of its user `admin`; a secret",
    "apps": "with access.enabled: for each application `clientProperties`, `librdkafka`, `spring`, `dotenv`; a secret",
    "kafkaLogin": "with access.enabled: the platform's own user, for `python -m ops`; a secret",
    "operations": "what `python -m ops` reads: members, addresses and the route to them",
    "clientEnvironment": "`KAFKA_BOOTSTRAP_SERVERS`, `REDIS_URL` and, if there is one, `REDIS_PASSWORD`; a secret",
    "dotenv": "the same as the text of a `.env` file; a secret",
    "readme": "a page about the running stack (`pulumi stack output readme`)",
}
