"""server.properties, the brokers' start script, and the JMX agent's configuration."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.kafka.security import MECHANISM, login_line
from components.kafka.settings import EXTERNAL_PORT, KafkaSettings
from components.outside import Outside
from components.properties import render_properties
from components.quantities import milliseconds_or_unlimited

JMX_PORT = 7071
"""Port inside a broker's container on which the agent serves its metrics."""


BROKER_USER = "millrace"
"""The user of brokers among each other, the only super user."""

LOCAL_PORT = 9091
"""Port of brokers that ask for a user, on loopback inside their container alone: probes cannot encrypt. Whoever has no
user may read there what topics exist, and nothing else; see :mod:`components.access.scram`."""

_LOGIN_KEY = "login"
_FROM_FILES: Mapping[str, str] = {
    "config.providers": "file",
    "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
}
"""Lets a properties file take values from other files (KIP-421)."""


@dataclass(frozen=True, kw_only=True)
class SecureFiles:
    """Paths of the files that brokers need to encrypt and to authenticate.

    Args:
        keystore: Key and certificate as PEM, a secret.
        truststore: The authorities to trust, as PEM.
        login: What :func:`login_properties` renders, a secret.
    """

    keystore: str
    truststore: str
    login: str


SECURE_FILES = SecureFiles(
    keystore="/etc/millrace/kafka.keystore.pem",
    truststore="/etc/millrace/kafka.truststore.pem",
    login="/etc/millrace/kafka.login.properties",
)
"""Where a broker's own container has these files."""


def server_properties(
    settings: KafkaSettings, zookeeper: str, *, exposed: bool, secured: SecureFiles | None = None
) -> Mapping[str, str]:
    """The configuration that all brokers share.

    What differs from broker to broker (``broker.id``, ``log.dirs``, ``advertised.listeners``, ``broker.rack``) comes
    from the start script, so that all can share one file.

    Args:
        settings: The brokers' settings.
        zookeeper: ``host:port`` of each ensemble member as brokers reach it, separated by commas.
        exposed: Whether there is a listener for clients outside.
        secured: Files that brokers need to encrypt and to authenticate; None for brokers that are open to everyone.
    """
    listeners = {"INTERNAL": settings.internal_port} | ({"EXTERNAL": EXTERNAL_PORT} if exposed else {})
    open_to, protocol = (f",LOCAL://127.0.0.1:{LOCAL_PORT}", "SASL_SSL") if secured else ("", "PLAINTEXT")
    local = ["LOCAL:PLAINTEXT"] if secured else []
    in_sync = str(settings.min_in_sync_replicas)
    replication = str(settings.replication_factor)
    common = {
        "auto.create.topics.enable": _boolean(settings.auto_create_topics),
        "compression.type": settings.compression,
        "controlled.shutdown.enable": "true",
        "default.replication.factor": replication,
        "delete.topic.enable": "true",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": ",".join([*(f"{name}:{protocol}" for name in listeners), *local]),
        "listeners": ",".join(f"{name}://:{port}" for name, port in listeners.items()) + open_to,
        "log.retention.bytes": str(int(settings.retention_bytes)),
        "log.retention.ms": str(milliseconds_or_unlimited(settings.retention)),
        "log.segment.bytes": str(int(settings.segment_bytes)),
        "min.insync.replicas": in_sync,
        "num.partitions": str(settings.num_partitions),
        "offsets.topic.replication.factor": replication,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.replication.factor": replication,
        "unclean.leader.election.enable": _boolean(settings.unclean_leader_election),
        "zookeeper.connect": zookeeper,
        # All servers start at once; a broker waits for the ensemble instead of failing.
        "zookeeper.connection.timeout.ms": "60000",
    }
    return common | settings.config | (_security(listeners, secured) if secured else {})


def _security(listeners: Collection[str], secured: SecureFiles) -> dict[str, str]:
    """TLS and SCRAM on every listener, and an authorizer that denies whatever is not allowed.

    The brokers' own password is in a file of its own, which they read themselves (KIP-421): what all else is in is no
    secret, and is shown in diffs.
    """
    login, scram = _login_of(secured), MECHANISM.lower()
    return {
        "allow.everyone.if.no.acl.found": "false",
        "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
        **_FROM_FILES,
        **{f"listener.name.{name.lower()}.{scram}.sasl.jaas.config": login for name in listeners},
        "sasl.enabled.mechanisms": MECHANISM,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        "ssl.keystore.location": secured.keystore,
        "ssl.keystore.type": "PEM",
        "ssl.truststore.location": secured.truststore,
        "ssl.truststore.type": "PEM",
        "super.users": f"User:{BROKER_USER}",
    }


def _login_of(secured: SecureFiles) -> str:
    """What stands for the brokers' login in other files."""
    return f"${{file:{secured.login}:{_LOGIN_KEY}}}"


def own_client_properties(secured: SecureFiles) -> str:
    """A properties file with which Kafka's tools log in as the brokers' own user; it holds no secret itself.

    Args:
        secured: Files that the tool finds in its container; it needs no keystore.
    """
    return render_properties(
        {
            **_FROM_FILES,
            "sasl.jaas.config": _login_of(secured),
            "sasl.mechanism": MECHANISM,
            "security.protocol": "SASL_SSL",
            "ssl.truststore.location": secured.truststore,
            "ssl.truststore.type": "PEM",
        }
    )


def login_properties(password: str) -> str:
    """The file with the brokers' own password.

    Args:
        password: The password of :data:`BROKER_USER`.
    """
    return render_properties({_LOGIN_KEY: login_line(BROKER_USER, password)})


def start_script(
    config_path: str,
    data_path: str,
    zone_path: str,
    port: int,
    outside: Outside | None,
    agent: str | None = None,
    *,
    secured: bool = False,
) -> str:
    """A script that gives a broker its identity, then becomes the server. Its arguments are ordinal and host.

    Args:
        config_path: Where ``server.properties`` is.
        data_path: Where the data is mounted; each broker has its own folder there.
        zone_path: A file with the broker's failure domain, if the target knows one.
        port: Port of the listener inside the target's network.
        outside: How clients outside reach the brokers, or None if they cannot.
        agent: The JVM option for an agent, or None. It is set here and not in the container's environment, because
            tools that run in the same container would inherit it, find the agent's port taken, and exit.
        secured: Whether there is a listener on loopback, whose name no other broker may advertise too.
    """
    external = ""
    if outside is not None:
        host = outside.host.replace("{ordinal}", "$1")
        external = f'listeners="$listeners,EXTERNAL://{host}:$(({outside.port} + $1 * {outside.step}))"\n'
    local = f'listeners="$listeners,LOCAL://$2:{LOCAL_PORT}"\n' if secured else ""
    options = f'export KAFKA_OPTS="${{KAFKA_OPTS:-}} {agent}"\n' if agent else ""
    return f"""\
#!/bin/bash
# Usage: start-kafka.sh ORDINAL HOST
set -eu
listeners="INTERNAL://$2:{port}"
{external}\
{local}\
rack=""
if [ -s {zone_path} ]; then rack=$(cat {zone_path}); fi
{options}\
exec /opt/kafka/bin/kafka-server-start.sh {config_path} \\
    --override "broker.id=$1" --override "log.dirs={data_path}/kafka-$1" \\
    --override "advertised.listeners=$listeners" ${{rack:+--override "broker.rack=$rack"}}
"""


# Metadata (key 3, version 1, correlation id 1, no client id) of all topics; from version 1 on, replicas and in-sync
# replicas of brokers that are away are listed too: https://kafka.apache.org/protocol#The_Messages_Metadata
_CATCH_UP = r"""#!/bin/bash
# Usage: caught-up.sh
# Succeeds when every partition that has a replica on this broker has it in sync. An answer that is not complete fails.
# It asks the broker itself, in Kafka's own protocol: a JVM for each look would take memory that the broker needs.
set -euo pipefail
id=${HOSTNAME##*-}
not_yet() { echo "not yet: $1"; exit 1; }
{ exec 3<>/dev/tcp/127.0.0.1/@PORT@; } 2>/dev/null || not_yet "nothing listens"
printf '\0\0\0\16\0\3\0\1\0\0\0\1\377\377\377\377\377\377' >&3
size=$(dd bs=1 count=4 <&3 2>/dev/null | od -An -v -tu1 |
    awk 'NF == 4 { print (($1 * 256 + $2) * 256 + $3) * 256 + $4 }')
[ -n "$size" ] || not_yet "it does not answer"
# Kafka's folders of partitions: a broker that has some belongs to topics, which an answer without topics lacks.
holds=0
for folder in @DATA@/kafka-"$id"/*-*[0-9]/; do if [ -d "$folder" ]; then holds=1; fi; done
head -c "$size" <&3 | od -An -v -tu1 | awk -v id="$id" -v holds="$holds" '
    function not_yet(why) { print "not yet: " why; exit 1 }
    function byte() {
        if (at == NF) { if ((getline) < 1) not_yet("its answer is not complete"); at = 0 }
        return $(++at)
    }
    function int16(  high) { high = byte(); return high * 256 + byte() }
    function int32(  high) { high = int16(); return high * 65536 + int16() }
    function text(  left, made) {
        left = int16()
        if (left == 65535) return ""  # null
        for (made = ""; left > 0; left--) made = made sprintf("%c", byte() + 0)
        return made
    }
    function among(  left, found) { for (left = int32(); left > 0; left--) if (int32() == id) found = 1; return found }
    BEGIN {
        int32()  # correlation id
        for (brokers = int32(); brokers > 0; brokers--) { if (int32() == id) known = 1; text(); int32(); text() }
        if (!known) not_yet("it is not registered")
        int32()  # controller
        for (topics = all = int32(); topics > 0; topics--) {
            failed = int16(); topic = text(); byte()
            if (failed) not_yet("the metadata of topic " topic " cannot be read")
            for (partitions = int32(); partitions > 0; partitions--) {
                int16(); number = int32(); int32()  # error, number, leader
                mine = among(); in_sync = among()
                if (mine) replicas++
                if (mine && !in_sync && lacking++ < 5) shown = shown (shown ? ", " : "") topic "-" number
            }
        }
        if (!all && holds) not_yet("it has data but no metadata")
        if (lacking > 5) shown = shown " and " lacking - 5 " more"
        if (lacking) not_yet(lacking " of its " replicas " replicas are not in sync: " shown)
        exit 0
    }'
"""


def catch_up_script(data_path: str, port: int) -> str:
    """A script that succeeds when every replica on its broker is in sync.

    Args:
        data_path: Where the data is mounted; each broker has its own folder there.
        port: Port of a listener that asks for nothing.
    """
    return _CATCH_UP.replace("@DATA@", data_path).replace("@PORT@", str(port))


def _boolean(value: bool) -> str:
    return "true" if value else "false"


_TOPICS = "kafka.server:type=BrokerTopicMetrics"

_REQUESTS = ("FetchConsumer", "FetchFollower", "Produce")
"""Request types whose time becomes a metric; brokers have some sixty more."""

_REPLICAS = "kafka.server:type=ReplicaManager"

# Beans as Kafka's documentation lists them: https://kafka.apache.org/39/documentation.html#monitoring
_RULES: Sequence[tuple[str, str, str, str, str]] = (
    (f"{_TOPICS},name=BytesInPerSec", "Count", "kafka_server_bytes_in_total", "COUNTER", "Bytes from producers"),
    (f"{_TOPICS},name=BytesOutPerSec", "Count", "kafka_server_bytes_out_total", "COUNTER", "Bytes to consumers"),
    (
        f"{_TOPICS},name=MessagesInPerSec",
        "Count",
        "kafka_server_messages_in_total",
        "COUNTER",
        "Records from producers",
    ),
    (
        f"{_REPLICAS},name=UnderReplicatedPartitions",
        "Value",
        "kafka_server_under_replicated_partitions",
        "GAUGE",
        "Partitions that this broker leads and that lack a replica in sync",
    ),
    (
        f"{_REPLICAS},name=UnderMinIsrPartitionCount",
        "Value",
        "kafka_server_under_min_isr_partitions",
        "GAUGE",
        "Partitions that this broker leads with fewer replicas in sync than min.insync.replicas",
    ),
    (f"{_REPLICAS},name=IsrShrinksPerSec", "Count", "kafka_server_isr_shrinks_total", "COUNTER", "Shrunk sets in sync"),
    (
        "kafka.controller:type=KafkaController,name=ActiveControllerCount",
        "Value",
        "kafka_controller_active",
        "GAUGE",
        "Whether this broker is the controller",
    ),
    (
        "kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent",
        "OneMinuteRate",
        "kafka_server_request_handler_idle_ratio",
        "GAUGE",
        "Share of time that request handlers are idle",
    ),
)

_LATENCIES: Sequence[tuple[str, str, str, str]] = (
    (
        "kafka.network:type=RequestMetrics,name=TotalTimeMs,request=*",
        "kafka_network_request_p99_milliseconds",
        "kafka_network_requests_total",
        "requests",
    ),
    (
        "kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs",
        "kafka_log_flush_p99_milliseconds",
        "kafka_log_flushes_total",
        "flushes of the log",
    ),
)
"""Histograms, of which the count and the 99th percentile become metrics."""


def jmx_config() -> str:
    """The text of the agent's configuration file."""
    import yaml

    rules = [_rule(*rule) for rule in _RULES]
    for bean, p99, total, what in _LATENCIES:
        rules += [
            _rule(bean, "99thPercentile", p99, "GAUGE", f"99th percentile of the time of {what}"),
            _rule(bean, "Count", total, "COUNTER", f"Number of {what}"),
        ]
    named = [rule[0] for rule in (*_RULES, *_LATENCIES)]
    beans = sorted({bean.replace("*", request) for bean in named for request in _REQUESTS})
    config: dict[str, Any] = {"lowercaseOutputName": True, "includeObjectNames": beans, "rules": rules}
    return yaml.safe_dump(config, sort_keys=False, width=200)


def _rule(bean: str, attribute: str, name: str, kind: str, text: str) -> dict[str, Any]:
    """A rule: the agent matches a pattern such as ``kafka.log<type=LogFlushStats, name=…><>Count``."""
    domain, _, keys = bean.partition(":")
    pairs = [pair.partition("=")[::2] for pair in keys.split(",")]
    wildcards = [key for key, value in pairs if value == "*"]
    pattern = ", ".join(f"{key}={'(.+)' if value == '*' else value}" for key, value in pairs)
    rule: dict[str, Any] = {"pattern": f"{domain}<{pattern}><>{attribute}: ", "name": name, "type": kind, "help": text}
    return rule | (
        {"labels": {key: f"${number}" for number, key in enumerate(wildcards, start=1)}} if wildcards else {}
    )
