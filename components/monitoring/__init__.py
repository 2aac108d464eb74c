"""Monitoring of a platform: metrics exporter, Prometheus, Grafana, alert rules and dashboard."""
