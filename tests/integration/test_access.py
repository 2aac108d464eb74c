"""Users, rights and quotas of a platform that encrypts, authenticates and authorizes, on a real engine.

Its stack file declares one application; a program of its own declares another. Two brokers, because only one of them,
the controller, changes users.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import docker
import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError
from redis import Redis
from redis.exceptions import NoPermissionError

from components.access.certificates import new_authority
from components.access.client import apply_users, observe_users
from components.access.rules import EXPORTER_USER, OWN_RIGHTS, PLATFORM_USER, Right
from components.access.safety import AccessPlan
from components.errors import AccessError
from components.kafka.client import admin_client
from components.kafka.files import BROKER_USER
from components.kafka.security import Security, client_options, refusal
from components.naming import PLATFORM_LABEL
from tests.integration.ops.conftest import Ops, runner
from tests.integration.passwords import give_password
from tests.integration.stacks import PREFIX, OwnProgram, Ports, Stack, eventually, ports_of, standing

IMAGE = "millrace/kafka:3.9.2"
PORTS = Ports(*(port + 500 for port in astuple(ports_of("dev"))))
SERVERS = [f"127.0.0.1:{PORTS.kafka + number}" for number in range(2)]
REDIS_PASSWORD = "redis-7d20c4f19b"
TOPICS = ("orders", "payments", "billing-2026", "secret")

PROGRAM = """
import json
from pathlib import Path

import pulumi

from components.access.component import Application, ApplicationArgs, Certificates, CertificatesArgs
from components.access.settings import AppSettings
from components.kafka.component import KafkaLogin

config = pulumi.Config()
given = json.loads(Path(config.require("login")).read_text())
login = KafkaLogin(**{**given, "password": pulumi.Output.secret(given["password"])})
Certificates("tls", CertificatesArgs(platform="millrace-test-shop", hosts={"shop": ["shop.example.com"]}))
declared = AppSettings.of(**json.loads(config.require("app")))
args = ApplicationArgs(application=declared, bootstrap=config.require("servers"), login=login, deadline=60)
shop = Application("shop", args)
pulumi.export("password", shop.password)
pulumi.export("properties", shop.client_properties)
"""

BILLING = {
    "name": "billing",
    "produces": ["orders", "billing-*"],
    "consumes": ["payments"],
    "groups": ["billing*"],
    "transactions": ["billing-tx"],
    "redis": "billing:*",
    "quota": {"produce": "50MiB/s", "requestPercent": 200},
}
SHOP = {"name": "shop", "produces": ["payments"], "consumes": ["orders"], "groups": ["shop"]}


class Guarded(Stack):
    """The dev stack file with two brokers, access, an application and the exporter."""

    first = ""
    """What the first ``up`` printed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "test-access", "Pulumi.dev.yaml", PORTS.overrides())
        self.set("kafka.replicas", 2)
        self.set("kafka.replicationFactor", 2)
        self.set("monitor", {"enabled": True, "port": PORTS.exporter, "interval": "5s"})
        self.set("access", {"enabled": True})
        self.set("apps", [BILLING])
        self.set("redis.authentication", True)
        give_password(self, "redis.password", REDIS_PASSWORD)
        self.set("topics", [{"name": name, "partitions": 1} for name in TOPICS])

    def up(self, *arguments: str, **options: Any) -> Any:
        done = super().up(*arguments, **options)
        self.first = self.first or done.output
        return done

    def login(self, app: str = "billing") -> Security:
        """Who an application is, from what it is handed."""
        given = json.loads(self.outputs()["apps"][app]["librdkafka"])
        return Security(user=given["sasl.username"], password=given["sasl.password"], authorities=given["ssl.ca.pem"])


class Program(OwnProgram):
    """The program in a folder of its own, with the platform's login."""

    def __init__(self, root: Path, login: Mapping[str, str]) -> None:
        file = root / "login.json"
        file.write_text(json.dumps(login))
        config = {"servers": ",".join(SERVERS), "app": json.dumps(SHOP), "login": str(file)}
        super().__init__(root / "program", "shop", PROGRAM, config)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with standing(Guarded(tmp_path_factory.mktemp("access") / "project")) as made:
        yield made


@pytest.fixture(scope="module")
def security(stack: Guarded) -> Callable[[str, str], Security]:
    """A user with a password."""
    authorities = stack.outputs()["kafkaLogin"]["authorities"]
    return lambda user, password: Security(user=user, password=password, authorities=authorities)


@pytest.fixture(scope="module")
def brokers(stack: Guarded, security: Callable[[str, str], Security]) -> Security:
    """The brokers' own user, who may do everything."""
    return security(BROKER_USER, stack.generated()[BROKER_USER])


@pytest.fixture(scope="module")
def ops(stack: Guarded) -> Ops:
    """The command line on that stack."""
    return runner(stack)


@pytest.fixture(scope="module")
def program(stack: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    made = Program(tmp_path_factory.mktemp("shop"), stack.outputs()["kafkaLogin"])
    try:
        made.up()
        yield made
    finally:
        made.run("destroy", "--stack", made.name, "--yes", "--skip-preview")


def produced(login: Security, topic: str, *, transaction: str | None = None, idempotent: bool = True) -> str:
    """What a producer gets: ``ok`` or the error's name."""
    options: dict[str, Any] = {"transactional_id": transaction} if transaction else {"enable_idempotence": idempotent}
    try:
        with KafkaProducer(
            bootstrap_servers=SERVERS, acks="all", max_block_ms=30_000, **client_options(login), **options
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
        consumer_timeout_ms=30_000,
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
    stack: Guarded, program: Program, security: Callable[[str, str], Security]
) -> None:
    billing, shop = stack.login(), security("shop", program.outputs()["password"])
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


def test_an_application_has_its_own_keys_of_redis(stack: Guarded) -> None:
    """More of this: tests/integration/test_redis_users.py."""
    (line,) = re.findall("^REDIS_URL=(.*)$", stack.outputs()["apps"]["billing"]["dotenv"], re.MULTILINE)
    client: Any = Redis.from_url(shlex.split(line)[0])
    assert client.set("billing:1", "x")
    for forbidden in (lambda: client.get("shop:1"), client.flushall, lambda: client.execute_command("ACL", "LIST")):
        with pytest.raises(NoPermissionError):
            forbidden()
    client.close()


def test_brokers_refuse_everyone_else_and_the_reason_is_said(
    stack: Guarded, security: Callable[[str, str], Security]
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


def test_kafkas_own_tools_connect_with_the_properties_that_are_handed_over(
    program: Program, ops: Ops, tmp_path: Path
) -> None:
    (tmp_path / "shop.properties").write_text(program.outputs()["properties"])
    tmp_path.chmod(0o755)
    script = (
        f"echo from-the-tool | bin/kafka-console-producer.sh --bootstrap-server {SERVERS[0]} --topic payments "
        "--producer.config /files/shop.properties && "
        f"bin/kafka-console-consumer.sh --bootstrap-server {SERVERS[0]} --topic orders --group shop-2 "
        "--consumer.config /files/shop.properties --timeout-ms 5000"
    )
    tool = docker.from_env().containers.run(
        IMAGE,
        command=["-c", script],
        entrypoint="bash",
        labels={PLATFORM_LABEL: f"{PREFIX}access-tool"},
        network_mode="host",
        volumes={str(tmp_path): {"bind": "/files", "mode": "ro"}},
        environment={"KAFKA_HEAP_OPTS": "-Xmx128m"},
        detach=True,
    )
    try:
        tool.wait(timeout=180)
        output = tool.logs().decode()
    finally:
        tool.remove(force=True, v=True)
    assert "GroupAuthorizationException: Not authorized to access group: shop-2" in output
    assert "from-the-tool" in ops("consume", "payments").stdout.splitlines(), output


def test_a_second_up_and_a_refresh_change_nothing(stack: Guarded, program: Program) -> None:
    for made in (stack, program):
        assert made.up().changed() == {}
        assert made.change("refresh").changed() == {}


def test_ops_works_with_the_platforms_user_and_says_who_may_do_what(stack: Guarded, ops: Ops) -> None:
    assert json.loads(ops("status", "--json").stdout)["healthy"]
    users = json.loads(ops("access", "list", "--json").stdout)
    own = [BROKER_USER, EXPORTER_USER, PLATFORM_USER]
    assert sorted(user["user"] for user in users if user["kind"] != "undeclared") == ["billing", *own]
    missing = ops("access", "check", "billing", "--topic", "payments", "--operation", "write", check=False)
    assert missing.returncode == 1
    assert 'add "payments" to apps[0].produces' in missing.stdout
    certificates = ops("certificates", "list").stdout
    assert {"kafka-0", "kafka-1"} <= set(certificates.split())
    ops("produce", "secret", stdin="one\n")
    assert ops("consume", "secret").stdout == "one\n"


# ------------------------------------------------------------------------------------------- the platform's own users


def _commit(client: Any) -> object:
    return client.alter_group_offsets("scratch-group", {TopicPartition("orders", 0): OffsetAndMetadata(0, "", -1)})


def _configure(client: Any) -> object:
    return client.alter_configs({ConfigResource(ConfigResourceType.TOPIC, "scratch"): {"retention.ms": "60000"}})


ONE = {"num_partitions": 1, "replication_factor": 1}

NEEDS: Mapping[Right, Callable[[Any, Security], object]] = {
    Right("create", "topic", "*"): lambda client, _: client.create_topics({"scratch": ONE}),
    Right("alter", "topic", "*"): lambda client, _: client.create_partitions({"scratch": 2}),
    Right("alter-configs", "topic", "*"): lambda client, _: _configure(client),
    Right("write", "topic", "*"): lambda _, login: produced(login, "scratch", idempotent=False),
    Right("read", "topic", "*"): lambda _, login: consumed(login, "orders", "scratch-group"),
    Right("read", "group", "*"): lambda client, _: _commit(client),
    Right("delete", "group", "*"): lambda client, _: client.delete_groups(["scratch-group"]),
    Right("delete", "topic", "*"): lambda client, _: client.delete_topics(["scratch"]),
    Right("alter", "cluster", "kafka-cluster"): lambda client, _: apply_users(
        client, AccessPlan(revoke=(("nobody", Right("read", "topic", "orders")),)), {}
    ),
    Right("alter-configs", "cluster", "kafka-cluster"): lambda client, _: apply_users(
        client, AccessPlan(reset_quota={"nobody": ("producer_byte_rate",)}), {}
    ),
}
"""What the platform cannot do without a right; in this order, each can be done."""


DONE_BEFORE = ("TopicAlreadyExists", "InvalidPartitions", "UnknownTopicOrPartition")
"""Errors after an attempt just before a broker learned of a change. Rights are looked at first."""


def outcome(attempt: Callable[[], object]) -> str:
    """``refused`` for want of a right, ``done``, or what else came of it."""
    try:
        answer = str(attempt()).replace("NoError", "")
    except (KafkaError, AccessError) as error:
        answer = f"{type(error).__name__}: {error}"
    if "authorization" in answer.lower():
        return "refused"
    failed = answer == "nothing" or ("Error" in answer and not any(known in answer for known in DONE_BEFORE))
    return answer if failed else "done"


@pytest.mark.parametrize("right", NEEDS, ids=str)
def test_the_platform_needs_each_of_its_rights(
    right: Right, stack: Guarded, brokers: Security, security: Callable[[str, str], Security]
) -> None:
    """It is no super user: without the right it is refused, and with the right it does what it must."""
    assert set(NEEDS) == set(OWN_RIGHTS[PLATFORM_USER])
    login = security(PLATFORM_USER, stack.outputs()["kafkaLogin"]["password"])
    with admin_client(SERVERS[0], security=brokers) as own, admin_client(SERVERS[0], security=login) as client:
        try:
            apply_users(own, AccessPlan(revoke=((PLATFORM_USER, right),)), {})
            eventually(lambda: outcome(lambda: NEEDS[right](client, login)) == "refused", 60, f"none without {right}")
        finally:
            apply_users(own, AccessPlan(grant=((PLATFORM_USER, right),)), {})
        eventually(lambda: outcome(lambda: NEEDS[right](client, login)) == "done", 60, f"{right} to be back")


LOOKS: Mapping[Right, str] = {
    Right("describe", "topic", "*"): r'kafka_consumer_group_lag{[^}]*topic="payments"',
    Right("describe", "group", "*"): r'kafka_consumer_group_lag{[^}]*topic="payments"',
}
"""What the exporter does not see without a right."""


@pytest.mark.parametrize("right", LOOKS, ids=str)
def test_the_exporter_needs_each_of_its_rights(right: Right, brokers: Security) -> None:
    assert set(LOOKS) == set(OWN_RIGHTS[EXPORTER_USER])

    def sees() -> bool:
        with urlopen(f"http://127.0.0.1:{PORTS.exporter}/metrics", timeout=10) as page:
            return re.search(LOOKS[right], page.read().decode()) is not None

    eventually(sees, 60, LOOKS[right])
    with admin_client(SERVERS[0], security=brokers) as own:
        try:
            apply_users(own, AccessPlan(revoke=((EXPORTER_USER, right),)), {})
            eventually(lambda: not sees(), 60, f"no sight without {right}")
        finally:
            apply_users(own, AccessPlan(grant=((EXPORTER_USER, right),)), {})


# --------------------------------------------------------------------------------------------------- drift and changes


def test_a_right_that_was_added_by_hand_is_shown_and_taken_back(stack: Guarded, brokers: Security) -> None:
    secret = Right("read", "topic", "secret")
    with admin_client(SERVERS[0], security=brokers) as client:
        apply_users(client, AccessPlan(grant=(("billing", secret), ("stranger", secret))), {})
        assert stack.change("refresh").changed() == {"update": ["access"]}
        assert stack.up().changed() == {"update": ["access"]}
        found = observe_users(client, ["billing", "stranger"])
    assert secret not in found["billing"].rights
    assert found["stranger"].rights == {secret}, "others' users are left alone"


def test_no_secret_is_in_state_logs_or_command_lines(stack: Guarded, program: Program) -> None:
    secrets = {REDIS_PASSWORD, *stack.generated().values(), program.outputs()["password"], "BEGIN PRIVATE KEY"}
    assert len(secrets) >= 7
    containers = docker.from_env().containers.list(filters={"label": f"{PLATFORM_LABEL}={stack.platform}"})
    assert len(containers) == 5
    places = {"state": stack.state(), "shop's state": program.state(), "up": stack.first}
    for container in containers:
        places |= {f"{container.name} log": container.logs().decode(), f"{container.name}": str(container.attrs)}
        places[f"{container.name} processes"] = str(container.top(ps_args="-eo pid,args"))
    for secret in secrets:
        assert [place for place, text in places.items() if secret in text] == []


def test_a_platform_that_lost_all_containers_heals_and_still_asks_who_clients_are(stack: Guarded) -> None:
    members = ("kafka-0", "kafka-1", "zookeeper-0", "redis-0")
    for member in members:
        stack.container(member).remove(force=True)
    assert set(members) <= set(stack.up("--refresh").changed()["create"])
    assert stack.up().changed() == {}
    assert [produced(stack.login(), topic) for topic in ("orders", "secret")] == ["ok", TOPIC]


def test_a_new_password_works_beside_the_old_one_until_that_is_dropped(stack: Guarded) -> None:
    old = stack.login()
    stack.set("apps", [{**BILLING, "generation": 2}])
    assert "kafka-0" not in str(stack.up().changed()), "no broker restarts"
    new = stack.login()
    assert new.user == "billing-2"
    assert new.password != old.password
    assert [produced(login, "orders") for login in (old, new)] == ["ok", "ok"]
    stack.set("apps", [{**BILLING, "generation": 2, "keepPrevious": False}])
    stack.up()
    assert produced(new, "orders") == "ok"
    assert "refuses the user billing:" in str(refusal(SERVERS[0], old))


def test_a_program_that_is_destroyed_removes_its_users_and_no_others(program: Program, brokers: Security) -> None:
    program.change("destroy")
    with admin_client(SERVERS[0], security=brokers) as client:
        found = observe_users(client, ["billing", "billing-2", "shop", "stranger", BROKER_USER])
    assert [name for name, user in found.items() if not user.is_absent] == ["billing-2", BROKER_USER, "stranger"]
