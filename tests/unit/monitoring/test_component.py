"""The monitoring of a platform: its servers, their configuration, and who may connect to them.

Source: components/monitoring/component.py.
Proof limit: nothing is created, no Prometheus reads the rules and no Grafana the dashboard; see
tests/integration/test_monitoring.py.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from components.monitoring.topology import Topology
from components.naming import MEMBER_LABEL
from policies.rules import RULES
from tests.unit.mocks import (
    CONTAINER,
    CREDENTIALS,
    GATED_ROLL,
    GENERATED_PASSWORD,
    IMAGE,
    MEMBER_STORAGE,
    MONITOR_GATE,
    NETWORK_POLICY,
    VOLUME,
    RecordingMocks,
    RecordingMonitor,
    Registered,
    Run,
    masked,
    run_on_cluster,
    run_platform,
    settings_of,
)
from tests.unit.monitoring.samples import ALERTMANAGERS, JMX_IMAGE, WHOLE, files, topology
from tests.unit.policies.programs import stack_of

STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"


@pytest.fixture(scope="module")
def staging() -> Run:
    """The staging stack as in its file."""
    return run_platform(settings_of("staging"), "millrace-staging")


@pytest.fixture(scope="module")
def whole() -> Run:
    """The staging stack with all monitoring."""
    return run_platform(settings_of("staging", monitor=WHOLE, **JMX_IMAGE), "millrace-staging")


@pytest.fixture(scope="module")
def monitor() -> RecordingMonitor:
    return RecordingMonitor(RecordingMocks())


@pytest.fixture(scope="module")
def prod(monitor: RecordingMonitor) -> Run:
    """The prod stack with all monitoring."""
    return run_on_cluster(settings_of("prod", monitor=WHOLE, **JMX_IMAGE), "millrace-prod", monitor)


def variables(container: Registered) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in container.inputs["envs"])


# ------------------------------------------------------------------------------------------------------ on Docker


def test_staging_runs_an_exporter_and_a_prometheus_beside_its_servers(staging: Run) -> None:
    assert {"exporter-0", "prometheus-0"} < set(staging.names(CONTAINER))
    assert "image-millrace/exporter:0.1" in staging.names(IMAGE)
    assert staging.names(VOLUME) == ["prometheus-data", "redis-data", "streaming-data"]
    assert staging.outputs["metricsUrl"] == "http://127.0.0.1:19090/metrics"
    assert staging.outputs["prometheusUrl"] == "http://127.0.0.1:19091"
    assert "grafanaUrl" not in staging.outputs


def test_monitoring_changes_no_other_resource_of_a_platform() -> None:
    plain = run_platform(settings_of("staging", monitor={}), "millrace-staging")
    watched = run_platform(settings_of("staging"), "millrace-staging")
    for name in ("kafka-0", "zookeeper-0", "redis-0"):
        assert plain.one(CONTAINER, name).inputs == watched.one(CONTAINER, name).inputs, "monitoring restarts no server"
    operations: Any = plain.outputs["operations"]
    assert not {"monitor", "topology"} & set(operations)


def test_the_exporter_gets_every_member_by_its_name_in_the_network(staging: Run) -> None:
    exporter = staging.one(CONTAINER, "exporter-0")
    assert variables(exporter) == {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka-0:29092,kafka-1:29092,kafka-2:29092",
        "KAFKA_BROKERS": "kafka-0=kafka-0:29092,kafka-1=kafka-1:29092,kafka-2=kafka-2:29092",
        "KAFKA_HEALTH_CHECK_INTERVAL": "30s",
        "METRICS_PORT": "9090",
        "MINIMUM_IN_SYNC": "2",
        "REDIS_MEMBERS": "redis-0=redis-0:6379",
        "REDIS_PASSWORD_FILE": "/etc/millrace/redis-password",
        "ZOOKEEPER_MEMBERS": "zookeeper-0=zookeeper-0:2181,zookeeper-1=zookeeper-1:2181,zookeeper-2=zookeeper-2:2181",
    }
    assert exporter.inputs["command"] == ["python3", "-m", "exporter"]
    assert exporter.inputs["healthcheck"]["tests"] == ["CMD", "python3", "-m", "exporter.probe"]
    assert "volumes" not in exporter.inputs, "it stores nothing"
    assert exporter.inputs["ports"] == [{"internal": 9090, "external": 19090, "ip": "127.0.0.1", "protocol": "tcp"}]
    assert {"label": MEMBER_LABEL, "value": "exporter-0"} in exporter.inputs["labels"]


def test_passwords_are_only_in_secret_files(whole: Run) -> None:
    exporter, grafana = whole.one(CONTAINER, "exporter-0"), whole.one(CONTAINER, "grafana-0")
    assert files(exporter) == {"/etc/millrace/redis-password": GENERATED_PASSWORD}
    assert files(grafana)["/etc/millrace/grafana-password"] == GENERATED_PASSWORD
    assert variables(grafana)["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/etc/millrace/grafana-password"
    for container in (exporter, grafana):
        assert GENERATED_PASSWORD not in str(masked(container.inputs))
    assert whole.names(CREDENTIALS) == ["grafana-password", "redis-password", "zookeeper-super"]
    assert "grafanaPassword" in whole.secret_outputs


def test_a_given_password_of_grafana_is_used() -> None:
    grafana = {**WHOLE["grafana"], "password": "hunter2"}
    settings = settings_of("dev", monitor={**WHOLE, "jmx": False, "grafana": grafana}, secret_keys=["monitor"])
    run = run_platform(settings, "millrace-dev")
    assert run.names(CREDENTIALS) == ["zookeeper-super"]
    assert files(run.one(CONTAINER, "grafana-0"))["/etc/millrace/grafana-password"] == "hunter2"
    assert "REDIS_PASSWORD_FILE" not in variables(run.one(CONTAINER, "exporter-0")), "dev's Redis requires none"


def test_prometheus_scrapes_exporter_brokers_and_itself(whole: Run) -> None:
    prometheus = whole.one(CONTAINER, "prometheus-0")
    assert prometheus.inputs["command"] == [
        "--config.file=/etc/millrace/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
        "--storage.tsdb.retention.time=360h",
        "--storage.tsdb.retention.size=1073741824B",
        "--web.listen-address=0.0.0.0:9090",
    ]
    config = yaml.safe_load(files(prometheus)["/etc/millrace/prometheus.yml"])
    assert {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]} == {
        "millrace-staging": ["exporter-0:9090"],
        "prometheus": ["localhost:9090"],
        "millrace-staging-jmx": ["kafka-0:7071", "kafka-1:7071", "kafka-2:7071"],
    }
    assert config["rule_files"] == ["/etc/millrace/alerts.yml"]
    assert config["alerting"] == {"alertmanagers": [{"static_configs": [{"targets": ALERTMANAGERS}]}]}
    assert config["global"]["scrape_interval"] == config["global"]["evaluation_interval"] == "30s"


def test_brokers_load_the_agent_in_their_script_and_not_through_the_environment(whole: Run) -> None:
    broker = whole.one(CONTAINER, "kafka-0")
    script = files(broker)["/etc/millrace/start-kafka.sh"]
    agent = "-javaagent:/opt/millrace/jmx_prometheus_javaagent.jar=7071:/etc/millrace/jmx.yaml"
    assert f'export KAFKA_OPTS="${{KAFKA_OPTS:-}} {agent}"\nexec ' in script
    assert "KAFKA_OPTS" not in variables(broker), "a tool in the same container would start an agent on the same port"
    assert 7071 not in [port["internal"] for port in broker.inputs["ports"]], "only members of the network reach it"
    rules = yaml.safe_load(files(broker)["/etc/millrace/jmx.yaml"])
    assert len(rules["includeObjectNames"]) == len(set(rules["includeObjectNames"])) == 12
    assert all(rule["name"] == rule["name"].lower() for rule in rules["rules"])


def test_grafana_gets_its_data_source_and_its_dashboard(whole: Run) -> None:
    given = files(whole.one(CONTAINER, "grafana-0"))
    source = yaml.safe_load(given["/etc/grafana/provisioning/datasources/datasources.yaml"])
    assert [item["url"] for item in source["datasources"]] == ["http://prometheus-0:9090"]
    provider = yaml.safe_load(given["/etc/grafana/provisioning/dashboards/dashboards.yaml"])
    (folder,) = (item["options"]["path"] for item in provider["providers"])
    assert json.loads(given[f"{folder}/dashboard.json"])["uid"] == "millrace-staging"
    assert whole.outputs["grafanaUrl"] == "http://127.0.0.1:13000"


def test_the_gate_is_last_and_has_every_server(whole: Run) -> None:
    (gate,) = whole.of(MONITOR_GATE)
    assert "health" in gate.dependencies, "unhealthy servers are reported once, by the health gate"
    assert {"exporter-0", "prometheus-0", "grafana-0"} <= gate.dependencies
    assert gate.inputs["brokers"] == 3
    assert gate.inputs["ready"] == {
        "grafana-0": "127.0.0.1:13000/api/health",
        "prometheus-0": "127.0.0.1:19091/-/ready",
    }
    assert set(gate.inputs["trigger"]) == {"exporter-0", "prometheus-0", "grafana-0"}


def test_addresses_and_topology_are_exported_for_the_command_line(whole: Run) -> None:
    operations: Any = whole.outputs["operations"]
    assert operations["monitor"] == {
        "exporter": "127.0.0.1:19090",
        "prometheus": "127.0.0.1:19091",
        "grafana": "127.0.0.1:13000",
    }
    assert Topology.read(json.loads(json.dumps(operations["topology"]))) == topology(monitor=WHOLE)


# -------------------------------------------------------------------------------------------------- on Kubernetes


def test_monitoring_pods_have_a_roll_and_those_with_data_have_claims(prod: Run) -> None:
    assert {"exporter-roll", "prometheus-roll", "grafana-roll"} < set(prod.names(GATED_ROLL))
    assert prod.one(GATED_ROLL, "exporter-roll").inputs["safety"] == "components.safety:Safety"
    names = prod.names(MEMBER_STORAGE)
    assert "prometheus-storage" in names
    assert not {"exporter-storage", "grafana-storage"} & set(names)
    for name in ("exporter", "grafana"):
        spec = prod.one(STATEFUL_SET, name).inputs["spec"]
        assert "volumeClaimTemplates" not in spec
        assert "data" not in [mount["name"] for mount in spec["template"]["spec"]["containers"][0]["volumeMounts"]]


def test_an_images_own_entry_point_gets_arguments(prod: Run) -> None:
    def container(name: str) -> Mapping[str, Any]:
        return prod.one(STATEFUL_SET, name).inputs["spec"]["template"]["spec"]["containers"][0]

    assert container("exporter")["command"] == ["python3", "-m", "exporter"]
    assert container("prometheus")["args"][0] == "--config.file=/etc/millrace/prometheus.yml"
    assert "command" not in container("prometheus")
    assert not {"command", "args"} & set(container("grafana")), "an empty list would be a change at every update"


def test_every_volume_that_a_pod_mounts_exists(prod: Run) -> None:
    for name in ("exporter", "prometheus", "grafana"):
        pod = prod.one(STATEFUL_SET, name).inputs["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]} | ({"data"} if name == "prometheus" else set())
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} <= volumes
        assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    sources = prod.one(STATEFUL_SET, "exporter").inputs["spec"]["template"]["spec"]["volumes"][0]["projected"][
        "sources"
    ]
    assert [set(source) for source in sources] == [{"secret"}], "it has no plain file"


def reach(run: Run, name: str) -> set[tuple[str, int]]:
    """Workloads and ports that a workload's pods may connect to."""
    egress = run.one(NETWORK_POLICY, name).inputs["spec"]["egress"]
    return {
        (peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"], port["port"])
        for rule in egress
        for peer in rule.get("to", [])
        for port in rule["ports"]
    }


def admits(run: Run, name: str, port: int) -> set[str]:
    """Workloads of which pods may connect to a port."""
    return {
        peer["podSelector"]["matchLabels"].get("app.kubernetes.io/name", "clients")
        for rule in run.one(NETWORK_POLICY, name).inputs["spec"]["ingress"]
        if port in [entry["port"] for entry in rule["ports"]]
        for peer in rule["from"]
    }


def test_network_policies_admit_the_monitoring(prod: Run) -> None:
    assert reach(prod, "exporter") == {("kafka", 29092), ("zookeeper", 2181), ("redis", 6379)}
    assert reach(prod, "prometheus") == {("exporter", 9090), ("kafka", 7071)}
    assert reach(prod, "grafana") == {("prometheus", 9090)}
    assert admits(prod, "zookeeper", 2181) == {"kafka", "exporter"}
    assert admits(prod, "redis", 6379) == {"clients", "exporter"}
    assert admits(prod, "kafka", 29092) == {"kafka", "clients", "exporter"}
    assert admits(prod, "kafka", 7071) == {"prometheus", "clients"}


def test_only_the_pod_that_sends_alerts_may_connect_to_their_receivers_ports(prod: Run) -> None:
    def anywhere(name: str) -> list[int]:
        egress = prod.one(NETWORK_POLICY, name).inputs["spec"]["egress"]
        return [port["port"] for rule in egress if "to" not in rule for port in rule["ports"]]

    assert anywhere("prometheus") == [53, 53, 443, 9093]
    assert anywhere("exporter") == anywhere("grafana") == [53, 53]


def test_monitoring_adds_no_policy_violation_in_production(prod: Run, monitor: RecordingMonitor) -> None:
    judged = stack_of(monitor, "prod")
    found = {rule.name for rule in RULES if rule.evaluate(judged).findings or rule.evaluate(judged).undecided}
    assert found == {"storage-class-known"}
    assert prod.outputs["metricsUrl"] == "http://exporter-0.exporter.streaming.svc.cluster.local:9090/metrics"
