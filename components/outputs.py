"""The stack's outputs and what they are for: the one list that the program, the README and the tests go by."""

from collections.abc import Mapping

OUTPUTS: Mapping[str, str] = {
    "kafkaBootstrapServers": "`host:port` of every broker, for clients on this machine or where the cluster "
    "exposes them, else in the cluster",
    "kafkaInternalBootstrapServers": "the same for containers on the platform's network, or pods of the cluster",
    "zookeeperConnect": "`host:port` of every ensemble member, for clients on this machine or in the cluster",
    "redisUrl": "`redis://…` for clients on this machine or in the cluster; a secret where there is a password",
    "topics": "the topics as made: partitions, replication factor, configuration",
    "health": "what the health gate found when the platform last changed, with timings",
    "images": "which set of images runs, what decided it, and the references",
    "network": "on Docker: the network that other containers join to reach members by name",
    "namespace": "on Kubernetes: the namespace of everything",
    "clientConfigMap": "on Kubernetes: the ConfigMap with the client environment but its secrets, for `envFrom`",
    "clientSecret": "on Kubernetes: the Secret with the whole client environment, for `envFrom`",
    "metricsUrl": "with monitor.enabled: `http://…/metrics` of the exporter, on this machine or in the cluster",
    "prometheusUrl": "with monitor.prometheus.enabled: `http://…` of Prometheus, likewise",
    "grafanaUrl": "with monitor.grafana.enabled: `http://…` of Grafana, likewise",
    "grafanaPassword": "with monitor.grafana.enabled: the password of its user `admin`; a secret",
    "operations": "what `python -m ops` reads: members, addresses and the way to them",
    "clientEnvironment": "`KAFKA_BOOTSTRAP_SERVERS`, `REDIS_URL`, `ZOOKEEPER_CONNECT` and, where there is one, "
    "`REDIS_PASSWORD`; a secret",
    "dotenv": "the same as the text of a `.env` file; a secret",
    "readme": "a page on the running stack (`pulumi stack output readme`)",
}
