"""A platform on a real cluster whose brokers encrypt and ask who clients are.

Source: components/access/, components/targets/kubernetes/prepared.py. Who may do what, drift and rotation:
tests/integration/test_access.py; they are the same on each target.
"""

import base64
import json
from collections.abc import Iterator, Mapping

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from components.kafka.security import Security, client_options, refusal
from offline.cluster.kubectl import kubectl
from tests.cluster.clusters import CONTEXT, ClusterStack, remove_namespaces
from tests.integration.ops.conftest import runner
from tests.integration.stacks import standing

NAMESPACE = "millrace-test-access"
SHOP = f"{NAMESPACE}-shop"
"""The namespace of an application's pods."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStack]:
    """The dev stack file on the cluster, with access and an application in a namespace of its own."""
    changes = {
        "images": "local",
        "target": "kubernetes",
        "kubernetes": {"context": CONTEXT, "namespace": NAMESPACE},
        "access": {"enabled": True},
        "apps": [
            {"name": "shop", "produces": ["tda_jobs"], "consumes": ["tda_jobs"], "groups": ["shop"], "namespace": SHOP}
        ],
    }
    made = ClusterStack(tmp_path_factory.mktemp("access") / "project", "test-access", "Pulumi.dev.yaml", changes)
    kubectl("create", "namespace", SHOP)
    try:
        with standing(made):
            yield made
    finally:
        remove_namespaces(SHOP)


@pytest.fixture(scope="module")
def secret(stack: ClusterStack) -> Mapping[str, str]:
    """What the application finds in its namespace."""
    found = json.loads(kubectl("-n", SHOP, "get", "secret", "shop-kafka", "-o", "json"))
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def test_the_secret_in_its_namespace_lets_an_application_in_under_the_brokers_names(
    stack: ClusterStack, secret: Mapping[str, str]
) -> None:
    login = Security(user=secret["KAFKA_USERNAME"], password=secret["KAFKA_PASSWORD"], authorities=secret["KAFKA_CA"])
    servers = secret["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    assert servers == stack.servers(), "the addresses inside the cluster"
    options = {"bootstrap_servers": servers, "proxy_url": stack.route().proxy_url, **client_options(login)}
    with KafkaProducer(acks="all", **options) as producer:
        producer.send("tda_jobs", b"one").get(timeout=30)
        with pytest.raises(KafkaError, match="Authorization"):
            producer.send("tda_results", b"two").get(timeout=30)
    consumer = KafkaConsumer(
        "tda_jobs", group_id="shop", auto_offset_reset="earliest", consumer_timeout_ms=30_000, **options
    )
    assert next(consumer).value == b"one"
    consumer.close()
    wrong = Security(user="shop", password="wrong", authorities=login.authorities)
    assert "refuses the user shop" in str(refusal(servers[0], wrong, route=stack.route()))


def test_the_secret_has_a_file_for_each_kind_of_client(secret: Mapping[str, str]) -> None:
    assert {"client.properties", "application.properties", "librdkafka.json", "ca.crt"} <= secret.keys()
    assert secret["ca.crt"] == secret["KAFKA_CA"] == json.loads(secret["librdkafka.json"])["ssl.ca.pem"]


def test_the_policy_admits_the_applications_namespace(stack: ClusterStack) -> None:
    rules = stack.objects("networkpolicies")["kafka"]["spec"]["ingress"]
    assert SHOP in json.dumps(rules)


def test_a_second_up_and_a_refresh_change_nothing(stack: ClusterStack) -> None:
    assert stack.up().changed() == {}
    assert stack.change("refresh").changed() == {}


def test_a_benchmark_logs_in(stack: ClusterStack) -> None:
    options = ("--seconds", "3", "--rate", "50", "--yes-on", stack.name, "--json")
    report = json.loads(runner(stack)("bench", *options).stdout)
    assert report["records"] == {"asked": 150, "acknowledged": 150, "stored": 150}


def test_no_password_is_in_the_state_or_in_an_object_that_is_no_secret(
    stack: ClusterStack, secret: Mapping[str, str]
) -> None:
    secrets = {*stack.generated().values(), secret["KAFKA_PASSWORD"], "BEGIN PRIVATE KEY"}
    assert len(secrets) >= 6
    kinds = "pods,statefulsets,configmaps,services,networkpolicies,events"
    places = {"state": stack.state(), "objects": stack.kubectl("get", kinds, "-o", "json")}
    places |= {pod: stack.kubectl("logs", pod, "--tail=-1") for pod in stack.objects("pods")}
    for text in secrets:
        assert [place for place, found in places.items() if text in found] == []
