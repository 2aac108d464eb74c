"""Dashboards and their queries.

Source: components/monitoring/panels.py.
Proof limit: no Grafana renders them; tests/integration/test_monitoring.py runs their queries.
"""

from components.monitoring.alerts import alert_rules
from components.monitoring.panels import rows_of
from components.monitoring.topology import Topology
from tests.unit.monitoring.samples import WHOLE, topology


def expressions(found: Topology, job: str | None = None) -> list[str]:
    queries = [query for row in rows_of(found, job) for panel in row.panels for query in panel.queries.values()]
    return [rule.expression for rule in alert_rules(found, job)] + queries


def test_every_query_selects_only_this_platform() -> None:
    for query in expressions(topology(monitor=WHOLE), "elsewhere"):
        assert 'job="elsewhere"' in query or 'job="millrace-staging-jmx"' in query
        assert query.count("{") == query.count("job="), query


def test_the_dashboards_limits_follow_from_the_topology() -> None:
    def limits(stack: str, title: str) -> list[tuple[float | None, str]]:
        (panel,) = (panel for row in rows_of(topology(stack)) for panel in row.panels if panel.title.startswith(title))
        return list(panel.thresholds)

    assert limits("staging", "Brokers online") == [(None, "red"), (2, "yellow"), (3, "green")]
    assert limits("dev", "Brokers online") == [(None, "red"), (1, "green")]
    assert limits("prod", "Members up") == [(None, "red"), (2, "yellow"), (3, "green")]
    assert limits("dev", "Memory, of maxMemory") == [(None, "green"), (0.9, "red")]
    assert limits("staging", "Memory, of maxMemory") == [(None, "green")], "a Redis that evicts keys is full by design"


def test_only_dashboards_of_platforms_with_jmx_have_a_jmx_row() -> None:
    titles = [row.title for row in rows_of(topology(monitor=WHOLE))]
    assert titles[-1] == "Broker internals (JMX)"
    assert titles[:-1] == [row.title for row in rows_of(topology())]
