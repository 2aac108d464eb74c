"""Monitoring on a real engine: the exporter, Prometheus with its rules and queries, the brokers' JMX metrics.

Prometheus' own promtool tests the rules of every stack file: each alert fires when it should, and no restart of a
member fires any. There is no local Grafana image; tests/unit tests the files that Grafana gets.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from kafka import KafkaConsumer, KafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from components.images import SETS
from components.monitoring.alerts import alert_rules, render_alerts
from components.monitoring.client import get
from components.monitoring.files import jmx_job, prometheus_config
from components.monitoring.panels import rows_of
from components.monitoring.promql import selected
from components.monitoring.topology import Topology
from tests.integration import alert_scenarios
from tests.integration.ops.conftest import runner
from tests.integration.stacks import (
    Stack,
    beside,
    bootstrap,
    eventually,
    left_on_engine,
    ports_of,
    running_members,
    standing,
)
from tests.unit.regenerate_golden import STACKS, settings_of

PORTS = ports_of("watched")
MEMBERS = ["exporter-0", "kafka-0", "prometheus-0", "redis-0", "zookeeper-0"]
GROUP = "readers"

EMPTY_WHEN_HEALTHY = ("Under-replicated, by topic", "Under min ISR, by topic")
"""Panels that show only problems."""


def promtool(folder: Path, *arguments: str) -> str:
    """Run promtool from the local Prometheus image on the files of a folder; returns its output."""
    image = SETS["local"]["prometheus"]
    sandbox = ["--network", "none", "--volume", f"{folder}:/work:ro", "--workdir", "/work"]
    done = subprocess.run(
        ["docker", "run", "--rm", *sandbox, "--entrypoint", "promtool", image, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=STACKS)
def topology(request: pytest.FixtureRequest) -> Topology:
    """The platform of each stack file."""
    return settings_of(request.param).topology(f"millrace-{request.param}")


@pytest.fixture
def rendered(topology: Topology, tmp_path: Path) -> Path:
    """A folder with the configuration and the rules of a platform's Prometheus."""
    tmp_path.chmod(0o755)  # the image's user, nobody, must read it
    brokers = [f"kafka-{broker}:7071" for broker in range(topology.brokers)]
    config = prometheus_config(
        topology,
        exporter="exporter-0:9090",
        itself="localhost:9090",
        brokers=brokers,
        rules=["alerts.yml"],
        alertmanagers=["alertmanager:9093"],
    )
    (tmp_path / "prometheus.yml").write_text(config)
    (tmp_path / "alerts.yml").write_text(render_alerts(topology))
    return tmp_path


def test_promtool_accepts_the_configuration_and_the_rules(rendered: Path, topology: Topology) -> None:
    output = promtool(rendered, "check", "config", "--syntax-only", "--lint=all", "--lint-fatal", "prometheus.yml")
    assert "is valid prometheus config file syntax" in output
    output = promtool(rendered, "check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")
    assert f"{len(alert_rules(topology))} rules found" in output


def test_every_alert_fires_on_its_fault_and_none_during_a_roll(rendered: Path, topology: Topology) -> None:
    (rendered / "tests.yml").write_text(alert_scenarios.test_file(topology, "alerts.yml"))
    assert "SUCCESS" in promtool(rendered, "test", "rules", "tests.yml")


def test_the_scenarios_fail_if_alerts_fire_too_early(rendered: Path, topology: Topology) -> None:
    rules = yaml.safe_load((rendered / "alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = "0s"
    (rendered / "alerts.yml").write_text(yaml.safe_dump(rules))
    (rendered / "tests.yml").write_text(alert_scenarios.test_file(topology, "alerts.yml"))
    with pytest.raises(AssertionError, match="FAILED"):
        promtool(rendered, "test", "rules", "tests.yml")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The dev stack with a password, monitoring, Prometheus and JMX, checked every two seconds."""
    changes: dict[str, Any] = {
        **PORTS.overrides(),
        "redis.authentication": True,
        "monitor": {
            "enabled": True,
            "port": PORTS.exporter,
            "interval": "2s",
            "jmx": True,
            "prometheus": {"enabled": True, "port": PORTS.prometheus},
        },
    }
    stack = Stack(tmp_path_factory.mktemp("watched") / "project", "test-watched", "Pulumi.dev.yaml", changes)
    with standing(stack):
        yield stack


def api(path: str, **query: str) -> Any:
    """The data of an answer of Prometheus' HTTP API; fails on an error."""
    with urlopen(f"http://127.0.0.1:{PORTS.prometheus}/api/v1/{path}?{urlencode(query)}", timeout=30) as answer:
        content = json.load(answer)
    assert content["status"] == "success", content
    return content["data"]


def values(query: str) -> list[float]:
    """The values of an instant query."""
    found = api("query", query=query)
    return (
        [float(found["result"][1])]
        if found["resultType"] == "scalar"
        else [float(item["value"][1]) for item in found["result"]]
    )


def live(stack: Stack) -> Topology:
    """The topology of the running platform."""
    return Topology.read(stack.outputs()["operations"]["topology"])


def test_up_ends_with_a_monitored_platform(watched: Stack) -> None:
    assert running_members(watched.platform) == MEMBERS
    outputs = watched.outputs()
    assert outputs["metricsUrl"] == f"http://127.0.0.1:{PORTS.exporter}/metrics"
    assert outputs["prometheusUrl"] == f"http://127.0.0.1:{PORTS.prometheus}"
    assert "grafanaUrl" not in outputs
    assert outputs["operations"]["monitor"] == {
        "exporter": f"127.0.0.1:{PORTS.exporter}",
        "prometheus": f"127.0.0.1:{PORTS.prometheus}",
    }
    families = text_string_to_metric_families(get(f"127.0.0.1:{PORTS.exporter}/metrics"))
    samples = {(item.name, *sorted(item.labels.items())): item.value for family in families for item in family.samples}
    assert samples["kafka_cluster_brokers",] == 1
    assert samples["platform_check_success", ("check", "redis")] == 1, "the exporter knows the password of Redis"


def test_the_password_of_redis_is_only_in_its_file(watched: Stack) -> None:
    password = watched.outputs()["clientEnvironment"]["REDIS_PASSWORD"]
    exporter = watched.container("exporter-0")
    places = {"state": watched.state(), "inspect": str(exporter.attrs), "processes": str(exporter.top())}
    places |= {"log": exporter.logs().decode(), "metrics": get(f"127.0.0.1:{PORTS.exporter}/metrics")}
    for place, text in places.items():
        assert password not in text, f"the password is in the {place}"


def test_prometheus_reaches_every_target(watched: Stack) -> None:
    def healths() -> dict[str, str]:
        return {target["labels"]["job"]: target["health"] for target in api("targets")["activeTargets"]}

    expected = dict.fromkeys([watched.platform, jmx_job(watched.platform), "prometheus"], "up")
    eventually(lambda: healths() == expected, what=f"all targets to be up, not {healths()}")


def test_the_monitoring_containers_become_healthy(watched: Stack) -> None:
    def health(member: str) -> str:
        return watched.container(member).attrs["State"]["Health"]["Status"]

    for member in ("exporter-0", "prometheus-0"):
        eventually(lambda member=member: health(member) == "healthy", 60, f"health of {member}, not {health(member)}")


def test_the_rules_are_loaded_and_evaluated(watched: Stack) -> None:
    def rules() -> list[Any]:
        return [rule for group in api("rules")["groups"] for rule in group["rules"]]

    assert {rule["name"] for rule in rules()} == alert_scenarios.names(alert_rules(live(watched)))
    eventually(lambda: all(rule["health"] == "ok" for rule in rules()), what="an evaluation of all rules")


def test_every_query_of_the_alerts_and_the_dashboard_works(watched: Stack) -> None:
    _read_some(watched)
    eventually(lambda: values(selected("kafka_consumer_group_lag", group=GROUP)) != [], 60, "the group's lag")
    for rule in alert_rules(live(watched)):
        assert values(rule.expression) == [], f"{rule.name} on a healthy platform"
    for row in rows_of(live(watched)):
        for panel in row.panels:
            for query in panel.queries.values():
                found = values(query)
                assert bool(found) != (panel.title in EMPTY_WHEN_HEALTHY), (
                    f"{row.title}, {panel.title}: {query}: {found}"
                )


def _read_some(stack: Stack) -> None:
    """Write records, and read some of them in a group."""
    servers = list(bootstrap(stack))
    producer = KafkaProducer(bootstrap_servers=servers)
    for number in range(20):
        producer.send("tda_events", str(number).encode())
    producer.flush()
    producer.close()
    consumer = KafkaConsumer(
        "tda_events",
        bootstrap_servers=servers,
        group_id=GROUP,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=5,
    )
    read = 0
    while not read:
        read = sum(map(len, consumer.poll(timeout_ms=1000).values()))
    consumer.commit()
    consumer.close()


def test_brokers_export_jmx_metrics_and_tools_in_their_containers_still_start(watched: Stack) -> None:
    job = jmx_job(watched.platform)
    eventually(lambda: values(f'kafka_controller_active{{job="{job}"}}') == [1.0], what="the broker's own metrics")
    names = {item["__name__"] for item in api("series", **{"match[]": f'{{job="{job}"}}'})}
    assert {"kafka_server_bytes_in_total", "kafka_network_request_p99_milliseconds"} <= names
    assert {"kafka_log_flush_p99_milliseconds", "kafka_server_under_replicated_partitions"} <= names
    tool = ["/opt/kafka/bin/kafka-topics.sh", "--bootstrap-server", "kafka-0:29092", "--list"]
    code, output = watched.container("kafka-0").exec_run(tool)
    assert code == 0, output.decode()
    assert "tda_jobs" in output.decode()


def test_the_command_line_prints_rules_and_dashboard_for_a_foreign_prometheus(watched: Stack, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    ops = runner(watched)
    (tmp_path / "rules.yml").write_text(ops("rules", "--job", "elsewhere").stdout)
    assert "SUCCESS" in promtool(tmp_path, "check", "rules", "rules.yml")
    assert 'job="elsewhere"' in (tmp_path / "rules.yml").read_text()
    dashboard = json.loads(ops("dashboard").stdout)
    assert dashboard["uid"] == watched.platform
    assert ops("logs", "exporter-0").stdout, "the command that the alert ExporterDown recommends"


def test_a_second_up_changes_nothing(watched: Stack) -> None:
    assert watched.up().changed() == {}
    assert watched.change("refresh", "--expect-no-changes").code == 0


def test_a_stopped_broker_fires_an_alert_and_its_return_ends_it(watched: Stack) -> None:
    alert = 'ALERTS{alertname="BrokerDown",severity="critical",broker_id="0"}'
    assert values(alert) == []
    watched.container("kafka-0").stop(timeout=30)
    try:
        eventually(lambda: values(alert) == [1.0], 60, "the alert")
    finally:
        watched.container("kafka-0").start()
    eventually(lambda: values(alert) == [], 90, "the end of the alert")


RECEIVER = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200)
        self.end_headers()

HTTPServer(("", 9093), Receiver).serve_forever()
"""
ALWAYS = {"groups": [{"name": "own", "rules": [{"alert": "Always", "expr": "vector(1)"}]}]}


def test_alerts_are_sent_to_an_alertmanager(watched: Stack, tmp_path: Path) -> None:
    """A Prometheus with the rendered configuration and a rule that fires at once, on the platform's network."""
    tmp_path.chmod(0o755)
    config = prometheus_config(
        live(watched),
        exporter="exporter-0:9090",
        itself="localhost:9090",
        brokers=[],
        rules=["/rules/always.yml"],
        alertmanagers=[f"{watched.platform}-receiver:9093"],
    )
    (tmp_path / "prometheus.yml").write_text(config)
    (tmp_path / "always.yml").write_text(yaml.safe_dump(ALWAYS))
    # The first alert is sent before the receiver is discovered; by default it would be sent again after a minute.
    again = "--rules.alert.resend-delay=1s"
    command = ["--config.file=/rules/prometheus.yml", "--storage.tsdb.path=/prometheus", again]
    images, files = SETS["local"], {str(tmp_path): {"bind": "/rules", "mode": "ro"}}
    with (
        beside(watched, images["exporter"], "receiver", command=["python3", "-c", RECEIVER]) as receiver,
        beside(watched, images["prometheus"], "sender", command=command, volumes=files),
    ):
        eventually(lambda: b"Always" in receiver.logs(stderr=False), 60, "the alert")
        path, alerts = receiver.logs(stderr=False).decode().splitlines()[0].split(" ", 1)
    assert path == "/api/v2/alerts"
    assert json.loads(alerts)[0]["labels"] == {"alertname": "Always", "platform": watched.platform}


def test_an_exporter_setting_restarts_no_server(watched: Stack) -> None:
    watched.set("monitor.interval", "3s")
    changed = watched.up().changed()
    assert changed["replace"] == ["exporter-0", "prometheus-0"]
    records = {"declared", "applied"}
    assert set(changed["update"]) <= {"monitor", "test-watched", watched.platform, "exporter", "prometheus"} | records
    eventually(lambda: values("sum(kafka_broker_online)") == [1.0], what="a scrape of the new exporter")


def test_destroy_leaves_nothing_behind(watched: Stack) -> None:
    watched.change("destroy")
    assert left_on_engine(watched.platform) == []
