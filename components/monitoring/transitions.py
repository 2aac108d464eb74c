"""What a change of the monitoring servers' settings means."""

from components.transitions import (
    GROWING_STORAGE,
    TURNED_OFF,
    TURNED_ON,
    Allowed,
    Case,
    Rule,
    Table,
    always,
    container_rules,
    nested,
    port_rule,
)


def _switch(server: str, loss: str = "") -> Rule:
    removed = f"removes {server}{loss}"
    return (
        Case(when=TURNED_ON, answer=Allowed(note=f"adds {server}")),
        Case(when=TURNED_OFF, answer=Allowed(note=removed)),
    )


_PROMETHEUS: Table = {
    **container_rules("prometheus"),
    "storage": GROWING_STORAGE,
    "enabled": _switch("Prometheus", " and its samples; refused while the volume is protected"),
    "port": port_rule("prometheus", users="readers"),
    "retention": always(Allowed(restarts=("prometheus",), note="older samples are deleted")),
    "retentionSize": always(Allowed(restarts=("prometheus",), note="what no longer fits is deleted, oldest first")),
    "alertmanagers": always(Allowed(restarts=("prometheus",))),
}

_GRAFANA: Table = {
    **container_rules("grafana"),
    "enabled": _switch("Grafana; its dashboards come from code"),
    "port": port_rule("grafana", users="readers"),
    "password": always(Allowed(restarts=("grafana",))),
}

RULES: Table = {
    **container_rules("exporter"),
    "enabled": _switch("the exporter", ", and Prometheus with its samples where it runs"),
    "port": port_rule("exporter", users="readers"),
    "interval": always(Allowed(restarts=("exporter", "prometheus", "grafana"))),
    "lagThreshold": always(Allowed(restarts=("prometheus", "grafana"))),
    "jmx": always(Allowed(restarts=("kafka", "prometheus", "grafana"))),
    **nested("prometheus", _PROMETHEUS),
    **nested("grafana", _GRAFANA),
}
"""The answer for each of the monitoring servers' settings."""
