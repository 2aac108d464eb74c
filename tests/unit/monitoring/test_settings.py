"""Settings of monitoring in a stack file.

Source: components/monitoring/settings.py.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from components.errors import SettingsError
from components.stack_file.settings import Settings, load_settings
from tests.unit.mocks import (
    settings_of,
)
from tests.unit.monitoring.samples import WHOLE

INTERVAL = "must be whole seconds, from 1s to 2m: Prometheus forgets a sample after 5 minutes"


@pytest.mark.parametrize(
    ("monitor", "lines"),
    [
        ({"jmx": True}, ["monitor: jmx is true but enabled is false; set enabled to true"]),
        (
            {"prometheus": {"enabled": True}},
            ["monitor: prometheus.enabled is true but enabled is false; set enabled to true"],
        ),
        (
            {"grafana": {"enabled": True}},
            [
                "monitor: grafana.enabled is true but enabled is false; set enabled to true",
                "monitor: grafana.enabled is true but prometheus.enabled is false; set prometheus.enabled to true",
            ],
        ),
        ({"enabled": True, "interval": "10m"}, [f'monitor.interval is "10m": {INTERVAL}']),
        ({"enabled": True, "interval": "1500ms"}, [f'monitor.interval is "1500ms": {INTERVAL}']),
        ({"enabled": True, "lagThreshold": 0}, ["monitor.lagThreshold is 0: must be at least 1"]),
        ({"enabled": True, "port": 0}, ["monitor.port is 0: must be at least 1"]),
        (
            {"enabled": True, "prometheus": {"enabled": True, "retention": "0s"}},
            ['monitor.prometheus.retention is "0s": must be at least 1s'],
        ),
        (
            {"enabled": True, "prometheus": {"enabled": True, "retentionSize": "20GiB"}},
            ["monitor.prometheus: retentionSize 20.0GiB must be above 0 and at most storage 10.0GiB"],
        ),
        *(
            (
                {"enabled": True, "prometheus": {"enabled": True, "alertmanagers": [wrong]}},
                [
                    f'monitor.prometheus.alertmanagers[0] is "{wrong}": must be host:port, '
                    "as in alertmanager.monitoring:9093"
                ],
            )
            for wrong in ("alertmanager", ":9093", "alertmanager:", "http://alertmanager:9093", "a:0", "a:65536")
        ),
        ({"enabled": True, "port": 9092}, ["kafka-0 and exporter-0 would both take port 9092"]),
        (
            {"enabled": True, "prometheus": {"enabled": True, "port": 9090}},
            ["exporter-0 and prometheus-0 would both take port 9090"],
        ),
    ],
)
def test_a_mistake_is_reported_with_its_path_and_fix(monitor: Mapping[str, Any], lines: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"monitor": monitor}, source="Pulumi.test.yaml")
    assert list(caught.value.problems) == lines


def test_an_unknown_key_is_reported_with_a_similar_one() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"monitor": {"prometheus": {"enable": True}}}, source="Pulumi.test.yaml")
    assert 'monitor.prometheus.enable: unknown key. Did you mean "enabled"?' in str(caught.value)


def test_a_plain_text_password_of_grafana_is_refused_and_not_repeated() -> None:
    declared = {
        "monitor": {"grafana": {"password": "hunter2"}},
        "redis": {"authentication": True, "password": "hunter3"},
    }
    with pytest.raises(SettingsError) as caught:
        load_settings(declared, source="Pulumi.test.yaml")
    assert "--path 'millrace:monitor.grafana.password'" in str(caught.value)
    assert "--path 'millrace:redis.password'" in str(caught.value)
    assert "hunter" not in str(caught.value)
    load_settings({"monitor": {"grafana": {"password": "hunter2"}}}, source="", secret_keys=["monitor"])


def test_monitoring_is_disabled_by_default() -> None:
    for profile in ("light", "ha"):
        monitor = load_settings({"profile": profile}, source="").monitor
        assert [monitor.enabled, monitor.jmx, monitor.prometheus.enabled, monitor.grafana.enabled] == [False] * 4
        assert monitor.host_ports() == {}


def test_settings_with_all_monitoring_are_valid() -> None:
    settings: Settings = settings_of("staging", monitor=WHOLE)
    assert settings.monitor.host_ports() == {"exporter-0": 19090, "prometheus-0": 19091, "grafana-0": 13000}
