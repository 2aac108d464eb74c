"""Dashboards and their queries."""

from components.monitoring.alerts import alert_rules
from components.monitoring.panels import rows_of
from components.monitoring.topology import Topology
from tests.unit.monitoring.samples import WHOLE, topology


def expressions(found: Topology, job: str | None = None) -> list[str]:
    queries = [query for row in rows_of(found, job) for panel in row.panels for query in panel.queries.values()]
    return [rule.expression for rule in alert_rules(found, job)] + queries


def test_every_query_asks_for_this_platform_alone() -> None:
    for query in expressions(topology(monitor=WHOLE), "elsewhere"):
        assert 'job="elsewhere"' in query or 'job="millrace-staging-jmx"' in query
        assert query.count("{") == query.count("job="), query


def test_limits_of_the_dashboard_follow_from_the_topology() -> None:
    def limits(stack: str, title: str) -> list[tuple[float | None, str]]:
        (panel,) = (panel for row in rows_of(topology(stack)) for panel in row.panels if panel.title.startswith(title))
        return list(panel.thresholds)

    assert limits("staging", "Brokers online") == [(None, "red"), (2, "yellow"), (3, "green")]
    assert limits("dev", "Brokers online") == [(None, "red"), (1, "green")]
    assert limits("prod", "Members up") == [(None, "red"), (2, "yellow"), (3, "green")]
    assert limits("dev", "Memory, of maxMemory") == [(None, "green"), (0.9, "red")]
    assert limits("staging", "Memory, of maxMemory") == [(None, "green")], "one that evicts is meant to be full"


def test_dashboards_of_platforms_with_jmx_have_a_row_for_it() -> None:
    titles = [row.title for row in rows_of(topology(monitor=WHOLE))]
    assert titles[-1] == "Broker internals (JMX)"
    assert titles[:-1] == [row.title for row in rows_of(topology())]
