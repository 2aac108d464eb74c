"""What an application gets to connect: the same facts in the form of each kind of client. All of it is secret."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.kafka.security import MECHANISM, login_line
from components.properties import render_properties
from components.redis.client import redis_url


@dataclass(frozen=True, kw_only=True)
class Handover:
    """How an application connects to Kafka and Redis.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        user: Its user.
        password: The user's password.
        authorities: PEM of the authorities to trust.
        redis: ``host:port`` of Redis; None for an application that does not use it.
    """

    bootstrap: str
    user: str
    password: str = field(repr=False)
    authorities: str = field(repr=False)
    redis: str | None = None

    def client_properties(self) -> str:
        """A properties file for Kafka's own tools and Java clients, with the authorities in it."""
        return render_properties({"bootstrap.servers": self.bootstrap, **self._java()})

    def spring(self) -> str:
        """Lines for Spring's ``application.properties``."""
        options = {f"spring.kafka.properties.{key}": value for key, value in self._java().items()}
        return render_properties({"spring.kafka.bootstrap-servers": self.bootstrap, **options})

    def _java(self) -> dict[str, str]:
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": MECHANISM,
            "sasl.jaas.config": login_line(self.user, self.password),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.certificates": self.authorities,
        }

    def librdkafka(self) -> str:
        """The configuration of librdkafka and its bindings as JSON, as in ``Producer(json.load(file))``."""
        options = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": MECHANISM,
            "sasl.username": self.user,
            "sasl.password": self.password,
            "ssl.ca.pem": self.authorities,
        }
        return json.dumps(options, indent=2) + "\n"

    def dotenv(self) -> str:
        """The variables as a ``.env`` file."""
        return dotenv(self.variables())

    def texts(self) -> dict[str, str]:
        """The form for each kind of client, as the stack's outputs name it."""
        return {
            "clientProperties": self.client_properties(),
            "librdkafka": self.librdkafka(),
            "spring": self.spring(),
            "dotenv": self.dotenv(),
        }

    def secret(self) -> dict[str, str]:
        """The content of a Kubernetes Secret: the variables, and each form by the usual name of its file."""
        return {
            **self.variables(),
            "client.properties": self.client_properties(),
            "application.properties": self.spring(),
            "librdkafka.json": self.librdkafka(),
            "ca.crt": self.authorities,
        }

    def variables(self) -> dict[str, str]:
        """Environment variables, for clients that are configured by the application's own code."""
        redis = {} if self.redis is None else {"REDIS_URL": redis_url(self.redis, self.password, user=self.user)}
        return {
            **redis,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "KAFKA_CA": self.authorities,
            "KAFKA_PASSWORD": self.password,
            "KAFKA_SASL_MECHANISM": MECHANISM,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_USERNAME": self.user,
        }


def dotenv(variables: Mapping[str, str]) -> str:
    """Variables as a ``.env`` file, quoted as a shell needs."""
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items()))
