"""Rules and dashboards for the user's own Prometheus and Grafana, from a stack's outputs.

Source: ops/commands/monitoring.py.
"""

import json

import pytest
import yaml

from ops.commands.monitoring import _topology
from ops.errors import RefusedError
from ops.platform import Platform
from tests.unit.mocks import ROOT, settings_of


def platform(operations: dict[str, object]) -> Platform:
    return Platform(
        stack="blue",
        name="millrace-blue",
        target="docker",
        brokers={},
        zookeeper={},
        redis={},
        outputs={"operations": operations},
    )


def test_the_topology_is_that_of_the_running_stack() -> None:
    written = settings_of("staging").topology("millrace-blue")
    outputs = json.loads(json.dumps(written.as_output()))
    assert _topology(platform({"topology": outputs})) == written


def test_a_stack_without_an_exporter_is_refused_with_the_fix() -> None:
    with pytest.raises(RefusedError) as caught:
        _topology(platform({}))
    assert str(caught.value) == (
        "stack blue runs no metrics exporter, so there is nothing to watch\n"
        "  - set monitor.enabled to true in Pulumi.blue.yaml and run `pulumi up -s blue`"
    )


def test_the_staging_file_switches_the_exporter_and_prometheus_on() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.staging.yaml").read_text())["config"]["millrace:monitor"]
    assert (declared["enabled"], declared["prometheus"]) == (True, {"enabled": True})
