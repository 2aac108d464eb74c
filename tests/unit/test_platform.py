"""The resources of the two Docker stacks: type, name and inputs of each.

Source: components/platform.py.
Proof limit: nothing is created. Only the tests on a real engine show that the official provider accepts these
inputs, that the servers start with them and that the engine keeps the secrets.
"""

import importlib
import json
import os
import pkgutil
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pulumi
import pytest

import components
from components.errors import PreflightError
from components.naming import MEMBER_LABEL, PLATFORM_LABEL
from components.outputs import OUTPUTS
from tests.unit.mocks import (
    CONTAINER,
    CREDENTIALS,
    ENSEMBLE_PASSWORD,
    GENERATED_PASSWORD,
    HEALTH_GATE,
    IMAGE,
    MEMBER_EXIT,
    MEMBER_GATE,
    MEMBER_SET,
    NETWORK,
    REDIS_PASSWORDS,
    SECRET_MARK,
    TOPIC_SET,
    VOLUME,
    FakeEngine,
    RecordingMocks,
    RecordingMonitor,
    Registered,
    Run,
    masked,
    run_platform,
    settings_of,
    unmasked,
)

PLATFORM = "millrace:index:StreamingPlatform"
ZOOKEEPER = "millrace:index:ZooKeeperEnsemble"
KAFKA = "millrace:index:KafkaCluster"
REDIS = "millrace:index:RedisServer"
GIVEN_PASSWORD = 'a "quoted" p@ss/word: 100%'

EXPECTED_NAMES = {
    "dev": {
        PLATFORM: ["millrace-dev"],
        ZOOKEEPER: ["zookeeper"],
        KAFKA: ["kafka"],
        REDIS: ["redis"],
        NETWORK: ["network"],
        IMAGE: ["image-apache/kafka:3.9.2", "image-redis:7.2.16"],
        VOLUME: ["redis-data", "streaming-data"],
        CONTAINER: ["kafka-0", "redis-0", "zookeeper-0"],
        CREDENTIALS: ["zookeeper-super"],
        MEMBER_SET: ["kafka-members", "zookeeper-members"],
        TOPIC_SET: ["topics"],
        HEALTH_GATE: ["health"],
    },
    "staging": {
        PLATFORM: ["millrace-staging"],
        ZOOKEEPER: ["zookeeper"],
        KAFKA: ["kafka"],
        REDIS: ["redis"],
        NETWORK: ["network"],
        IMAGE: ["image-apache/kafka:3.9.2", "image-redis:7.2.16"],
        VOLUME: ["redis-data", "streaming-data"],
        CONTAINER: ["kafka-0", "kafka-1", "kafka-2", "redis-0", "zookeeper-0", "zookeeper-1", "zookeeper-2"],
        CREDENTIALS: ["redis-password", "zookeeper-super"],
        MEMBER_EXIT: ["kafka-1-leaves", "kafka-2-leaves", "zookeeper-1-leaves", "zookeeper-2-leaves"],
        REDIS_PASSWORDS: ["redis-passwords"],
        MEMBER_SET: ["kafka-members", "zookeeper-members"],
        MEMBER_GATE: [
            f"{workload}-{ordinal}-{gate}"
            for workload in ("kafka", "zookeeper")
            for ordinal in range(3)
            for gate in ("may-stop", "returned")
        ],
        TOPIC_SET: ["topics"],
        HEALTH_GATE: ["health"],
    },
}

OUTPUT_NAMES = {
    *("clientEnvironment", "dotenv", "health", "images", "kafkaBootstrapServers", "kafkaInternalBootstrapServers"),
    *("network", "operations", "redisUrl", "topics", "zookeeperConnect"),
}


@pytest.fixture(scope="module")
def dev() -> Run:
    return run_platform(settings_of("dev"), "millrace-dev")


@pytest.fixture(scope="module")
def staging() -> Run:
    """The staging stack without its monitoring, which tests/unit/monitoring tests."""
    return run_platform(settings_of("staging", monitor={}), "millrace-staging")


@pytest.fixture(scope="module")
def whole() -> Run:
    """The staging stack with every option enabled."""
    grafana = {"enabled": True, "image": "grafana:test"}
    monitor = {"enabled": True, "image": "exporter:test", "prometheus": {"enabled": True}, "grafana": grafana}
    return run_platform(settings_of("staging", monitor=monitor), "millrace-staging")


@pytest.fixture(scope="module")
def given_password() -> Run:
    """The dev stack with a password from its stack file, full of characters that files and URLs escape."""
    redis = {"authentication": True, "password": GIVEN_PASSWORD}
    return run_platform(settings_of("dev", redis=redis, secret_keys=["redis"]), "millrace-dev")


@pytest.fixture(params=["dev", "staging"])
def stack(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def run(stack: str, request: pytest.FixtureRequest) -> Run:
    return request.getfixturevalue(stack)


def labels(resource: Registered) -> dict[str, str]:
    return {entry["label"]: entry["value"] for entry in resource.inputs["labels"]}


def uploaded(container: Registered, path: str) -> str:
    """The text of a file that is uploaded to a container."""
    (text,) = (upload["content"] for upload in container.inputs["uploads"] if upload["file"] == path)
    return text


def option(container: Registered, name: str) -> str:
    """The value of the ``--override name=value`` that a broker's start script passes to the server."""
    script = uploaded(container, "/etc/millrace/start-kafka.sh")
    start = "/opt/kafka/bin/kafka-server-start.sh"
    assert script.count(start) == 1
    ordinal_and_host = container.inputs["command"][2:]
    shell = ["bash", "-c", script.replace(start, "printf '%s\\n'"), "start-kafka.sh", *ordinal_and_host]
    done = subprocess.run(shell, capture_output=True, text=True, check=True)
    (value,) = (item.partition("=")[2] for item in done.stdout.splitlines() if item.startswith(f"{name}="))
    return value


def needed_by(name: str, run: Run) -> set[str]:
    """All containers and gates that a container or gate depends on, directly or not."""
    dependencies = {item.name: item.dependencies for item in run.resources if item.type in (CONTAINER, MEMBER_GATE)}
    found: set[str] = set()
    waiting = {name}
    while waiting:
        new = dependencies[waiting.pop()] & dependencies.keys() - found
        found |= new
        waiting |= new
    return found


def volume_of(container: Registered) -> str:
    (volume,) = container.inputs["volumes"]
    return volume["volumeName"]


def texts(value: object) -> Iterator[str]:
    """Every string in a value, including keys."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from (key, *texts(entry))
    elif isinstance(value, list):
        for entry in value:
            yield from texts(entry)
    elif isinstance(value, str):
        yield value


def component_classes() -> Iterator[type[pulumi.ComponentResource]]:
    for module in pkgutil.walk_packages(components.__path__, "components."):
        importlib.import_module(module.name)
    waiting = list(pulumi.ComponentResource.__subclasses__())
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls.__module__.startswith("components."):
            yield cls


# ----------------------------------------------------------------------------------------------------- the whole


def test_the_stack_declares_exactly_these_resources(stack: str, run: Run) -> None:
    names = EXPECTED_NAMES[stack]
    assert Counter(item.type for item in run.resources) == {type_: len(of_type) for type_, of_type in names.items()}
    assert {type_: run.names(type_) for type_ in names} == names


def test_a_single_member_has_no_gate_and_needs_no_password_in_dev(dev: Run) -> None:
    assert dev.of(MEMBER_GATE) == [], "a single member needs no rolling update"
    assert dev.names(CREDENTIALS) == ["zookeeper-super"], "dev's Redis takes no password"


def test_everything_is_a_child_of_the_platform_or_of_its_server(stack: str, run: Run) -> None:
    platform = f"millrace-{stack}"
    for item in run.resources:
        if item.type == PLATFORM:
            expected = ""
        elif item.type in (CONTAINER, MEMBER_EXIT, MEMBER_GATE, MEMBER_SET, CREDENTIALS, REDIS_PASSWORDS):
            expected = item.name.partition("-")[0]
        else:
            expected = platform
        assert item.parent == expected, f"{item.name} belongs to {expected or 'the stack'}"


def test_names_on_the_engine_start_with_the_platforms_name_and_have_its_label(stack: str, run: Run) -> None:
    platform = f"millrace-{stack}"
    (network,) = run.of(NETWORK)
    assert network.inputs["name"] == platform
    assert [volume.inputs["name"] for volume in run.of(VOLUME)] == [f"{platform}-redis", f"{platform}-streaming"]
    assert [item.inputs["name"] for item in run.of(CONTAINER)] == [f"{platform}-{n}" for n in run.names(CONTAINER)]
    for item in [network, *run.of(VOLUME)]:
        assert labels(item) == {PLATFORM_LABEL: platform}
    for item in run.of(CONTAINER):
        assert labels(item) == {PLATFORM_LABEL: platform, MEMBER_LABEL: item.name}


def test_every_component_class_is_declared_and_registers_its_outputs_once(whole: Run) -> None:
    declared = {item.type: item.name for item in whole.resources if not item.custom}
    classes = {cls.__name__ for cls in component_classes()}
    # One class for the three monitoring servers, which have separate types. Other programs declare applications.
    classes = classes - {"MonitoringServer", "Application"} | {"MetricsExporter", "PrometheusServer", "GrafanaServer"}
    assert {type_.rpartition(":")[2] for type_ in declared} == classes, (
        "this module does not test a class that no stack uses"
    )
    assert Counter((type_, name) for type_, name, _ in whole.registered_outputs) == Counter(declared.items())


def test_components_register_these_outputs(staging: Run) -> None:
    outputs = {type_: set(values) for type_, _, values in staging.registered_outputs}
    assert outputs == {
        PLATFORM: OUTPUT_NAMES,
        ZOOKEEPER: {"members", "connect", "internalConnect"},
        KAFKA: {"brokers", "bootstrapServers", "internalBootstrapServers"},
        REDIS: {"address", "url"},
    }


def test_nothing_is_registered_if_preflight_fails() -> None:
    monitor = RecordingMonitor(RecordingMocks())
    with pytest.raises(PreflightError, match="no Docker engine can be used"):
        run_platform(settings_of("dev"), "millrace-dev", FakeEngine(unusable="nothing answers"), monitor)
    assert monitor.declared() == [], "a failed preflight creates nothing, not even the platform component"


def test_preflight_checks_every_image_port_and_limit_of_the_stack() -> None:
    engine = FakeEngine()
    run_platform(settings_of("staging"), "millrace-staging", engine)
    ports = [*range(12181, 12184), *range(19092, 19095), 16379, 19090, 19091]
    assert engine.asked == [
        "ping",
        "image apache/kafka:3.9.2",
        "image millrace/exporter:0.1",
        "image prom/prometheus:v3.5.0",
        "image redis:7.2.16",
        "address 127.0.0.1",
        "published ports",
        *(f"port 127.0.0.1:{port}" for port in ports),
        "memory",
    ]


def test_preflight_adds_up_the_limits_of_all_members() -> None:
    needed = 3 * 512 + 3 * 1024 + 512 + 128 + 256
    run_platform(settings_of("staging"), "millrace-staging", FakeEngine(bytes_of_memory=needed * 1024**2))
    with pytest.raises(PreflightError, match=f"add up to {needed}MiB"):
        run_platform(settings_of("staging"), "millrace-staging", FakeEngine(bytes_of_memory=needed * 1024**2 - 1))


# ---------------------------------------------------------------------------------------------------- containers


def test_the_first_broker_of_dev_has_exactly_these_inputs(dev: Run) -> None:
    inputs = dev.one(CONTAINER, "kafka-0").inputs
    assert {**inputs, "uploads": [upload["file"] for upload in inputs["uploads"]]} == {
        "name": "millrace-dev-kafka-0",
        "hostname": "kafka-0",
        "image": "sha256:image-apache/kafka:3.9.2",
        "command": ["bash", "/etc/millrace/start-kafka.sh", "0", "kafka-0"],
        "envs": [
            "EXTRA_ARGS=",
            "KAFKA_HEAP_OPTS=-Xms512m -Xmx512m",
            "KAFKA_JVM_PERFORMANCE_OPTS=-Djava.security.properties=/etc/millrace/java.security "
            "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
            "-XX:SharedArchiveFile=/opt/kafka/kafka.jsa",
            "KAFKA_LOG4J_OPTS=-Dlog4j.configuration=file:/etc/millrace/log4j.properties",
            "LOG_DIR=/tmp",
        ],
        "user": "1000",
        "restart": "unless-stopped",
        "memory": 1024,
        "memorySwap": 1024,
        "stopTimeout": 30,
        "destroyGraceSeconds": 30,
        "logDriver": "json-file",
        "logOpts": {"max-size": "10m", "max-file": "3"},
        "uploads": [
            "/etc/millrace/log4j.properties",
            "/etc/millrace/java.security",
            "/etc/millrace/start-kafka.sh",
            "/etc/millrace/caught-up.sh",
            "/etc/millrace/server.properties",
        ],
        "networksAdvanced": [{"name": "millrace-dev", "aliases": ["kafka", "kafka-0"]}],
        "volumes": [{"volumeName": "millrace-dev-streaming", "containerPath": "/var/lib/kafka/data"}],
        "ports": [{"internal": 9092, "external": 9092, "ip": "127.0.0.1", "protocol": "tcp"}],
        "labels": [
            {"label": "millrace.member", "value": "kafka-0"},
            {"label": "millrace.platform", "value": "millrace-dev"},
        ],
        "healthcheck": {
            "tests": [
                *("CMD", "bash", "-c"),
                "exec 3<>/dev/tcp/127.0.0.1/29092; "
                r"printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&3; "
                "head -c 10 <&3 | od -An -v -tx1 | grep -q '00 00 00 01 00 00$'",
            ],
            "interval": "5s",
            "timeout": "5s",
            "startPeriod": "30m0s",
            "retries": 3,
        },
    }


@pytest.mark.parametrize(
    ("stack", "member", "memory", "stop", "inside", "outside"),
    [
        ("dev", "zookeeper-0", 512, 10, 2181, 2181),
        ("dev", "kafka-0", 1024, 30, 9092, 9092),
        ("dev", "redis-0", 256, 10, 6379, 6379),
        ("staging", "zookeeper-0", 512, 20, 2181, 12181),
        ("staging", "zookeeper-1", 512, 20, 2181, 12182),
        ("staging", "zookeeper-2", 512, 20, 2181, 12183),
        ("staging", "kafka-0", 1024, 120, 9092, 19092),
        ("staging", "kafka-1", 1024, 120, 9092, 19093),
        ("staging", "kafka-2", 1024, 120, 9092, 19094),
        ("staging", "redis-0", 512, 10, 6379, 16379),
    ],
)
def test_each_member_has_its_own_limits_name_and_port(
    run: Run, stack: str, member: str, memory: int, stop: int, inside: int, outside: int
) -> None:
    container = run.one(CONTAINER, member)
    inputs = container.inputs
    assert (inputs["memory"], inputs["memorySwap"]) == (memory, memory), (
        "unequal limits would show a difference at every update"
    )
    assert (inputs["stopTimeout"], inputs["destroyGraceSeconds"]) == (stop, stop)
    assert inputs["hostname"] == member
    workload = member.partition("-")[0]
    assert inputs["networksAdvanced"] == [{"name": f"millrace-{stack}", "aliases": [workload, member]}]
    assert inputs["ports"] == [{"internal": inside, "external": outside, "ip": "127.0.0.1", "protocol": "tcp"}]


def test_every_published_port_is_bound_to_loopback_and_belongs_to_one_member(run: Run) -> None:
    ports = [port for item in run.of(CONTAINER) for port in item.inputs["ports"]]
    assert {port["ip"] for port in ports} == {"127.0.0.1"}, "no other machine may connect"
    assert len({port["external"] for port in ports}) == len(run.of(CONTAINER)), "one port each"


def test_a_different_bind_address_applies_to_every_port() -> None:
    run = run_platform(settings_of("dev", bindAddress="192.0.2.7"), "millrace-dev")
    assert {port["ip"] for item in run.of(CONTAINER) for port in item.inputs["ports"]} == {"192.0.2.7"}


@pytest.mark.parametrize(("bound", "reached"), [("192.0.2.7", "192.0.2.7"), ("0.0.0.0", "127.0.0.1")])
def test_this_programs_clients_and_the_brokers_use_the_bind_address(bound: str, reached: str) -> None:
    """Nothing listens on loopback where ports are bound to a different address."""
    run = run_platform(settings_of("staging", bindAddress=bound, images="local"), "millrace-staging")
    assert option(run.one(CONTAINER, "kafka-2"), "advertised.listeners").endswith(f"EXTERNAL://{reached}:19094")
    assert run.outputs["kafkaBootstrapServers"] == ",".join(f"{reached}:{port}" for port in (19092, 19093, 19094))
    assert run.outputs["zookeeperConnect"] == ",".join(f"{reached}:{port}" for port in (12181, 12182, 12183))
    assert run.outputs["metricsUrl"] == f"http://{reached}:19090/metrics"
    gate = run.one(MEMBER_GATE, "kafka-1-may-stop").inputs["members"]
    assert gate == {f"kafka-{number}": f"{reached}:{19092 + number}" for number in range(3)}
    operations = json.dumps(run.outputs["operations"])
    found = set(re.findall(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(?=:)", operations))
    assert found == {reached}, "the command line connects there, too"
    everything = json.dumps([item.inputs for item in run.resources if item.type != CONTAINER], default=str)
    assert set(re.findall(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(?=:[0-9])", everything)) == {reached}


def test_each_broker_advertises_its_own_listeners(staging: Run) -> None:
    brokers = [staging.one(CONTAINER, f"kafka-{ordinal}") for ordinal in range(3)]
    assert [option(broker, "advertised.listeners") for broker in brokers] == [
        "INTERNAL://kafka-0:29092,EXTERNAL://127.0.0.1:19092",
        "INTERNAL://kafka-1:29092,EXTERNAL://127.0.0.1:19093",
        "INTERNAL://kafka-2:29092,EXTERNAL://127.0.0.1:19094",
    ]
    for ordinal, broker in enumerate(brokers):
        assert option(broker, "broker.id") == str(ordinal)
        assert option(broker, "log.dirs") == f"/var/lib/kafka/data/kafka-{ordinal}", "the volume is shared"
        (port,) = broker.inputs["ports"]
        assert option(broker, "advertised.listeners").endswith(f":{port['external']:.0f}"), (
            "the advertised port is the bound port"
        )


def test_a_different_advertised_host_is_advertised_but_not_bound() -> None:
    run = run_platform(settings_of("dev", kafka={"advertisedHost": "kafka.example"}), "millrace-dev")
    broker = run.one(CONTAINER, "kafka-0")
    assert option(broker, "advertised.listeners") == "INTERNAL://kafka-0:29092,EXTERNAL://kafka.example:9092"
    assert [port["ip"] for port in broker.inputs["ports"]] == ["127.0.0.1"]
    assert run.outputs["kafkaBootstrapServers"] == "kafka.example:9092"


def test_each_ensemble_member_starts_with_its_own_ordinal(staging: Run) -> None:
    commands = [staging.one(CONTAINER, f"zookeeper-{ordinal}").inputs["command"] for ordinal in range(3)]
    script = "/etc/millrace/start-zookeeper.sh"
    assert commands == [["bash", script, str(ordinal), f"zookeeper-{ordinal}"] for ordinal in range(3)]


def test_no_placeholder_is_left_in_any_container(run: Run) -> None:
    for item in run.of(CONTAINER):
        assert "$(ORDINAL)" not in json.dumps(item.inputs)
        texts = [*item.inputs["command"], *item.inputs["envs"]]
        assert not [text for text in texts if "$(" in text], f"{item.name} gets values, not placeholders"


def test_members_of_one_workload_share_their_files(staging: Run) -> None:
    for workload in ("kafka", "zookeeper"):
        members = [item for item in staging.of(CONTAINER) if item.name.startswith(workload)]
        assert len({json.dumps(item.inputs["uploads"], sort_keys=True) for item in members}) == 1, workload


def test_ensemble_and_brokers_share_a_volume_and_redis_has_its_own(stack: str, run: Run) -> None:
    volumes = {item.name: volume_of(item) for item in run.of(CONTAINER)}
    assert volumes.pop("redis-0") == f"millrace-{stack}-redis"
    assert set(volumes.values()) == {f"millrace-{stack}-streaming"}, (
        "a broker whose data outlives its ensemble's refuses to start"
    )


def test_every_server_runs_as_its_images_numeric_user(run: Run) -> None:
    for item in run.of(CONTAINER):
        assert item.inputs["user"] == ("999" if item.name == "redis-0" else "1000"), f"{item.name} never runs as root"


def test_images_stay_on_the_engine_after_destroy(run: Run) -> None:
    assert [item.inputs for item in run.of(IMAGE)] == [
        {"name": "apache/kafka:3.9.2", "keepLocally": True},
        {"name": "redis:7.2.16", "keepLocally": True},
    ]


# ------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("run_name", "password", "suffix"),
    [("staging", GENERATED_PASSWORD, "staging"), ("given_password", GIVEN_PASSWORD, "dev")],
)
def test_the_password_appears_only_in_secrets(
    run_name: str, password: str, suffix: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(run_name)
    spellings = {password, quote(password, safe=""), password.replace('"', '\\"')}

    def holds(value: object) -> bool:
        return any(spelling in text for text in texts(value) for spelling in spellings)

    assert {item.name for item in run.resources if holds(unmasked(item.inputs))} == {
        *("redis-0", "redis-passwords", "health")
    }, "only the server, what it accepts, and its check know the password"
    assert [item.name for item in run.resources if holds(masked(item.inputs))] == []
    registered = {name: values for _, name, values in run.registered_outputs}
    assert {name for name, values in registered.items() if holds(unmasked(values))} == {"redis", "millrace-" + suffix}
    assert [name for name, values in registered.items() if holds(masked(values))] == []


@pytest.mark.parametrize("run_name", ["staging", "given_password"])
def test_redis_gets_the_password_only_as_secret_uploads(run_name: str, request: pytest.FixtureRequest) -> None:
    inputs = request.getfixturevalue(run_name).one(CONTAINER, "redis-0").inputs
    assert masked(inputs["uploads"]) == SECRET_MARK
    assert [upload["file"] for upload in unmasked(inputs["uploads"])] == [
        "/etc/millrace/start-redis.sh",
        "/etc/millrace/redis.conf",
        "/etc/millrace/redis-password.conf",
        "/etc/millrace/redis-password",
    ]
    assert inputs["command"] == ["sh", "/etc/millrace/start-redis.sh", "/etc/millrace/redis.conf"]
    assert inputs["envs"] == []
    assert inputs["healthcheck"]["tests"] == [
        *("CMD", "sh", "-c"),
        'REDISCLI_AUTH="$(cat /etc/millrace/redis-password)" redis-cli ping | grep -q PONG',
    ]
    assert [key for key, value in inputs.items() if masked(value) != value] == ["uploads"]


def test_a_given_password_is_escaped_for_redis_and_urls(given_password: Run) -> None:
    assert given_password.names(CREDENTIALS) == ["zookeeper-super"], "nothing is generated where a password is given"
    uploads = unmasked(given_password.one(CONTAINER, "redis-0").inputs["uploads"])
    files = {upload["file"]: upload["content"] for upload in uploads}
    assert files["/etc/millrace/redis-password"] == GIVEN_PASSWORD
    assert files["/etc/millrace/redis-password.conf"] == 'requirepass "a \\"quoted\\" p@ss/word: 100%"\n'
    url = given_password.outputs["redisUrl"]
    assert url == "redis://:a%20%22quoted%22%20p%40ss%2Fword%3A%20100%25@127.0.0.1:6379/0"


def test_a_generated_password_is_encrypted_in_the_state(staging: Run) -> None:
    for account, credentials in zip(("redis", "super"), staging.of(CREDENTIALS), strict=True):
        assert credentials.secret_outputs == ("password",), (
            "an output of a dynamic provider is plain unless marked as secret"
        )
        assert masked(credentials.inputs) == {"account": account, "__provider": SECRET_MARK}


def test_the_ensembles_password_reaches_only_what_changes_its_members(staging: Run) -> None:
    def holds(value: object) -> bool:
        return any(ENSEMBLE_PASSWORD in text for text in texts(value))

    ordinals = range(3)
    assert {item.name for item in staging.resources if holds(unmasked(item.inputs))} == {
        "zookeeper-members",
        *(f"zookeeper-{ordinal}-{gate}" for ordinal in ordinals for gate in ("may-stop", "returned")),
        *(f"zookeeper-{ordinal}-leaves" for ordinal in ordinals if ordinal),
    }, "members know its digest only"
    assert [item.name for item in staging.resources if holds(masked(item.inputs))] == []
    assert [name for _, name, values in staging.registered_outputs if holds(unmasked(values))] == []
    for ordinal in ordinals:
        inputs = staging.one(CONTAINER, f"zookeeper-{ordinal}").inputs
        assert masked(inputs["uploads"]) == SECRET_MARK
        assert "superDigest" in json.dumps(unmasked(inputs["uploads"]))


def test_a_server_without_a_password_has_no_secret(dev: Run) -> None:
    inputs = dev.one(CONTAINER, "redis-0").inputs
    assert masked(inputs) == inputs
    assert [upload["file"] for upload in inputs["uploads"]] == [
        "/etc/millrace/start-redis.sh",
        "/etc/millrace/redis.conf",
    ]
    assert inputs["healthcheck"]["tests"] == ["CMD", "sh", "-c", "redis-cli ping | grep -q PONG"]


# ------------------------------------------------------------------------------------------------ order and gates


def test_only_volumes_are_protected_if_the_stack_file_says_so() -> None:
    run = run_platform(settings_of("staging", protect=True, monitor={}), "millrace-staging")
    assert {item.name for item in run.resources if item.protect} == {"redis-data", "streaming-data"}


def test_a_protected_topic_protects_only_the_volume_that_stores_it() -> None:
    topics = [{"name": "kept", "protect": True}, {"name": "other"}]
    run = run_platform(settings_of("dev", topics=topics), "millrace-dev")
    assert {item.name: item.protect for item in run.of(VOLUME)} == {"redis-data": False, "streaming-data": True}
    assert run.names(VOLUME) == ["redis-data", "streaming-data"], "ensemble and brokers agree on their shared volume"
    assert {item.name for item in run.resources if item.protect} == {"streaming-data"}


def test_nothing_is_protected_by_default(run: Run) -> None:
    assert [item.name for item in run.resources if item.protect] == []


def test_members_change_one_at_a_time_each_after_the_previous_members_gate(staging: Run) -> None:
    image = "image-apache/kafka:3.9.2"
    for workload in ("zookeeper", "kafka"):
        for ordinal in range(3):
            member = f"{workload}-{ordinal}"
            gate = staging.one(MEMBER_GATE, f"{member}-may-stop")
            assert gate.name in staging.one(CONTAINER, member).dependencies, f"{member} waits for its gate"
            password = {"zookeeper-super"} if workload == "zookeeper" else set[str]()
            assert staging.one(MEMBER_GATE, f"{member}-returned").dependencies == {member} | password
            if ordinal:
                assert gate.dependencies == {f"{workload}-{ordinal - 1}-returned", image} | password, (
                    "the gate waits for the previous member"
                )


def test_a_gate_checks_its_member_within_the_whole_cluster(staging: Run) -> None:
    gate = masked(staging.one(MEMBER_GATE, "kafka-1-may-stop").inputs)
    trigger = gate.pop("trigger")
    assert trigger == {"inputs": trigger["inputs"]}
    brokers = ("kafka-0", "kafka-1", "kafka-2")
    assert gate == {
        "__provider": SECRET_MARK,
        "safety": "components.kafka.safety:BrokerSafety",
        "stops": "kafka-1",
        "changed": ["kafka-0"],
        "members": {"kafka-0": "127.0.0.1:19092", "kafka-1": "127.0.0.1:19093", "kafka-2": "127.0.0.1:19094"},
        "containers": {broker: f"millrace-staging-{broker}" for broker in brokers},
        "deadline": 180,
        "logs": {broker: f"docker logs --tail 50 millrace-staging-{broker}" for broker in brokers},
    }
    rules = {item.name: item.inputs["safety"] for item in staging.of(MEMBER_GATE)}
    models = {
        "kafka": "components.kafka.safety:BrokerSafety",
        "zookeeper": "components.zookeeper.safety:EnsembleSafety",
    }
    assert rules == {name: models[name.partition("-")[0]] for name in rules}


def test_a_gate_before_a_member_waits_for_none_and_the_gate_after_it_stops_none(staging: Run) -> None:
    before = staging.one(MEMBER_GATE, "kafka-0-may-stop").inputs
    assert (before["stops"], "returns" in before, set(before["trigger"])) == ("kafka-0", False, {"inputs"})
    after = staging.one(MEMBER_GATE, "kafka-2-returned").inputs
    assert ("stops" in after, after["returns"], after["trigger"]) == (False, "kafka-2", {"kafka-2": "kafka-2-id"})


@pytest.mark.parametrize(
    ("changes", "asks"),
    [
        ({}, False),
        ({"health": {"deadline": "9m"}}, False),
        ({"redis": {"maxMemory": "100MiB"}}, False),
        ({"kafka": {"memory": "2GiB"}}, True),
        ({"kafka": {"config": {"message.max.bytes": 1}}}, True),
        ({"kafka": {"image": "own/kafka:2"}}, True),
        ({"bindAddress": "192.0.2.7"}, True),
    ],
)
def test_a_gate_checks_again_when_its_container_will_be_replaced(
    staging: Run, changes: dict[str, object], asks: bool
) -> None:
    run = run_platform(settings_of("staging", monitor={}, **changes), "millrace-staging")
    for broker in ("kafka-0", "kafka-1", "kafka-2"):
        before, after = (item.one(MEMBER_GATE, f"{broker}-may-stop").inputs["trigger"] for item in (staging, run))
        assert (before["inputs"] != after["inputs"]) is asks


def test_brokers_are_created_after_the_ensemble_and_deleted_before_it(run: Run) -> None:
    ensemble = {
        item.name for item in run.resources if item.parent == "zookeeper" and item.type in (CONTAINER, MEMBER_GATE)
    }
    assert ensemble, "the ensemble has members"
    assert ensemble <= needed_by("kafka-0", run), "a broker's controlled shutdown needs the ensemble"


def test_redis_waits_for_no_other_server(run: Run) -> None:
    servers = {name for name in run.names(CONTAINER) if name != "redis-0"} | set(run.names(MEMBER_GATE))
    assert not needed_by("redis-0", run) & servers


def test_topics_are_created_after_every_broker_and_go_with_their_data(run: Run) -> None:
    (topics,) = run.of(TOPIC_SET)
    # The set of members is asked before any of them changes, and an exit after all others.
    others = (MEMBER_EXIT, MEMBER_SET)
    cluster = {item.name for item in run.resources if item.parent == "kafka" and item.type not in others}
    assert topics.dependencies == cluster
    assert topics.retain_on_delete, "topics go with the volumes, and stay with volumes that are kept"


def test_the_topic_set_has_exactly_these_inputs(dev: Run) -> None:
    (topics,) = dev.of(TOPIC_SET)

    def topic(partitions: int, **config: str) -> dict[str, object]:
        spelled = {key.replace("_", "."): value for key, value in config.items()}
        return {"partitions": partitions, "replicationFactor": 1, "config": spelled, "protect": False}

    assert masked(topics.inputs) == {
        "__provider": SECRET_MARK,
        "setName": "topics",
        "bootstrap": "127.0.0.1:9092",
        "brokers": {"kafka-0": "127.0.0.1:9092"},
        "topics": {
            "tda_jobs": topic(3, retention_ms="604800000"),
            "tda_results": topic(3, retention_ms="2592000000", cleanup_policy="compact"),
            "tda_events": topic(1, retention_ms="1209600000"),
            "tda_uploads": topic(2, retention_ms="259200000"),
            "tda_errors": topic(1, retention_ms="2592000000"),
        },
        "factorsByDefault": ["tda_errors", "tda_events", "tda_jobs", "tda_results", "tda_uploads"],
        "existing": "refuse",
        "ownCluster": True,
        "toDelete": [],
        "toRelease": [],
        "protect": False,
        "deleteWithSet": False,
        "deadline": 180,
        "logs": {"kafka-0": "docker logs --tail 50 millrace-dev-kafka-0"},
        "trigger": {"kafka-0": "kafka-0-id"},
    }
    assert "route" not in topics.inputs, "on Docker, servers are reached directly"


def test_the_health_gate_is_last_and_checks_again_after_any_change_of_members_or_topics(run: Run) -> None:
    (gate,) = run.of(HEALTH_GATE)
    assert {"topics", *run.names(CONTAINER)} <= gate.dependencies
    trigger = dict(gate.inputs["trigger"])
    assert len(trigger.pop("topics")) == 16, "a digest represents the topics"
    assert trigger == {name: f"{name}-id" for name in run.names(CONTAINER)}


def test_the_health_gate_of_dev_has_exactly_these_inputs(dev: Run) -> None:
    (gate,) = dev.of(HEALTH_GATE)
    members = ("kafka-0", "redis-0", "zookeeper-0")
    inputs = masked(gate.inputs)
    assert inputs == {
        "__provider": SECRET_MARK,
        "platform": "millrace-dev",
        "zookeeper": {"zookeeper-0": "127.0.0.1:2181"},
        "kafka": {"bootstrap": "127.0.0.1:9092", "brokers": {"kafka-0": "127.0.0.1:9092"}},
        "redis": {"member": "redis-0", "address": "127.0.0.1:6379", "appendOnly": False, "save": ["60 1000"]},
        "deadline": 180,
        "trigger": {**{member: f"{member}-id" for member in members}, "topics": gate.inputs["trigger"]["topics"]},
        "logs": {member: f"docker logs --tail 50 millrace-dev-{member}" for member in members},
    }


def test_the_health_gate_gets_the_redis_password_as_a_secret(staging: Run) -> None:
    (gate,) = staging.of(HEALTH_GATE)
    assert masked(gate.inputs["redis"]) == SECRET_MARK
    assert unmasked(gate.inputs["redis"]) == {
        "member": "redis-0",
        "address": "127.0.0.1:16379",
        "password": GENERATED_PASSWORD,
        "appendOnly": True,
        "save": [],
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"topics": [{"name": "tda_jobs", "partitions": 4}]},
        {"topics": [{"name": "tda_jobs", "partitions": 3, "retention": "8d"}]},
        {"topics": []},
    ],
)
def test_the_digest_of_the_topics_changes_with_them(changes: dict[str, object]) -> None:
    base = {"topics": [{"name": "tda_jobs", "partitions": 3}]}
    digests = [
        run_platform(settings_of("dev", **declared), "millrace-dev").of(HEALTH_GATE)[0].inputs["trigger"]["topics"]
        for declared in (base, changes)
    ]
    assert digests[0] != digests[1]


# ------------------------------------------------------------------------------------------------------- outputs


def test_the_stack_has_exactly_these_outputs(run: Run) -> None:
    assert set(run.outputs) == OUTPUT_NAMES
    told = {"readme", "clientConfigMap", "clientSecret", "namespace"}  # the program adds the first; Kubernetes has more
    told |= {"metricsUrl", "prometheusUrl", "grafanaUrl", "grafanaPassword", "apps", "kafkaLogin"}  # where these run
    assert {*run.outputs, *told} == set(OUTPUTS), "users read the list of all outputs"


def test_dev_exports_the_addresses_for_clients(dev: Run) -> None:
    plain = {key: value for key, value in dev.outputs.items() if isinstance(value, str) and key != "dotenv"}
    assert plain == {
        "kafkaBootstrapServers": "127.0.0.1:9092",
        "kafkaInternalBootstrapServers": "kafka-0:29092",
        "zookeeperConnect": "127.0.0.1:2181",
        "redisUrl": "redis://127.0.0.1:6379/0",
        "health": "all parts are healthy",
        "images": "public images (the default): apache/kafka:3.9.2, redis:7.2.16",
        "network": "millrace-dev",
    }


def test_staging_exports_the_addresses_of_every_member(staging: Run) -> None:
    assert staging.outputs["kafkaBootstrapServers"] == "127.0.0.1:19092,127.0.0.1:19093,127.0.0.1:19094"
    assert staging.outputs["kafkaInternalBootstrapServers"] == "kafka-0:29092,kafka-1:29092,kafka-2:29092"
    assert staging.outputs["zookeeperConnect"] == "127.0.0.1:12181,127.0.0.1:12182,127.0.0.1:12183"


@pytest.mark.parametrize(
    ("stack", "secret"),
    [
        ("dev", {"clientEnvironment", "dotenv"}),
        ("staging", {"clientEnvironment", "dotenv", "redisUrl"}),
    ],
)
def test_these_outputs_are_secret(run: Run, stack: str, secret: set[str]) -> None:
    assert run.secret_outputs == secret
    (outputs,) = (values for type_, _, values in run.registered_outputs if type_ == PLATFORM)
    assert {key for key, value in outputs.items() if masked(value) == SECRET_MARK} == secret, f"in the state of {stack}"


def test_the_client_environment_of_dev_names_the_servers_that_applications_use(dev: Run) -> None:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
    }
    assert dev.outputs["clientEnvironment"] == environment
    assert dev.outputs["dotenv"] == "\n".join(f"{key}={value}" for key, value in sorted(environment.items()))


def test_the_client_environment_of_staging_holds_the_password(staging: Run) -> None:
    assert staging.outputs["clientEnvironment"] == {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:19092,127.0.0.1:19093,127.0.0.1:19094",
        "REDIS_PASSWORD": GENERATED_PASSWORD,
        "REDIS_URL": f"redis://:{GENERATED_PASSWORD}@127.0.0.1:16379/0",
    }


@pytest.mark.parametrize("run_name", ["dev", "staging", "given_password"])
def test_a_shell_reads_the_client_environment_from_the_dotenv(
    run_name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: Run = request.getfixturevalue(run_name)
    file = tmp_path / ".env"
    file.write_text(f"{run.outputs['dotenv']}\n")
    shell = ["sh", "-c", 'set -a; . "$1"; env -0', "sh", str(file)]
    read = subprocess.run(shell, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    variables = dict(entry.split("=", 1) for entry in read.stdout.split("\0") if entry)
    expected = run.outputs["clientEnvironment"]
    assert {key: variables.get(key) for key in expected} == expected, f"the shell said: {read.stderr}"
