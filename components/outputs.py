"""The stack's outputs and what they are for: the one list that the program, the README and the tests go by."""

from collections.abc import Mapping

OUTPUTS: Mapping[str, str] = {
    "kafkaBootstrapServers": "`host:port` of every broker for clients on this machine, separated by commas",
    "kafkaInternalBootstrapServers": "the same for containers on the platform's network",
    "zookeeperConnect": "`host:port` of every ensemble member for clients on this machine, separated by commas",
    "redisUrl": "`redis://…` for clients on this machine; a secret where there is a password",
    "topics": "the topics as made: partitions, replication factor, configuration",
    "health": "what the health gate found when the platform last changed, with timings",
    "images": "which set of images runs, what decided it, and the references",
    "network": "the Docker network that other containers join to reach members by name",
    "clientEnvironment": "`KAFKA_BOOTSTRAP_SERVERS`, `REDIS_URL`, `ZOOKEEPER_CONNECT` and, where there is one, "
    "`REDIS_PASSWORD`; a secret",
    "dotenv": "the same as the text of a `.env` file; a secret",
    "readme": "a page on the running stack (`pulumi stack output readme`)",
}
