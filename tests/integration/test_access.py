"""Users, rights and quotas on real brokers that encrypt, authenticate and authorize; declared by a program of its own.

Two brokers, because only one of them, the controller, changes users. They share the host's network: each must be
reachable at one address by the other and by clients here.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from components.access.certificates import new_authority, new_certificate
from components.access.client import apply_users, observe_users
from components.access.rules import Right
from components.access.safety import AccessPlan
from components.access.scram import write_users
from components.kafka.client import admin_client
from components.kafka.files import BROKER_USER, SecureFiles, login_properties, server_properties, start_script
from components.kafka.security import Security, client_options, refusal
from components.kafka.settings import KafkaSettings
from components.naming import PLATFORM_LABEL
from components.properties import render_properties
from tests.integration.stacks import PREFIX, PROJECT, Checkout

IMAGE = "millrace/kafka:3.9.2"
PLATFORM = f"{PREFIX}access"
ZOOKEEPER, BROKERS = 23010, (23011, 23012)
SERVERS = [f"127.0.0.1:{port}" for port in BROKERS]
SUPER = "super-4f1c2a9e7b"

TOPICS = ("orders", "payments", "billing-2026", "secret")

PROGRAM = """
import json
from pathlib import Path

import pulumi

from components.access.component import Application, ApplicationArgs, Certificates, CertificatesArgs
from components.access.settings import AppSettings
from components.kafka.component import KafkaLogin
from components.topics.component import TopicSet, TopicSetArgs
from components.topics.rules import TopicSpec

config = pulumi.Config()
folder = Path(config.require("folder"))
login = KafkaLogin(
    user="millrace",
    password=pulumi.Output.secret((folder / "password").read_text()),
    authorities=(folder / "ca.pem").read_text(),
)
Certificates("tls", CertificatesArgs(platform="millrace-test-access", hosts={"kafka": ["127.0.0.1"]}))
topics = [TopicSpec(name=name, partitions=1, replication_factor=2) for name in config.require("topics").split()]
servers = config.require("servers")
topics = TopicSet("topics", TopicSetArgs(bootstrap=servers, topics=topics, login=login, delete_with_set=True))
for declared in json.loads(config.require("apps")):
    args = ApplicationArgs(
        application=AppSettings.of(**declared), bootstrap=servers, login=login, deadline=60
    )
    app = Application(declared["name"], args, pulumi.ResourceOptions(depends_on=[topics]))
    pulumi.export(f"{declared['name']}-user", app.user)
    pulumi.export(f"{declared['name']}-password", app.password)
    pulumi.export(f"{declared['name']}-properties", app.client_properties)
"""

BILLING = {
    "name": "billing",
    "produces": ["orders", "billing-*"],
    "consumes": ["payments"],
    "groups": ["billing*"],
    "transactions": ["billing-tx"],
    "quota": {"produce": "50MiB/s", "requestPercent": 200},
}
SHOP = {"name": "shop", "produces": ["payments"], "consumes": ["orders"], "groups": ["shop"]}


class Program(Checkout):
    """The program in a folder of its own."""

    first = ""
    """What the first ``up`` printed."""

    def __init__(self, root: Path, files: Path) -> None:
        folder = root / "program"
        folder.mkdir()
        (folder / "__main__.py").write_text(PROGRAM)
        options = {"toolchain": "pip", "virtualenv": str(PROJECT / ".venv")}
        project = {"name": "millrace-test", "runtime": {"name": "python", "options": options}}
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump({**project, "backend": {"url": f"file://{folder}"}}))
        config = {
            "folder": str(files),
            "servers": ",".join(SERVERS),
            "topics": " ".join(TOPICS),
            "apps": json.dumps([BILLING, SHOP]),
        }
        super().__init__(
            folder, "access", {f"millrace-test:{key}": value for key, value in config.items()}, "millrace-test"
        )

    def declare(self, *apps: dict[str, Any]) -> None:
        self.config["millrace-test:apps"] = json.dumps(apps)


def _start(name: str, files: Path, heap: str, *command: str) -> None:
    docker.from_env().containers.run(
        IMAGE,
        command=[*command],
        entrypoint="bash",
        name=f"{PLATFORM}-{name}",
        labels={PLATFORM_LABEL: PLATFORM},
        network_mode="host",
        volumes={str(files): {"bind": "/files", "mode": "ro"}},
        environment={"KAFKA_HEAP_OPTS": f"-Xmx{heap}"},
        detach=True,
    )


def _remove() -> None:
    for container in docker.from_env().containers.list(all=True, filters={"label": f"{PLATFORM_LABEL}={PLATFORM}"}):
        container.remove(force=True, v=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration as the platform renders it, and certificates as it makes them."""
    folder = tmp_path_factory.mktemp("files")
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    folder.parent.parent.chmod(0o755)
    now = datetime.now(UTC)
    authority = new_authority("millrace-test CA", now)
    pair = new_certificate(authority, "kafka", ["127.0.0.1"], now, timedelta(days=1))
    secured = SecureFiles(keystore="/files/kafka.pem", truststore="/files/ca.pem", login="/files/login.properties")
    texts = {
        "ca.pem": authority.certificate,
        "kafka.pem": pair.keystore,
        "password": SUPER,
        "login.properties": login_properties(SUPER),
        "zookeeper.properties": render_properties(
            {"dataDir": "/tmp/zookeeper", "clientPort": str(ZOOKEEPER), "clientPortAddress": "127.0.0.1"}  # noqa: S108
        )
        + "admin.enableServer=false\n",
    }
    for number, port in enumerate(BROKERS):
        settings = KafkaSettings.of(
            replicas=2, replication_factor=2, internal_port=port, auto_create_topics=False, num_partitions=1
        )
        entries = server_properties(settings, f"127.0.0.1:{ZOOKEEPER}", exposed=False, secured=secured)
        config = f"server-{number}.properties"
        # A test needs no fifty partitions of offsets.
        few = {"offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1"}
        texts[config] = render_properties({**entries, **few})
        texts[f"start-{number}.sh"] = start_script(f"/files/{config}", "/tmp/data", "/tmp/zone", port, None)  # noqa: S108
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    return folder


@pytest.fixture(scope="module")
def security(files: Path) -> Callable[[str, str], Security]:
    authorities = (files / "ca.pem").read_text()
    return lambda user, password: Security(user=user, password=password, authorities=authorities)


@pytest.fixture(scope="module")
def brokers(files: Path, security: Callable[[str, str], Security]) -> Iterator[None]:
    """Two brokers; their user is in ZooKeeper before they start."""
    _remove()
    try:
        _start("zookeeper", files, "128m", "bin/zookeeper-server-start.sh", "/files/zookeeper.properties")
        written = write_users([f"127.0.0.1:{ZOOKEEPER}"], {BROKER_USER: SUPER}, deadline=60, report=lambda _line: None)
        assert written == [BROKER_USER]
        for number in range(len(BROKERS)):
            _start(f"kafka-{number}", files, "256m", f"/files/start-{number}.sh", str(number), "127.0.0.1")
        _wait_for_brokers(security(BROKER_USER, SUPER))
        yield
    finally:
        _remove()


def _wait_for_brokers(login: Security) -> None:
    end = time.monotonic() + 90
    while True:
        try:
            with admin_client(",".join(SERVERS), security=login) as client:
                if len(client.describe_cluster()["brokers"]) == len(BROKERS):
                    return
        except KafkaError:
            pass
        assert time.monotonic() < end, "the brokers do not come up"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def program(brokers: None, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    made = Program(tmp_path_factory.mktemp("access"), files)
    try:
        made.first = made.up().output
        yield made
    finally:
        made.run("destroy", "--stack", made.name, "--yes", "--skip-preview")


def produced(login: Security, topic: str, *, transaction: str | None = None) -> str:
    """What a producer gets: ``ok`` or the error's name."""
    options = {"transactional_id": transaction} if transaction else {}
    try:
        with KafkaProducer(
            bootstrap_servers=SERVERS, acks="all", max_block_ms=5000, **client_options(login), **options
        ) as producer:
            if transaction:
                producer.init_transactions()
                producer.begin_transaction()
            producer.send(topic, b"x").get(timeout=10)
            if transaction:
                producer.commit_transaction()
    except KafkaError as error:
        return type(error).__name__
    return "ok"


def consumed(login: Security, topic: str, group: str) -> str:
    """What a consumer gets: ``ok`` or the error's name."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=SERVERS,
        group_id=group,
        auto_offset_reset="earliest",
        consumer_timeout_ms=15_000,
        **client_options(login),
    )
    try:
        next(consumer)
        consumer.commit()
    except StopIteration:
        return "nothing"
    except KafkaError as error:
        return type(error).__name__
    finally:
        with suppress(KafkaError):
            consumer.close(autocommit=False)
    return "ok"


TOPIC, GROUP = "TopicAuthorizationFailedError", "GroupAuthorizationFailedError"
TRANSACTION = "TransactionalIdAuthorizationFailedError"


def test_applications_may_do_what_they_declare_and_nothing_else(
    program: Program, security: Callable[[str, str], Security]
) -> None:
    outputs = program.outputs()
    billing, shop = (security(name, outputs[f"{name}-password"]) for name in ("billing", "shop"))
    topics = ["orders", "payments", "billing-2026", "secret", "absent"]
    assert {topic: produced(billing, topic) for topic in topics} == {
        "orders": "ok",
        "payments": TOPIC,
        "billing-2026": "ok",
        "secret": TOPIC,
        "absent": TOPIC,
    }
    assert [topic for topic in topics if produced(shop, topic) == "ok"] == ["payments"]
    assert produced(billing, "orders", transaction="billing-tx") == "ok"
    assert produced(billing, "orders", transaction="billing-tx-2") == TRANSACTION
    assert produced(shop, "payments", transaction="billing-tx") == TRANSACTION
    assert consumed(billing, "payments", "billing-1") == "ok"
    assert consumed(billing, "payments", "shop") == GROUP
    assert consumed(billing, "orders", "billing-1") == TOPIC
    assert consumed(shop, "orders", "shop") == "ok"
    assert consumed(shop, "orders", "billing-1") == GROUP
    with admin_client(SERVERS[0], security=billing) as client:
        assert sorted(client.list_topics()) == ["billing-2026", "orders", "payments"], "others are not even seen"
        for forbidden in (
            lambda: client.create_topics({"billing-new": {"num_partitions": 1, "replication_factor": 1}}),
            lambda: client.delete_topics(["orders"]),
            lambda: client.create_partitions({"orders": 2}),
            lambda: apply_users(client, AccessPlan(grant=(("billing", Right("read", "topic", "secret")),)), {}),
            lambda: observe_users(client, ["shop"]),
        ):
            with pytest.raises(KafkaError, match="Authorization"):
                forbidden()


def test_brokers_refuse_everyone_else_and_the_reason_is_said(
    program: Program, security: Callable[[str, str], Security]
) -> None:
    wrong = refusal(SERVERS[0], security("billing", "wrong"))
    assert wrong == f"{SERVERS[0]} refuses the user billing: its password is wrong, or there is no such user"
    stranger = new_authority("another CA", datetime.now(UTC)).certificate
    other = Security(user="billing", password="wrong", authorities=stranger)
    assert "signed by an authority that is not trusted here" in str(refusal(SERVERS[0], other))
    with (
        pytest.raises(KafkaError, match="refuses the user billing"),
        admin_client(SERVERS[0], security=security("billing", "wrong")),
    ):
        pass
    with pytest.raises(KafkaError), admin_client(SERVERS[0]):
        pass  # a client without TLS


def test_kafkas_own_tools_connect_with_the_properties_that_are_handed_over(program: Program, files: Path) -> None:
    path = files / "shop.properties"
    path.write_text(program.outputs()["shop-properties"])
    path.chmod(0o644)
    try:
        script = (
            f"echo from-the-tool | bin/kafka-console-producer.sh --bootstrap-server {SERVERS[0]} --topic payments "
            "--producer.config /files/shop.properties && "
            f"bin/kafka-console-consumer.sh --bootstrap-server {SERVERS[0]} --topic orders --group shop-2 "
            "--consumer.config /files/shop.properties --timeout-ms 5000"
        )
        tool = docker.from_env().containers.create(
            IMAGE,
            command=["-c", script],
            entrypoint="bash",
            labels={PLATFORM_LABEL: PLATFORM},
            network_mode="host",
            volumes={str(files): {"bind": "/files", "mode": "ro"}},
            environment={"KAFKA_HEAP_OPTS": "-Xmx128m"},
        )
        tool.start()
        tool.wait(timeout=60)
        output = tool.logs().decode()
        tool.remove(force=True, v=True)
        assert "GroupAuthorizationException: Not authorized to access group: shop-2" in output
        assert "TopicAuthorizationException" not in output
    finally:
        path.unlink()


def test_a_second_up_and_a_refresh_change_nothing(program: Program) -> None:
    assert program.up().changed() == {}
    assert program.change("refresh").changed() == {}


def test_a_right_that_was_added_by_hand_is_shown_and_taken_back(
    program: Program, security: Callable[[str, str], Security]
) -> None:
    secret = Right("read", "topic", "secret")
    with admin_client(SERVERS[0], security=security(BROKER_USER, SUPER)) as client:
        apply_users(client, AccessPlan(grant=(("shop", secret), ("stranger", secret))), {})
        assert program.change("refresh").changed() == {"update": ["shop-access"]}
        assert program.up().changed() == {"update": ["shop-access"]}
        found = observe_users(client, ["shop", "stranger"])
    assert secret not in found["shop"].rights
    assert found["stranger"].rights == {secret}, "others' users are left alone"


def test_no_secret_is_in_state_logs_or_command_lines(program: Program) -> None:
    outputs = program.outputs()
    secrets = {SUPER, outputs["billing-password"], outputs["shop-password"], "BEGIN PRIVATE KEY"}
    engine = docker.from_env()
    containers = engine.containers.list(filters={"label": f"{PLATFORM_LABEL}={PLATFORM}"})
    assert len(containers) == 3
    places = {"state": program.state(), "up": program.first}
    for container in containers:
        places |= {f"{container.name} log": container.logs().decode(), f"{container.name}": str(container.attrs)}
        places[f"{container.name} processes"] = str(container.top(ps_args="-eo pid,args"))
    for secret in secrets:
        assert [place for place, text in places.items() if secret in text] == []


def test_a_new_password_works_beside_the_old_one_until_that_is_dropped(
    program: Program, security: Callable[[str, str], Security]
) -> None:
    old = security("billing", program.outputs()["billing-password"])
    program.declare({**BILLING, "generation": 2}, SHOP)
    program.up()
    outputs = program.outputs()
    assert outputs["billing-user"] == "billing-2"
    new = security("billing-2", outputs["billing-password"])
    assert new.password != old.password
    assert [produced(login, "orders") for login in (old, new)] == ["ok", "ok"]
    program.declare({**BILLING, "generation": 2, "keep_previous": False}, SHOP)
    program.up()
    assert produced(new, "orders") == "ok"
    assert "refuses the user billing:" in str(refusal(SERVERS[0], old))


def test_destroy_removes_the_users_and_no_others(program: Program, security: Callable[[str, str], Security]) -> None:
    program.change("destroy")
    with admin_client(SERVERS[0], security=security(BROKER_USER, SUPER)) as client:
        found = observe_users(client, ["billing", "billing-2", "shop", "stranger", BROKER_USER])
    assert [name for name, user in found.items() if not user.is_absent] == [BROKER_USER, "stranger"]
